"""The terms of the VAE's loss, each written once: pure functions of float32 tensors, one value a note."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from nsynth_vae.config import AudioConfig


def laplace_nll(target: tf.Tensor, prediction: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Returns the negative log-likelihood of `target` under a Laplace distribution around `prediction`.

    Sum over all but the first dimension of |target - prediction| / b + ln(2 b), with b = exp(log_scale).

    Args:
        target: `[batch, ...]`.
        prediction: the same shape.
        log_scale: scalar, the logarithm of the Laplace distribution's scale b.

    Returns:
        float32 `[batch]`, nats.
    """
    error = tf.abs(tf.cast(target, tf.float32) - tf.cast(prediction, tf.float32))
    nll = error * tf.exp(-log_scale) + log_scale + math.log(2.0)
    return tf.reduce_sum(nll, axis=range(1, nll.shape.rank))


def kl_divergence(z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
    """Returns KL(N(z_mean, exp(z_log_var)) || N(0, 1)) of each latent dimension (Kingma and Welling 2013, appendix B).

    Args:
        z_mean: `[batch, latent_dim]`.
        z_log_var: `[batch, latent_dim]`, natural logarithm of the variance.

    Returns:
        float32 `[batch, latent_dim]`, nats, 0 or more.
    """
    z_mean, z_log_var = tf.cast(z_mean, tf.float32), tf.cast(z_log_var, tf.float32)
    return 0.5 * (tf.square(z_mean) + tf.math.expm1(z_log_var) - z_log_var)


def kl_loss(z_mean: tf.Tensor, z_log_var: tf.Tensor, *, free_nats: float = 0.0) -> tf.Tensor:
    """Returns the KL divergence of a note, each dimension counted as at least `free_nats`.

    Below `free_nats` a dimension's KL has no gradient, so that the prior cannot pull it to nothing
    (Kingma et al. 2016, "free bits"; here for each note, so that a note's loss does not depend on its batch).

    Returns:
        float32 `[batch]`, nats.
    """
    return tf.reduce_sum(tf.maximum(kl_divergence(z_mean, z_log_var), free_nats), axis=-1)


def pitch_cross_entropy(logits: tf.Tensor, pitch: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy, in nats, of the pitch (int `[batch]`) under `logits` (`[batch, 128]`): `[batch]`."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=pitch, logits=tf.cast(logits, tf.float32))


FRAME_LENGTHS = (2048, 1024, 512, 256, 128, 64)
"""Samples of the frames of the multi-scale spectral distance; each steps by a quarter."""


def spectral_losses(
    target: tf.Tensor, audio: tf.Tensor, loudest: tf.Tensor, *, frame_lengths: tuple[int, ...] = FRAME_LENGTHS
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns two distances of sounds that do not hear the phase.

    - The multi-scale spectral distance (Engel et al. 2020, "DDSP", equation 4, here as the sum of means): over the
      frame lengths, mean |A - B| + mean |ln(A + 1e-3) - ln(B + 1e-3)| of the magnitudes A and B.
    - The log-spectral distance: 20 log10 of the magnitudes of frames of 2048, nothing below 80 dB under `loudest`,
      root mean square over bins, mean over frames.

    Args:
        target: float32 `[batch, samples]`.
        audio: the same shape.
        loudest: float32 `[batch]`, the largest magnitude of the target's note in frames of 2048.
        frame_lengths: of the first distance; 2048 among them.

    Returns:
        Two of float32 `[batch]`: no unit, and dB.
    """
    multi_scale, log_spectral = 0.0, 0.0
    for length in frame_lengths:
        a, b = (_magnitude(sound, length) for sound in (target, audio))
        distance = tf.abs(a - b) + tf.abs(tf.math.log(a + 1e-3) - tf.math.log(b + 1e-3))
        multi_scale += tf.reduce_mean(distance, axis=[1, 2])
        if length == 2048:
            floor = tf.maximum(loudest * 1e-4, 1e-7)[:, None, None]
            decibel = tf.math.log(tf.maximum(a, floor) / tf.maximum(b, floor)) * (20.0 / math.log(10.0))
            # The small constant keeps the root's gradient finite where both are below the floor.
            rms = tf.sqrt(tf.reduce_mean(tf.square(decibel), axis=2) + 1e-3)
            log_spectral = tf.reduce_mean(rms, axis=1)
    return multi_scale, log_spectral


def _magnitude(audio: tf.Tensor, length: int) -> tf.Tensor:
    """Returns |STFT|, Hann, step a quarter; its gradient is finite in silence too, and cheaper than that of tf.abs."""
    spectrum = tf.signal.stft(audio, length, length // 4, length)
    return tf.sqrt(tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum)) + 1e-14)


DRIFT_HERTZ = (60.0, 1900.0)
"""Hz: partials whose drift is measured. Below, a frame holds too few periods; above, 27 cents turn the phase over."""

DRIFT_PARTIALS = 12


def measured_drift(audio: tf.Tensor, frequency: tf.Tensor, config: AudioConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns how far the pitch of sounds is from a nominal one, from frame to frame, by the phases of the partials.

    A phase vocoder (Flanagan and Golden 1966): each partial is brought down to 0 Hz, and what its phase still turns by
    from one frame to the next is its deviation; these are joined by least squares, weighted by the partials' power.

    Args:
        audio: float32 `[batch, samples]`.
        frequency: float32 `[batch]`, of the nominal pitch, cycles a sample.
        config: gives the frames' length and step, and the sample rate.

    Returns:
        (drift, `[batch, frames - 1]`: frequency over nominal, less 1; weight, the same shape, 0 to 1: the power of the
        partials over their largest, 0 if there is no partial in `DRIFT_HERTZ`), where frames are those that lie
        within the audio, the first centred on sample `frame_length // 2`.
    """
    frames = tf.signal.frame(audio, config.frame_length, config.frame_step) * tf.signal.hann_window(config.frame_length)
    partials = frequency[:, None] * np.arange(1, DRIFT_PARTIALS + 1, dtype=np.float32)
    low, high = (hertz / config.sample_rate for hertz in DRIFT_HERTZ)
    used = tf.cast((partials <= high) & (frequency[:, None] >= low), tf.float32)
    angle = 2.0 * np.pi * partials[:, None, :] * np.arange(config.frame_length, dtype=np.float32)[:, None]
    real, imaginary = tf.matmul(frames, tf.cos(angle)), -tf.matmul(frames, tf.sin(angle))
    # The phase of frame i + 1 less that of frame i, less what the nominal frequency turns by in a step.
    turn = 2.0 * np.pi * partials * float(config.frame_step)
    cos, sin = tf.cos(turn)[:, None], tf.sin(turn)[:, None]
    re = real[:, 1:] * real[:, :-1] + imaginary[:, 1:] * imaginary[:, :-1]
    im = imaginary[:, 1:] * real[:, :-1] - real[:, 1:] * imaginary[:, :-1]
    power = tf.sqrt(re * re + im * im) * used[:, None]
    deviation = tf.atan2(im * cos - re * sin, re * cos + im * sin) / (2.0 * np.pi * config.frame_step)
    total = tf.reduce_sum(power * tf.square(partials)[:, None], axis=2)
    drift = tf.reduce_sum(power * partials[:, None] * deviation, axis=2) / tf.maximum(total, 1e-12)
    level = tf.reduce_sum(power, axis=2)
    return drift, level / tf.maximum(tf.reduce_max(level, axis=1, keepdims=True), 1e-6)


def drift_distance(target: tf.Tensor, drift: tf.Tensor, frequency: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Returns how far a drift is from that of the target's pitch, on average, weighted by the partials' loudness.

    Where the target is more than 40 cents off, it is not heard as this pitch drifting, and does not count.

    Args:
        target: float32 `[batch, frames * frame_step]`, the first sample where the first frame is centred.
        drift: float32 `[batch, frames]`, frequency over nominal, less 1.
        frequency: float32 `[batch]`, nominal, cycles a sample.
        config: the frames.

    Returns:
        float32 `[batch]`, cents; 0 for a sound without a pitch in `DRIFT_HERTZ`.
    """
    asked, weight = measured_drift(target, frequency, config)
    cents = 1200.0 / math.log(2.0)
    first, count = config.frame_length // config.frame_step // 2, asked.shape[1]
    found = 0.5 * (drift[:, first : first + count] + drift[:, first + 1 : first + 1 + count])
    weight = tf.sqrt(weight) * tf.cast(tf.abs(asked) < 40.0 / cents, tf.float32)
    distance = tf.reduce_sum(weight * tf.abs(asked - found), axis=1) / (tf.reduce_sum(weight, axis=1) + 1e-3)
    return distance * cents
