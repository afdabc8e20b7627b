"""Moving through the latent space: pure functions of arrays."""

from __future__ import annotations

import math

import numpy as np

SUM_TOLERANCE = 1e-6
"""How far from 1 the weights of points may add to."""

_PARALLEL = 1e-12
"""Sine of the angle below which two vectors are taken for parallel."""

_NOTHING_LEFT = 1e-6
"""Share of a direction's length below which what is left of it is taken for rounding."""


def lerp(start: np.ndarray, end: np.ndarray, fraction: np.ndarray | float) -> np.ndarray:
    """Returns the point `fraction` of the straight way from `start` to `end`, exactly `start` at 0 and `end` at 1.

    Args:
        start: `[..., latent_dim]`.
        end: `[..., latent_dim]`.
        fraction: scalar or an array that broadcasts against `[..., 1]`; outside 0..1 it extrapolates.
    """
    return np.where(np.equal(fraction, 1), end, start + fraction * (np.asarray(end) - start))


def slerp(start: np.ndarray, end: np.ndarray, fraction: np.ndarray | float) -> np.ndarray:
    """Returns the point `fraction` of the way along the arc from `start` to `end`, exactly these at 0 and 1.

    The direction turns evenly in the plane of the two (Shoemake 1985, "Animating rotation with quaternion curves",
    section 3.3), the length changes evenly. sin((1 - t)a) u + sin(ta) v over sin(a) is written as
    cos(ta) u + sin(ta) w, where w is the unit vector of the plane at a right angle to u: it holds its precision near
    0 and 180 degrees. Opposite vectors span no plane: w is then made of the axis that u is least along (in one
    dimension there is none, and the way leads through 0). A zero vector has the other one's direction.

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
    across = v - cosine * u
    sine = np.linalg.norm(across, axis=-1, keepdims=True)
    angle = np.arctan2(sine, cosine)
    axis = np.eye(u.shape[-1])[np.argmin(np.abs(u), axis=-1)]
    # Twice: of the little that nearly parallel vectors have across, much is rounding.
    w = _across(u, _across(u, np.where(sine > _PARALLEL, across, axis)))
    turned = np.cos(fraction * angle) * u + np.sin(fraction * angle) * w
    point = lerp(from_length, to_length, fraction) * turned
    at_start = (fraction == 0) | np.all(start == end, axis=-1, keepdims=True)
    return np.where(at_start, start, np.where(fraction == 1, end, point)).astype(dtype)


METHODS = {"lerp": lerp, "slerp": slerp}
"""The ways between two points."""


def interpolate(start: np.ndarray, end: np.ndarray, steps: int, method: str = "lerp") -> np.ndarray:
    """Returns evenly spaced points of the way between two, both ends exactly among them.

    Args:
        start: `[latent_dim]`.
        end: `[latent_dim]`.
        steps: 2 or more.
        method: `lerp`, the straight way, or `slerp`, along the arc.

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
    """Returns points bilinear between four corners, as on NSynth Super's pad, the corners exactly among them.

    Args:
        corners: `[4, latent_dim]`: top left, top right, bottom left, bottom right.
        rows: from top to bottom, 2 or more.
        columns: from left to right, 2 or more.

    Returns:
        `[rows, columns, latent_dim]`.

    Raises:
        ValueError: for fewer than two rows or columns, or other than four corners.
    """
    corners = _points("corners", corners)
    if len(corners) != 4:
        raise ValueError(f"corners are {len(corners)}, expected 4: top left, top right, bottom left, bottom right")
    _check_steps("rows", rows)
    _check_steps("columns", columns)
    top_left, top_right, bottom_left, bottom_right = corners
    left, right = interpolate(top_left, bottom_left, rows), interpolate(top_right, bottom_right, rows)
    return lerp(left[:, None, :], right[:, None, :], np.linspace(0.0, 1.0, columns)[None, :, None])


