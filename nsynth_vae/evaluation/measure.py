"""Measurement of a system's sounds, in processes of their own."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.cli.progress import Progress
from nsynth_vae.data.load_notes import Notes
from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation.sound_measures import make_pool, measure_sound
from nsynth_vae.evaluation.systems import Requests, System, SystemOutput, audio_of, family_names
from nsynth_vae.timbre_model import BATCH

if TYPE_CHECKING:
    import tensorflow as tf

    from nsynth_vae.evaluation.classifier import Classifier

Record = dict[str, Any]
"""One sound: `note`, `reference` (None if there is none), `ends`, `step`, `pitch`, `family`, and its measures."""

_WAITING = 8
"""Batches that may wait for their measures: the sounds of more would fill the memory."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """The measures of a system's sounds."""

    records: list[Record]
    features: np.ndarray | None
    """float `[sounds, feature_dim]`, the own classifier's; None without one."""


def measure_all(
    systems: Sequence[System], notes: Notes, jobs: int, classifier: Classifier | None
) -> dict[str, Measured]:
    """Return `measure` of each system, by name, in `jobs` processes and with a progress bar."""
    import tensorflow as tf

    # Traced once for all systems.
    classify = None if classifier is None else tf.function(classifier.call, reduce_retracing=True, autograph=False)
    measured, done, total = {}, 0, sum(len(system.requests) for system in systems)
    bar = Progress("Measuring")
    with make_pool(jobs) as pool:
        for system in systems:

            def advance(count: int, title: str = system.title) -> None:
                nonlocal done
                done += count
                bar.to(done / total, f"{done:,} of {total:,} sounds: {title}")

            try:
                measured[system.name] = measure(system, notes, pool, classify, advance)
            except BaseException:
                # Ctrl-C must not wait for the sounds that are next.
                pool.shutdown(cancel_futures=True)
                raise
    bar.close()
    return measured


def measure(
    system: System,
    notes: Notes,
    pool: ProcessPoolExecutor,
    classify: Callable[[np.ndarray], dict[str, tf.Tensor]] | None,
    progress: Callable[[int], None] = lambda sounds: None,
) -> Measured:
    """Make all sounds requested of a system and measure them.

    Args:
        system: the system.
        notes: the evaluated notes, which are the references.
        pool: see `make_pool`.
        classify: the classifier's call, for the own-classifier figures; None for none.
        progress: called with each number of finished sounds.
    """
    table = notes.loaded.table
    records: list[Record] = []
    features: list[np.ndarray] = []
    waiting: collections.deque[tuple[list[Record], list[Future]]] = collections.deque()
    for start in range(0, len(system.requests), BATCH):
        requests = system.requests.take(slice(start, start + BATCH))
        output = system.play(requests)
        batch = _records(requests, output, table)
        if classify is not None:
            # NaN in one sound would make all predictions NaN.
            finite = np.nan_to_num(output.audio, nan=0.0, posinf=0.0, neginf=0.0)
            predicted = {name: value.numpy() for name, value in classify(finite).items()}
            features.append(predicted["features"])
            for row, record in enumerate(batch):
                # Between two families, neither is right.
                family = None if record["ends"] else int(table.instrument_family[record["note"]])
                logits = {name: values[row] for name, values in predicted.items()}
                record |= classifier_measures(logits, record["pitch"], family)
        references: Iterable[np.ndarray | None] = [None] * len(requests)
        if requests.reference is not None:
            references = audio_of(notes, requests.reference)
        sounds = zip(references, output.audio, requests.pitch.tolist(), strict=True)
        records += batch
        waiting.append((batch, [pool.submit(measure_sound, *sound) for sound in sounds]))
        if len(waiting) > _WAITING:
            _collect(*waiting.popleft(), progress)
    for own, futures in waiting:
        _collect(own, futures, progress)
    return Measured(records, np.concatenate(features) if features else None)


def classifier_measures(logits: dict[str, np.ndarray], pitch: int, family: int | None) -> dict[str, float]:
    """Return whether a classifier predicts a sound's target pitch and its family; NaN for an unknown family."""
    error = abs(int(logits["pitch"].argmax()) - pitch)
    known = family is not None and family >= 0
    return {
        "classifier_pitch": float(error == 0),
        "classifier_pitch_within_1": float(error <= 1),
        "classifier_family": float(int(logits["instrument_family"].argmax()) == family) if known else math.nan,
    }


def _records(requests: Requests, output: SystemOutput, table: NoteTable) -> list[Record]:
    """Return the requests as records, not yet measured."""
    columns: dict[str, np.ndarray | None] = {
        "note": requests.note,
        "reference": requests.reference,
        "ends": requests.ends,
        "step": requests.step,
        "pitch": requests.pitch,
        "family": family_names(table)[requests.note],
    }
    if output.decoder_log_mel_l1 is not None:
        columns["decoder_log_mel_l1"] = output.decoder_log_mel_l1
    values = [[None] * len(requests) if column is None else column.tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _collect(records: list[Record], futures: list[Future], progress: Callable[[int], None]) -> None:
    for record, future in zip(records, futures, strict=True):
        record.update(future.result())
    progress(len(futures))
