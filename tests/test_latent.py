"""Interpolation: exact ends, even steps."""

import numpy as np
import pytest

from nsynth_vae import latent


def test_interpolate_has_exact_ends_and_even_steps():
    start, end = np.random.default_rng(0).normal(size=(2, 32)).astype(np.float32)
    path = latent.interpolate(start, end, 9)
    np.testing.assert_array_equal(path[[0, -1]], [start, end])
    np.testing.assert_allclose(np.diff(path, axis=0), np.broadcast_to((end - start) / 8, (8, 32)), atol=1e-6)


def test_interpolate_between_a_point_and_itself_stays_there():
    point = np.array([0.1, -7.3])
    np.testing.assert_array_equal(latent.interpolate(point, point, 5), np.tile(point, (5, 1)))


def test_lerp_is_exact_at_the_far_end_where_rounding_would_miss_it():
    assert latent.lerp(np.float32(1e8), np.float32(0.1), 1.0) == np.float32(0.1)


def test_interpolate_needs_two_steps():
    with pytest.raises(ValueError, match="steps is 1, expected 2 or more"):
        latent.interpolate(np.zeros(2), np.ones(2), 1)
