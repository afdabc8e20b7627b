"""Keras layers shared by the models."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("nsynth_vae")
class ResidualBlock(keras.layers.Layer):
    """Two convolutions over time around a skip connection, optionally modulated by a condition (FiLM).

    x + gain * conv(act(modulated(conv(act(x))))), with one gain a channel that starts at 0.1, which keeps a deep stack
    stable without normalisation (after SkipInit, De and Smith 2020): batch normalisation would tie notes together.
    """

    def __init__(self, channels: int, *, conditioned: bool = False, **kwargs) -> None:
        """Make a block of `channels` channels; `conditioned` ones are called with (x, condition)."""
        super().__init__(**kwargs)
        self.channels, self.conditioned = channels, conditioned
        policy = self.dtype_policy
        self.first = keras.layers.Conv1D(channels, 3, padding="same", kernel_initializer="he_normal", dtype=policy)
        self.second = keras.layers.Conv1D(channels, 3, padding="same", kernel_initializer="he_normal", dtype=policy)
        self.film = keras.layers.Dense(2 * channels, dtype=policy) if conditioned else None

    def build(self, input_shape: tuple) -> None:
        """Build the convolutions and, for a conditioned block, the modulation."""
        shape, condition = (input_shape, None) if not self.conditioned else input_shape
        self.first.build(shape)
        self.second.build(shape)
        if self.film is not None:
            self.film.build(condition)
        self.gain = self.add_weight(shape=(self.channels,), initializer=keras.initializers.Constant(0.1), name="gain")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor | tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Map `[batch, frames, channels]` (and a condition `[batch, n]`) to the same shape."""
        x, condition = inputs if self.conditioned else (inputs, None)
        y = self.first(tf.nn.silu(x))
        if self.film is not None:
            scale, shift = tf.split(self.film(condition)[:, None, :], 2, axis=-1)
            y = y * (1.0 + scale) + shift
        return x + self.second(tf.nn.silu(y)) * tf.cast(self.gain, y.dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Return the shape of x."""
        return input_shape[0] if self.conditioned else input_shape

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "channels": self.channels, "conditioned": self.conditioned}
