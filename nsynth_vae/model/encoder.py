"""Encoder of the VAE: log-mel to the posterior of z."""

from __future__ import annotations

import keras
import tensorflow as tf

from nsynth_vae.config import AudioConfig, ModelConfig
from nsynth_vae.model import level
from nsynth_vae.model.base import STRIDES, ConfiguredLayer, padded_frames
from nsynth_vae.model.motion import MotionEncoder
from nsynth_vae.nn.layers import ResidualBlock


@keras.saving.register_keras_serializable("nsynth_vae")
class Encoder(ConfiguredLayer):
    """log-mel -> (z_mean, z_log_var): strided convolutions over time with the mel bins as channels.

    With a `level_coordinate` the first dimension is the note's level in closed form, and the convolutions get the note
    at the typical level. With a `motion_dim` the last ones are `MotionEncoder`'s.
    """

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Make the layers."""
        super().__init__(audio, model, **kwargs)
        width, policy = self.model.channels, self.dtype_policy
        self.blocks = []
        for stride in range(STRIDES):
            channels = width // 2 if stride == 0 else width
            self.blocks.append(keras.layers.Conv1D(channels, 4, strides=2, padding="same", dtype=policy))
            self.blocks.append(ResidualBlock(channels, dtype=policy))
        self.motion = MotionEncoder(self.audio, self.model) if self.model.motion else None
        self.to_posterior = keras.layers.Dense(2 * self.model.timbre_dim, dtype="float32")

    def build(self, input_shape: tuple) -> None:
        """Build the layers for `[batch, frames, mel_bins]`."""
        shape = (None, padded_frames(self.audio), self.audio.num_mel_bins)
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.to_posterior.build((None, shape[1] * shape[2]))
        if self.motion is not None:
            self.motion.build()
        super().build(input_shape)

    def call(self, log_mel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Map float32 `[batch, frames, mel_bins]` to z_mean and z_log_var, float32 `[batch, latent_dim]`."""
        coordinate, motion = None, None
        if self.model.level:
            log_mel, coordinate = level.normalize_level(log_mel, self.audio)
        if self.motion is not None:
            motion = self.motion(log_mel)
        missing = padded_frames(self.audio) - self.audio.num_frames
        x = tf.cast(tf.pad(log_mel, [[0, 0], [0, missing], [0, 0]], mode="SYMMETRIC"), self.compute_dtype)
        for block in self.blocks:
            x = block(x)
        x = tf.reshape(tf.nn.silu(x), [-1, x.shape[1] * x.shape[2]])
        z_mean, raw = tf.split(self.to_posterior(tf.cast(x, tf.float32)), 2, axis=-1)
        # Bounded, so that neither exp(z_log_var) nor the KL can overflow.
        z_log_var = 6.0 * tf.tanh(raw / 6.0)
        means, log_vars = [z_mean], [z_log_var]
        if coordinate is not None:
            means.insert(0, coordinate[:, None])
            log_vars.insert(0, tf.zeros_like(means[0]) + level.LEVEL_LOG_VAR)
        if motion is not None:
            means.append(motion[0])
            log_vars.append(motion[1])
        return tf.concat(means, axis=1), tf.concat(log_vars, axis=1)
