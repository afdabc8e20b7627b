"""Keras backend of the timbre model: a model folder is evaluated without an export."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.exporters.saved_model_backend import load_exports
from nsynth_vae.model.vae import VAE, load_model
from nsynth_vae.synthesis.vocoder import vocoder_for
from nsynth_vae.timbre_model import DecodedNotes, TimbreModel, is_exports


class KerasBackend:
    """Encoder and decoder of a Keras model, and the vocoder of its features."""

    def __init__(self, vae: VAE, config: AudioConfig) -> None:
        """Wrap the functions of a model; `config` is that of its features."""
        self._encode = tf.function(
            lambda audio: vae.encoder(features.log_mel(audio, config))[0], reduce_retracing=True, autograph=False
        )
        self._decode = tf.function(vae.decoder, reduce_retracing=True, autograph=False)
        self._take = tf.function(vae.decoder.take, reduce_retracing=True, autograph=False)
        self._vocoder = vocoder_for(config)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return z_mean `[notes, latent_dim]` of audio `[notes, num_samples]`."""
        return self._encode(tf.constant(audio)).numpy()

    def decode(self, **inputs: np.ndarray) -> DecodedNotes:
        """Return the takes of latent vectors; see `timbre_model.Backend`."""
        given = {name: tf.constant(values) for name, values in inputs.items()}
        take = self._take(**given)
        audio = self._vocoder(take.log_mel, given["pitch"], given["seed"], take.partials)
        return DecodedNotes(take.log_mel.numpy(), audio.numpy())

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the log-mels `[notes, frames, mel_bins]` without motion."""
        return self._decode(tf.constant(z), tf.constant(pitch), tf.constant(velocity)).numpy()


def load(path: str | os.PathLike) -> TimbreModel:
    """Load a model folder with Keras, or the newest versions in an exports folder.

    Raises:
        InputError: if the path is neither, and for a model of other audio than the measures are defined for.
    """
    path, measured = pathlib.Path(path), AudioConfig()
    if is_exports(path):
        model = load_exports(path)
        found, expected = ([each.num_frames, each.num_mel_bins] for each in (model.config, measured))
        if found != expected:
            raise InputError(
                f"{path}: found log-mels of shape {found}, expected {expected}, those of the default features"
            )
        return model
    vae, config = load_model(path)
    for name in ("sample_rate", "num_samples"):
        found, expected = (getattr(each, name) for each in (config.audio, measured))
        if found != expected:
            raise InputError(f"{path}: found a model with {name} {found}, expected {expected}, which measures are for")
    return TimbreModel(
        name=path.resolve().name,
        config=config.audio,
        latent_dim=config.model.latent_dim,
        attributes={},
        backend=KerasBackend(vae, config.audio),
    )
