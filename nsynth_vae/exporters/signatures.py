"""Signatures of the exported SavedModels: functions of tensors with the names, dtypes and shapes of the contract.

An endpoint is a function and the `tf.TensorSpec`s of its arguments; it returns a dictionary of named outputs. Inputs
are validated inside (`input_checks`). What several endpoints share is one `tf.function`, which a SavedModel holds once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig, Config
from nsynth_vae.exporters import input_checks
from nsynth_vae.exporters.wav_decoding import decode_wav
from nsynth_vae.model.decoder import Decoder
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.model.vae import VAE
from nsynth_vae.nn.draws import PartialMotion
from nsynth_vae.synthesis.vocoder import Vocoder

Endpoint = tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]

CHUNK = 8
"""Notes that the vocoder synthesises at a time: larger chunks outgrow the processor's cache and are slower a note."""


def encoder_endpoints(encoder: Encoder, config: Config) -> dict[str, Endpoint]:
    """Return signature -> endpoint of the encoder; all output `z_mean` and `z_log_var`, `[batch, latent_dim]`.

    `serving_default` takes `audio` `[batch, num_samples]`, -1..1; `encode_log_mel` takes `log_mel`
    `[batch, num_frames, mel_bins]`; `encode_wav` takes `wav_bytes`, a string `[batch]`: mono files of 16 bits or
    of float, padded with silence or cut to `num_samples`.
    """
    audio, log_mel = audio_spec(config.audio), log_mel_spec(config.audio)

    @tf.function(input_signature=[log_mel], autograph=False)
    def encoded(log_mel: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = encoder(_at_least_one(log_mel))
        batch = tf.shape(log_mel)[0]
        return {"z_mean": z_mean[:batch], "z_log_var": z_log_var[:batch]}

    @tf.function(input_signature=[audio], autograph=False)
    def encode(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        audio = input_checks.audio(audio, config.audio)
        return encoded(features.log_mel(audio, config.audio))

    def encode_log_mel(log_mel: tf.Tensor) -> dict[str, tf.Tensor]:
        return encoded(input_checks.log_mel(log_mel, config.audio))

    def encode_wav(wav_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return encode(_read_wavs(wav_bytes, config.audio))

    return {
        "serving_default": (encode, [audio]),
        "encode_log_mel": (encode_log_mel, [log_mel]),
        "encode_wav": (encode_wav, [tf.TensorSpec([None], tf.string, name="wav_bytes")]),
    }


def decoder_endpoints(decoder: Decoder, config: Config, vocoder: Vocoder) -> dict[str, Endpoint]:
    """Return signature -> endpoint of the decoder; all take `z`, `pitch` and `velocity`.

    `serving_default` outputs `log_mel` `[batch, num_frames, mel_bins]`, the median, and `audio` `[batch, num_samples]`,
    take 0. `decode_log_mel` and `decode_audio` output one of them; `decode_wav` outputs `wav_bytes`, a string
    `[batch]`: a file of 16 bits a note. `decode_take` takes a `seed`, int32 `[batch]`, and `decode_motion` a factor
    `motion` of the motion as well, float32 `[batch]`, 0 to 2; their `log_mel` is the take's.

    Args:
        decoder: the built decoder.
        config: the model's configuration.
        vocoder: from log-mel and pitch to audio.
    """
    inputs, take_inputs = note_specs(config), take_specs(config)

    @tf.function(input_signature=inputs, autograph=False)
    def decoded(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
        notes = input_checks.notes(z, pitch, velocity, config.model.latent_dim)
        return decoder(*map(_at_least_one, notes))[: tf.shape(z)[0]]

    @tf.function(input_signature=take_inputs, autograph=False)
    def taken(
        z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, seed: tf.Tensor, motion: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        notes = input_checks.notes(z, pitch, velocity, config.model.latent_dim)
        seed, motion = input_checks.take(seed, motion, tf.shape(z)[0])
        take = decoder.take(*map(_at_least_one, (*notes, seed, motion)))
        here = slice(tf.shape(z)[0])
        moved = [] if take.partials is None else [tf.nest.map_structure(lambda part: part[here], take.partials)]
        log_mel = take.log_mel[here]
        audio = _in_chunks(vocoder, config.audio, log_mel, notes[1], seed, *moved)
        return {"median": take.median[here], "log_mel": log_mel, "audio": audio}

    def first_take(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        # Of z's batch size, not pitch's: that they are the same is checked inside.
        return taken(z, pitch, velocity, tf.zeros_like(z[:, 0], tf.int32), tf.ones_like(z[:, 0]))

    def decode(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        notes = first_take(z, pitch, velocity)
        return {"log_mel": notes["median"], "audio": notes["audio"]}

    def decode_log_mel(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"log_mel": decoded(z, pitch, velocity)}

    def decode_audio(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"audio": first_take(z, pitch, velocity)["audio"]}

    def decode_wav(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"wav_bytes": _write_wavs(first_take(z, pitch, velocity)["audio"], config.audio)}

    def decode_motion(
        z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, seed: tf.Tensor, motion: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        notes = taken(z, pitch, velocity, seed, motion)
        return {name: notes[name] for name in ("log_mel", "audio")}

    def decode_take(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return decode_motion(z, pitch, velocity, seed, tf.ones_like(z[:, 0]))

    endpoints = {
        "serving_default": decode,
        "decode_log_mel": decode_log_mel,
        "decode_audio": decode_audio,
        "decode_wav": decode_wav,
    }
    takes: dict[str, Endpoint] = {
        "decode_take": (decode_take, take_inputs[:4]),
        "decode_motion": (decode_motion, take_inputs),
    }
    return {name: (function, inputs) for name, function in endpoints.items()} | takes


def audio_spec(config: AudioConfig, batch: int | None = None) -> tf.TensorSpec:
    """Return the specification of `audio` `[batch, num_samples]`."""
    return tf.TensorSpec([batch, config.num_samples], tf.float32, name="audio")


def log_mel_spec(config: AudioConfig, batch: int | None = None) -> tf.TensorSpec:
    """Return the specification of `log_mel` `[batch, num_frames, mel_bins]`."""
    return tf.TensorSpec([batch, config.num_frames, config.num_mel_bins], tf.float32, name="log_mel")


def note_specs(config: Config, batch: int | None = None) -> list[tf.TensorSpec]:
    """Return the specifications of `z` `[batch, latent_dim]`, `pitch` and `velocity` `[batch]`."""
    z = tf.TensorSpec([batch, config.model.latent_dim], tf.float32, name="z")
    return [z, *(tf.TensorSpec([batch], tf.int32, name=name) for name in ("pitch", "velocity"))]


def take_specs(config: Config, batch: int | None = None) -> list[tf.TensorSpec]:
    """Return `note_specs` and the specifications of `seed` and `motion` `[batch]`."""
    seed, motion = ((tf.int32, "seed"), (tf.float32, "motion"))
    return note_specs(config, batch) + [tf.TensorSpec([batch], dtype, name=name) for dtype, name in (seed, motion)]


def _at_least_one(tensor: tf.Tensor) -> tf.Tensor:
    """Return the tensor, or one row of zeros if it has none: oneDNN's convolutions fail on an empty batch."""
    missing = tf.cast(tf.equal(tf.shape(tensor)[0], 0), tf.int32)
    return tf.pad(tensor, [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1))


def _in_chunks(vocoder: Vocoder, config: AudioConfig, *inputs: tf.Tensor | PartialMotion) -> tf.Tensor:
    """Return the audio `[batch, num_samples]`, synthesised `CHUNK` notes at a time."""
    count = (tf.shape(inputs[0])[0] + CHUNK - 1) // CHUNK
    pieces = tf.TensorArray(tf.float32, count, infer_shape=False, element_shape=[None, config.num_samples])

    def add(index: tf.Tensor, pieces: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        here = slice(index * CHUNK, (index + 1) * CHUNK)
        return index + 1, pieces.write(index, vocoder(*tf.nest.map_structure(lambda tensor: tensor[here], inputs)))

    _, pieces = tf.while_loop(lambda index, _: index < count, add, (0, pieces), parallel_iterations=1)
    return tf.ensure_shape(pieces.concat(), [None, config.num_samples])


def _read_wavs(wav_bytes: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the audio `[batch, num_samples]` of WAV files, padded with silence or cut."""

    def read(content: tf.Tensor) -> tf.Tensor:
        samples = decode_wav(content, config)[: config.num_samples]
        padded = tf.pad(samples, [[0, config.num_samples - tf.shape(samples)[0]]])
        return tf.ensure_shape(padded, [config.num_samples])

    return tf.map_fn(read, wav_bytes, fn_output_signature=tf.TensorSpec([config.num_samples], tf.float32))


def _write_wavs(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return audio `[batch, num_samples]` as WAV files of 16 bits, `[batch]`."""

    def write(samples: tf.Tensor) -> tf.Tensor:
        return tf.audio.encode_wav(samples[:, None], config.sample_rate)

    return tf.map_fn(write, audio, fn_output_signature=tf.TensorSpec([], tf.string))


def float32_layers(vae: VAE, config: Config) -> tuple[Encoder, Decoder]:
    """Return copies of the model's encoder and decoder that compute in float32, outside of any strategy.

    A model trained in mixed precision or under `tf.distribute` is thus exported like any other.
    """
    exact = dataclasses.replace(config.train, precision="float32")
    copy = VAE(dataclasses.replace(config, train=exact))
    copy.build()
    copy.encoder.set_weights(vae.encoder.get_weights())
    copy.decoder.set_weights(vae.decoder.get_weights())
    return copy.encoder, copy.decoder
