"""Pseudo-random numbers that depend on a seed given at run time, of operators that TFLite has built in.

TFLite's own generators take their seed when a file is written. Here noise is a constant table, read from places that a
hash of the seed decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

_PRIME = 4093

_MOST_STRIDES = 4096
"""They are a constant of the files: 16 kB."""


class PartialMotion(NamedTuple):
    """How the partials of notes move."""

    deviation: tf.Tensor
    """Of the f0, relative, float32 `[batch, frames]`."""
    phase: tf.Tensor
    """Of each partial by itself, radians, float32 `[batch, frames, partials]`."""


def draw_offsets(seed: tf.Tensor, pitch: tf.Tensor, count: int, size: int) -> tf.Tensor:
    """Return places in a table of noise, by a hash of the seed and the pitch: the notes of a chord share none.

    Two notes share a place with a probability of 1 / size. All three digits of a seed count, and all products stay
    below 2^31, for negative seeds too.

    Args:
        seed: int32 `[batch]`.
        pitch: int32 `[batch]`, 0 to 127.
        count: numbers of a seed.
        size: of the table, at most 2^20.

    Returns:
        int32 `[batch, count]`, 0 to size - 1.
    """
    generator = np.random.default_rng(count)
    factors = generator.integers(1, 1 << 17, [5, count], np.int32)
    low = tf.math.floormod(seed, _PRIME)[:, None]
    middle = tf.math.floormod(tf.math.floordiv(seed, _PRIME), _PRIME)[:, None]
    high = tf.math.floordiv(seed, _PRIME**2)[:, None]
    mixed = tf.math.floormod(low * factors[0], 1_000_003) + tf.math.floormod(middle * factors[1], 999_983)
    mixed += tf.math.floormod(pitch[:, None] * factors[2], 1_000_003) + factors[3]
    mixed += tf.math.floormod(high * factors[4], 999_983)
    # Squaring breaks the linear relation between the places of neighbouring seeds.
    rest = tf.math.floormod(mixed, 32_749)
    return tf.math.floormod(rest * rest + mixed, size)


def draw_strides(seed: tf.Tensor, pitch: tf.Tensor, count: int, size: int) -> tf.Tensor:
    """Return steps by which a table of noise is read, by a hash of the seed and the pitch.

    Two pieces of one table that are read alike are one noise with a delay. Read by other steps they are independent
    at all delays.

    Args: as of `draw_offsets`.

    Returns:
        int32 `[batch, count]`: coprime to size, so that all of the table is read before any of it again; `size` times
        any of them is below 2^31 - size.
    """
    candidates = np.arange(1, min(size, (2**31 - 1) // size - 1), dtype=np.int32)
    strides = candidates[np.gcd(candidates, size) == 1]
    strides = strides[:: -(-len(strides) // _MOST_STRIDES)]
    # Another count has other factors: places and steps are independent.
    return tf.gather(tf.constant(strides), draw_offsets(seed, pitch, 2 * count + 1, len(strides))[:, :count])
