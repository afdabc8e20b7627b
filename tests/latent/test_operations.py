"""Operations on latent vectors: exact ends, closed forms, scipy as an oracle."""

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import geometric_slerp

from nsynth_vae import latent


def pairs(count: int = 50, dim: int = 32) -> np.ndarray:
    """Return pairs of vectors of all lengths, `[count, 2, dim]`."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(count, 2, dim)) * 10.0 ** rng.uniform(-3, 3, size=(count, 2, 1))


def test_interpolate_has_exact_ends_and_equal_steps():
    start, end = np.random.default_rng(0).normal(size=(2, 32)).astype(np.float32)
    path = latent.interpolate(start, end, 9)
    np.testing.assert_array_equal(path[[0, -1]], [start, end])
    np.testing.assert_allclose(np.diff(path, axis=0), np.broadcast_to((end - start) / 8, (8, 32)), atol=1e-6)


@pytest.mark.parametrize("method", latent.METHODS)
def test_interpolate_between_a_vector_and_itself_stays_there(method):
    for vector in (np.array([0.1, -7.3]), np.zeros(3), np.array([3.0]), np.float32([0.3, 0.1, 1e-30])):
        np.testing.assert_array_equal(latent.interpolate(vector, vector, 5, method), np.tile(vector, (5, 1)))


def test_lerp_is_exact_at_the_far_end_where_rounding_would_miss_it():
    assert latent.lerp(np.float32(1e8), np.float32(0.1), 1.0) == np.float32(0.1)


def test_interpolate_needs_two_steps_and_a_known_method():
    with pytest.raises(ValueError, match="steps is 1, expected 2 or more"):
        latent.interpolate(np.zeros(2), np.ones(2), 1)
    with pytest.raises(ValueError, match="method is 'cubic', expected lerp or slerp"):
        latent.interpolate(np.zeros(2), np.ones(2), 3, "cubic")


@pytest.mark.parametrize("dim", [2, 3, 32])
def test_slerp_of_unit_vectors_is_scipys(dim):
    fractions = np.linspace(0, 1, 9)
    for pair in pairs(dim=dim):
        start, end = pair / np.linalg.norm(pair, axis=1, keepdims=True)
        np.testing.assert_allclose(
            latent.interpolate(start, end, 9, "slerp"), geometric_slerp(start, end, fractions), atol=1e-12
        )


def test_slerp_in_the_plane_turns_and_grows_linearly():
    path = latent.interpolate(np.array([1.0, 0.0]), np.array([0.0, 3.0]), 4, "slerp")
    angles, lengths = np.radians([0, 30, 60, 90]), np.array([1, 5 / 3, 7 / 3, 3])
    np.testing.assert_allclose(path, lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-12)


@pytest.mark.parametrize("method", latent.METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ends_are_exact_and_the_path_back_is_the_same(method, dtype):
    for start, end in pairs().astype(dtype):
        path = latent.interpolate(start, end, 7, method)
        np.testing.assert_array_equal(path[[0, -1]], [start, end])
        scale = np.linalg.norm(path, axis=1).max()
        np.testing.assert_allclose(path[::-1], latent.interpolate(end, start, 7, method), atol=1e-6 * scale)
        assert method == "lerp" or path.dtype == dtype


def test_slerps_length_changes_linearly_whatever_the_angle():
    rng = np.random.default_rng(2)
    start = rng.normal(size=32)
    across = rng.normal(size=32)
    across -= across @ start / (start @ start) * start
    across /= np.linalg.norm(across) / np.linalg.norm(start)
    for angle in (0.0, 1e-14, 1e-9, 1e-4, 1.0, np.pi / 2, 3.0, np.pi - 1e-4, np.pi - 1e-9, np.pi - 1e-14, np.pi):
        end = 2.5 * (np.cos(angle) * start + np.sin(angle) * across)
        path = latent.interpolate(start, end, 11, "slerp")
        lengths = np.linalg.norm(path, axis=1) / np.linalg.norm(start)
        np.testing.assert_allclose(lengths, np.linspace(1, 2.5, 11), rtol=1e-9, err_msg=f"angle {angle}")
        cosines = np.sum(path[1:] * path[:-1], 1) / (
            np.linalg.norm(path[1:], axis=1) * np.linalg.norm(path[:-1], axis=1)
        )
        # Near 0 an arc cosine loses half of the digits.
        np.testing.assert_allclose(np.arccos(np.clip(cosines, -1, 1)), angle / 10, atol=5e-8, err_msg=f"angle {angle}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("start", "end", "middle"),
    [
        ([1, 2, 3], [2, 4, 6], [1.5, 3, 4.5]),
        ([0, 0, 0], [2, 4, 6], [1, 2, 3]),
        ([2, 4, 6], [0, 0, 0], [1, 2, 3]),
        ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
        ([3], [-3], [0]),
        ([3], [5], [4]),
    ],
)
def test_slerp_where_the_arc_is_a_line(start, end, middle, dtype):
    path = latent.interpolate(np.array(start, dtype), np.array(end, dtype), 3, "slerp")
    np.testing.assert_allclose(path, [start, middle, end], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1.0, 1e200, 1e307])
def test_slerp_between_opposites_goes_round_at_any_scale(scale):
    start = scale * np.array([3.0, 0.0, 4.0])
    path = latent.interpolate(start, -start, 5, "slerp")
    assert np.all(np.isfinite(path))
    middle, unit = path[2] / scale, np.array([0.6, 0.0, 0.8])
    assert abs(middle @ unit) < 1e-2
    assert abs(np.linalg.norm(middle) - 5) < 1e-2
    np.testing.assert_array_equal(path[[0, -1]], [start, -start])


def test_slerp_takes_many_pairs_at_once():
    start, end = pairs().transpose(1, 0, 2)
    for fraction in (0.0, 0.3, 1.0):
        together = latent.slerp(start, end, fraction)
        alone = [latent.slerp(one, other, fraction) for one, other in zip(start, end, strict=True)]
        np.testing.assert_allclose(together, alone, rtol=1e-12)
    fractions = np.linspace(0, 1, 50)[:, None]
    together = latent.slerp(start, end, fractions)
    alone = [latent.slerp(*pair, fraction[0]) for pair, fraction in zip(pairs(), fractions, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_integers_are_no_floor_for_slerp():
    np.testing.assert_allclose(latent.slerp([1, 0], [0, 1], 0.5), [0.5**0.5] * 2)


def test_grid_is_bilinear_with_exact_corners():
    corners = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)
    grid = latent.grid(corners, 5, 7)
    assert grid.shape == (5, 7, 8)
    np.testing.assert_array_equal(grid[[0, 0, -1, -1], [0, -1, 0, -1]], corners)
    rows, columns = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 7), indexing="ij")
    oracle = RegularGridInterpolator(([0, 1], [0, 1]), corners.reshape(2, 2, 8))(np.stack([rows, columns], -1))
    np.testing.assert_allclose(grid, oracle, atol=1e-6)


@pytest.mark.parametrize(
    ("corners", "rows", "columns", "expected"),
    [
        (np.zeros([3, 2]), 2, 2, "corners are 3, expected 4: top left"),
        (np.zeros(4), 2, 2, r"corners are of shape \[4\], expected \[n, latent_dim\]"),
        (np.zeros([4, 2]), 1, 2, "rows is 1, expected 2 or more"),
        (np.zeros([4, 2]), 2, 0, "columns is 0, expected 2 or more"),
    ],
)
def test_what_is_no_grid(corners, rows, columns, expected):
    with pytest.raises(ValueError, match=expected):
        latent.grid(corners, rows, columns)


def test_affine_combination():
    vectors = np.random.default_rng(4).normal(size=(5, 32)).astype(np.float32)
    for index in range(5):
        np.testing.assert_array_equal(latent.affine_combination(vectors, np.eye(5)[index]), vectors[index])
    mixed = latent.affine_combination(vectors, [0.5, 0.5, 0.25, -0.25, 0])
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(
        mixed, 0.5 * vectors[0] + 0.5 * vectors[1] + 0.25 * vectors[2] - 0.25 * vectors[3], atol=1e-6
    )
    # Tenths do not add to 1 in floating vector, nor do thirds of seven digits.
    np.testing.assert_allclose(latent.affine_combination(np.ones([10, 2]), [0.1] * 10), 1.0)
    np.testing.assert_allclose(latent.affine_combination(np.ones([3, 2]), [0.3333333] * 3), 1.0, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1, 1], "weights add to 2, expected 1"),
        ([0.5, 0.49999], "weights add to 0.99999, expected 1"),
        ([1, -1], "weights add to 0, expected 1"),
        ([np.nan, 1], "expected finite numbers"),
        ([np.inf, -np.inf], "expected finite numbers"),
        ([1], r"weights are of shape \[1\], expected one for each of 2 vectors"),
    ],
)
def test_weights_of_no_affine_combination(weights, expected):
    with pytest.raises(ValueError, match=expected):
        latent.affine_combination(np.ones([2, 3]), weights)


def test_centroid():
    np.testing.assert_array_equal(latent.centroid(np.float32([[1, 2], [3, 6]])), [2, 4])
    assert latent.centroid(np.full([70000, 1], 0.1, np.float32))[0] == np.float32(0.1)
    with pytest.raises(ValueError, match="with at least one"):
        latent.centroid(np.zeros([0, 4]))


def make_sides(dim: int = 6, count: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors with an attribute and without, of one known covariance, and the optimal plane's unit normal."""
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(dim, dim)) + 2 * np.eye(dim)
    shift = rng.normal(size=dim) * 2
    sides = rng.normal(size=(2, count, dim)) @ mixing.T
    normal = np.linalg.solve(mixing @ mixing.T, shift)
    return sides[0] + shift, sides[1], normal / np.linalg.norm(normal)


