"""Projections of latent vectors to two dimensions: PCA and t-SNE."""

from __future__ import annotations

import numpy as np

PERPLEXITY = 30.0
"""Of t-SNE: about the number of neighbours; a third of the vectors if these are few."""


def pca(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two principal components, and the fractions of the variance that they explain.

    The sign of each axis makes its largest component positive. A second component that does not exist is 0.

    Args:
        z: `[n, dim]`.

    Returns:
        (float64 `[n, 2]`, float64 `[2]`).
    """
    centered = np.asarray(z, np.float64) - np.mean(z, axis=0, dtype=np.float64)
    _, values, axes = np.linalg.svd(centered, full_matrices=False)
    values, axes = values[:2], axes[:2]
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    explained = values**2 / max(float(np.sum(centered**2)), 1e-30)
    missing = 2 - len(values)
    return np.pad(centered @ (signs[:, None] * axes).T, [(0, 0), (0, missing)]), np.pad(explained, (0, missing))


def tsne(z: np.ndarray, seed: int) -> np.ndarray:
    """Return a two-dimensional t-SNE embedding (van der Maaten and Hinton 2008).

    For fewer than four vectors, and for vectors that are all equal, it is `pca`.

    Args:
        z: `[n, dim]`.
        seed: decides the result, together with the vectors.

    Returns:
        float64 `[n, 2]`.
    """
    import threadpoolctl
    from sklearn.manifold import TSNE

    first, _ = pca(z)
    if len(z) < 4 or not np.ptp(z, axis=0).any():
        return first
    # Initialised by PCA, scaled to the library's standard deviation of 1e-4.
    start = (first / np.std(first[:, 0]) * 1e-4).astype(np.float32)
    model = TSNE(perplexity=min(PERPLEXITY, (len(z) - 1) / 3), init=start, random_state=seed)
    # Several threads add up in another order each time.
    with threadpoolctl.threadpool_limits(1):
        return model.fit_transform(np.asarray(z, np.float32)).astype(np.float64)
