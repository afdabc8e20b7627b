"""Latent vectors: operations, lookup by name, expressions, densities and projections."""

from nsynth_vae.latent.operations import (
    METHODS,
    SUM_TOLERANCE,
    affine_combination,
    apply,
    centroid,
    direction,
    grid,
    interpolate,
    lerp,
    slerp,
)

__all__ = [
    "METHODS",
    "SUM_TOLERANCE",
    "affine_combination",
    "apply",
    "centroid",
    "direction",
    "grid",
    "interpolate",
    "lerp",
    "slerp",
]
