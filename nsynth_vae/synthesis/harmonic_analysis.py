"""Harmonic amplitudes and detuning estimated from a mel spectrogram at a known pitch, in closed form.

Pure functions, differentiable, of operators that TFLite has built in.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nsynth_vae.config import AudioConfig
from nsynth_vae.synthesis.constants import AUDIBLE_HERTZ

DEVIATION_HARMONICS = 32
"""Harmonics that the f0 deviation is estimated from."""

DEVIATION_GAIN, DEVIATION_LIMIT = 1.125, 3 / 128
"""The estimate is 0.87 of the f0 deviation of real notes; it is limited to 40 cents."""

QUIET = 2.0**-20
"""Below every amplitude that 16 bits can hold: keeps logarithms and quotients finite.

Like every number here it is exact in float16: 1e-6 would be 1.01e-6 in a float16 file, and add up to another phase."""

_QUARTER_PI = float(np.float16(np.pi / 4))  # As a float16 file has it.


def harmonic_templates(
    f0: tf.Tensor, constants: dict[str, np.ndarray], config: AudioConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the mel of every harmonic at amplitude 1, and its derivative by the logarithm of the pitch.

    A Hann window's main lobe is approximated by cos^2(pi x / 4), x in FFT bins, within 0.025 of its peak. Inaudible
    harmonics are 0.

    Args:
        f0: float32 `[batch]`, cycles a sample.
        constants: of `make_constants`.
        config: the audio configuration.

    Returns:
        float32 `[batch, harmonics, mel_bins]`, and `[batch, n, mel_bins]` of the first n harmonics, at most
        DEVIATION_HARMONICS.
    """
    count = constants["number"].size
    frequency = f0[:, None] * constants["number"]
    place = frequency[:, :, None] * float(config.fft_length)
    distance = place - constants["bins"]
    angle = tf.clip_by_value(distance, -2.0, 2.0) * _QUARTER_PI
    audible = tf.cast(frequency < AUDIBLE_HERTZ / config.sample_rate, tf.float32)[:, :, None]
    lobe = tf.square(tf.cos(angle)) * audible * (config.frame_length / 4)
    low = slice(0, min(DEVIATION_HARMONICS, count))
    inside = tf.cast(tf.abs(distance[:, low]) < 2.0, tf.float32)
    slope = tf.sin(angle[:, low] * 2.0) * place[:, low] * audible[:, low] * inside
    slope *= -_QUARTER_PI * config.frame_length / 4
    mel = tf.matmul(tf.reshape(tf.concat([lobe, slope], axis=1), [-1, lobe.shape[2]]), constants["mel_weights"])
    mel = tf.reshape(mel, [-1, count + low.stop, config.num_mel_bins])
    return mel[:, :count], mel[:, count:]


def harmonic_levels(mel: tf.Tensor, template: tf.Tensor) -> tf.Tensor:
    """Estimate the amplitude of each harmonic, `[batch, frames, harmonics]`.

    One multiplicative update of a non-negative factorisation (Lee and Seung 2000, equation 5) that starts from equal
    harmonics: exact for a harmonic that has its mel bins to itself.

    Args:
        mel: float32 `[batch, frames, mel_bins]`.
        template: float32 `[batch, harmonics, mel_bins]`, the mel of each at amplitude 1.
    """
    ratio = mel / (tf.reduce_sum(template, axis=1) + 2.0**-10)[:, None]
    weights = template / (tf.reduce_sum(template, axis=2, keepdims=True) + QUIET)
    return tf.matmul(ratio, weights, transpose_b=True)


def f0_deviation(mel: tf.Tensor, level: tf.Tensor, template: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Estimate the f0 deviation: frequency over nominal frequency, less 1.

    One Gauss-Newton step from the nominal pitch: the deviation d that leaves the least squares of
    mel - level (template + d slope), frame by frame.

    Args:
        mel: float32 `[batch, frames, mel_bins]`.
        level: float32 `[batch, frames, harmonics]`.
        template: float32 `[batch, harmonics, mel_bins]`.
        slope: float32 `[batch, first harmonics, mel_bins]`, the template's derivative by the logarithm of the pitch.

    Returns:
        float32 `[batch, frames]`, within -`DEVIATION_LIMIT`..`DEVIATION_LIMIT`; 0 in silence.
    """
    rest = mel - tf.matmul(level, template)
    change = tf.matmul(level[:, :, : slope.shape[1]], slope)
    power = tf.reduce_sum(tf.square(change), axis=-1)
    # Frames that are 60 dB below the loudest, and silence, stay at the nominal pitch.
    floor = QUIET * tf.reduce_max(power, axis=1, keepdims=True) + QUIET
    deviation = tf.reduce_sum(rest * change, axis=-1) / (power + floor)
    return tf.clip_by_value(deviation * DEVIATION_GAIN, -DEVIATION_LIMIT, DEVIATION_LIMIT)


def transposed_levels(amplitude: tf.Tensor, ratio: tf.Tensor) -> tf.Tensor:
    """Return the harmonics' levels at another pitch, interpolated in dB over frequency: formants stay.

    Args:
        amplitude: float32 `[batch, frames, harmonics]`.
        ratio: float32 `[batch]`, new frequency over old.
    """
    count = amplitude.shape[2]
    place = ratio[:, None] * np.arange(1, count + 1, dtype=np.float32) - 1.0
    inside = tf.cast(place <= count - 1, tf.float32)
    place = tf.clip_by_value(place, 0.0, float(count - 1))
    old = np.arange(count, dtype=np.float32)[None, :, None]
    weights = tf.maximum(1.0 - tf.abs(place[:, None, :] - old), 0.0) * inside[:, None, :]
    return (tf.exp(tf.matmul(tf.math.log(amplitude + QUIET), weights)) - QUIET) * inside[:, None, :]
