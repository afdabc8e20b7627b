"""Motion and level of a system's notes beside the real ones, by family."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nsynth_vae.evaluation import told_apart
from nsynth_vae.notes import FAMILIES

Record = Mapping[str, Any]
"""Measures of a sound, with `note` and `family`."""

SUSTAINED = ("string", "reed", "brass", "flute", "vocal", "organ")
"""Families whose notes sound as long as they are held; the others are plucked or struck, or can be either."""

LOGARITHMIC = ("shimmer_db", "phase_wobble_cents", "flux", "grain_db")
"""Numbers that are compared by their logarithm: they span three decades, and most notes lie in the lowest."""

FIVE = (*LOGARITHMIC, "off_harmonic_db")
"""The numbers by which real and decoded notes are distinguished."""

MEASURES = (*FIVE, "wobble_cents")

WITHIN_DB = 6.0
"""Non-harmonic energy this near to the note's own is right."""

BELLS = ("mallet", "organ")
"""Families with partials that are not harmonic."""

DEFINITIONS = {
    "groups": "medians of each measure of motion over the real notes (`real`) and over the same notes of the system "
    "(`made`), for all notes, for the sustained families (" + ", ".join(SUSTAINED) + "), for the others (plucked and "
    "struck), and by family; null if there is none",
    "told_apart": "accuracy of a logistic regression that tells real notes from the system's by the logarithms of "
    + ", ".join(LOGARITHMIC)
    + f", by off_harmonic_db, and by the squares and products of these; {told_apart.FOLDS} folds, grouped by note, of "
    "the notes whose ten numbers are known; 0.5 cannot tell. Trained for all notes, and anew for the sustained "
    "families alone and for the others",
    "non_harmonic": f"fraction of the notes of {' and '.join(BELLS)} whose off_harmonic_db is within {WITHIN_DB:g} dB "
    "of the note's own",
    "level": "bias_db: median of level_error_db; error_db: median of its absolute value",
}
"""What `summarize_motion` returns."""


def summarize_motion(real: Sequence[Record], made: Sequence[Record], *, seed: int = 0) -> dict[str, Any]:
    """Compare the motion of a system's notes with that of the real notes.

    Args:
        real: measures of the real notes.
        made: measures of the same notes, in this order, as a system plays them.
        seed: divides the notes into folds.

    Returns:
        The keys of `DEFINITIONS`: `groups` {group: {`notes`, measure: {`real`, `made`}}}, `told_apart` {group:
        accuracy}, `non_harmonic` {family: fraction}, `level` {`bias_db`, `error_db`}. What no note has is left out.
    """
    if [one["note"] for one in real] != [other["note"] for other in made]:
        raise ValueError("made: found other notes than the real ones, expected the same in the same order")
    family = np.array([record["family"] for record in real])
    first, second = _columns(real, MEASURES), _columns(made, MEASURES)
    groups = groups_of(family)
    return {
        "groups": {
            name: {"notes": int(rows.sum())}
            | {
                measure: {"real": _median(first[rows, column]), "made": _median(second[rows, column])}
                for column, measure in enumerate(MEASURES)
            }
            for name, rows in groups.items()
        },
        "told_apart": _told_apart(first[:, : len(FIVE)], second[:, : len(FIVE)], groups, seed),
        "non_harmonic": _non_harmonic(
            first[:, FIVE.index("off_harmonic_db")], second[:, FIVE.index("off_harmonic_db")], family
        ),
        "level": _level(_columns(made, ("level_error_db",))[:, 0]),
    }


def groups_of(family: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows, bool `[notes]`, of `all`, `sustained`, `plucked` (the other families) and each family."""
    sustained = np.isin(family, SUSTAINED)
    rows = {
        "all": np.full(len(family), True),
        "sustained": sustained,
        "plucked": np.isin(family, FAMILIES) & ~sustained,
    }
    rows |= {name: family == name for name in sorted(set(family.tolist()))}
    return {name: each for name, each in rows.items() if each.any()}


def _told_apart(real: np.ndarray, made: np.ndarray, groups: dict[str, np.ndarray], seed: int) -> dict[str, float]:
    known = np.isfinite(real).all(axis=1) & np.isfinite(made).all(axis=1)
    count = len(LOGARITHMIC)
    # Below 0.001 dB, cents or nats nothing moves.
    real, made = (
        np.concatenate([np.log(np.maximum(each[:, :count], 1e-3)), each[:, count:]], axis=1) for each in (real, made)
    )
    result = {}
    for name in ("all", "sustained", "plucked"):
        rows = known & groups.get(name, False)
        # A fold needs notes, and a regression more of them than it has numbers.
        if rows.sum() >= 2 * told_apart.FOLDS:
            result[name] = float(told_apart.by_numbers(real[rows], made[rows], seed=seed).mean())
    return result


def _non_harmonic(real: np.ndarray, made: np.ndarray, family: np.ndarray) -> dict[str, float]:
    near = np.abs(made - real) <= WITHIN_DB
    known = ~np.isnan(real)  # A note that the system plays as silence counts as wrong.
    rows = {name: known & (family == name) for name in BELLS} | {"both": known & np.isin(family, BELLS)}
    return {name: float(near[each].mean()) for name, each in rows.items() if each.any()}


def _level(error: np.ndarray) -> dict[str, float]:
    error = error[~np.isnan(error)]
    if not error.size:
        return {}
    return {"bias_db": float(np.median(error)), "error_db": float(np.median(np.abs(error)))}


def _columns(records: Sequence[Record], measures: Sequence[str]) -> np.ndarray:
    values = [[record.get(measure, math.nan) for measure in measures] for record in records]
    return np.array(values, np.float64).reshape(-1, len(measures))


def _median(values: np.ndarray) -> float | None:
    values = values[~np.isnan(values)]
    return float(np.median(values)) if values.size else None
