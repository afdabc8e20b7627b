"""Centroids of instruments, families and sources in the latent space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.notes import FAMILIES, SOURCES, UNKNOWN

if TYPE_CHECKING:
    from nsynth_vae.data.source import NoteTable


def centroids(z: np.ndarray, table: NoteTable) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the mean z_mean of every instrument, known family and known source.

    Args:
        z: float `[notes, latent_dim]`.
        table: the notes.

    Returns:
        {`instruments`, `families`, `sources`: {name: {`centroid`: list of float, `notes`: int}}}, names sorted.
    """
    labels = {
        "instruments": table.instrument_str,
        "families": family_names(table),
        "sources": _names(table.instrument_source, SOURCES),
    }
    return {
        kind: {
            name: {"centroid": to_list(z[names == name].mean(axis=0)), "notes": int((names == name).sum())}
            for name in sorted(set(names) - {None})
        }
        for kind, names in labels.items()
    }


def to_list(array: np.ndarray) -> list:
    """Return an array as `attributes.json` holds it: nested lists of floats, rounded to 5 decimals."""
    # Plus 0, so that none is -0.0.
    return (np.round(np.asarray(array, np.float64), 5) + 0.0).tolist()


def family_names(table: NoteTable) -> np.ndarray:
    """Return the notes' families by name, None where they are unknown: object `[notes]`."""
    return _names(table.instrument_family, FAMILIES)


def _names(index: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    assert UNKNOWN == -1
    return np.array([*names, None], dtype=object)[index]
