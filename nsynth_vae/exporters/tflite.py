"""TFLite files of the encoder, the decoder and the synthesizer for LiteRT, of built-in operators only.

`serving_default` takes one note at a time. `float16` and `int8` files store the networks' weights in these formats;
features and synthesizer compute in float32. docs/tflite.md has the measurements.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.config import Config
from nsynth_vae.exporters import tflite_quantization, tflite_signatures
from nsynth_vae.files import atomic_rename, temporary_folder
from nsynth_vae.files.checksum import KEY, UNKNOWN, with_checksum
from nsynth_vae.model.decoder import smoothing_matrix, template_slope
from nsynth_vae.pretrained import METADATA_ENTRY

if TYPE_CHECKING:
    import keras

    from nsynth_vae.exporters.signatures import Endpoint
    from nsynth_vae.model.decoder import Decoder
    from nsynth_vae.model.encoder import Encoder
    from nsynth_vae.synthesis.synthesizer import Synthesizer

KINDS = ("float32", "float16", "int8")
"""Formats of the networks' weights; all compute in float32."""

FILES = tuple(f"{model}_{kind}" for model in ("encoder", "decoder") for kind in KINDS)
"""The stems of the files of `write_models`."""

_SMALLEST = {"int8": 1024, "float16": 4096}
"""Constants of fewer elements stay float32; `float16` holds for those that are not weights."""

_DESCRIPTIONS = {
    "audio": "4 s, mono, -1 to 1; an encoder's note starts at sample 0",
    "z": "latent vector: a timbre",
    "z_mean": "latent vector of the note's timbre: the posterior's mean",
    "z_log_var": "logarithm of the posterior's variance",
    "pitch": "MIDI pitch, clamped to 0 to 127; 60 is C4",
    "velocity": "MIDI velocity, clamped to 0 to 127",
    "log_mel": "normalised log-mel: (ln(mel + log_offset) - log_mel_center) / log_mel_scale",
}


def write_models(
    folder: str | os.PathLike,
    encoder: Encoder,
    decoder: Decoder,
    config: Config,
    synthesizer: Synthesizer | None,
    metadata: Mapping[str, Any],
    report: Callable[[str], None],
    *,
    kinds: Sequence[str] = KINDS,
) -> dict[str, pathlib.Path]:
    """Write `FILES`, each with the extension `.tflite` and with the model's metadata inside.

    Args:
        folder: made if missing; files of the same name are replaced.
        encoder: built, computing in float32.
        decoder: the same.
        config: the model's configuration.
        synthesizer: of the model's features; None leaves `audio` out of the decoder's outputs.
        metadata: `model_export.model_metadata`; see `pretrained.read_tflite_metadata`.
        report: called with one line for every step.
        kinds: those of `KINDS` to write.

    Returns:
        stem -> path.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    networks = [decoder, synthesizer] if synthesizer else [decoder]
    # What log-mels are made of directly: rounded to 11 bits it would be most of their error.
    exact = [decoder.template, smoothing_matrix(config.audio), template_slope(config.audio)]
    plans = {
        # Rounding before a logarithm is audible in quiet notes: the features' constants stay exact.
        "encoder": functools.partial(_plan, networks=[encoder], rest="float32"),
        "decoder": functools.partial(_plan, networks=networks, rest="float16", exact=exact),
    }
    endpoints = {
        "encoder": {"serving_default": tflite_signatures.encoder_endpoint(encoder, config)},
        "decoder": tflite_signatures.decoder_endpoints(decoder, config, synthesizer),
    }
    paths = {}
    for model, signatures in endpoints.items():
        report(f"{model}: TFLite")
        content = convert(**signatures)
        for kind in kinds:
            described = {"model": model, "weights": kind, **_described(content), **metadata, KEY: UNKNOWN}
            text = json.dumps(described, indent=2) + "\n"
            path = paths[f"{model}_{kind}"] = folder / f"{model}_{kind}.tflite"
            entries = {METADATA_ENTRY: text}
            path.write_bytes(
                with_checksum(tflite_quantization.rewrite(content, metadata=entries, plan=plans[model](kind)))
            )
    return paths


def export_synthesizer(synthesizer: Synthesizer, path: str | os.PathLike) -> None:
    """Write a synthesizer as TFLite, weights in float16: signatures `serving_default` and `transpose`, of one note.

    Raises:
        InputError: if the file cannot be written.
    """
    path = pathlib.Path(path)
    with temporary_folder(path.parent) as folder:
        plan = _plan("float16", [synthesizer], rest="float16")
        content = convert(
            serving_default=tflite_signatures.synthesizer_endpoint(synthesizer),
            transpose=tflite_signatures.transposition_endpoint(synthesizer),
        )
        entries = {f"{KEY}.json": json.dumps({KEY: UNKNOWN})}
        (folder / "tflite").write_bytes(
            with_checksum(tflite_quantization.rewrite(content, metadata=entries, plan=plan))
        )
        atomic_rename(folder / "tflite", path)


def convert(**endpoints: Endpoint) -> bytes:
    """Return endpoints of one note, by signature, as a TFLite file in float32, with built-in operators only.

    They share their constants.

    It goes by a SavedModel of Keras's `ExportArchive`: TensorFlow 2.17's TFLite converter crashes on a plain
    `tf.saved_model.save` of Keras 3 layers ("missing attribute 'value'").
    """
    import keras
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, quiet():
        archive = keras.export.ExportArchive()
        for name, (function, inputs) in endpoints.items():
            archive.add_endpoint(name, function, inputs)
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(endpoints))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return converter.convert()


def _described(content: bytes) -> dict[str, dict[str, Any]]:
    """Return `inputs` and `outputs` of a file's `serving_default`: name -> dtype, shape and description."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        run = Interpreter(model_content=content).get_signature_runner("serving_default")
    return {
        kind: {
            name: {
                "dtype": item["dtype"].__name__,
                "shape": item["shape"].tolist(),
                "description": _DESCRIPTIONS[name],
            }
            for name, item in sorted(details.items())
        }
        for kind, details in (("inputs", run.get_input_details()), ("outputs", run.get_output_details()))
    }


def _plan(
    kind: str,
    networks: Sequence[keras.Layer],
    *,
    rest: str,
    exact: Sequence[np.ndarray] = (),
) -> tflite_quantization.Plan | None:
    """Return the formats of constants: the networks' weights in `kind`, other large ones except `exact` in `rest`.

    Weights are recognised by their values. The converter multiplies some by a gain for each output, so each output's
    weights are compared relative to the largest of them.
    """
    if kind == "float32":
        return None
    weights = [weight for network in networks for weight in network.weights if weight.path.endswith("/kernel")]
    # TFLite's order of axes: outputs first.
    kernels = [_direction(np.moveaxis(np.asarray(weight), -1, 0))[0] for weight in weights]

    def plan(values: np.ndarray) -> str:
        if any(values.shape == other.shape and np.array_equal(values, other) for other in exact):
            return "float32"
        large = values.size >= _SMALLEST["float16"]
        if values.ndim in (2, 4) and values.any():
            direction, used = _direction(values)
            for kernel in kernels:
                if kernel.shape == direction.shape and np.allclose(direction[used], kernel[used], atol=1e-5):
                    return kind if values.size >= _SMALLEST["int8"] else "float32"
        return rest if large else "float32"

    return plan


def _direction(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `[outputs, weights]`, each output's weights over the largest of them, and which outputs are not all 0."""
    rows = kernel.reshape(len(kernel), -1)
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return rows / np.where(largest == 0.0, 1.0, largest), largest[:, 0] != 0.0
