"""TFLite: the encoder, the decoder and the synthesizer as files that LiteRT runs, of built-in operators only.

One note at a time: `serving_default` has the contracts' names with a batch of 1. What is smaller in a `float16` and an
`int8` file are the networks' weights; features and synthesizer compute in float32 as ever. docs/tflite.md has the
measurements.
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import Config
from nsynth_vae.errors import InputError
from nsynth_vae.exporters import tflite_quantization, tflite_signatures
from nsynth_vae.exporters.suppress_stderr import quiet
from nsynth_vae.files import atomic_rename, temporary_folder

if TYPE_CHECKING:
    import keras

    from nsynth_vae.exporters.signatures import Endpoint
    from nsynth_vae.model.decoder import Decoder
    from nsynth_vae.model.encoder import Encoder
    from nsynth_vae.synthesis.synthesizer import Synthesizer

KINDS = ("float32", "float16", "int8")
"""How the networks' weights are kept; `int8` is dynamic range."""

FILES = tuple(f"{model}_{kind}" for model in ("encoder", "decoder") for kind in KINDS)
"""The stems of the files that `write_models` writes."""

FACTS = "nsynth_vae.json"
"""The metadata entry with the model's facts."""

_SMALLEST = {"int8": 1024, "float16": 4096}
"""Constants of fewer elements stay float32: int8 weights, and float16 constants that are not weights."""

_MEANINGS = {
    "audio": "4 s, mono, -1 to 1; an encoder's note starts at sample 0",
    "z": "a place in the timbre space",
    "z_mean": "the note's place in the timbre space",
    "z_log_var": "how sure of it: the logarithm of the variance",
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
    facts: Mapping[str, object],
    report: Callable[[str], None],
) -> dict[str, pathlib.Path]:
    """Writes `FILES`, each with the ending `.tflite` and with the facts inside.

    Args:
        folder: made if missing; files of the same name are replaced.
        encoder: built, computing in float32.
        decoder: the same.
        config: the model's configuration.
        synthesizer: of the model's features; None leaves `audio` out of the decoder's outputs.
        facts: what a client needs to know of the model, JSON-ready; see `read_facts`.
        report: called with one line for every step.

    Returns:
        stem -> path.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    networks = {"encoder": [encoder], "decoder": [decoder, *([synthesizer] if synthesizer else [])]}
    endpoints = {
        "encoder": tflite_signatures.encoder_endpoint(encoder, config),
        "decoder": tflite_signatures.decoder_endpoint(decoder, config, synthesizer),
    }
    paths = {}
    for model, endpoint in endpoints.items():
        report(f"{model}: TFLite")
        content = convert(endpoint)
        for kind in KINDS:
            own = {"model": model, "weights": kind, **_described(content), **facts}
            text = json.dumps(own, indent=2) + "\n"
            if model == "encoder":
                # What is rounded before a logarithm is heard in the quiet: the features' constants stay exact.
                plan = _plan(kind, networks[model], rest="float32")
            else:
                plan = _plan(kind, networks[model], rest="float16", exact=[decoder.template])
            paths[f"{model}_{kind}"] = folder / f"{model}_{kind}.tflite"
            paths[f"{model}_{kind}"].write_bytes(tflite_quantization.rewrite(content, notes={FACTS: text}, plan=plan))
    return paths


def read_facts(path: str | os.PathLike) -> dict[str, object]:
    """Returns the facts that a file of `write_models` has inside.

    Those of `export.model_facts`, and `model`, `weights`, `inputs` and `outputs`: name -> dtype, shape and meaning.

    Raises:
        InputError: if the file cannot be read, is no TFLite file, or has no facts.
    """
    try:
        text = tflite_quantization.read_note(pathlib.Path(path).read_bytes(), FACTS)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a TFLite file") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if text is None:
        raise InputError(f"{path}: found no metadata {FACTS}, expected a file of this package's export")
    return json.loads(text)


def export_synthesizer(synthesizer: Synthesizer, path: str | os.PathLike) -> None:
    """Writes a synthesizer as TFLite, weights in float16: `log_mel`, `pitch` -> `audio`, one note.

    Raises:
        InputError: if the file cannot be written.
    """
    path = pathlib.Path(path)
    with temporary_folder(path.parent) as folder:
        plan = _plan("float16", [synthesizer], rest="float16")
        content = tflite_quantization.rewrite(
            convert(tflite_signatures.synthesizer_endpoint(synthesizer)), notes={}, plan=plan
        )
        (folder / "tflite").write_bytes(content)
        atomic_rename(folder / "tflite", path)


def convert(endpoint: Endpoint) -> bytes:
    """Returns an endpoint of one note as a TFLite file in float32, with built-in operators only.

    By a SavedModel of Keras's `ExportArchive`: TensorFlow 2.17's TFLite converter crashes on a plain
    `tf.saved_model.save` of Keras 3 layers ("missing attribute 'value'").
    """
    import keras
    import tensorflow as tf

    function, inputs = endpoint
    with tempfile.TemporaryDirectory() as folder, quiet():
        archive = keras.export.ExportArchive()
        archive.add_endpoint("serving_default", function, inputs)
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return converter.convert()


def _described(content: bytes) -> dict[str, dict]:
    """Returns `inputs` and `outputs` of a file's `serving_default`: name -> dtype, shape and meaning."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        run = Interpreter(model_content=content).get_signature_runner("serving_default")
    return {
        kind: {
            name: {"dtype": item["dtype"].__name__, "shape": item["shape"].tolist(), "meaning": _MEANINGS[name]}
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
    """Returns how to keep a file's constants: the networks' weights as `kind`, other large ones but `exact` as `rest`.

    Weights are known by their values. The converter multiplies some by a gain for each output, so what is compared is
    each output's weights over the largest of them.
    """
    if kind == "float32":
        return None
    kernels = [_direction(kernel)[0] for network in networks for kernel in _kernels(network)]

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


def _kernels(network: keras.Layer) -> list[np.ndarray]:
    """Returns the weights of a network's products and convolutions as TFLite has them, outputs first."""
    kernels = [np.asarray(weight) for weight in network.weights if weight.path.endswith("/kernel")]
    return [np.moveaxis(kernel, -1, 0) for kernel in kernels]


def _direction(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[outputs, weights]`, each output's weights over the largest of them, and which outputs have any."""
    rows = kernel.reshape(len(kernel), -1)
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return rows / np.where(largest == 0.0, 1.0, largest), largest[:, 0] != 0.0
