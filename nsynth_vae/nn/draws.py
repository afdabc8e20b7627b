"""Pseudo-random numbers that depend on a seed given at run time, of operators that TFLite has built in.

TFLite's own generators take their seed when a file is written. Here noise is a constant table, read from places that a
hash of the seed decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

_PRIME = 4093


class PartialMotion(NamedTuple):
    """How the partials of notes move."""

    deviation: tf.Tensor
    """Of the f0, relative, float32 `[batch, frames]`."""
    phase: tf.Tensor
    """Of each partial by itself, radians, float32 `[batch, frames, partials]`."""


def draw_offsets(seed: tf.Tensor, pitch: tf.Tensor, count: int, size: int) -> tf.Tensor:
    """Return places in a table of noise, by a hash of the seed and the pitch: the notes of a chord share none.

    Two notes share a place with a probability of 1 / size. All products stay below 2^31, for negative seeds too.

    Args:
        seed: int32 `[batch]`.
        pitch: int32 `[batch]`, 0 to 127.
        count: numbers of a seed.
        size: of the table, at most 2^20.

    Returns:
        int32 `[batch, count]`, 0 to size - 1.
    """
    generator = np.random.default_rng(count)
    factors = generator.integers(1, 1 << 17, [4, count], np.int32)
    low = tf.math.floormod(seed, _PRIME)[:, None]
    high = tf.math.floormod(tf.math.floordiv(seed, _PRIME), _PRIME)[:, None]
    mixed = tf.math.floormod(low * factors[0], 1_000_003) + tf.math.floormod(high * factors[1], 999_983)
    mixed += tf.math.floormod(pitch[:, None] * factors[2], 1_000_003) + factors[3]
    # Squaring breaks the linear relation between the places of neighbouring seeds.
    rest = tf.math.floormod(mixed, 32_749)
    return tf.math.floormod(rest * rest + mixed, size)
