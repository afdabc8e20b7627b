"""Sounds to records: every measure of every sound, in processes of their own."""

from __future__ import annotations

import collections
import dataclasses
import math
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis import metrics
from nsynth_vae.cli.progress import Progress
from nsynth_vae.data.load_notes import Notes
from nsynth_vae.evaluation.models import BATCH
from nsynth_vae.evaluation.notes import family_names
from nsynth_vae.evaluation.systems import System

if TYPE_CHECKING:
    from nsynth_vae.evaluation.classifier import Classifier

DISTANCES = ("lsd_db", "mss", "log_mel_l1")

Record = dict
"""One sound: `note`, `reference` (None if there is none), `pitch`, `family`, `step`, and its measures."""

_AHEAD = 8
"""Batches that wait for their measures: with more, sounds would fill the memory."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """A system's sounds, measured."""

    records: list[Record]
    features: np.ndarray | None
    """float `[sounds, feature_dim]`, the own classifier's; None without one."""


def judge(reference: np.ndarray | None, audio: np.ndarray, pitch: int) -> dict[str, float]:
    """Returns the measures of a sound, `metrics.DEFINITIONS`; without a reference those that need none.

    Sound that is not finite is infinitely far from any reference and out of tune.
    """
    if not np.isfinite(audio).all():
        broken = dict.fromkeys(metrics.DEFINITIONS, math.nan)
        return broken | dict.fromkeys(DISTANCES if reference is not None else (), math.inf) | {"in_tune": 0.0}
    if reference is not None:
        return metrics.compare(reference, audio, pitch)
    return {
        "wobble_cents": metrics.wobble_cents(audio, pitch),
        "off_harmonic_db": metrics.off_harmonic_db(audio, metrics.note_f0(audio, pitch)),
        "in_tune": float(metrics.in_tune(audio, pitch)),
        "onset_seconds": metrics.onset_seconds(audio),
    }


def make_pool(jobs: int) -> ProcessPoolExecutor:
    """Returns processes to measure in; each computes with one thread, and does not hear Ctrl-C, which ends the pool."""
    # Forking a process in which TensorFlow's threads run can hang.
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start)


def _start() -> None:
    import signal

    import threadpoolctl

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpoolctl.threadpool_limits(1)


def measure_all(systems: Sequence[System], notes: Notes, jobs: int, classifier: Classifier | None) -> dict[str, Judged]:
    """Returns what `measure` gives of each system, by name, and shows how far it is.

    Args:
        systems: what is judged.
        notes: with the references.
        jobs: processes that measure.
        classifier: for the own-classifier figures; None for none.
    """
    judged, done, total = {}, 0, sum(len(system.asked) for system in systems)
    bar = Progress("Measuring")
    with make_pool(jobs) as pool:
        for system in systems:

            def advance(count: int, title: str = system.title) -> None:
                nonlocal done
                done += count
                bar.to(done / total, f"{done:,} of {total:,} sounds: {title}")

            try:
                judged[system.name] = measure(system, notes, pool, classifier, advance)
            except BaseException:
                # Ctrl-C is not to wait for what would be measured next.
                pool.shutdown(cancel_futures=True)
                raise
    bar.close()
    return judged


def measure(
    system: System,
    notes: Notes,
    pool: ProcessPoolExecutor,
    classifier: Classifier | None,
    progress: Callable[[int], None] = lambda sounds: None,
) -> Judged:
    """Plays all that a system is asked for and measures it.

    Args:
        system: what is judged.
        notes: with the references.
        pool: processes to measure in.
        classifier: for the own-classifier figures; None for none.
        progress: is told of each number of sounds that are done.
    """
    import tensorflow as tf

    classify = None if classifier is None else tf.function(classifier.call, reduce_retracing=True, autograph=False)
    table, families = notes.judged.table, family_names(notes.judged.table)
    records: list[Record] = []
    features, waiting = [], collections.deque()
    for start in range(0, len(system.asked), BATCH):
        asked = system.asked.take(slice(start, start + BATCH))
        played = system.play(asked)
        references = [None] * len(asked)
        if asked.reference is not None:
            references = notes.judged.read(asked.reference)["audio"]
        futures = []
        told = None if classify is None else {k: v.numpy() for k, v in classify(_finite(played.audio)).items()}
        for row in range(len(asked)):
            note = int(asked.note[row])
            record = {
                "note": note,
                "reference": None if asked.reference is None else int(asked.reference[row]),
                "ends": None if asked.ends is None else tuple(asked.ends[row].tolist()),
                "step": None if asked.step is None else int(asked.step[row]),
                "pitch": int(asked.pitch[row]),
                "family": str(families[note]),
            }
            if played.decoder_log_mel_l1 is not None:
                record["decoder_log_mel_l1"] = float(played.decoder_log_mel_l1[row])
            if told is not None:
                one = {name: value[row] for name, value in told.items()}
                # Between two families, neither is right.
                family = None if asked.ends is not None else int(table.instrument_family[note])
                record |= classified(one, int(asked.pitch[row]), family)
            futures.append(pool.submit(judge, references[row], played.audio[row], record["pitch"]))
            records.append(record)
        if told is not None:
            features.append(told["features"])
        waiting.append((start, futures))
        while len(waiting) > _AHEAD:
            _collect(*waiting.popleft(), records, progress)
    for batch in waiting:
        _collect(*batch, records, progress)
    return Judged(records, np.concatenate(features) if features else None)


def classified(told: dict[str, np.ndarray], pitch: int, family: int | None) -> dict[str, float]:
    """Returns whether a classifier tells a sound's asked pitch and its family; NaN for a family that is not known."""
    off = abs(int(told["pitch"].argmax()) - pitch)
    known = family is not None and family >= 0
    return {
        "classifier_pitch": float(off == 0),
        "classifier_pitch_within_1": float(off <= 1),
        "classifier_family": float(int(told["instrument_family"].argmax()) == family) if known else math.nan,
    }


def _collect(start: int, futures: list[Future], records: list[Record], progress: Callable[[int], None]) -> None:
    for row, future in enumerate(futures, start):
        records[row].update(future.result())
    progress(len(futures))


def _finite(audio: np.ndarray) -> np.ndarray:
    """Returns the audio with silence for what is not finite, of which a classifier would tell nothing at all."""
    return np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
