"""Summary of a model's latent space: its names, the effects of its directions, and the names nearest to a timbre."""

from __future__ import annotations

from typing import Any

import numpy as np

KINDS = {"instruments": "instrument", "families": "family"}
"""Keys of `attributes.json` with centroids, and the word for one of their names."""


def nearest(z: np.ndarray, attributes: dict[str, Any], count: int = 3) -> list[dict[str, Any]]:
    """Return the instruments and families whose centroids are nearest to a latent vector.

    Args:
        z: float `[latent_dim]`.
        attributes: content of `attributes.json`.
        count: of instruments, and of families.

    Returns:
        `name`, `kind` (`instrument` or `family`) and Euclidean `distance` of each, the nearest first.
    """
    found: list[dict[str, Any]] = []
    for key, kind in KINDS.items():
        distances = {name: _distance(z, entry) for name, entry in _entries(attributes, key).items()}
        names = sorted((name for name, far in distances.items() if np.isfinite(far)), key=lambda name: distances[name])
        found += [{"name": name, "kind": kind, "distance": distances[name]} for name in names[:count]]
    return sorted(found, key=lambda one: one["distance"])


def summarize(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return what `attributes.json` has, without vectors.

    Returns:
        `families` and `instruments`, name -> number of notes; `directions`, name -> descriptor, effect at strength 1
        and its unit; `not_learnt`, name -> reason.
    """
    return {
        **{kind: {name: one.get("notes") for name, one in _entries(attributes, kind).items()} for kind in KINDS},
        "directions": {name: _direction(entry) for name, entry in _entries(attributes, "directions").items()},
        "not_learnt": attributes.get("not_learnt", {}),
    }


def _entries(attributes: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    entries = attributes.get(kind)
    return {name: one for name, one in entries.items() if isinstance(one, dict)} if isinstance(entries, dict) else {}


def _distance(z: np.ndarray, entry: dict[str, Any]) -> float:
    """Return the distance to an entry's centroid; infinite if it has none of the same length."""
    try:
        centroid = np.array(entry["centroid"], np.float64)
    except (KeyError, TypeError, ValueError):
        return float("inf")
    return float(np.linalg.norm(z - centroid)) if centroid.shape == z.shape else float("inf")


def _direction(entry: dict[str, Any]) -> dict[str, Any]:
    effect = entry.get("effect")
    effect = effect if isinstance(effect, dict) else {}
    rate, change = (effect.get(name) for name in ("effect_rate", "median_change"))
    return {
        "descriptor": _text(entry.get("descriptor")),
        "median_change": change if isinstance(change, int | float) else None,
        "unit": _text(effect.get("unit")),
        "effect_rate": rate if isinstance(rate, int | float) else None,
        "learnt_from": entry.get("learnt_from"),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
