"""Level of a note in closed form: the first coordinate of z.

The level is the mean energy of the linear mel over the first 3 s, in dB. The encoder's network gets every note at
`LEVEL_CENTER`, and the decoder's output is scaled to the level that z asks for. So a gain moves one coordinate of z
and no other, and a decoded note is as loud as the encoded one.
"""

from __future__ import annotations

import math

import tensorflow as tf

from nsynth_vae.config import AudioConfig
from nsynth_vae.features import log_mel_to_mel, mel_to_log_mel

LEVEL_SECONDS = 3.0
"""The level is measured up to here: NSynth's notes are released at 3 s."""

LEVEL_CENTER, LEVEL_SCALE = 38.0, 7.0
"""dB of mel energy: median and standard deviation of the training notes' level. The coordinate is 0 for the typical
note, which has an RMS of -16 dBFS over its first 3 s."""

LARGEST_GAIN = 90.0
"""dB that a quiet note is amplified by at most: digital silence stays silence."""

LEVEL_LOG_VAR = -4.5
"""z_log_var of the coordinate, a constant: a standard deviation of 0.1, or 0.7 dB."""

_DECIBELS = 10.0 / math.log(10.0)


def level(log_energy: tf.Tensor) -> tf.Tensor:
    """Return the level coordinate of a note's log energy (natural logarithm), of any shape."""
    return (log_energy * _DECIBELS - LEVEL_CENTER) * (1.0 / LEVEL_SCALE)


def normalize_level(log_mel: tf.Tensor, config: AudioConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Return notes at the typical level, and the level that they had.

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`, as `features.log_mel` returns it.
        config: the audio configuration.

    Returns:
        (log_mel of the same shape, level coordinate `[batch]`).
    """
    mel = log_mel_to_mel(log_mel, config)
    energy = tf.reduce_mean(tf.reduce_sum(tf.square(mel[:, : _frames(config)]), axis=2), axis=1)
    quietest = math.exp((LEVEL_CENTER - LARGEST_GAIN) / _DECIBELS)
    log_energy = tf.math.log(tf.maximum(energy, quietest))
    gain = tf.exp(0.5 * (LEVEL_CENTER / _DECIBELS - log_energy))
    return mel_to_log_mel(mel * gain[:, None, None], config), level(log_energy)


def level_shift(nats: tf.Tensor, coordinate: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return what scales decoded notes to the level of a coordinate.

    Args:
        nats: float32 `[batch, frames, mel_bins]`: ln(mel).
        coordinate: float32 `[batch]`, the first of z.
        config: the audio configuration.

    Returns:
        Nats to add, `[batch]`: `level` of the sum's log energy is `coordinate`.
    """
    early = nats[:, : _frames(config)]
    log_energy = tf.reduce_logsumexp(2.0 * early, axis=[1, 2]) - math.log(early.shape[1])
    target = (coordinate * LEVEL_SCALE + LEVEL_CENTER) * (1.0 / _DECIBELS)
    return 0.5 * (target - log_energy)


def _frames(config: AudioConfig) -> int:
    """Return the frames that the level is measured over."""
    return min(config.num_frames, 1 + int(LEVEL_SECONDS * config.sample_rate) // config.frame_step)
