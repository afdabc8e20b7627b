"""Operations on latent vectors: interpolation, affine combinations, centroids and directions."""

from __future__ import annotations

import math

import numpy as np

SUM_TOLERANCE = 1e-6
"""Largest difference from 1 of the sum of an affine combination's weights."""

_PARALLEL = 1e-12
"""Sine of the angle below which two vectors count as parallel."""


def lerp(start: np.ndarray, end: np.ndarray, fraction: np.ndarray | float) -> np.ndarray:
    """Interpolate linearly, exactly `start` at 0 and `end` at 1.

    Args:
        start: `[..., latent_dim]`.
        end: `[..., latent_dim]`.
        fraction: scalar or an array that broadcasts against `[..., 1]`; outside 0..1 it extrapolates.
    """
    return np.where(np.equal(fraction, 1), end, start + fraction * (np.asarray(end) - start))


def slerp(start: np.ndarray, end: np.ndarray, fraction: np.ndarray | float) -> np.ndarray:
    """Interpolate spherically, exactly `start` at 0 and `end` at 1: angle and length change linearly.

    The direction turns in the plane of the two vectors (Shoemake 1985, "Animating rotation with quaternion curves",
    section 3.3). sin((1 - t)a) u + sin(ta) v over sin(a) is written as cos(ta) u + sin(ta) w, where w is the unit
    vector of the plane orthogonal to u: it holds its precision near 0 and 180 degrees. Opposite vectors span no plane:
    w is then made of the axis that u is least along (in one dimension there is none, and the path leads through 0). A
    zero vector has the other one's direction.

    Args:
        start: `[..., latent_dim]`, finite.
        end: `[..., latent_dim]`, finite.
        fraction: 0..1, scalar or an array that broadcasts against `[..., 1]`.

    Returns:
        Floats of the precision of `start` and `end`.
    """
    start, end = np.asarray(start), np.asarray(end)
    dtype = np.result_type(start, end, np.float32)
    fraction = np.asarray(fraction, np.float64)
    (u, from_length), (v, to_length) = _unit(start), _unit(end)
    u = np.where(from_length == 0, v, u)
    v = np.where(to_length == 0, u, v)
    cosine = np.sum(u * v, axis=-1, keepdims=True)
    rest = v - cosine * u
    sine = np.linalg.norm(rest, axis=-1, keepdims=True)
    angle = np.arctan2(sine, cosine)
    axis = np.eye(u.shape[-1])[np.argmin(np.abs(u), axis=-1)]
    # Twice: much of the small orthogonal part of nearly parallel vectors is rounding.
    w = _orthogonal_unit(u, _orthogonal_unit(u, np.where(sine > _PARALLEL, rest, axis)))
    turned = np.cos(fraction * angle) * u + np.sin(fraction * angle) * w
    z = lerp(from_length, to_length, fraction) * turned
    at_start = (fraction == 0) | np.all(start == end, axis=-1, keepdims=True)
    return np.where(at_start, start, np.where(fraction == 1, end, z)).astype(dtype)


METHODS = {"lerp": lerp, "slerp": slerp}
"""Interpolation methods."""


def interpolate(start: np.ndarray, end: np.ndarray, steps: int, method: str = "lerp") -> np.ndarray:
    """Return equidistant vectors of an interpolation path, both ends exactly among them.

    Args:
        start: `[latent_dim]`.
        end: `[latent_dim]`.
        steps: 2 or more.
        method: `lerp`, linear interpolation, or `slerp`, along the arc.

    Returns:
        `[steps, latent_dim]`.

    Raises:
        ValueError: for fewer than two steps or another method.
    """
    _check_steps("steps", steps)
    if method not in METHODS:
        raise ValueError(f"method is {method!r}, expected {' or '.join(METHODS)}")
    return METHODS[method](np.asarray(start)[None, :], np.asarray(end)[None, :], np.linspace(0.0, 1.0, steps)[:, None])


