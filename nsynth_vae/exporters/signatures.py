"""What exported models offer: functions of tensors with the names, dtypes and shapes that clients rely on.

An endpoint is a function and the `tf.TensorSpec`s of its arguments; it returns a dictionary of named outputs. Inputs
are checked inside (`input_checks`). What several endpoints of a model share is one `tf.function`, which a SavedModel
holds once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig, Config
from nsynth_vae.exporters import input_checks
from nsynth_vae.model.decoder import Decoder
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.model.vae import VAE

Endpoint = tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]

Sound = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(log_mel, pitch) -> audio; see `harmonic_noise.sound_for`."""

CHUNK = 8
"""Notes that sound is made of at a time: with more, memory that the processor's cache and the allocator do not keep
makes each note slower."""


def encoder_endpoints(encoder: Encoder, config: Config) -> dict[str, Endpoint]:
    """Returns signature -> endpoint of the encoder; all give `z_mean` and `z_log_var`, `[batch, latent_dim]`.

    `serving_default` takes `audio` `[batch, num_samples]`, -1..1; `encode_log_mel` takes `log_mel`
    `[batch, num_frames, mel_bins]`; `encode_wav` takes `wav_bytes`, a string `[batch]`: files of 16 bits, mono, which
    are padded with silence or cut to `num_samples`.
    """
    audio_spec, log_mel_spec = _audio_spec(config.audio), _log_mel_spec(config.audio)

    @tf.function(input_signature=[log_mel_spec], autograph=False)
    def encoded(log_mel: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = encoder(_at_least_one(log_mel))
        batch = tf.shape(log_mel)[0]
        return {"z_mean": z_mean[:batch], "z_log_var": z_log_var[:batch]}

    @tf.function(input_signature=[audio_spec], autograph=False)
    def encode(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        audio = input_checks.audio(audio, config.audio)
        return encoded(features.log_mel(audio, config.audio))

    def encode_log_mel(log_mel: tf.Tensor) -> dict[str, tf.Tensor]:
        return encoded(input_checks.log_mel(log_mel, config.audio))

    def encode_wav(wav_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return encode(_read_wavs(wav_bytes, config.audio))

    return {
        "serving_default": (encode, [audio_spec]),
        "encode_log_mel": (encode_log_mel, [log_mel_spec]),
        "encode_wav": (encode_wav, [tf.TensorSpec([None], tf.string, name="wav_bytes")]),
    }


def decoder_endpoints(decoder: Decoder, config: Config, sound: Sound) -> dict[str, Endpoint]:
    """Returns signature -> endpoint of the decoder; all take `z`, `pitch` and `velocity`.

    `serving_default` gives `log_mel` `[batch, num_frames, mel_bins]` and `audio` `[batch, num_samples]`,
    `decode_log_mel` and `decode_audio` one of them; `decode_wav` gives `wav_bytes`, a string `[batch]`: a file of 16
    bits a note.

    Args:
        decoder: the built decoder.
        config: the model's configuration.
        sound: from log-mel and pitch to audio.
    """
    inputs = [
        tf.TensorSpec([None, config.model.latent_dim], tf.float32, name="z"),
        tf.TensorSpec([None], tf.int32, name="pitch"),
        tf.TensorSpec([None], tf.int32, name="velocity"),
    ]

    @tf.function(input_signature=inputs, autograph=False)
    def decoded(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
        notes = input_checks.notes(z, pitch, velocity, config.model.latent_dim)
        return decoder(*map(_at_least_one, notes))[: tf.shape(z)[0]]

    @tf.function(input_signature=[_log_mel_spec(config.audio), inputs[1]], autograph=False)
    def sounded(log_mel: tf.Tensor, pitch: tf.Tensor) -> tf.Tensor:
        return _in_chunks(sound, log_mel, pitch, config.audio)

    def decode(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        log_mel = decoded(z, pitch, velocity)
        return {"log_mel": log_mel, "audio": sounded(log_mel, pitch)}

    def decode_log_mel(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"log_mel": decoded(z, pitch, velocity)}

    def decode_audio(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"audio": sounded(decoded(z, pitch, velocity), pitch)}

    def decode_wav(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"wav_bytes": _write_wavs(sounded(decoded(z, pitch, velocity), pitch), config.audio)}

    endpoints = {
        "serving_default": decode,
        "decode_log_mel": decode_log_mel,
        "decode_audio": decode_audio,
        "decode_wav": decode_wav,
    }
    return {name: (function, inputs) for name, function in endpoints.items()}


def _at_least_one(tensor: tf.Tensor) -> tf.Tensor:
    """Returns the tensor, or one row of zeros if it has none: oneDNN's convolutions of an empty batch fail."""
    missing = tf.cast(tf.equal(tf.shape(tensor)[0], 0), tf.int32)
    return tf.pad(tensor, [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1))


def _in_chunks(sound: Sound, log_mel: tf.Tensor, pitch: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Returns the sound, `[batch, num_samples]`, made of `CHUNK` notes at a time."""
    count = (tf.shape(log_mel)[0] + CHUNK - 1) // CHUNK
    pieces = tf.TensorArray(tf.float32, count, infer_shape=False, element_shape=[None, config.num_samples])

    def add(index: tf.Tensor, pieces: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        here = slice(index * CHUNK, (index + 1) * CHUNK)
        return index + 1, pieces.write(index, sound(log_mel[here], pitch[here]))

    _, pieces = tf.while_loop(lambda index, _: index < count, add, (0, pieces), parallel_iterations=1)
    return tf.ensure_shape(pieces.concat(), [None, config.num_samples])


def _read_wavs(wav_bytes: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Returns the audio `[batch, num_samples]` of WAV files, padded with silence or cut."""

    def read(content: tf.Tensor) -> tf.Tensor:
        samples = input_checks.wav(*tf.audio.decode_wav(content), config)[: config.num_samples, 0]
        padded = tf.pad(samples, [[0, config.num_samples - tf.shape(samples)[0]]])
        return tf.ensure_shape(padded, [config.num_samples])

    return tf.map_fn(read, wav_bytes, fn_output_signature=tf.TensorSpec([config.num_samples], tf.float32))


def _write_wavs(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Returns audio `[batch, num_samples]` as WAV files of 16 bits, `[batch]`."""

    def write(samples: tf.Tensor) -> tf.Tensor:
        return tf.audio.encode_wav(samples[:, None], config.sample_rate)

    return tf.map_fn(write, audio, fn_output_signature=tf.TensorSpec([], tf.string))


def _audio_spec(config: AudioConfig) -> tf.TensorSpec:
    return tf.TensorSpec([None, config.num_samples], tf.float32, name="audio")


def _log_mel_spec(config: AudioConfig) -> tf.TensorSpec:
    return tf.TensorSpec([None, config.num_frames, config.num_mel_bins], tf.float32, name="log_mel")


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
