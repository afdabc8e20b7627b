"""Many dimensions to two: pure functions of arrays."""

from __future__ import annotations

import numpy as np

PERPLEXITY = 30.0
"""Of t-SNE: about how many neighbours a point has; a third of the points if these are few."""


def pca(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns points along the two directions in which they vary most, and the shares of the variance there.

    Each direction's sign is such that its largest component is positive. What has no second direction has zeros there.

    Args:
        points: `[n, dim]`.

    Returns:
        (float64 `[n, 2]`, float64 `[2]`).
    """
    centered = np.asarray(points, np.float64) - np.mean(points, axis=0, dtype=np.float64)
    _, values, directions = np.linalg.svd(centered, full_matrices=False)
    values, directions = values[:2], directions[:2]
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    shares = values**2 / max(float(np.sum(centered**2)), 1e-30)
    missing = 2 - len(values)
    return np.pad(centered @ (signs[:, None] * directions).T, [(0, 0), (0, missing)]), np.pad(shares, (0, missing))


def tsne(points: np.ndarray, seed: int) -> np.ndarray:
    """Returns points so placed that what is near in many dimensions is near in two (van der Maaten and Hinton 2008).

    Of fewer than four points, and of points that are all the same, it is `pca`.

    Args:
        points: `[n, dim]`.
        seed: decides the result, together with the points.

    Returns:
        float64 `[n, 2]`.
    """
    import threadpoolctl
    from sklearn.manifold import TSNE

    first, _ = pca(points)
    if len(points) < 4 or not np.ptp(points, axis=0).any():
        return first
    # From PCA on, as the library does, scaled to its standard deviation of 1e-4.
    start = (first / np.std(first[:, 0]) * 1e-4).astype(np.float32)
    model = TSNE(perplexity=min(PERPLEXITY, (len(points) - 1) / 3), init=start, random_state=seed)
    # Several threads add up in another order each time.
    with threadpoolctl.threadpool_limits(1):
        return model.fit_transform(np.asarray(points, np.float32)).astype(np.float64)
