"""Batches of audio and labels of one split's notes, kept in memory or read anew in every epoch.

Both round the audio to 16 bits: exact for 16-bit sources such as NSynth, -96 dB of full scale for others (Vorbis, MP3,
resampled sounds, 24 bits). So both give the same numbers. Where the source knows its order (files do, TFRecord does
not), they come in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.base import WHOLE, IndexedNotes, Order, Shard, SplitNotes, StreamedNotes
from nsynth_vae.data.source import BadNotes, NoteTable, Source, shuffled
from nsynth_vae.data.streaming import stream_audio
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

BYTES_A_SAMPLE = 2

LABELS = ("pitch",)
"""Default labels of a batch: what a synthesizer is conditioned on."""


class AudioNotes(SplitNotes):
    """The audio and labels of one split's notes, as batches.

    A batch is {`audio`: float32 `[batch, num_samples]`, label: int32 `[batch]`, ...}. Labels are columns of a
    `NoteTable`, by their names there; unknown ones are `notes.UNKNOWN`. An epoch has every note once, except the rest
    that fills no whole batch, in an order that is a pure function of (seed, epoch). Notes fewer than one batch are
    repeated to fill it.
    """

    config: AudioConfig
    labels: Sequence[str]

    def _signature(self, batch_size: int | None) -> dict[str, tf.TensorSpec]:
        import tensorflow as tf

        audio = {"audio": tf.TensorSpec([batch_size, self.config.num_samples], tf.float32)}
        return audio | {name: tf.TensorSpec([batch_size], tf.int32) for name in self.labels}

    def _labelled(self, audio: np.ndarray, table: NoteTable, index: np.ndarray | int) -> dict[str, np.ndarray]:
        return {"audio": audio} | {name: getattr(table, name)[index] for name in self.labels}


class MemoryAudio(IndexedNotes, AudioNotes):
    """All audio in one array of 16-bit integers."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        config: AudioConfig,
        bad_notes: BadNotes,
        progress: Callable[[int], None] = lambda notes: None,
        labels: Sequence[str] = LABELS,
    ) -> None:
        """Read the valid notes at `rows` of the source's table; call `progress` with 1 for each.

        Raises:
            BadNoteError: for an invalid note, under the policy `error`.
            InputError: if no note is left.
        """
        self._audio = np.empty((len(rows), config.num_samples), np.int16)
        self._step = np.empty(len(rows), np.float32)
        good: list[int] = []
        for row, audio in stream_audio(source, rows, bad_notes):
            self._audio[len(good)], self._step[len(good)] = quantize(audio)
            good.append(row)
            progress(1)
        if not good:
            raise InputError(f"{source.name}: no note can be used, expected at least one")
        super().__init__(source, np.array(good, np.int64))
        self.config, self.labels, self._source = config, labels, source

    def read(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Return a batch of the notes at these rows of `self.table`."""
        return self._labelled(dequantize(self._audio[index], self._step[index, None]), self.table, index)

    def training(self, *, batch_size: int, seed: int, first_step: int = 0, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Return endless batches; see the base classes."""
        steps = self.steps_per_epoch(batch_size)

        def plan(order: Order) -> list[tuple[np.ndarray]]:
            return [(rows,) for rows in np.resize(self._order(order), [steps, batch_size])]

        return self._by_plan(plan, self.read, batch_size=batch_size, seed=seed, first_step=first_step, shard=shard)

    def _order(self, order: Order) -> np.ndarray:
        """Return an epoch's notes, as rows of `self.table`: in the source's own order, if it is known."""
        rows = self._source.order_of(self.rows, order)
        if rows is None:
            return shuffled(np.arange(len(self.rows)), order)
        by_row = np.argsort(self.rows)
        return by_row[np.searchsorted(self.rows, rows, sorter=by_row)]


class StreamedAudio(StreamedNotes, AudioNotes):
    """Audio read anew each epoch; memory does not grow with the number of notes."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        config: AudioConfig,
        bad_notes: BadNotes,
        labels: Sequence[str] = LABELS,
    ) -> None:
        """Take the notes at `rows` of the source's table."""
        super().__init__(source, rows, bad_notes)
        self.config, self.labels = config, labels

    def training(self, *, batch_size: int, seed: int, first_step: int = 0, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Return endless batches; see the base classes."""
        return self._by_epochs(self._endless, batch_size=batch_size, seed=seed, first_step=first_step, shard=shard)

    def _stream(self, order: Order | None) -> Iterator[tuple[int, np.ndarray]]:
        return stream_audio(self._source, self.rows, self._bad_notes, order)

    def _element(self, row: int, values: np.ndarray) -> dict[str, np.ndarray]:
        return self._labelled(dequantize(*quantize(values)), self._source.table, row)


def open_audio(
    source: Source,
    rows: np.ndarray,
    config: AudioConfig,
    bad_notes: BadNotes,
    *,
    memory: bool,
    progress: Callable[[int], None] = lambda notes: None,
    labels: Sequence[str] = LABELS,
) -> AudioNotes:
    """Open the audio of some notes, in memory, or else streamed.

    Args:
        source: where the notes come from.
        rows: int64 `[n]`, rows of `source.table`.
        config: the audio configuration.
        bad_notes: gets every invalid note.
        memory: whether all of it may be kept in memory; see `audio_megabytes`.
        progress: called with numbers of notes as they are read.
        labels: columns of `NoteTable` in the batches.

    Raises:
        BadNoteError: for an invalid note, under the policy `error`.
        InputError: if no note is left.
    """
    if memory:
        return MemoryAudio(source, rows, config, bad_notes, progress, labels)
    return StreamedAudio(source, rows, config, bad_notes, labels)


def audio_megabytes(notes: int, config: AudioConfig) -> float:
    """Return the size in MB (1e6 bytes) of the audio of a number of notes."""
    return notes * config.num_samples * BYTES_A_SAMPLE / 1e6


def quantize(audio: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Return audio, float32 `[samples]`, as 16-bit integers and the step between two of them.

    The step is 2^-15, as in 16-bit files, or as much more as audio that goes beyond -1..1 needs.
    """
    step = np.float32(max(1.0, float(np.max(np.abs(audio)))) / 2**15)
    return np.clip(np.rint(audio / step), -(2**15), 2**15 - 1).astype(np.int16), step


def dequantize(values: np.ndarray, step: np.ndarray | np.floating) -> np.ndarray:
    """Return the audio, float32, of 16-bit integers and their step."""
    return values.astype(np.float32) * step
