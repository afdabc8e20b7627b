"""The timbre model that is judged, be it a model folder or its exports: audio to z_mean, and z to log-mel and audio."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from nsynth_vae import features, timbre_model
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.timbre_model import BATCH


@dataclasses.dataclass(frozen=True)
class JudgedModel:
    """What an evaluation needs of a model."""

    name: str
    config: AudioConfig
    """Of its log-mels."""
    encode: Callable[[np.ndarray], np.ndarray]
    """audio float32 `[n, num_samples]` -> z_mean float32 `[n, latent_dim]`."""
    decode: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """(z `[n, latent_dim]`, pitch int32 `[n]`, velocity int32 `[n]`) -> (log_mel `[n, frames, mel_bins]`, audio)."""


def load(path: str | os.PathLike) -> JudgedModel:
    """Loads a model folder, or the newest versions in an exports folder.

    Raises:
        InputError: for what is neither, and for a model of other audio than is measured.
    """
    path = pathlib.Path(path)
    if timbre_model.is_exports(path):
        return _load_exports(path)
    from nsynth_vae.model.vae import load_model
    from nsynth_vae.synthesis.vocoder import sound_for

    vae, config = load_model(path)
    audio = config.audio
    measured = AudioConfig()
    for name in ("sample_rate", "num_samples"):
        if getattr(audio, name) != getattr(measured, name):
            found, expected = getattr(audio, name), getattr(measured, name)
            raise InputError(f"{path}: found a model with {name} {found}, expected {expected}, which measures are for")
    sound = sound_for(audio)
    encode = tf.function(
        lambda sounds: vae.encoder(features.log_mel(sounds, audio))[0], reduce_retracing=True, autograph=False
    )
    decode = tf.function(vae.decoder, reduce_retracing=True, autograph=False)

    def play(z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_mel = decode(z, pitch, velocity)
        return log_mel.numpy(), sound(log_mel, tf.constant(pitch)).numpy()

    name = path.resolve().name
    return JudgedModel(name, audio, lambda sounds: encode(tf.constant(sounds)).numpy(), play)


def _load_exports(path: pathlib.Path) -> JudgedModel:
    """Loads SavedModels, whose log-mels must be the default ones, which is what is measured."""
    model = timbre_model.load_exports(path)
    config, found = AudioConfig(), [model.config.num_frames, model.config.num_mel_bins]
    expected = [config.num_frames, config.num_mel_bins]
    if found != expected:
        raise InputError(f"{path}: found log-mels of shape {found}, expected {expected}, those of the default features")

    def decode(z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        played = model.decode(z, pitch, velocity)
        return played.log_mel, played.audio

    return JudgedModel(path.resolve().name, config, model.encode, decode)


def in_batches(function: Callable, *arrays: np.ndarray) -> list:
    """Returns what a function gives for every `BATCH` rows of the arrays, as a list."""
    count = len(arrays[0])
    return [function(*(array[start : start + BATCH] for array in arrays)) for start in range(0, count, BATCH)]


def log_mels(audio: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Returns the log-mels, float32 `[n, frames, mel_bins]`, of audio, float32 `[n, num_samples]`."""
    return features.log_mel(tf.constant(audio), config).numpy()
