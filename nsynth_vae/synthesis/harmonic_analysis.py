"""What a mel says of the harmonics of a known pitch, in closed form: how loud each is, and how far the pitch is off.

Pure functions, differentiable, of operators that TFLite has built in.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nsynth_vae.config import AudioConfig
from nsynth_vae.synthesis.constants import AUDIBLE_HERTZ

DRIFT_HARMONICS = 32
"""The drift of the pitch is read off the mel of so many harmonics."""

DRIFT_GAIN, DRIFT_LIMIT = 1.125, 3 / 128
"""What is read there is 0.87 of the drift of real notes; more than 40 cents are not believed to be this pitch's."""

QUIET = 2.0**-20
"""Below every amplitude that 16 bits can hold: keeps logarithms and quotients finite.

Like every number here it is one that a float16 file keeps: 1e-6 there is 1.01e-6, and adds up to another phase."""

_QUARTER_PI = float(np.float16(np.pi / 4))  # As a float16 file has it.


def harmonic_templates(
    f0: tf.Tensor, tables: dict[str, np.ndarray], config: AudioConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the mel of every harmonic at amplitude 1, and how that changes with the logarithm of the pitch.

    A Hann window's main lobe is taken as cos^2(pi x / 4), x in FFT bins: right to 0.025 of its peak. Inaudible
    harmonics have 0.

    Args:
        f0: float32 `[batch]`, cycles a sample.
        tables: of `make_tables`.
        config: the audio configuration.

    Returns:
        float32 `[batch, harmonics, mel_bins]`, and `[batch, n, mel_bins]` of the first n harmonics, at most
        DRIFT_HARMONICS.
    """
    count = tables["number"].size
    frequency = f0[:, None] * tables["number"]
    place = frequency[:, :, None] * float(config.fft_length)
    distance = place - tables["bins"]
    angle = tf.clip_by_value(distance, -2.0, 2.0) * _QUARTER_PI
    audible = tf.cast(frequency < AUDIBLE_HERTZ / config.sample_rate, tf.float32)[:, :, None]
    lobe = tf.square(tf.cos(angle)) * audible * (config.frame_length / 4)
    low = slice(0, min(DRIFT_HARMONICS, count))
    inside = tf.cast(tf.abs(distance[:, low]) < 2.0, tf.float32)
    slope = tf.sin(angle[:, low] * 2.0) * place[:, low] * audible[:, low] * inside
    slope *= -_QUARTER_PI * config.frame_length / 4
    mel = tf.matmul(tf.reshape(tf.concat([lobe, slope], axis=1), [-1, lobe.shape[2]]), tables["mel_weights"])
    mel = tf.reshape(mel, [-1, count + low.stop, config.num_mel_bins])
    return mel[:, :count], mel[:, count:]


def harmonic_levels(mel: tf.Tensor, template: tf.Tensor) -> tf.Tensor:
    """Returns the amplitude that the mel shows at each harmonic, `[batch, frames, harmonics]`.

    One multiplicative update of a non-negative factorisation (Lee and Seung 2000, equation 5) that starts from equal
    harmonics: exact for a harmonic that has its mel bins to itself.

    Args:
        mel: float32 `[batch, frames, mel_bins]`.
        template: float32 `[batch, harmonics, mel_bins]`, the mel of each at amplitude 1.
    """
    ratio = mel / (tf.reduce_sum(template, axis=1) + 2.0**-10)[:, None]
    share = template / (tf.reduce_sum(template, axis=2, keepdims=True) + QUIET)
    return tf.matmul(ratio, share, transpose_b=True)


def pitch_drift(mel: tf.Tensor, level: tf.Tensor, template: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Returns how far the mel shows the pitch to be from its nominal one: frequency over nominal, less 1.

    One Gauss-Newton step from the nominal pitch: the drift d that leaves the least squares of
    mel - level (template + d slope), frame by frame.

    Args:
        mel: float32 `[batch, frames, mel_bins]`.
        level: float32 `[batch, frames, harmonics]`.
        template: float32 `[batch, harmonics, mel_bins]`.
        slope: float32 `[batch, first harmonics, mel_bins]`, the template's derivative by the logarithm of the pitch.

    Returns:
        float32 `[batch, frames]`, within -`DRIFT_LIMIT`..`DRIFT_LIMIT`; 0 in silence.
    """
    rest = mel - tf.matmul(level, template)
    change = tf.matmul(level[:, :, : slope.shape[1]], slope)
    power = tf.reduce_sum(tf.square(change), axis=-1)
    # Frames that are 60 dB below the loudest, and silence, stay where they are.
    floor = QUIET * tf.reduce_max(power, axis=1, keepdims=True) + QUIET
    drift = tf.reduce_sum(rest * change, axis=-1) / (power + floor)
    return tf.clip_by_value(drift * DRIFT_GAIN, -DRIFT_LIMIT, DRIFT_LIMIT)


def moved_levels(amplitude: tf.Tensor, ratio: tf.Tensor) -> tf.Tensor:
    """Returns the harmonics' levels at another pitch: those of the old ones, interpolated in dB over frequency.

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
