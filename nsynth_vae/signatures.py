"""What exported models offer: functions of tensors with the names, dtypes and shapes that clients rely on.

An endpoint is a function and the `tf.TensorSpec`s of its arguments; it returns a dictionary of named outputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import Config
from nsynth_vae.model import VAE, Decoder, Encoder

Endpoint = tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]

Sound = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(log_mel, pitch) -> audio; see `harmonic_noise.sound_for`."""


def encoder_endpoint(encoder: Encoder, config: Config) -> Endpoint:
    """Returns `audio` `[batch, num_samples]`, -1..1 -> `z_mean`, `z_log_var` `[batch, latent_dim]`."""

    def encode(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = encoder(features.log_mel(audio, config.audio))
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    return encode, [tf.TensorSpec([None, config.audio.num_samples], tf.float32, name="audio")]


def decoder_endpoint(decoder: Decoder, config: Config, sound: Sound) -> Endpoint:
    """Returns `z`, `pitch`, `velocity` -> `log_mel` and `audio` `[batch, num_samples]`.

    Args:
        decoder: the built decoder.
        config: the model's configuration.
        sound: from log-mel and pitch to audio.
    """

    def decode(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        log_mel = decoder(z, pitch, velocity)
        return {"log_mel": log_mel, "audio": sound(log_mel, pitch)}

    return decode, [
        tf.TensorSpec([None, config.model.latent_dim], tf.float32, name="z"),
        tf.TensorSpec([None], tf.int32, name="pitch"),
        tf.TensorSpec([None], tf.int32, name="velocity"),
    ]


def float32_layers(vae: VAE, config: Config) -> tuple[Encoder, Decoder]:
    """Returns the model's encoder and decoder as copies that compute in float32, outside of any strategy.

    A model that was trained in mixed precision or under `tf.distribute` is exported as any other this way.
    """
    exact = dataclasses.replace(config.train, precision="float32")
    copy = VAE(dataclasses.replace(config, train=exact))
    copy.build()
    copy.encoder.set_weights(vae.encoder.get_weights())
    copy.decoder.set_weights(vae.decoder.get_weights())
    return copy.encoder, copy.decoder
