"""Conditioning on pitch and velocity."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_OCTAVES = 4
CONDITION_FEATURES = 1 + 2 * _OCTAVES + 2


def condition_features(pitch: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
    """Return the conditioning on pitch and velocity: smooth functions, for values that no note had.

    Pitch as (pitch - 64) / 32 and as sines and cosines with periods of 128, 64, 32 and 16 semitones; velocity as
    v = velocity / 127 * 2 - 1 and v^2.

    Args:
        pitch: int32 `[batch]`, MIDI.
        velocity: int32 `[batch]`, MIDI.

    Returns:
        float32 `[batch, 11]`.
    """
    pitch, velocity = tf.cast(pitch, tf.float32)[:, None], tf.cast(velocity, tf.float32)[:, None]
    angle = pitch * tf.constant([[2.0 * np.pi / (128 / 2**k) for k in range(_OCTAVES)]], tf.float32)
    v = velocity / 63.5 - 1.0
    return tf.concat([(pitch - 64.0) / 32.0, tf.sin(angle), tf.cos(angle), v, tf.square(v)], axis=-1)
