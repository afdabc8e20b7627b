"""Streaming of notes from a source, one at a time, read and computed in parallel."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.data.source import BadNotes, Source, error_text

if TYPE_CHECKING:
    import tensorflow as tf


def stream_notes(
    source: Source,
    rows: np.ndarray,
    compute: Callable[[dict], tf.Tensor],
    bad_notes: BadNotes,
    order: tuple[int, int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Read notes, and compute something of each, in a parallel `tf.data` pipeline.

    Args:
        source: where the notes come from.
        rows: int64 `[n]`, rows of `source.table`.
        compute: maps an element of `Source.audio` to a tensor, in the graph.
        bad_notes: gets every invalid note, which is then left out.
        order: None for the order of `rows`, else (seed, epoch).

    Yields:
        (row, the result of `compute`).

    Raises:
        BadNoteError: for an invalid note, under the policy `error`.
    """
    import tensorflow as tf

    def to_result(element: dict) -> tuple:
        return element["row"], compute(element), element["problem"]

    # Notes side by side use the cores better than the parts of one note: one thread an operator, more notes than cores.
    workers = 2 * (os.cpu_count() or 1)
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    dataset = source.audio(rows, order).map(to_result, num_parallel_calls=workers, deterministic=True)
    expected = source.order_of(rows, order)
    iterator = iter(dataset.prefetch(workers).with_options(options))
    position = -1
    while True:
        position += 1
        try:
            row, result, problem = next(iterator)
        except StopIteration:
            return
        except tf.errors.OpError as error:
            if expected is None:
                raise
            bad_notes.report(source.location(int(expected[position])), f"cannot be decoded ({error_text(error)})")
            continue
        if problem.numpy():
            bad_notes.report(source.location(int(row)), problem.numpy().decode())
        else:
            yield int(row), result.numpy()


def stream_audio(
    source: Source, rows: np.ndarray, bad_notes: BadNotes, order: tuple[int, int] | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Read the audio of notes; see `stream_notes`.

    Yields:
        (row, audio: float32 `[num_samples]`).
    """
    return stream_notes(source, rows, lambda note: note["audio"], bad_notes, order)


def read_notes(source: Source, rows: np.ndarray, bad_notes: BadNotes) -> Iterator[tuple[int, np.ndarray]]:
    """Read the audio of notes, without TensorFlow where the source does not need it; arguments as in `stream_audio`.

    Yields:
        (row, audio: float32 `[num_samples]`).
    """
    if source.needs_tensorflow:
        yield from stream_audio(source, rows, bad_notes)
        return
    for row in rows:
        audio, problem = source.read(row)
        if problem:
            bad_notes.report(source.location(row), problem)
        else:
            yield int(row), audio


def stream_batches(
    source: Source, rows: np.ndarray, bad_notes: BadNotes, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the audio of notes, a batch at a time; see `stream_notes`.

    Yields:
        (rows: int64 `[n]`, audio: float32 `[n, num_samples]`), n at most `batch_size`.
    """
    stream = stream_audio(source, rows, bad_notes)
    while batch := list(itertools.islice(stream, batch_size)):
        found, audio = zip(*batch, strict=True)
        yield np.array(found, np.int64), np.stack(audio)
