"""Moving through the latent space: pure functions of arrays."""

from __future__ import annotations

import numpy as np


def lerp(start: np.ndarray, end: np.ndarray, fraction: np.ndarray | float) -> np.ndarray:
    """Returns the point `fraction` of the straight way from `start` to `end`, exactly `start` at 0 and `end` at 1.

    Args:
        start: `[..., latent_dim]`.
        end: `[..., latent_dim]`.
        fraction: scalar or an array that broadcasts against `[..., 1]`; outside 0..1 it extrapolates.
    """
    return np.where(np.equal(fraction, 1), end, start + fraction * (np.asarray(end) - start))


def interpolate(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Returns evenly spaced points of the straight way between two, both ends exactly among them.

    Args:
        start: `[latent_dim]`.
        end: `[latent_dim]`.
        steps: 2 or more.

    Returns:
        `[steps, latent_dim]`.

    Raises:
        ValueError: for fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f"steps is {steps}, expected 2 or more")
    return lerp(np.asarray(start)[None, :], np.asarray(end)[None, :], np.linspace(0.0, 1.0, steps)[:, None])
