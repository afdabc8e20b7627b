"""A Gaussian mixture of latent points, which new ones are drawn from: the aggregate posterior, of a family if asked.

It is a plain dictionary, as `attributes.json` holds it: {`weights`: `[k]`, `means` and `standard_deviations`:
`[k][latent_dim]`, `families`: {name: `[k]` weights}}. Weights add to 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

COMPONENTS = (1, 2, 4, 8, 16)
"""Numbers of components that are compared."""

NOTES_A_COMPONENT = 20
"""No more components than one for so many points."""

LEAST_DEVIATION = 0.05
"""Standard deviations are no less, in shares of the points' own: a component is no single point."""


def fit(points: np.ndarray, families: Mapping[str, np.ndarray], *, seed: int = 0) -> dict:
    """Returns a mixture of Gaussians with diagonal covariances, fitted by expectation maximisation.

    The number of components is that of `COMPONENTS` with the lowest Bayesian information criterion (Schwarz 1978). A
    family's weights are the mean of its points' responsibilities.

    Args:
        points: float `[notes, latent_dim]`: the notes' z_mean. Their posteriors' variances are not added: what is
            drawn is a likely place for a note's mean.
        families: name -> bool `[notes]`, its points.
        seed: of the start.

    Returns:
        The mixture, its numbers rounded to 5 decimals.

    Raises:
        ValueError: for no points.
    """
    from sklearn.mixture import GaussianMixture

    points = np.asarray(points, np.float64)
    if points.ndim != 2 or not len(points):
        raise ValueError(f"points: found shape {points.shape}, expected [notes, latent_dim] with at least one")
    center, scale = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-6)
    inputs = (points - center) / scale
    if len(points) == 1:
        # A Gaussian is not fitted to one point.
        return _rounded(np.ones(1), points, scale[None] * LEAST_DEVIATION, {name: np.ones(1) for name in families})
    most = max(1, len(points) // NOTES_A_COMPONENT)
    models = [
        GaussianMixture(count, covariance_type="diag", reg_covar=LEAST_DEVIATION**2, random_state=seed).fit(inputs)
        for count in COMPONENTS
        if count <= most
    ]
    best = min(models, key=lambda model: model.bic(inputs))
    shares = best.predict_proba(inputs)
    return _rounded(
        best.weights_,
        best.means_ * scale + center,
        np.sqrt(best.covariances_) * scale,
        {name: shares[members].mean(axis=0) for name, members in families.items() if members.any()},
    )


def sample(mixture: Mapping, count: int, generator: np.random.Generator, *, family: str | None = None) -> np.ndarray:
    """Returns points drawn from a mixture, float32 `[count, latent_dim]`.

    Args:
        mixture: what `fit` returned.
        count: of points, 0 or more.
        generator: draws them.
        family: one of the mixture's: the components are drawn by its weights; None for all notes'.

    Raises:
        ValueError: for a family that the mixture does not have.
    """
    if family is not None and family not in mixture["families"]:
        raise ValueError(f"family: found {family!r}, expected one of {', '.join(sorted(mixture['families']))}")
    weights = np.asarray(mixture["weights"] if family is None else mixture["families"][family], np.float64)
    means, deviations = (np.asarray(mixture[name], np.float64) for name in ("means", "standard_deviations"))
    drawn = generator.choice(len(weights), count, p=weights / weights.sum())
    return (means[drawn] + deviations[drawn] * generator.standard_normal(means[drawn].shape)).astype(np.float32)


def _rounded(weights: np.ndarray, means: np.ndarray, deviations: np.ndarray, families: dict[str, np.ndarray]) -> dict:
    def listed(array: np.ndarray) -> list:
        return np.round(array, 5).tolist()

    return {
        "weights": listed(weights),
        "means": listed(means),
        "standard_deviations": listed(deviations),
        "families": {name: listed(shares) for name, shares in sorted(families.items())},
    }
