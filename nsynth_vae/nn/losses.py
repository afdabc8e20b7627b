"""Terms of the VAE's loss: pure functions of float32 tensors, one value a note."""

from __future__ import annotations

import math

import tensorflow as tf

BANDS = 8
"""Bands of mel bins whose levels `band_levels` are."""


def laplace_nll(target: tf.Tensor, prediction: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Return the negative log-likelihood of `target` under a Laplace distribution around `prediction`.

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


def band_levels(log_mel: tf.Tensor, scale: float) -> tf.Tensor:
    """Return the level of each band of mel bins: 0.5 ln(sum of mel^2), normalised as the log-mel is.

    Args:
        log_mel: `[batch, frames, mel_bins]`, ln(mel) over `scale`, with any center.
        scale: nats.

    Returns:
        float32 `[batch, frames, BANDS]`.
    """
    missing = -log_mel.shape[2] % BANDS
    nothing = float(-100.0 / scale)
    bins = tf.pad(tf.cast(log_mel, tf.float32), [[0, 0], [0, 0], [0, missing]], constant_values=nothing)
    bands = tf.reshape(bins, [-1, bins.shape[1], BANDS, bins.shape[2] // BANDS])
    return tf.reduce_logsumexp(2.0 * scale * bands, axis=3) * (0.5 / scale)


def kl_divergence(z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
    """Return KL(N(z_mean, exp(z_log_var)) || N(0, 1)) of each latent dimension (Kingma and Welling 2013, appendix B).

    Args:
        z_mean: `[batch, latent_dim]`.
        z_log_var: `[batch, latent_dim]`, natural logarithm of the variance.

    Returns:
        float32 `[batch, latent_dim]`, nats, 0 or more.
    """
    z_mean, z_log_var = tf.cast(z_mean, tf.float32), tf.cast(z_log_var, tf.float32)
    return 0.5 * (tf.square(z_mean) + tf.math.expm1(z_log_var) - z_log_var)


def kl_loss(z_mean: tf.Tensor, z_log_var: tf.Tensor, *, free_nats: float = 0.0) -> tf.Tensor:
    """Return the KL divergence of a note, each dimension counted as at least `free_nats`.

    Below `free_nats` a dimension's KL has no gradient, so that the prior cannot pull it to nothing
    (Kingma et al. 2016, "free bits"; here for each note, so that a note's loss does not depend on its batch).

    Returns:
        float32 `[batch]`, nats.
    """
    return tf.reduce_sum(tf.maximum(kl_divergence(z_mean, z_log_var), free_nats), axis=-1)
