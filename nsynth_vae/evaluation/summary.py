"""Figures of an evaluation: means and medians of each measure by system and family, and distances of sets of sounds."""

from __future__ import annotations

import importlib.metadata
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nsynth_vae import __version__
from nsynth_vae.analysis import metrics
from nsynth_vae.evaluation import set_distances
from nsynth_vae.evaluation.measure import Measured, Record
from nsynth_vae.evaluation.systems import (
    FOLDER,
    GRIFFIN_LIM,
    GRIFFIN_LIM_ITERATIONS,
    INTERPOLATION,
    OTHER_PITCH,
    REAL,
    RECONSTRUCTION,
    STEPS,
    SYNTHESIZER,
    TITLES,
)

HALVES = 5
"""Times that the notes are split in two; the distances of sets are means over these."""

_OWN = "own-classifier figure"

DEFINITIONS: dict[str, str] = {
    "decoder_log_mel_l1": "mean |difference| of the decoder's own ln(mel + log_offset) from the note's, nats",
    **metrics.DEFINITIONS,
    "onset_off_seconds": "|onset_error_seconds|, s",
    "real_in_tune": "in_tune of the real notes that the sounds are compared with: those of the target pitches, or the "
    "ends of the interpolation paths",
    "classifier_pitch": f"{_OWN}: fraction of the sounds whose target pitch it predicts",
    "classifier_pitch_within_1": f"{_OWN}: the same to within a semitone",
    "classifier_family": f"{_OWN}: fraction of the sounds whose note's family it predicts, of those that have one",
    "frechet_distance": f"{_OWN}: Frechet distance (Heusel et al. 2017) of its features of half of the real notes from "
    f"those of the system's sounds of the other half, mean over {HALVES} seeded halvings. That of the real notes "
    "themselves is the floor",
    "ndb_50": f"{_OWN}: fraction of {set_distances.NDB_BINS} clusters of the same features that are significantly "
    "fuller or emptier (NDB/K, Richardson and Weiss 2018; level 0.05), of the same halves. That of the real notes is "
    "the floor; with fewer than a thousand notes the counts of a cluster are so small that few differences are "
    "significant",
}
"""The definition of each figure of a system."""

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "swift-f0")
"""The packages that figures depend on."""

FRACTIONS = ("in_tune", "real_in_tune", "classifier_pitch", "classifier_pitch_within_1", "classifier_family")
"""Measures that are 0 or 1 of a sound: they have a mean, and no median."""

MIDDLE = f"{INTERPOLATION}_middle"

SYSTEM_DEFINITIONS = {
    REAL: "the real notes, from which everything else is made",
    GRIFFIN_LIM: "the notes' own log-mels, of the default features, inverted to audio by a non-negative inversion and "
    f"fast Griffin-Lim with {GRIFFIN_LIM_ITERATIONS} iterations",
    SYNTHESIZER: "the notes' own log-mels, of the default features, and pitches, to audio by the synthesizer",
    RECONSTRUCTION: "the notes' z_mean, decoded at their own pitch and velocity",
    OTHER_PITCH: "the notes' z_mean, decoded at the pitch and velocity of another note of the instrument, and "
    "compared with that note",
    INTERPOLATION: f"{STEPS} steps from the z_mean of one note to that of a note of another family at the same "
    "pitch, ends included, decoded there; about.pairs such paths",
    MIDDLE: "the middle steps of these paths",
    FOLDER: "the sounds of --audio-dir, each compared with the note of its name",
}
"""The definition of each system."""


def summarize(measured: Mapping[str, Measured], *, seed: int) -> dict[str, dict[str, Any]]:
    """Return each system's figures.

    Args:
        measured: by system; the real notes among them.
        seed: halves the notes.

    Returns:
        system -> {`title`, `sounds`, `measures`: measure -> {`mean`, `median`, `sounds`}, `families`: family ->
        {`sounds`, measure: mean}, `steps` (of interpolations): in_tune of each step}.
    """
    real = {record["note"]: record["in_tune"] for record in measured[REAL].records}
    result: dict[str, dict[str, Any]] = {}
    for name, part in measured.items():
        records = [_completed(record, real) for record in part.records]
        if name != INTERPOLATION:
            result[name] = _figures(TITLES[name], records)
            result[name]["measures"] |= _set_distances(measured[REAL], part, seed)
            result[name]["families"] = by_family(records)
            continue
        steps = [[record for record in records if record["step"] == step] for step in range(STEPS)]
        result[name] = _figures(TITLES[name], records)
        result[name]["steps"] = [float(np.mean([record["in_tune"] for record in step])) for step in steps]
        result[MIDDLE] = _figures("model, the middle between families", steps[STEPS // 2])
    return result


def by_family(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return family -> {`sounds`, measure: mean over its sounds}, families in alphabetical order."""
    result = {}
    for family in sorted({record["family"] for record in records}):
        own = _figures(family, [record for record in records if record["family"] == family])
        means = {name: measure["mean"] for name, measure in own["measures"].items()}
        result[family] = {"sounds": own["sounds"]} | means
    return result


def figure(records: Sequence[Record], measure: str) -> dict[str, float] | None:
    """Return a measure's mean and median over the sounds that have it, and their number; None if none has."""
    values = [record[measure] for record in records if not math.isnan(record.get(measure, math.nan))]
    if not values:
        return None
    median = {} if measure in FRACTIONS else {"median": float(np.median(values))}
    return {"mean": float(np.mean(values))} | median | {"sounds": len(values)}


def _figures(title: str, records: Sequence[Record]) -> dict[str, Any]:
    figures = {measure: figure(records, measure) for measure in DEFINITIONS}
    measures = {measure: value for measure, value in figures.items() if value is not None}
    return {"title": title, "sounds": len(records), "measures": measures}


def _completed(record: Record, real: Mapping[int, float]) -> Record:
    """Return a record with the measures that follow from it and from the real notes."""
    compared = record["ends"] if record["reference"] is None else (record["reference"],)
    derived = {"real_in_tune": float(np.mean([real[note] for note in compared]))}
    return record | derived | {"onset_off_seconds": abs(record.get("onset_error_seconds", math.nan))}


def _set_distances(real: Measured, part: Measured, seed: int) -> dict[str, dict[str, float]]:
    """Return the figures of a system's sounds as a set; those for which a set is too small are missing.

    The features of half of the real notes are compared with those of the system's sounds of the other half.
    """
    if real.features is None or part.features is None:
        return {}
    notes = np.array([record["note"] for record in part.records])
    pairs = []
    for number in range(HALVES):
        order = np.random.default_rng([seed, 3, number]).permutation(len(real.records))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        pairs.append((real.features[first], part.features[np.isin(notes, second)]))
    distances = {}
    if all(min(len(one), len(two)) > 1 for one, two in pairs):
        distances["frechet_distance"] = [set_distances.frechet_distance(one, two) for one, two in pairs]
        if all(len(one) >= set_distances.NDB_BINS for one, _ in pairs):
            distances["ndb_50"] = [set_distances.ndb(one, two, seed=seed) for one, two in pairs]
    return {name: {"mean": float(np.mean(each)), "sounds": len(notes)} for name, each in distances.items()}


def versions() -> dict[str, str]:
    """Return the versions of everything that figures depend on."""
    found = {"nsynth_vae": __version__, "python": sys.version.split()[0]}
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}
