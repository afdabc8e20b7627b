"""Frechet distance and NDB: of known distributions, known values."""

import numpy as np
import pytest
from scipy import linalg, stats

from nsynth_vae.evaluation import set_distances
from nsynth_vae.evaluation.set_distances import frechet_distance, frechet_distance_of_gaussians, ndb, proportions_differ

RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal([400, 8]) @ RNG.standard_normal([8, 8]) + RNG.standard_normal(8)


def test_a_set_has_no_distance_from_itself():
    assert frechet_distance(FEATURES, FEATURES) == pytest.approx(0.0, abs=1e-6)
    assert ndb(FEATURES, FEATURES) == 0.0


def test_frechet_distance_of_a_shift_is_its_square():
    shift = np.arange(8.0)
    assert frechet_distance(FEATURES, FEATURES + shift) == pytest.approx(np.square(shift).sum(), rel=1e-6)


def test_frechet_distance_of_a_scaled_set():
    """C and 4 C have the root 2 C: tr(C + 4 C - 4 C) = tr(C), and the means are apart by the mean itself."""
    expected = np.square(FEATURES.mean(axis=0)).sum() + np.trace(np.cov(FEATURES, rowvar=False))
    assert frechet_distance(FEATURES, 2 * FEATURES) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_two_known_gaussians():
    """Of diagonal covariances: |m1 - m2|^2 + sum of (s1 - s2)^2, by hand."""
    first, second = np.array([1.0, 2.0, 0.5]), np.array([3.0, 2.0, 1.5])
    means = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 4.0])
    found = frechet_distance_of_gaussians(means[0], np.diag(first**2), means[1], np.diag(second**2))
    assert found == pytest.approx((1 + 4) + (4 + 0 + 1))
    samples = [
        mean + RNG.standard_normal([200_000, 3]) * scale for mean, scale in zip(means, (first, second), strict=True)
    ]
    assert frechet_distance(*samples) == pytest.approx(10.0, rel=0.01)


def test_frechet_distance_is_that_of_scipys_root():
    other = RNG.standard_normal([300, 8]) @ RNG.standard_normal([8, 8])
    means = [part.mean(axis=0) for part in (FEATURES, other)]
    covariances = [np.cov(part, rowvar=False) for part in (FEATURES, other)]
    root = linalg.sqrtm(covariances[0] @ covariances[1])
    expected = np.square(means[0] - means[1]).sum() + np.trace(covariances[0] + covariances[1] - 2 * root.real)
    assert frechet_distance(FEATURES, other) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(other, FEATURES) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_fewer_notes_than_features():
    """The covariances are singular, and scipy's root of them is not to be had."""
    few = RNG.standard_normal([5, 64])
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(few, few + 1.0) == pytest.approx(64.0, rel=1e-6)


def test_ndb_of_one_distribution_is_about_the_level_of_the_test():
    reference, other = RNG.standard_normal([2, 2000, 4])
    assert ndb(reference, other) < 3 * set_distances.NDB_LEVEL


def test_ndb_of_another_distribution_is_high():
    """A set that is all in one place misses every cluster but one."""
    reference = RNG.standard_normal([2000, 4])
    assert ndb(reference, reference + 10.0) > 0.9
    collapsed = np.tile(reference[:1], [2000, 1])
    assert ndb(reference, collapsed) == 1.0


def test_ndb_is_the_same_twice():
    reference, other = RNG.standard_normal([2, 200, 4]) * [[[1.0]], [[1.5]]]
    assert ndb(reference, other, seed=3) == ndb(reference, other, seed=3)


@pytest.mark.parametrize(("first", "second"), [(30, 50), (30, 45), (0, 8), (0, 2), (100, 100)])
def test_two_proportions_are_tested_as_by_the_chi_square(first, second):
    """Of two proportions, the squared z is the chi-square of the 2 x 2 table without continuity correction."""
    counts = np.array([[first, 200 - first], [second, 200 - second]])
    p = stats.chi2_contingency(counts, correction=False).pvalue
    np.testing.assert_array_equal(proportions_differ(*counts), [p < set_distances.NDB_LEVEL] * 2)


def test_a_cluster_that_both_sets_leave_empty_does_not_differ():
    np.testing.assert_array_equal(proportions_differ(np.array([0, 9]), np.array([0, 5])), [False, False])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (FEATURES[:1], FEATURES, r"found shape \(1, 8\), expected \[notes, features\], 2 or more"),
        (FEATURES[0], FEATURES, r"found shape \(8,\)"),
        (FEATURES, FEATURES[:, :3], "found 8 and 3 a note, expected as many"),
        (FEATURES, FEATURES * np.nan, "found NaN or infinite ones"),
    ],
)
def test_what_is_no_pair_of_sets_is_an_error(first, second, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(first, second)


def test_fewer_notes_than_clusters_are_an_error():
    with pytest.raises(ValueError, match="found 49 notes, expected at least the 50 of the clusters"):
        ndb(FEATURES[:49], FEATURES)
