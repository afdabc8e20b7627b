"""Projections of latent vectors to two dimensions: PCA and t-SNE."""

from __future__ import annotations

import numpy as np

PERPLEXITY = 30.0
"""Of t-SNE: about the number of neighbours; a third of the vectors if these are few."""

STEPS, EXAGGERATED_STEPS, EXAGGERATION = 1000, 250, 12.0
"""Of t-SNE's optimiser: steps in all, and the first of them, in which affinities are this much larger."""


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
    """Return a two-dimensional t-SNE embedding (van der Maaten and Hinton 2008), computed exactly.

    Time and memory grow with the square of the number of vectors: 1000 take some 3 s and 30 MB, 4000 a minute. The
    optimiser and its constants are scikit-learn's. For fewer than four vectors, and for vectors that are all equal, it
    is `pca`.

    Args:
        z: `[n, dim]`.
        seed: of a small noise that moves equal vectors apart.

    Returns:
        float64 `[n, 2]`.
    """
    first, _ = pca(z)
    if len(z) < 4 or not np.ptp(z, axis=0).any():
        return first
    affinity = _affinities(np.asarray(z, np.float64), min(PERPLEXITY, (len(z) - 1) / 3))
    # Initialised by PCA, scaled to the standard deviation of 1e-4.
    noise = np.random.default_rng(seed).normal(scale=1e-8, size=first.shape)
    y = (first / np.std(first[:, 0]) * 1e-4 + noise).astype(np.float32)
    rate, velocity, gain = max(len(z) / EXAGGERATION / 4.0, 50.0), np.zeros_like(y), np.ones_like(y)
    affinity *= EXAGGERATION
    for step in range(STEPS):
        if step == EXAGGERATED_STEPS:
            affinity /= EXAGGERATION
            velocity[:], gain[:] = 0.0, 1.0
        gradient = _gradient(affinity, y)
        gain = np.maximum(np.where(velocity * gradient < 0.0, gain + 0.2, gain * 0.8), 0.01).astype(np.float32)
        velocity = (0.5 if step < EXAGGERATED_STEPS else 0.8) * velocity - rate * gain * gradient
        y += velocity
    return y.astype(np.float64)


def _affinities(z: np.ndarray, perplexity: float) -> np.ndarray:
    """Return float32 `[n, n]`, adding up to 1: Gaussian neighbourhoods of this perplexity, made symmetric.

    The precision of each vector's Gaussian is found by bisection.
    """
    squares = np.sum(z**2, axis=1)
    distance = np.maximum(squares[:, None] + squares - 2.0 * (z @ z.T), 0.0).astype(np.float32)
    np.fill_diagonal(distance, np.inf)
    distance -= distance.min(axis=1, keepdims=True)
    np.fill_diagonal(distance, 0.0)
    scale = max(float(distance.mean()), 1e-30)
    low, high = np.full(len(z), np.log(1e-6 / scale)), np.full(len(z), np.log(1e9 / scale))
    for _ in range(40):
        precision = (low + high) / 2.0
        weights = np.exp(-np.exp(precision).astype(np.float32)[:, None] * distance)
        np.fill_diagonal(weights, 0.0)
        total = weights.sum(axis=1)
        entropy = np.log(total) + np.exp(precision) * np.einsum("ij,ij->i", weights, distance) / total
        low, high = np.where(entropy > np.log(perplexity), (precision, high), (low, precision))
    weights /= 2.0 * len(z) * total[:, None]
    return weights + weights.T


def _gradient(affinity: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the gradient of the Kullback-Leibler divergence for an embedding, float32 `[n, 2]`."""
    squares = np.sum(y**2, axis=1)
    kernel = y @ (-2.0 * y.T)
    kernel += squares[:, None]
    kernel += squares + 1.0
    np.divide(1.0, kernel, out=kernel)
    np.fill_diagonal(kernel, 0.0)
    force = affinity - kernel * (1.0 / kernel.sum())
    force *= kernel
    return 4.0 * (force.sum(axis=1)[:, None] * y - force @ y)