def grid(corners: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Interpolate bilinearly between four corners, as NSynth Super does; the corners are exactly among the vectors.

    Args:
        corners: `[4, latent_dim]`: top left, top right, bottom left, bottom right.
        rows: from top to bottom, 2 or more.
        columns: from left to right, 2 or more.

    Returns:
        `[rows, columns, latent_dim]`.

    Raises:
        ValueError: for fewer than two rows or columns, or other than four corners.
    """
    corners = _vectors("corners", corners)
    if len(corners) != 4:
        raise ValueError(f"corners are {len(corners)}, expected 4: top left, top right, bottom left, bottom right")
    _check_steps("rows", rows)
    _check_steps("columns", columns)
    top_left, top_right, bottom_left, bottom_right = corners
    left, right = interpolate(top_left, bottom_left, rows), interpolate(top_right, bottom_right, rows)
    return lerp(left[:, None, :], right[:, None, :], np.linspace(0.0, 1.0, columns)[None, :, None])


def affine_combination(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of vectors; negative weights extrapolate.

    Args:
        vectors: `[n, latent_dim]`.
        weights: `[n]`, finite; they add to 1 within `SUM_TOLERANCE`.

    Returns:
        `[latent_dim]`, floats of the precision of `vectors`.

    Raises:
        ValueError: for other weights, with their sum.
    """
    vectors, weights = _vectors("vectors", vectors), np.asarray(weights, np.float64)
    if weights.shape != (len(vectors),):
        raise ValueError(f"weights are of shape {list(weights.shape)}, expected one for each of {len(vectors)} vectors")
    if not np.all(np.isfinite(weights)):
        raise ValueError(f"weights are {weights.tolist()}, expected finite numbers")
    total = math.fsum(weights)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ValueError(f"weights add to {total:.10g}, expected 1")
    return (weights @ vectors).astype(np.result_type(vectors, np.float32))


def centroid(vectors: np.ndarray) -> np.ndarray:
    """Return the mean `[latent_dim]` of vectors `[n, latent_dim]`; none raises ValueError."""
    vectors = _vectors("vectors", vectors)
    return vectors.mean(axis=0, dtype=np.float64).astype(np.result_type(vectors, np.float32))


def direction(with_attribute: np.ndarray, without_attribute: np.ndarray, method: str = "difference") -> np.ndarray:
    """Return the direction from the vectors without an attribute to those with it.

    Args:
        with_attribute: `[n, latent_dim]`.
        without_attribute: `[m, latent_dim]`.
        method: `difference`: the difference of the two means. `classifier`: the normal of the plane that separates the
            two sides best (logistic regression, both sides of equal weight), as long as the difference of the means is
            along it. It leaves out differences that come only from what goes together with the attribute.

    Returns:
        `[latent_dim]`; zeros if there is no difference.

    Raises:
        ValueError: if a side has no vectors, and for another method.
    """
    with_attribute = _vectors("with_attribute", with_attribute)
    without_attribute = _vectors("without_attribute", without_attribute)
    difference = centroid(with_attribute) - centroid(without_attribute)
    if method == "difference":
        return difference
    if method != "classifier":
        raise ValueError(f"method is {method!r}, expected difference or classifier")
    from sklearn.linear_model import LogisticRegression

    vectors = np.concatenate([with_attribute, without_attribute]).astype(np.float64)
    labels = np.repeat([1, 0], [len(with_attribute), len(without_attribute)])
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(vectors, labels)
    normal, _ = _unit(model.coef_[0])
    return (normal * (difference @ normal)).astype(difference.dtype)


def apply(z: np.ndarray, direction: np.ndarray, strength: np.ndarray | float) -> np.ndarray:
    """Return latent vectors moved along a direction.

    Args:
        z: `[..., latent_dim]`.
        direction: `[latent_dim]`.
        strength: scalar or an array that broadcasts against `[..., 1]`; 1 is the whole direction, below 0 its reverse.
    """
    return np.asarray(z) + strength * np.asarray(direction)


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 (vectors `[..., dim]` of length 1, zeros for zeros; their lengths `[..., 1]`)."""
    vectors = np.asarray(vectors, np.float64)
    # Scaled first: the squares of very large or small values exceed the range of float64.
    largest = np.max(np.abs(vectors), axis=-1, keepdims=True, initial=0.0)
    scaled = vectors / np.where(largest == 0, 1.0, largest)
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return scaled / np.where(length == 0, 1.0, length), length * largest


def _orthogonal_unit(u: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the parts of vectors that are orthogonal to unit vectors u, at length 1; zeros for zeros."""
    return _unit(vectors - np.sum(vectors * u, axis=-1, keepdims=True) * u)[0]


def _vectors(name: str, vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or not len(vectors):
        raise ValueError(f"{name} are of shape {list(vectors.shape)}, expected [n, latent_dim] with at least one")
    return vectors


def _check_steps(name: str, count: int) -> None:
    if count < 2:
        raise ValueError(f"{name} is {count}, expected 2 or more")
