"""Probes of a model's z_mean for pitch and family, and its active dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.load_notes import Notes
from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation import probes
from nsynth_vae.evaluation.systems import audio_of
from nsynth_vae.features import log_mels
from nsynth_vae.model.vae import ACTIVE_VARIANCE
from nsynth_vae.notes import FAMILIES
from nsynth_vae.timbre_model import BATCH, TimbreModel, in_batches

DEFINITIONS = {
    "active_dimensions": f"latent dimensions whose z_mean has a variance > {ACTIVE_VARIANCE} over the evaluated notes",
    "pitch": "accuracy, averaged over the pitches that both splits have, of a linear classifier and an MLP of 128 "
    f"units, trained on the MIDI pitch of {probes.NOTES_A_PITCH} training notes of each, drawn with replacement, "
    f"and tested on the evaluated notes, the mean of {probes.PITCH_DRAWS} draws; from z_mean, from the one-hot true "
    "family, from log-mels averaged over time",
    "family": f"fraction of the evaluated notes whose family the {probes.NEIGHBOURS} nearest training notes vote for, "
    "and an MLP of 128 units predicts; from z_mean, and from log-mels averaged over time. Chance always names the "
    "training notes' most common family",
}


def encode(notes: Notes, model: TimbreModel) -> np.ndarray:
    """Return the evaluated notes' z_mean, float32 `[notes, latent_dim]`."""
    rows = np.arange(len(notes.loaded.table))
    return np.concatenate(in_batches(lambda batch: model.encode(audio_of(notes, batch)), rows))


def measure(
    notes: Notes,
    model: TimbreModel,
    z: np.ndarray,
    *,
    seed: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, Any]:
    """Return the probes' figures; see `DEFINITIONS`.

    Args:
        notes: the training notes of the probes, and the evaluated ones.
        model: encodes the training notes.
        z: float32 `[notes, latent_dim]`, z_mean of the evaluated notes.
        seed: of the probes.
        progress: called with the finished fraction.

    Returns:
        {`active_dimensions`, `latent_dim`, `train_notes`; `pitch`, `family`: {input: what `probes` returns}}. Instead
        of a probe that cannot be measured there is `pitch_missing` or `family_missing`: the reason.
    """
    count = len(notes.train_rows)
    result: dict[str, Any] = {
        "active_dimensions": int(np.sum(z.var(axis=0) > ACTIVE_VARIANCE)),
        "latent_dim": int(z.shape[1]),
        "train_notes": count,
    }
    if not count:
        missing = "the data has no training notes other than the evaluated ones"
        return result | {"pitch_missing": missing, "family_missing": missing}
    tables, vectors, pooled = [], [], []
    for table, audio in notes.train(BATCH):
        tables.append(table)
        vectors.append(model.encode(audio))
        pooled.append(log_mels(audio, AudioConfig()).mean(axis=1))
        progress(sum(map(len, tables)) / count)
    train, test = NoteTable.concatenate(tables), notes.loaded.table
    own = in_batches(lambda rows: log_mels(audio_of(notes, rows), AudioConfig()).mean(axis=1), np.arange(len(test)))
    inputs = {
        "z_mean": (np.concatenate(vectors), z),
        "one_hot_family": tuple(np.eye(len(FAMILIES) + 1)[table.instrument_family] for table in (train, test)),
        "log_mel": (np.concatenate(pooled), np.concatenate(own)),
    }
    for name, probe in (("pitch", _pitch), ("family", _family)):
        keys = [key for key in inputs if (name, key) != ("family", "one_hot_family")]
        try:
            result[name] = {key: probe(inputs[key][0], inputs[key][1], train, test, seed) for key in keys}
        except ValueError as error:
            result[f"{name}_missing"] = str(error)
    return result


def _pitch(x: np.ndarray, x_test: np.ndarray, train: NoteTable, test: NoteTable, seed: int) -> dict[str, float]:
    return probes.pitch_accuracy(x, x_test, train.pitch, test.pitch, seed=seed)


def _family(x: np.ndarray, x_test: np.ndarray, train: NoteTable, test: NoteTable, seed: int) -> dict[str, float]:
    family, family_test = train.instrument_family, test.instrument_family
    known, known_test = family >= 0, family_test >= 0
    return probes.family_accuracy(x[known], x_test[known_test], family[known], family_test[known_test], seed=seed)
