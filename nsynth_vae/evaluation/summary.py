"""Records to figures: means and medians of each measure, by system and by family; distances of sets of sounds."""

from __future__ import annotations

import importlib.metadata
import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from nsynth_vae import __version__
from nsynth_vae.analysis import metrics
from nsynth_vae.evaluation import set_distances
from nsynth_vae.evaluation.measure import Judged, Record
from nsynth_vae.evaluation.systems import GRIFFIN_LIM_ITERATIONS, REAL, STEPS, TITLES

HALVES = 5
"""Times that the notes are split in two; the distances of sets are means over these."""

_OWN = "own-classifier figure"

DEFINITIONS: dict[str, str] = {
    "decoder_log_mel_l1": "mean |difference| of the decoder's own ln(mel + log_offset) from the note's, nats",
    **metrics.DEFINITIONS,
    "onset_off_seconds": "|onset_error_seconds|, s",
    "real_in_tune": "in_tune of the real notes that the sounds stand beside: those of the asked pitches, or the ends "
    "of the ways",
    "classifier_pitch": f"{_OWN}: share of the sounds whose asked pitch it tells",
    "classifier_pitch_within_1": f"{_OWN}: the same to within a semitone",
    "classifier_family": f"{_OWN}: share of the sounds whose note's family it tells, of those that have one",
    "frechet_distance": f"{_OWN}: Frechet distance (Heusel et al. 2017) of its features of half of the real notes from "
    f"those of the system's sounds of the other half, mean over {HALVES} seeded halvings. That of the real notes "
    "themselves is the floor",
    "ndb_50": f"{_OWN}: share of {set_distances.NDB_BINS} clusters of the same features that are significantly fuller "
    "or emptier (NDB/K, Richardson and Weiss 2018; level 0.05), of the same halves. That of the real notes is the "
    "floor; with fewer than a thousand notes the counts of a cluster are so small that few differences are significant",
}
"""What each figure of a system is."""

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "swift-f0")
"""What figures depend on beside this package."""

SHARES = ("in_tune", "real_in_tune", "classifier_pitch", "classifier_pitch_within_1", "classifier_family")
"""Measures that are 0 or 1 of a sound: they have a mean, and no median."""

SYSTEM_DEFINITIONS = {
    "real": "the real notes, of which everything else is made",
    "griffin_lim": "the notes' own log-mels, of the default features, made sound by a non-negative inversion and fast "
    f"Griffin-Lim with {GRIFFIN_LIM_ITERATIONS} iterations",
    "synthesizer": "the notes' own log-mels, of the default features, and pitches, made sound by the synthesizer",
    "reconstruction": "the notes' z_mean, decoded at their own pitch and velocity",
    "other_pitch": "the notes' z_mean, decoded at the pitch and velocity of another note of the instrument, and "
    "compared with that note",
    "interpolation": f"{STEPS} points from the z_mean of one note to that of a note of another family at the same "
    f"pitch, ends included, decoded there; about.pairs such ways",
    "interpolation_middle": "the middle points of these ways",
    "audio_dir": "the sounds of --audio-dir, each beside the note of its name",
}
"""What each system is."""


def summarize(judged: Mapping[str, Judged], *, seed: int) -> dict[str, dict]:
    """Returns each system's figures.

    Args:
        judged: by system; the real notes among them.
        seed: halves the notes.

    Returns:
        system -> {`title`, `sounds`, `measures`: measure -> {`mean`, `median`, `sounds`}, `families`: family ->
        {`sounds`, measure: mean}, `steps` (of ways): in_tune of each step}.
    """
    real = {record["note"]: record["in_tune"] for record in judged[REAL].records}
    parts = {}
    for name, part in judged.items():
        parts[name] = part
        if name == "interpolation":
            middle = [record for record in part.records if record["step"] == STEPS // 2]
            parts["interpolation_middle"] = Judged(middle, None)
    result = {}
    for name, part in parts.items():
        records = [_completed(record, real) for record in part.records]
        figures = {measure: figure(records, measure) for measure in DEFINITIONS}
        if part.features is not None and records[0]["ends"] is None:
            pairs = _halved(judged[REAL], part, seed)
            for measure, values in zip(("frechet_distance", "ndb_50"), _set_distances(pairs, seed), strict=True):
                if values:
                    figures[measure] = {"mean": float(np.mean(values)), "sounds": len(part.records)}
        result[name] = {
            "title": TITLES.get(name, "model, the middle between families"),
            "sounds": len(records),
            "measures": {measure: value for measure, value in figures.items() if value is not None},
        }
        if name.startswith("interpolation"):
            if name == "interpolation":
                steps = [[r for r in records if r["step"] == step] for step in range(STEPS)]
                result[name]["steps"] = [float(np.mean([r["in_tune"] for r in at])) for at in steps]
            continue
        result[name]["families"] = by_family(records)
    return result


def by_family(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Returns family -> {`sounds`, measure: mean over its sounds}, families in alphabetical order."""
    result = {}
    for family in sorted({record["family"] for record in records}):
        own = [record for record in records if record["family"] == family]
        figures = {measure: figure(own, measure) for measure in DEFINITIONS}
        result[family] = {"sounds": len(own)} | {name: one["mean"] for name, one in figures.items() if one is not None}
    return result


def figure(records: Sequence[Record], measure: str) -> dict[str, float] | None:
    """Returns a measure's mean and median over the sounds that have it, and how many these are; None if none has."""
    values = [record[measure] for record in records if not math.isnan(record.get(measure, math.nan))]
    if not values:
        return None
    median = {} if measure in SHARES else {"median": float(np.median(values))}
    return {"mean": float(np.mean(values))} | median | {"sounds": len(values)}


def _completed(record: Record, real: Mapping[int, float]) -> Record:
    """Returns a record with what follows from it and from the real notes."""
    beside = record["ends"] if record["reference"] is None else (record["reference"],)
    more = {"real_in_tune": float(np.mean([real[note] for note in beside]))}
    return record | more | {"onset_off_seconds": abs(record.get("onset_error_seconds", math.nan))}


def _halved(real: Judged, part: Judged, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns (features of half of the real notes, those of a system's sounds of the other half), `HALVES` times."""
    notes = np.array([record["note"] for record in part.records])
    pairs = []
    for number in range(HALVES):
        order = np.random.default_rng([seed, 3, number]).permutation(len(real.records))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        pairs.append((real.features[first], part.features[np.isin(notes, second)]))
    return pairs


def _set_distances(pairs: list[tuple[np.ndarray, np.ndarray]], seed: int) -> tuple[list[float], list[float]]:
    """Returns the Frechet distances and the NDBs of pairs of sets; none where a set is too small."""
    enough = all(min(len(one), len(two)) > 1 for one, two in pairs)
    many = enough and all(len(one) >= set_distances.NDB_BINS for one, _ in pairs)
    frechet = [set_distances.frechet_distance(one, two) for one, two in pairs] if enough else []
    return frechet, [set_distances.ndb(one, two, seed=seed) for one, two in pairs] if many else []


def versions() -> dict[str, str]:
    """Returns the versions of all that figures depend on."""
    found = {"nsynth_vae": __version__, "python": sys.version.split()[0]}
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}
