"""Augmentation of log-mels in training: random equalisers and decays, and a decoder's smoothing."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.spectra import mel_weight_matrix
from nsynth_vae.config import AudioConfig
from nsynth_vae.features.mel import log_mel_to_mel, mel_to_log_mel
from nsynth_vae.nn.replicas import replica_rows

FLOOR_POINTS = 6
"""Points over the mel bins of a random noise floor's spectrum."""

EQUALIZER_NATS, EQUALIZER_POINTS = 0.4, 12
"""Standard deviation of a random equaliser's gain (3.5 dB), and its points over the mel bins."""

FLOOR_DECIBELS, FLOOR_SHAPE_DECIBELS = (-90.0, -30.0), 6.0
"""Level of a random noise floor, dB of the note's loudest mel bin, and standard deviation of its shape."""

DECAY_NATS = 0.4
"""Standard deviation of the change a second that a random decay, or swell, adds (3.5 dB)."""


def augment_eq(log_mel: tf.Tensor, seed: tf.Tensor, config: AudioConfig, *, probability: float) -> tf.Tensor:
    """Return notes of which some have another timbre, by a random equaliser and a random decay or swell.

    Both act on the linear mel, as a filter and a volume pedal would: what is below `log_offset` stays there. The
    loudest mel bin of a note gets no louder. Partials stay where they are, so these are notes of other instruments.

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`.
        seed: int32 `[2]`, of which the result is a pure function.
        config: the audio configuration.
        probability: of a note's being changed, 0 to 1.

    Returns:
        The same shape.
    """
    frames, bins = log_mel.shape[1], log_mel.shape[2]
    rows, own = replica_rows(tf.shape(log_mel)[0])
    seed += tf.constant([0, 1 << 27])
    chosen = tf.random.stateless_uniform([rows, 1, 1], seed)[own] < probability
    gain = EQUALIZER_NATS * tf.random.stateless_normal([rows, 1, EQUALIZER_POINTS], seed + [1, 0])[own]
    gain = tf.matmul(gain, _bicubic(EQUALIZER_POINTS, bins), transpose_b=True)
    seconds = tf.range(frames, dtype=tf.float32)[None, :, None] * (config.frame_step / config.sample_rate)
    gain += DECAY_NATS * tf.random.stateless_normal([rows, 1, 1], seed + [2, 0])[own] * seconds
    nats = log_mel * config.log_mel_scale + config.log_mel_center
    loudest, before = (tf.reduce_max(part, axis=[1, 2], keepdims=True) for part in (nats + gain, nats))
    mel = log_mel_to_mel(log_mel, config) * tf.exp(gain - tf.maximum(loudest - before, 0.0))
    return tf.where(chosen, mel_to_log_mel(mel, config), log_mel)


def augment_floor(log_mel: tf.Tensor, seed: tf.Tensor, config: AudioConfig, *, probability: float) -> tf.Tensor:
    """Return notes of which some lie in noise, as recordings do: a converter's, an amplifier's, a room's.

    The floor is stationary Gaussian noise of a random level and a random smooth spectrum. The magnitude of a bin of its
    spectrum is Rayleigh distributed; a mel bin that is a mean of n of them scatters by 1 / sqrt(n) of that.

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`.
        seed: int32 `[2]`, of which the result is a pure function.
        config: the audio configuration.
        probability: of a note's being changed, 0 to 1.

    Returns:
        The same shape.
    """
    frames, bins = log_mel.shape[1], log_mel.shape[2]
    rows, own = replica_rows(tf.shape(log_mel)[0])
    seed += tf.constant([0, 1 << 26])
    chosen, level = tf.unstack(tf.random.stateless_uniform([2, rows, 1, 1], seed)[:, own])
    shape = FLOOR_SHAPE_DECIBELS * tf.random.stateless_normal([rows, 1, FLOOR_POINTS], seed + [1, 0])[own]
    low, high = FLOOR_DECIBELS
    decibels = low + (high - low) * level + tf.matmul(shape, _bicubic(FLOOR_POINTS, bins), transpose_b=True)
    white, effective = _white_mel(config)
    uniform = tf.random.stateless_uniform([rows, frames, bins], seed + [2, 0], 1e-6, 1.0)[own]
    rayleigh = tf.sqrt(-tf.math.log(uniform)) * (2.0 / np.sqrt(np.pi))
    scatter = 1.0 + (rayleigh - 1.0) / np.sqrt(effective).astype(np.float32)
    mel = log_mel_to_mel(log_mel, config)
    loudest = tf.reduce_max(mel, axis=[1, 2], keepdims=True)
    floor = loudest * tf.exp(decibels * (np.log(10.0) / 20.0)) * white * scatter
    noisy = tf.sqrt(tf.square(mel) + tf.square(floor))
    return tf.where(chosen < probability, mel_to_log_mel(noisy, config), log_mel)


@functools.lru_cache(maxsize=8)
def _white_mel(config: AudioConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return white noise's mel, at most 1, and the bins of the spectrum that each mel bin is a mean of."""
    weights = mel_weight_matrix(config).astype(np.float64)
    total = weights.sum(axis=0)
    return (total / total.max()).astype(np.float32), np.square(total) / np.square(weights).sum(axis=0)


def blur(log_mel: tf.Tensor, seed: tf.Tensor, *, probability: float) -> tf.Tensor:
    """Return log-mels of which some are smoothed over time and frequency and bent, as a decoder's are.

    A smoothed note is a random mix of itself, its mean over 7 frames and over 3 bins, plus a random surface that is
    smooth over 16 frames and 8 bins, of a standard deviation of up to 0.1 (0.4 nats).

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`.
        seed: int32 `[2]`, of which the result is a pure function.
        probability: of a note's being blurred, 0 to 1.

    Returns:
        The same shape.
    """
    frames, bins = log_mel.shape[1], log_mel.shape[2]
    rows, own = replica_rows(tf.shape(log_mel)[0])
    draw = tf.random.stateless_uniform([4, rows, 1, 1], seed + [0, 1 << 28])[:, own]
    over_time = tf.nn.avg_pool1d(log_mel, 7, 1, "SAME")
    over_bins = tf.transpose(tf.nn.avg_pool1d(tf.transpose(log_mel, [0, 2, 1]), 3, 1, "SAME"), [0, 2, 1])
    smooth = draw[0] * over_time + (1.0 - draw[0]) * over_bins
    surface = tf.random.stateless_normal([rows, frames // 16 + 1, bins // 8], seed + [1, 1 << 28])
    surface = tf.matmul(_bicubic(frames // 16 + 1, frames), surface[own])
    surface = tf.matmul(surface, _bicubic(bins // 8, bins), transpose_b=True)
    changed = log_mel + draw[1] * (smooth - log_mel) + draw[2] * 0.1 * surface
    return tf.where(draw[3] < probability, changed, log_mel)


@functools.lru_cache(maxsize=8)
def _bicubic(points: int, size: int) -> np.ndarray:
    """Return the matrix `[size, points]` of `tf.image.resize`'s bicubic interpolation, which XLA cannot compile."""
    with tf.init_scope():
        return tf.image.resize(tf.eye(points)[None, :, :, None], [size, points], "bicubic")[0, :, :, 0].numpy()
