"""Tests of the Gaussian mixture: known Gaussians are recovered, and samples are distributed as they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from nsynth_vae.latent import gaussian_mixture

MEANS = np.array([[0.0, 0.0, 5.0], [4.0, -4.0, 5.0]])
DEVIATIONS = np.array([[0.5, 1.0, 0.2], [1.0, 0.3, 0.2]])


def two_clouds(count: int = 1200) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return latent vectors, two in three of the first cloud, and families: a cloud each, and half of either."""
    generator = np.random.default_rng(0)
    cloud = np.repeat([0, 1], [2 * count // 3, count // 3])
    z = MEANS[cloud] + DEVIATIONS[cloud] * generator.standard_normal([count, 3])
    halves = np.zeros(count, bool)
    halves[:200] = halves[-200:] = True
    return z, {"low": cloud == 0, "high": cloud == 1, "both": halves, "none": np.zeros(count, bool)}


def test_fit_finds_the_clouds_and_no_more():
    z, families = two_clouds()
    found = gaussian_mixture.fit(z, families)
    order = np.argsort(np.array(found["means"])[:, 0])
    np.testing.assert_allclose(np.array(found["weights"])[order], [2 / 3, 1 / 3], atol=0.01)
    np.testing.assert_allclose(np.array(found["means"])[order], MEANS, atol=0.1)
    np.testing.assert_allclose(np.array(found["standard_deviations"])[order], DEVIATIONS, rtol=0.1, atol=0.1)
    assert list(found["families"]) == ["both", "high", "low"]
    weights = {name: np.array(each)[order] for name, each in found["families"].items()}
    np.testing.assert_allclose(weights["low"], [1, 0], atol=0.01)
    np.testing.assert_allclose(weights["high"], [0, 1], atol=0.01)
    np.testing.assert_allclose(weights["both"], [0.5, 0.5], atol=0.01)


def test_one_cloud_is_one_component():
    z = np.random.default_rng(1).normal(3.0, 2.0, [400, 4])
    found = gaussian_mixture.fit(z, {})
    assert found["weights"] == [1.0]
    np.testing.assert_allclose(found["means"], [z.mean(axis=0)], atol=1e-4)
    np.testing.assert_allclose(found["standard_deviations"], [z.std(axis=0)], rtol=0.01)


def test_samples_are_distributed_as_the_mixture():
    z, families = two_clouds()
    found = gaussian_mixture.fit(z, families)
    drawn = gaussian_mixture.sample(found, 4000, np.random.default_rng(2))
    assert drawn.shape == (4000, 3)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=0), z.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(z.T), atol=0.2)
    high = gaussian_mixture.sample(found, 2000, np.random.default_rng(3), family="high")
    for dimension in range(3):
        law = ("norm", (MEANS[1, dimension], DEVIATIONS[1, dimension]))
        assert kstest(high[::4, dimension], *law).pvalue > 1e-3
    assert kstest(gaussian_mixture.sample(found, 500, np.random.default_rng(3), family="low")[:, 0], *law).pvalue < 1e-6


def test_equal_generators_draw_equal_samples_and_none_is_allowed():
    found = gaussian_mixture.fit(*two_clouds(300))
    first, second = (gaussian_mixture.sample(found, 5, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert gaussian_mixture.sample(found, 0, np.random.default_rng(4)).shape == (0, 3)


def test_few_or_equal_vectors_make_a_mixture_too():
    for z in (np.array([[1.0, -2.0]]), np.tile([[1.0, -2.0]], [30, 1]), np.array([[1.0, -2.0], [1.5, -2.0]])):
        found = gaussian_mixture.fit(z, {"flute": np.ones(len(z), bool)})
        drawn = gaussian_mixture.sample(found, 100, np.random.default_rng(5), family="flute")
        assert np.isfinite(drawn).all()
        np.testing.assert_allclose(drawn.mean(axis=0), z.mean(axis=0), atol=0.2)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"z: found shape \(0, 3\), expected \[notes, latent_dim\]"):
        gaussian_mixture.fit(np.zeros([0, 3]), {})
    found = gaussian_mixture.fit(*two_clouds(300))
    with pytest.raises(ValueError, match="family: found 'kazoo', expected one of both, high, low"):
        gaussian_mixture.sample(found, 1, np.random.default_rng(0), family="kazoo")
