"""Level of a note in closed form: the first coordinate of z.

The level is the RMS of the first 3 s, in dB of full scale, as the mel shows it. The encoder's network gets every note
at `LEVEL_CENTER`, and what the decoder's network makes of it is moved to the level that z asks for. So a gain moves one
coordinate of z and no other. A played note has that level exactly; the median, which the network is trained for, has
what a median has: mostly less.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.spectra import mel_power_weights
from nsynth_vae.config import AudioConfig
from nsynth_vae.features import log_mel_to_mel, mel_to_log_mel

LEVEL_SECONDS = 3.0
"""The level is measured up to here: NSynth's notes are released at 3 s."""

LEVEL_CENTER, LEVEL_SCALE = -16.0, 7.0
"""dB of full scale: median and standard deviation of the training notes' level. The coordinate is 0 for the typical
note."""

LARGEST_GAIN = 90.0
"""dB that a quiet note is amplified by at most: digital silence stays silence."""

LEVEL_LOG_VAR = -4.5
"""z_log_var of the coordinate, a constant: a standard deviation of 0.1, or 0.7 dB."""

_DECIBELS = 10.0 / math.log(10.0)


def level(log_power: tf.Tensor) -> tf.Tensor:
    """Return the level coordinate of the natural logarithm of a note's mean square, of any shape."""
    return (log_power * _DECIBELS - LEVEL_CENTER) * (1.0 / LEVEL_SCALE)


def normalize_level(log_mel: tf.Tensor, config: AudioConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Return notes at the typical level, and the level that they had.

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`, as `features.log_mel` returns it.
        config: the audio configuration.

    Returns:
        (log_mel of the same shape, level coordinate `[batch]`).
    """
    mel = log_mel_to_mel(log_mel, config)
    weights = mel_power_weights(config).astype(np.float32)
    power = tf.reduce_mean(tf.reduce_sum(tf.square(mel[:, : _frames(config)]) * weights, axis=2), axis=1)
    quietest = math.exp((LEVEL_CENTER - LARGEST_GAIN) / _DECIBELS)
    log_power = tf.math.log(tf.maximum(power, quietest))
    gain = tf.exp(0.5 * (LEVEL_CENTER / _DECIBELS - log_power))
    return mel_to_log_mel(mel * gain[:, None, None], config), level(log_power)


def level_gain(coordinate: tf.Tensor) -> tf.Tensor:
    """Return what moves notes from `LEVEL_CENTER` to the level of a coordinate: nats to add to ln(mel), its shape."""
    return coordinate * (0.5 * LEVEL_SCALE / _DECIBELS)


def level_shift(nats: tf.Tensor, coordinate: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return what scales notes of any level to that of a coordinate.

    Args:
        nats: float32 `[batch, frames, mel_bins]`: ln(mel).
        coordinate: float32 `[batch]`, the first of z.
        config: the audio configuration.

    Returns:
        Nats to add, `[batch]`: `level` of the sum's log power is `coordinate`.
    """
    early = 2.0 * nats[:, : _frames(config)] + np.log(mel_power_weights(config)).astype(np.float32)
    log_power = tf.reduce_logsumexp(early, axis=[1, 2]) - math.log(early.shape[1])
    return level_gain(coordinate) + 0.5 * (LEVEL_CENTER / _DECIBELS - log_power)


def _frames(config: AudioConfig) -> int:
    """Return the frames that the level is measured over."""
    return min(config.num_frames, 1 + int(LEVEL_SECONDS * config.sample_rate) // config.frame_step)
