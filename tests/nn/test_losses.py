"""Losses against closed forms and Monte Carlo."""

import numpy as np
import scipy.stats
import tensorflow as tf

from nsynth_vae.nn import losses


def test_laplace_nll_is_scipys():
    generator = np.random.default_rng(0)
    target, prediction = generator.normal(size=(2, 3, 5, 4)).astype(np.float32)
    expected = -scipy.stats.laplace.logpdf(target, prediction, np.exp(-0.7)).sum(axis=(1, 2))
    np.testing.assert_allclose(losses.laplace_nll(target, prediction, tf.constant(-0.7)), expected, rtol=1e-5)


def test_laplace_nll_is_least_at_the_mean_error():
    target = tf.constant([[1.0, -3.0, 2.0]])
    scales = [losses.laplace_nll(target, tf.zeros([1, 3]), tf.math.log(b)).numpy()[0] for b in (1.9, 2.0, 2.1)]
    assert scales[1] < min(scales[0], scales[2])


def test_band_levels_are_the_energies_of_the_bands():
    mel = np.random.default_rng(0).uniform(0.1, 3.0, size=(2, 5, 16))
    found = losses.band_levels(tf.constant((np.log(mel) + 4.0) / 4.0, tf.float32), 4.0)
    energy = np.square(mel).reshape(2, 5, losses.BANDS, 2).sum(axis=3)
    np.testing.assert_allclose(found, (0.5 * np.log(energy) + 4.0) / 4.0, rtol=1e-5)
    # Bins that fill no band are a band of their own.
    assert losses.band_levels(tf.zeros([1, 3, 10]), 4.0).shape == (1, 3, losses.BANDS)
    np.testing.assert_allclose(losses.band_levels(tf.zeros([1, 1, 9]), 4.0)[0, 0, 4], 0.0, atol=1e-6)


def test_kl_is_zero_at_the_prior_and_half_the_squared_norm_at_unit_variance():
    zeros = tf.zeros([2, 4])
    np.testing.assert_array_equal(losses.kl_loss(zeros, zeros), [0.0, 0.0])
    z_mean = tf.constant([[3.0, 4.0, 0.0, 0.0], [1.0, -1.0, 1.0, -1.0]])
    np.testing.assert_allclose(losses.kl_loss(z_mean, zeros), [12.5, 2.0], rtol=1e-6)


def test_kl_by_monte_carlo():
    z_mean, z_log_var = np.array([0.7, -1.2]), np.array([0.4, -1.5])
    deviation = np.exp(z_log_var / 2)
    z = np.random.default_rng(0).normal(z_mean, deviation, size=(400_000, 2))
    ratio = scipy.stats.norm.logpdf(z, z_mean, deviation) - scipy.stats.norm.logpdf(z)
    kl = losses.kl_divergence(tf.constant(z_mean[None], tf.float32), tf.constant(z_log_var[None], tf.float32))
    np.testing.assert_allclose(kl[0], ratio.mean(axis=0), atol=0.01)


def test_free_nats_floor_each_dimension_and_take_its_gradient():
    z_mean = tf.Variable([[0.1, 2.0]])
    with tf.GradientTape() as tape:
        loss = losses.kl_loss(z_mean, tf.zeros([1, 2]), free_nats=0.5)
    np.testing.assert_allclose(loss, [0.5 + 2.0], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, z_mean), [[0.0, 2.0]], rtol=1e-6)


def test_losses_are_float32_whatever_the_input():
    half = tf.ones([2, 3], tf.bfloat16)
    assert losses.laplace_nll(half, half, tf.constant(0.0)).dtype == tf.float32
    assert losses.kl_loss(half, half).dtype == tf.float32
