"""How far one set of sounds is from another, told from a classifier's features of them: pure functions of arrays."""

from __future__ import annotations

import numpy as np

NDB_BINS = 50
"""Clusters of NDB."""

NDB_LEVEL = 0.05
"""Level of significance of NDB's tests."""


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the Frechet distance of the Gaussians that have the mean and covariance of two sets of features.

    Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium". It grows as
    sets become smaller: compare figures of sets of one size only.

    Args:
        first: float `[notes, features]`, two notes or more.
        second: the same number of features.

    Returns:
        0 or more, in the features' unit squared.

    Raises:
        ValueError: for what is not such a pair.
    """
    moments = []
    for features in _checked(first, second, least=2):
        moments += [features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))]
    return frechet_distance_of_gaussians(*moments)


def frechet_distance_of_gaussians(
    first_mean: np.ndarray, first_covariance: np.ndarray, second_mean: np.ndarray, second_covariance: np.ndarray
) -> float:
    """Returns |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), the squared 2-Wasserstein distance of two Gaussians.

    Dowson and Landau 1982. The trace of the root of C1 C2 is that of (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric:
    it needs no complex numbers, also where a covariance is singular.

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
    """Returns the share of clusters that hold another share of one set than of the other: NDB / K.

    Richardson and Weiss 2018, "On GANs and GMMs". K-means divides the reference into clusters; a cluster is different
    if a two-proportion z-test of its shares in the two sets is significant at `NDB_LEVEL`. Sets of one distribution
    have about that level (less for small sets, whose counts are coarse).

    Args:
        reference: float `[notes, features]`; it is what decides the clusters.
        features: float `[other notes, features]`.
        bins: the number K of clusters; at most as many as there are notes in the reference.
        seed: where k-means starts.

    Returns:
        0 to 1.

    Raises:
        ValueError: for what is not such a pair, and for fewer notes than clusters.
    """
    from sklearn.cluster import KMeans

    reference, features = _checked(reference, features, least=1)
    if len(reference) < bins:
        raise ValueError(f"reference: found {len(reference)} notes, expected at least the {bins} of the clusters")
    clusters = KMeans(bins, n_init=4, random_state=seed).fit(reference)
    counts = [np.bincount(clusters.predict(part), minlength=bins) for part in (reference, features)]
    return float(np.mean(proportions_differ(*counts)))


def proportions_differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns for each bin whether its shares of two histograms differ, by a two-proportion z-test.

    Args:
        first: int `[bins]`, counts of the first set.
        second: int `[bins]`, counts of the second.

    Returns:
        bool `[bins]`: significant at `NDB_LEVEL`, two-sided, with the pooled estimate of the variance.
    """
    from scipy import stats

    total, other = first.sum(), second.sum()
    pooled = (first + second) / (total + other)
    deviation = np.sqrt(pooled * (1.0 - pooled) * (1.0 / total + 1.0 / other))
    z = np.abs(first / total - second / other) / np.where(deviation > 0, deviation, 1.0)
    return z > stats.norm.ppf(1.0 - NDB_LEVEL / 2.0)


def _checked(first: np.ndarray, second: np.ndarray, *, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of features in float64, or says what is wrong with them."""
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
    """Returns the symmetric root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