def test_direction_by_difference_of_means():
    with_attribute, without, _ = make_sides()
    found = latent.direction(with_attribute, without[:100])
    np.testing.assert_allclose(found, with_attribute.mean(0) - without[:100].mean(0))


def test_direction_by_classifier_is_fishers_and_as_long_as_the_difference_along_it():
    with_attribute, without, normal = make_sides()
    difference = latent.direction(with_attribute, without)
    # Sides of unequal size: the plane's normal stays.
    for part in (without, without[:500]):
        found = latent.direction(with_attribute, part, "classifier")
        unit = found / np.linalg.norm(found)
        assert unit @ normal > 0.99 > difference / np.linalg.norm(difference) @ normal
        np.testing.assert_allclose(found @ unit, latent.direction(with_attribute, part) @ unit, rtol=1e-6)


def test_directions_without_a_difference_or_vectors():
    vectors = np.float32([[1.0, 2.0], [3.0, 4.0]])
    for method in ("difference", "classifier"):
        found = latent.direction(vectors, vectors, method)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, 0.0, atol=1e-7)
    with pytest.raises(ValueError, match="without_attribute are of shape"):
        latent.direction(vectors, np.zeros([0, 2]))
    with pytest.raises(ValueError, match="method is 'svm', expected difference or classifier"):
        latent.direction(vectors, vectors, "svm")


def test_apply():
    z, direction = np.float32([[1, 2], [3, 4]]), np.float32([1, -1])
    np.testing.assert_array_equal(latent.apply(z, direction, 0.5), [[1.5, 1.5], [3.5, 3.5]])
    np.testing.assert_array_equal(latent.apply(z[0], direction, np.array([[0.0], [2.0]])), [[1, 2], [3, 0]])
    assert latent.apply(z, direction, -1.0).dtype == np.float32