def blend(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the weighted sum of points: of positive weights a mixture, of others also a place beyond them.

    Args:
        points: `[n, latent_dim]`.
        weights: `[n]`, finite; they add to 1 within `SUM_TOLERANCE`.

    Returns:
        `[latent_dim]`, floats of the precision of `points`.

    Raises:
        ValueError: for other weights; says what they add to.
    """
    points, weights = _points("points", points), np.asarray(weights, np.float64)
    if weights.shape != (len(points),):
        raise ValueError(f"weights are of shape {list(weights.shape)}, expected one for each of {len(points)} points")
    if not np.all(np.isfinite(weights)):
        raise ValueError(f"weights are {weights.tolist()}, expected finite numbers")
    total = math.fsum(weights)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ValueError(f"weights add to {total:.10g}, expected 1")
    return (weights @ points).astype(np.result_type(points, np.float32))


def centroid(points: np.ndarray) -> np.ndarray:
    """Returns the mean `[latent_dim]` of points `[n, latent_dim]`; none is a ValueError."""
    points = _points("points", points)
    return points.mean(axis=0, dtype=np.float64).astype(np.result_type(points, np.float32))


def direction(with_attribute: np.ndarray, without_attribute: np.ndarray, method: str = "difference") -> np.ndarray:
    """Returns the way from the points without an attribute to those with it.

    Args:
        with_attribute: `[n, latent_dim]`.
        without_attribute: `[m, latent_dim]`.
        method: `difference`: the mean with, less the mean without. `classifier`: the normal of the plane that tells
            the two apart best (logistic regression, both sides of equal weight), as long as the difference of the
            means is along it: it leaves out what the two sides differ in only because other things go together with
            the attribute.

    Returns:
        `[latent_dim]`; zeros if there is no difference.

    Raises:
        ValueError: if a side has no points, and for another method.
    """
    with_attribute = _points("with_attribute", with_attribute)
    without_attribute = _points("without_attribute", without_attribute)
    difference = centroid(with_attribute) - centroid(without_attribute)
    if method == "difference":
        return difference
    if method != "classifier":
        raise ValueError(f"method is {method!r}, expected difference or classifier")
    from sklearn.linear_model import LogisticRegression

    points = np.concatenate([with_attribute, without_attribute]).astype(np.float64)
    labels = np.repeat([1, 0], [len(with_attribute), len(without_attribute)])
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(points, labels)
    normal, _ = _unit(model.coef_[0])
    return (normal * (difference @ normal)).astype(difference.dtype)


def orthogonal(direction: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the part of a direction at a right angle to all of the others: what it does and they do not.

    The others' span comes from a singular value decomposition, so that they may depend on one another.

    Args:
        direction: `[latent_dim]`.
        others: `[k, latent_dim]`; of any lengths, zeros are passed over.

    Returns:
        `[latent_dim]`, no longer than `direction`.

    Raises:
        ValueError: if nothing is left: the direction is a combination of the others.
    """
    direction = np.asarray(direction)
    others = np.asarray(others, np.float64).reshape(-1, direction.size)
    units, _ = _unit(others)
    _, values, basis = np.linalg.svd(units, full_matrices=False)
    basis = basis[values > np.finfo(np.float64).eps * max(units.shape) * values.max(initial=0.0)]
    left = direction.astype(np.float64)
    # Twice: the first time leaves rounding of the size of what was taken away (Giraud et al. 2005).
    for _ in range(2):
        left = left - (basis @ left) @ basis
    if not np.linalg.norm(left) > _NOTHING_LEFT * np.linalg.norm(direction):
        raise ValueError(f"nothing is left of the direction: it is a combination of the {len(others)} others")
    return left.astype(np.result_type(direction, np.float32))


def apply(z: np.ndarray, direction: np.ndarray, strength: np.ndarray | float) -> np.ndarray:
    """Returns points moved along a direction.

    Args:
        z: `[..., latent_dim]`.
        direction: `[latent_dim]`.
        strength: scalar or an array that broadcasts against `[..., 1]`; 1 is the whole direction, below 0 the other
            way.
    """
    return np.asarray(z) + strength * np.asarray(direction)


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns float64 (vectors `[..., dim]` of length 1, zeros for zeros; their lengths `[..., 1]`)."""
    vectors = np.asarray(vectors, np.float64)
    # Squares of what is very large or small would not be within float64.
    largest = np.max(np.abs(vectors), axis=-1, keepdims=True, initial=0.0)
    scaled = vectors / np.where(largest == 0, 1.0, largest)
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return scaled / np.where(length == 0, 1.0, length), length * largest


def _across(u: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Returns the unit vectors of what of the vectors is at a right angle to the unit vectors u; zeros if nothing."""
    return _unit(vectors - np.sum(vectors * u, axis=-1, keepdims=True) * u)[0]


def _points(name: str, points: np.ndarray) -> np.ndarray:
    points = np.asarray(points)
    if points.ndim != 2 or not len(points):
        raise ValueError(f"{name} are of shape {list(points.shape)}, expected [n, latent_dim] with at least one")
    return points


def _check_steps(name: str, count: int) -> None:
    if count < 2:
        raise ValueError(f"{name} is {count}, expected 2 or more")
