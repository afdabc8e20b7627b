"""Latent vectors: operations, names, expressions, densities."""

from nsynth_vae.latent.operations import (
    METHODS,
    SUM_TOLERANCE,
    apply,
    blend,
    centroid,
    direction,
    grid,
    interpolate,
    lerp,
    orthogonal,
    slerp,
)

__all__ = [
    "METHODS",
    "SUM_TOLERANCE",
    "apply",
    "blend",
    "centroid",
    "direction",
    "grid",
    "interpolate",
    "lerp",
    "orthogonal",
    "slerp",
]
