"""Figures of motion that need a model: its velocity, and a network that tells its notes from real ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.load_notes import Notes, load_notes
from nsynth_vae.data.source import BadNotes
from nsynth_vae.evaluation import told_apart, velocity_pairs
from nsynth_vae.evaluation.motion_summary import groups_of
from nsynth_vae.evaluation.systems import System, audio_of, family_names
from nsynth_vae.timbre_model import TimbreModel, in_batches

DEFINITIONS = {
    "velocity": velocity_pairs.DEFINITIONS,
    "told_apart_by_network": "accuracy of a small convolutional network that tells real notes from the model's by "
    f"their log-mel, {told_apart.NETWORK_SECONDS[0]:g} to {told_apart.NETWORK_SECONDS[1]:g} s; trained on "
    "about.told_apart real and decoded training notes of the data and of the starter set; for the groups of `groups`",
}
"""What `measure_model_motion` returns."""


def measure_model_motion(
    notes: Notes,
    model: TimbreModel,
    z: np.ndarray,
    reconstruction: System,
    *,
    data: DataConfig,
    told_apart_notes: int,
    seed: int,
    data_dir: str | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure a model on the evaluated notes.

    Args:
        notes: the evaluated notes.
        model: the evaluated model.
        z: float32 `[notes, latent_dim]`, z_mean of the evaluated notes.
        reconstruction: the system that decodes them at their own pitch and velocity.
        data: sources and filters of the notes that the network is trained on; the starter set is added to them.
        told_apart_notes: the number of these, drawn of all instruments; 0 for no network.
        seed: of the network.
        data_dir: TensorFlow Datasets' folder.
        log: called with each line for the user.

    Returns:
        The keys of `DEFINITIONS`; `told_apart_by_network` {group: accuracy} only with a network.
    """

    def decode(rows: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        return model.decode(z[rows], pitch, velocity, take=rows).audio

    table = notes.loaded.table
    result: dict[str, Any] = {
        "velocity": velocity_pairs.measure_pairs(table, lambda rows: audio_of(notes, rows), decode)
    }
    if not told_apart_notes:
        return result
    both = dataclasses.replace(data, data=tuple(dict.fromkeys([*data.data, "starter"])), max_notes=told_apart_notes)
    train = load_notes(
        both, "train", audio=AudioConfig(), bad_notes=BadNotes("skip"), data_dir=data_dir, log=lambda line: None
    )
    log(f"A network is trained to tell {len(train.loaded.table):,} training notes from decoded ones")

    def reconstruct(rows: np.ndarray) -> np.ndarray:
        own = train.loaded.table.take(rows)
        return model.decode(model.encode(audio_of(train, rows)), own.pitch, own.velocity, take=rows).audio

    rows = np.arange(len(train.loaded.table))
    network = told_apart.train_network(
        _inputs(lambda batch: audio_of(train, batch), rows), _inputs(reconstruct, rows), seed=seed
    )
    rows = np.arange(len(table))
    told = told_apart.by_network(
        network,
        _inputs(lambda batch: audio_of(notes, batch), rows),
        _inputs(lambda batch: reconstruction.play(reconstruction.requests.take(batch)).audio, rows),
    )
    groups = groups_of(family_names(table))
    return result | {"told_apart_by_network": {name: float(told[each].mean()) for name, each in groups.items()}}


def _inputs(play: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Return the network's inputs of the sounds of some rows, made a few at a time: the log-mels take a third."""
    return np.concatenate(in_batches(lambda batch: told_apart.network_inputs(play(batch)), rows))
