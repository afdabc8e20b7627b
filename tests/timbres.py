"""Shared data of tests of timbres: a hand-written `attributes.json`, and the small model exported with it."""

from __future__ import annotations

import functools
import json
import pathlib
import shutil

import numpy as np
import small_models
from small_models import AUDIO, CONFIG

from nsynth_vae.data.source import Source
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.timbre_model import LiteRTBackend, TimbreModel

DIM = CONFIG.model.latent_dim


def _vector(*numbers: float) -> list[float]:
    return [*numbers, *[0.0] * (DIM - len(numbers))]


ATTRIBUTES = {
    "format_version": 3,
    "latent_dim": DIM,
    "instruments": {
        "guitar_acoustic_010": {"centroid": _vector(0.1, 0.9), "notes": 14},
        "My Cello": {"centroid": _vector(0, 0.5, 0, 0.5), "notes": 3},
        "steel-drum": {"centroid": _vector(0.25, 0.25, 0.25, 0.25), "notes": 2},
        "808_bass": {"centroid": _vector(-1, 0.5), "notes": 5},
    },
    "families": {
        "flute": {"centroid": _vector(1), "notes": 40},
        "guitar": {"centroid": _vector(0, 1), "notes": 120},
        "keyboard": {"centroid": _vector(0, 0, 1), "notes": 30},
        "string": {"centroid": _vector(0, 0, 0, 1), "notes": 50},
        "synth_lead": {"centroid": _vector(0.5, 0, 0, 0.5), "notes": 8},
    },
    "sources": {name: {"centroid": _vector(0.5), "notes": 100} for name in ("acoustic", "electronic", "synthetic")},
    "directions": {
        "bright": {
            "direction": _vector(0, 0, 0, 0, 1),
            "learnt_from": "the quality bright: 30 notes with it, 40 without",
            "descriptor": "spectral_centroid",
        },
        "dark": {
            "direction": _vector(0, 0, 0, 0, -0.5, 0.25),
            "learnt_from": "spectral_centroid: lowest quarter, highest quarter",
            "descriptor": "spectral_centroid",
        },
        "tempo-synced": {"direction": _vector(0, 0, 0, 0, 0, 0.125), "learnt_from": "the quality", "descriptor": None},
        "acoustic": {"direction": _vector(0, 0, 0, 0, 0, 1), "learnt_from": "the source", "descriptor": None},
        "synthetic": {"direction": _vector(0, 0, 0, 0, 0.5, -1), "learnt_from": "the source", "descriptor": None},
    },
}
"""Of a model of six dimensions: timbres in the first four, directions in the last two."""


def vector(name: str) -> np.ndarray:
    """Return what `ATTRIBUTES` has for a name in full, float32 `[6]`."""
    for kind, key in (("instruments", "centroid"), ("families", "centroid"), ("directions", "direction")):
        if name in ATTRIBUTES[kind]:
            return np.array(ATTRIBUTES[kind][name][key], np.float32)
    raise KeyError(name)


@functools.cache
def named_lookup() -> TimbreLookup:
    """Return points of a model that has `ATTRIBUTES` and no networks: names work, files and notes do not."""
    return lookup_with(ATTRIBUTES)


def lookup_with(attributes: dict, source: Source | None = None) -> TimbreLookup:
    """Return points of a model, called toy, that has other attributes and no networks."""
    return TimbreLookup(
        TimbreModel(name="toy", config=AUDIO, latent_dim=DIM, attributes=attributes, backend=LiteRTBackend({}, AUDIO)),
        source=source,
    )


def export_model(folder: pathlib.Path, attributes: dict = ATTRIBUTES) -> tuple[pathlib.Path, pathlib.Path]:
    """Write a small model with these attributes, with its TFLite files, and its SavedModels; returns both folders."""
    shutil.copytree(small_models.exported(), folder, dirs_exist_ok=True)
    (folder / "small" / "attributes.json").write_text(json.dumps(attributes))
    for version in folder.glob("exports/*/1"):
        (version / "assets.extra" / "attributes.json").write_text(json.dumps(attributes))
    return folder / "small", folder / "exports"
