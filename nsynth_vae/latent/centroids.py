"""Centroids of instruments, families and sources in the latent space."""

from __future__ import annotations

import numpy as np

from nsynth_vae.data.source import NoteTable
from nsynth_vae.notes import FAMILIES, SOURCES, UNKNOWN


def centroids(z: np.ndarray, table: NoteTable) -> dict[str, dict]:
    """Returns the mean z_mean of every instrument, known family and known source.

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
            name: {"centroid": rounded(z[names == name].mean(axis=0)), "notes": int((names == name).sum())}
            for name in sorted(set(names) - {None})
        }
        for kind, names in labels.items()
    }


def rounded(vector: np.ndarray) -> list[float]:
    """Returns a vector as `attributes.json` holds it: to 5 decimals."""
    return [round(float(value), 5) for value in vector]


def family_names(table: NoteTable) -> np.ndarray:
    """Returns the notes' families by name, None where they are not known: object `[notes]`."""
    return _names(table.instrument_family, FAMILIES)


def _names(index: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Returns object `[notes]`: the names of indices, None where they are unknown."""
    assert UNKNOWN == -1
    return np.array([*names, None], dtype=object)[index]
