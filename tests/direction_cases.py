"""Notes, latent perturbations and a small model that the tests of directions share."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import pickle

import numpy as np
import shared
import small_models

from nsynth_vae.analysis.descriptors import DESCRIPTORS
from nsynth_vae.data.source import NoteTable
from nsynth_vae.directions import dataset
from nsynth_vae.directions.calibration import Calibrator
from nsynth_vae.directions.candidates import ATTRIBUTES
from nsynth_vae.directions.dataset import EncodedNotes
from nsynth_vae.directions.perturbations import Perturbations, decode_and_describe, perturb
from nsynth_vae.exporters.saved_model_backend import load_exports
from nsynth_vae.notes import FAMILIES, QUALITIES, Note, format_note_str
from nsynth_vae.timbre_model import TimbreModel

BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}


def make_table(families: dict[str, int], pitches: range, source: int = 0) -> NoteTable:
    """Return a note of every pitch of as many instruments of each family."""
    notes = [
        Note(format_note_str(name, pitch, 100), pitch, 100, name, FAMILIES.index(family), source)
        for family, instruments in families.items()
        for name in (f"{family}_acoustic_{number:03d}" for number in range(instruments))
        for pitch in pitches
    ]
    return NoteTable.from_notes(notes, [0] * len(notes))


def with_flags(table: NoteTable, quality: str, flags: np.ndarray) -> NoteTable:
    """Return the table with a quality's flags, and all others unknown."""
    qualities = np.full([len(table), len(QUALITIES)], -1, np.int8)
    qualities[:, QUALITIES.index(quality)] = flags
    return dataclasses.replace(table, qualities=qualities)


def cloud(families: dict[str, int]) -> EncodedNotes:
    """Return notes of which dimension 0 of z is the centroid, 1 the family, the others nothing; half flagged bright.

    Most bright notes are flutes, few organs are bright.
    """
    table = make_table(families, range(60, 67))
    generator = np.random.default_rng(1)
    z = generator.normal(size=[len(table), 6])
    z[:, 1] += 20.0 * (table.instrument_family == FAMILIES.index("flute"))
    likely = np.where(table.instrument_family == FAMILIES.index("flute"), 1.0, -1.0)
    flags = z[:, 0] + likely > 0
    values = z[:, 0] + 0.1 * generator.normal(size=len(table))
    table = with_flags(table, "bright", flags)
    return EncodedNotes(table, z.astype(np.float32), dict.fromkeys(DESCRIPTORS, values))


def linear_perturbations(slope: np.ndarray, noise: float = 0.0) -> Perturbations:
    """Return random perturbations of a decoder whose centroid is linear in z."""
    generator = np.random.default_rng(2)
    offsets = generator.normal(size=[400, len(slope)])
    changes = offsets @ slope + noise * generator.normal(size=400)
    return Perturbations(
        offsets=offsets,
        changes={"spectral_centroid": changes},
        table=make_table({"flute": 100}, range(60, 64)),
        standard_deviations={"spectral_centroid": 2.0},
    )


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cosine of the angle between two vectors."""
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def two_families(audio: np.ndarray) -> np.ndarray:
    """Return probabilities of two families by the sign of a sample."""
    first = np.where(audio[:, 8000] > 0, 0.9, 0.1)
    return np.stack([first, 1 - first], axis=1)


@functools.cache
def model() -> TimbreModel:
    """Return a small model with weights that are always the same, as SavedModels."""
    return load_exports(small_models.exported() / "exports")


def train() -> EncodedNotes:
    """Return 64 notes of eight instruments: latent vectors, and descriptors of the notes decoded from them."""
    return _described()[0]


def perturbations() -> Perturbations:
    """Return perturbations of `train`."""
    return _described()[1]


@functools.cache
def _described() -> tuple[EncodedNotes, Perturbations]:
    """Return `train` and `perturbations`: decoded and described once for all files and workers."""

    def make(folder: pathlib.Path) -> None:
        table = make_table({"flute": 4, "organ": 4}, range(57, 65))
        z = np.random.default_rng(3).normal(size=[len(table), model().latent_dim]).astype(np.float32)
        train = EncodedNotes(table, z, decode_and_describe(model(), z, table).descriptors)
        made = train, perturb(model(), train, 64, np.random.default_rng(4))
        (folder / "made.pickle").write_bytes(pickle.dumps(made))

    return pickle.loads((shared.made_once("directions", make) / "made.pickle").read_bytes())


@functools.cache
def calibrator(*, classifier: bool = True) -> Calibrator:
    """Return a calibrator with twelve notes at other latent vectors; `two_families` changes with any phase."""
    rows = dataset.spread(train().table, 12)
    z = np.random.default_rng(5).normal(size=[12, model().latent_dim]).astype(np.float32)
    held_out = dataclasses.replace(train().take(rows), z=z)
    return Calibrator(model(), held_out, train().covariance, two_families if classifier else None)
