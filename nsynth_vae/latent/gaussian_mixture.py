"""Gaussian mixture of latent vectors, to sample from: the aggregate posterior, of all notes or of a family.

It is a plain dictionary, as `attributes.json` holds it: {`weights`: `[k]`, `means` and `standard_deviations`:
`[k][latent_dim]`, `families`: {name: `[k]` weights}}. Weights add to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nsynth_vae.latent.centroids import to_list

COMPONENTS = (1, 2, 4, 8, 16)
"""Numbers of components that are compared."""

NOTES_PER_COMPONENT = 20
"""Least number of latent vectors for each component."""

MIN_DEVIATION = 0.05
"""Least standard deviation, as a fraction of the vectors' own: no component collapses onto one vector."""


def fit(z: np.ndarray, families: Mapping[str, np.ndarray], *, seed: int = 0) -> dict[str, Any]:
    """Fit a mixture of Gaussians with diagonal covariances by expectation maximisation.

    The number of components is that of `COMPONENTS` with the lowest Bayesian information criterion (Schwarz 1978). A
    family's weights are the mean of its notes' responsibilities.

    Args:
        z: float `[notes, latent_dim]`: the notes' z_mean. The posteriors' variances are not added: samples should be
            likely means.
        families: name -> bool `[notes]`, its notes.
        seed: of the initialisation.

    Returns:
        The mixture, its numbers rounded to 5 decimals.

    Raises:
        ValueError: for no latent vectors.
    """
    from sklearn.mixture import GaussianMixture

    z = np.asarray(z, np.float64)
    if z.ndim != 2 or not len(z):
        raise ValueError(f"z: found shape {z.shape}, expected [notes, latent_dim] with at least one note")
    center, scale = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-6)
    if len(z) == 1:
        # scikit-learn fits no Gaussian to one vector.
        return _mixture(np.ones(1), z, scale[None] * MIN_DEVIATION, {name: np.ones(1) for name in families})
    inputs = (z - center) / scale
    most = max(1, len(z) // NOTES_PER_COMPONENT)
    models = [
        GaussianMixture(count, covariance_type="diag", reg_covar=MIN_DEVIATION**2, random_state=seed).fit(inputs)
        for count in COMPONENTS
        if count <= most
    ]
    best = min(models, key=lambda model: model.bic(inputs))
    responsibilities = best.predict_proba(inputs)
    return _mixture(
        best.weights_,
        best.means_ * scale + center,
        np.sqrt(best.covariances_) * scale,
        {name: responsibilities[members].mean(axis=0) for name, members in families.items() if members.any()},
    )


def sample(mixture: Mapping, count: int, generator: np.random.Generator, *, family: str | None = None) -> np.ndarray:
    """Return latent vectors drawn from a mixture, float32 `[count, latent_dim]`.

    Args:
        mixture: as `fit` returns it.
        count: 0 or more.
        generator: draws them.
        family: one of the mixture's, whose weights the components are drawn by; None for all notes'.

    Raises:
        ValueError: for a family that the mixture does not have.
    """
    if family is not None and family not in mixture["families"]:
        raise ValueError(f"family: found {family!r}, expected one of {', '.join(sorted(mixture['families']))}")
    weights = np.asarray(mixture["weights"] if family is None else mixture["families"][family], np.float64)
    means, deviations = (np.asarray(mixture[name], np.float64) for name in ("means", "standard_deviations"))
    drawn = generator.choice(len(weights), count, p=weights / weights.sum())
    return (means[drawn] + deviations[drawn] * generator.standard_normal(means[drawn].shape)).astype(np.float32)


def _mixture(
    weights: np.ndarray, means: np.ndarray, deviations: np.ndarray, families: dict[str, np.ndarray]
) -> dict[str, Any]:
    return {
        "weights": to_list(weights),
        "means": to_list(means),
        "standard_deviations": to_list(deviations),
        "families": {name: to_list(values) for name, values in sorted(families.items())},
    }
