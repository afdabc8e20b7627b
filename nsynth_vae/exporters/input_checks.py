"""Validation of inputs inside exported graphs, with one-line errors.

Each function returns its arguments, which the graph cannot use before the checks have passed. Clients of TF Serving and
of the C API get the error as the text of an `InvalidArgumentError`.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from nsynth_vae.config import LARGEST_MOTION, LARGEST_SAMPLE, LARGEST_Z, AudioConfig

LARGEST_LOG_MEL = 16.0
"""Bound of normalised log-mels, which are within about -1.3 to 2.5; decibels exceed it."""


def audio(samples: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return audio `[batch, num_samples]`, checked to be of this shape, finite and not integers."""
    samples = _shaped("audio", samples, [config.num_samples])
    return bounded("audio", samples, LARGEST_SAMPLE, "samples within -1 to 1")


def log_mel(values: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return log-mels `[batch, num_frames, mel_bins]`, checked for shape and range."""
    values = _shaped("log_mel", values, [config.num_frames, config.num_mel_bins])
    return bounded("log_mel", values, LARGEST_LOG_MEL, "normalised log-mels, about -1.3 to 2.5")


def notes(
    z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, latent_dim: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return z `[batch, latent_dim]`, pitch and velocity `[batch]`, checked for shape, batch size and range."""
    z = _shaped("z", z, [latent_dim])
    pitch, velocity = _shaped("pitch", pitch, []), _shaped("velocity", velocity, [])
    sizes = [tf.shape(tensor)[0] for tensor in (z, pitch, velocity)]
    same = tf.logical_and(tf.equal(sizes[0], sizes[1]), tf.equal(sizes[0], sizes[2]))
    z, pitch, velocity = gated(
        (z, pitch, velocity),
        same,
        lambda: tf.strings.format("z, pitch, velocity: expected the same batch size, found {}, {} and {}", sizes),
    )
    z = bounded("z", z, LARGEST_Z, f"values within {-LARGEST_Z:g} to {LARGEST_Z:g}")
    return z, _midi("pitch", pitch), _midi("velocity", velocity)


def take(seed: tf.Tensor, motion: tf.Tensor, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return seed and motion `[batch]`, checked for shape, batch size and range; `batch`: of z."""
    seed, motion = _shaped("seed", seed, []), _shaped("motion", motion, [])
    sizes = [batch, *(tf.shape(tensor)[0] for tensor in (seed, motion))]
    seed, motion = gated(
        (seed, motion),
        tf.logical_and(tf.equal(sizes[0], sizes[1]), tf.equal(sizes[0], sizes[2])),
        lambda: tf.strings.format("z, seed, motion: expected the same batch size, found {}, {} and {}", sizes),
    )
    expected = f"0 to {LARGEST_MOTION:g}"
    motion = bounded("motion", motion, LARGEST_MOTION, expected)
    least = tf.reduce_min(motion)
    return seed, gated(
        (motion,),
        tf.logical_or(least >= 0.0, tf.equal(tf.size(motion), 0)),
        lambda: tf.strings.format(f"motion: expected {expected}, found {{}}", least),
    )[0]


def _shaped(name: str, tensor: tf.Tensor, inner: list[int]) -> tf.Tensor:
    """Return the tensor, checked to be of shape `[batch, *inner]`.

    TF Serving and the C API do not enforce the signature's shapes. The whole shape is compared, as its unknown batch
    size keeps graph optimizers from folding the check into a constant.
    """
    shape = tf.strings.regex_replace(tf.strings.format("{}", tf.shape(tensor), summarize=-1), " ", ", ")
    expected = ", ".join(map(str, inner))
    pattern = rf"\[\d+{', ' if inner else ''}{expected}\]"
    text = f"{name}: expected shape [batch{', ' if inner else ''}{expected}], found "
    return gated((tensor,), tf.strings.regex_full_match(shape, pattern), lambda: text + shape)[0]


def bounded(name: str, tensor: tf.Tensor, limit: float, expected: str) -> tf.Tensor:
    """Return the tensor, checked to be finite and within -limit..limit."""

    def message() -> tf.Tensor:
        low, high = tf.reduce_min(tensor), tf.reduce_max(tensor)
        return tf.where(
            tf.reduce_all(tf.math.is_finite(tensor)),
            tf.strings.format(f"{name}: expected {expected}, found {{}}", tf.where(high > -low, high, low)),
            f"{name}: expected {expected}, found NaN or infinity",
        )

    # False for NaN as well.
    return gated((tensor,), tf.reduce_all(tf.abs(tensor) <= limit), message)[0]


def _midi(name: str, number: tf.Tensor) -> tf.Tensor:
    """Return the integers, checked to be within 0..127."""
    outside = tf.logical_or(number < 0, number > 127)
    return gated(
        (number,),
        tf.logical_not(tf.reduce_any(outside)),
        lambda: tf.strings.format(f"{name}: expected 0 to 127, found {{}}", tf.boolean_mask(number, outside)[0]),
    )[0]


def gated(tensors: tuple[tf.Tensor, ...], passed: tf.Tensor, message: Callable[[], tf.Tensor]) -> list[tf.Tensor]:
    """Return the tensors, whose evaluation fails with the message unless `passed`."""

    def fail() -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.Assert(False, [message()])]):
            return tf.constant(False)

    with tf.control_dependencies([tf.cond(passed, lambda: tf.constant(True), fail)]):
        return [tf.identity(tensor) for tensor in tensors]
