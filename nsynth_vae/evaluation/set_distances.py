"""Distances between two sets of sounds in a classifier's features: Frechet distance and NDB."""

from __future__ import annotations

import numpy as np

NDB_BINS = 50
"""Clusters of NDB."""

NDB_LEVEL = 0.05
"""Significance level of NDB's tests."""


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Frechet distance of the Gaussians with the mean and covariance of two sets of features.

    Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium". It grows as
    sets become smaller: only figures of sets of one size are comparable.

    Args:
        first: float `[notes, features]`, two notes or more.
        second: the same number of features.

    Returns:
        0 or more, in the features' unit squared.

    Raises:
        ValueError: if the features are not such a pair.
    """
    moments = [(x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False))) for x in _checked(first, second, least=2)]
    return frechet_distance_of_gaussians(*moments[0], *moments[1])


def frechet_distance_of_gaussians(
    first_mean: np.ndarray, first_covariance: np.ndarray, second_mean: np.ndarray, second_covariance: np.ndarray
) -> float:
    """Return |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), the squared 2-Wasserstein distance of two Gaussians.

    Dowson and Landau 1982. The trace of the root of C1 C2 is that of (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric:
    no complex numbers are needed, even for a singular covariance.

    Args:
        first_mean: `[features]`.
        first_covariance: `[features, features]`, symmetric, positive semidefinite.
        second_mean: as the first.
        second_covariance: as the first.
    """
    root = _root(first_covariance)
    cross = np.linalg.eigvalsh(root @ second_covariance @ root)
    traces = np.trace(first_covariance) + np.trace(second_covariance) - 2.0 * np.sqrt(np.maximum(cross, 0.0)).sum()
    return float(max(np.square(np.subtract(first_mean, second_mean)).sum() + traces, 0.0))


def ndb(reference: np.ndarray, features: np.ndarray, *, bins: int = NDB_BINS, seed: int = 0) -> float:
    """Return the fraction of clusters that hold different fractions of the two sets: NDB / K.

    Richardson and Weiss 2018, "On GANs and GMMs". K-means divides the reference into clusters; a cluster is different
    if a two-proportion z-test of its fractions of the two sets is significant at `NDB_LEVEL`. Sets of one distribution
    have about that level (less for small sets, whose counts are coarse).

    Args:
        reference: float `[notes, features]`; defines the clusters.
        features: float `[other notes, features]`.
        bins: the number K of clusters; at most as many as there are notes in the reference.
        seed: initialises k-means.

    Returns:
        0 to 1.

    Raises:
        ValueError: if the features are not such a pair, or the notes fewer than the clusters.
    """
    from sklearn.cluster import KMeans

    reference, features = _checked(reference, features, least=1)
    if len(reference) < bins:
        raise ValueError(f"reference: found {len(reference)} notes, expected at least the {bins} of the clusters")
    clusters = KMeans(bins, n_init=4, random_state=seed).fit(reference)
    first, second = (np.bincount(clusters.predict(part), minlength=bins) for part in (reference, features))
    return float(np.mean(proportions_differ(first, second)))


def proportions_differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return for each bin whether its fractions of two histograms differ, by a two-proportion z-test.

    Args:
        first: int `[bins]`, counts.
        second: int `[bins]`, counts.

    Returns:
        bool `[bins]`: significant at `NDB_LEVEL`, two-sided, with the pooled estimate of the variance.
    """
    from scipy import stats

    total, other = first.sum(), second.sum()
    pooled = (first + second) / (total + other)
    error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / total + 1.0 / other))
    z = np.abs(first / total - second / other) / np.where(error > 0, error, 1.0)
    return z > stats.norm.ppf(1.0 - NDB_LEVEL / 2.0)


def _checked(first: np.ndarray, second: np.ndarray, *, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of features in float64, after validation."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    for features in (first, second):
        if features.ndim != 2 or len(features) < least:
            raise ValueError(f"features: found shape {features.shape}, expected [notes, features], {least} or more")
        if not np.isfinite(features).all():
            raise ValueError("features: found NaN or infinite ones, expected finite ones")
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"features: found {first.shape[1]} and {second.shape[1]} a note, expected as many")
    return first, second


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
