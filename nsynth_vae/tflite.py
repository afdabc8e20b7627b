"""TFLite: the encoder, the decoder and the synthesizer as files that LiteRT runs, of built-in operators only.

One note at a time: `serving_default` has the contracts' names with a batch of 1.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig, Config
from nsynth_vae.publishing import aside, publish, quiet
from nsynth_vae.synthesis import signal

if TYPE_CHECKING:
    from nsynth_vae.model import Decoder, Encoder
    from nsynth_vae.signatures import Endpoint
    from nsynth_vae.synthesis.harmonic_noise import Synthesizer

KINDS = ("float32", "float16", "int8")
"""How weights are kept."""

FILES = tuple(f"{model}_{kind}" for model in ("encoder", "decoder") for kind in KINDS)
"""The stems of the files that `write_models` writes."""


def write_models(
    folder: str | os.PathLike,
    encoder: Encoder,
    decoder: Decoder,
    config: Config,
    synthesizer: Synthesizer | None,
    facts: Mapping[str, object],
    report: Callable[[str], None],
) -> dict[str, pathlib.Path]:
    """Writes `FILES`, each with the ending `.tflite`.

    Args:
        folder: made if missing; files of the same name are replaced.
        encoder: built, computing in float32.
        decoder: the same.
        config: the model's configuration.
        synthesizer: of the model's features; None leaves `audio` out of the decoder's outputs.
        facts: what a client needs to know of the model, JSON-ready.
        report: called with one line for every step.

    Returns:
        stem -> path.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    endpoints = {
        "encoder": encoder_endpoint(encoder, config),
        "decoder": decoder_endpoint(decoder, config, synthesizer),
    }
    paths = {}
    for model, endpoint in endpoints.items():
        report(f"{model}: TFLite")
        for kind, content in convert(endpoint, KINDS).items():
            paths[f"{model}_{kind}"] = folder / f"{model}_{kind}.tflite"
            paths[f"{model}_{kind}"].write_bytes(content)
    return paths


def export_synthesizer(synthesizer: Synthesizer, path: str | os.PathLike) -> None:
    """Writes a synthesizer as TFLite, weights in float16: `log_mel`, `pitch` -> `audio`, one note.

    Raises:
        InputError: if the file cannot be written.
    """
    path = pathlib.Path(path)
    with aside(path.parent) as folder:
        (folder / "tflite").write_bytes(convert(synthesizer_endpoint(synthesizer), ("float16",))["float16"])
        publish(folder / "tflite", path)


def encoder_endpoint(encoder: Encoder, config: Config) -> Endpoint:
    """Returns `audio` `[1, num_samples]`, -1..1 -> `z_mean`, `z_log_var` `[1, latent_dim]`, for TFLite."""

    def encode(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = encoder(log_mel(audio, config.audio))
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    return encode, [tf.TensorSpec([1, config.audio.num_samples], tf.float32, name="audio")]


def log_mel(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Returns `features.log_mel` of audio, without the FFT that TFLite lacks.

    Args:
        audio: float32 `[batch, num_samples]`, -1..1.
        config: the audio configuration.

    Returns:
        float32 `[batch, num_frames, mel_bins]`.
    """
    real, imaginary = signal.stft(audio, config)
    magnitude = tf.sqrt(tf.square(real) + tf.square(imaginary))
    mel = tf.matmul(magnitude, features.mel_weight_matrix(config)[signal.bin_order(config.fft_length)])
    return (tf.math.log(mel + config.log_offset) - config.log_mel_center) / config.log_mel_scale


def decoder_endpoint(decoder: Decoder, config: Config, synthesizer: Synthesizer | None) -> Endpoint:
    """Returns `z`, `pitch`, `velocity` -> `log_mel` and `audio`, for TFLite; without a synthesizer no `audio`.

    Pitch and velocity are clamped to 0..127: TFLite does not check the index of a look-up.
    """

    def decode(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        pitch, velocity = _clamped(pitch), _clamped(velocity)
        made = decoder(z, pitch, velocity)
        return {"log_mel": made} | ({"audio": synthesizer(made, pitch)} if synthesizer else {})

    return decode, [
        tf.TensorSpec([1, config.model.latent_dim], tf.float32, name="z"),
        tf.TensorSpec([1], tf.int32, name="pitch"),
        tf.TensorSpec([1], tf.int32, name="velocity"),
    ]


def synthesizer_endpoint(synthesizer: Synthesizer) -> Endpoint:
    """Returns `log_mel` `[1, num_frames, mel_bins]`, `pitch` `[1]` -> `audio` `[1, num_samples]`, for TFLite.

    Pitch is clamped to 0..127.
    """
    audio = synthesizer.audio

    def synthesize(log_mel: tf.Tensor, pitch: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"audio": synthesizer(log_mel, _clamped(pitch))}

    return synthesize, [
        tf.TensorSpec([1, audio.num_frames, audio.num_mel_bins], tf.float32, name="log_mel"),
        tf.TensorSpec([1], tf.int32, name="pitch"),
    ]


def _clamped(value: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(value, 0, 127)


def convert(endpoint: Endpoint, kinds: tuple[str, ...]) -> dict[str, bytes]:
    """Returns an endpoint of one note as TFLite files with built-in operators only: kind -> content.

    By a SavedModel of Keras's `ExportArchive`: TensorFlow 2.17's TFLite converter crashes on a plain
    `tf.saved_model.save` of Keras 3 layers ("missing attribute 'value'").
    """
    import keras

    function, inputs = endpoint
    with tempfile.TemporaryDirectory() as folder, quiet():
        archive = keras.export.ExportArchive()
        archive.add_endpoint("serving_default", function, inputs)
        archive.write_out(folder, verbose=False)
        return {kind: _converted(folder, kind) for kind in kinds}


def _converted(folder: str, kind: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()
