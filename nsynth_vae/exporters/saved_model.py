"""SavedModels for TensorFlow and TF Serving, with the model's metadata and warm-up requests."""

from __future__ import annotations

import io
import json
import pathlib
import wave
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.exporters.signatures import Endpoint
from nsynth_vae.files import write_text
from nsynth_vae.pretrained import ASSETS_EXTRA, METADATA

WARMUP = "tf_serving_warmup_requests"
"""TF Serving's name for the requests that it replays before a model takes any other."""

WARMUP_BATCHES = (1, 8)
"""Batch sizes of each signature's warm-up requests."""

_WARMUP_VALUES = {"pitch": 60, "velocity": 100}


def write(folder: pathlib.Path, name: str, endpoints: Mapping[str, Endpoint], metadata: Mapping[str, Any]) -> None:
    """Write a SavedModel with the endpoints as its signatures, and its `assets.extra`: metadata and warm-up requests.

    Keras's `ExportArchive` finds the variables that the functions use; a layer tracked as well would be written twice.

    Args:
        folder: to be made.
        name: of the model in TF Serving.
        endpoints: signature -> endpoint.
        metadata: `model_export.model_metadata`.
    """
    archive = keras.export.ExportArchive()
    with quiet():
        for signature, (function, inputs) in endpoints.items():
            archive.add_endpoint(signature, function, inputs)
        archive.write_out(str(folder), verbose=False)
    extra = folder / ASSETS_EXTRA
    extra.mkdir()
    write_text(extra / METADATA, json.dumps(metadata, indent=2) + "\n")
    specs = {signature: inputs for signature, (_, inputs) in endpoints.items()}
    with tf.io.TFRecordWriter(str(extra / WARMUP)) as file:
        for request in warmup_requests(name, specs, metadata["sample_rate"]):
            file.write(request)


def warmup_requests(name: str, specs: Mapping[str, list[tf.TensorSpec]], sample_rate: int) -> Iterator[bytes]:
    """Yield serialized `PredictionLog`s of requests to each signature, with `WARMUP_BATCHES` notes.

    The first run of a signature takes seconds, in which its graph is optimized: no client should wait for that. The
    tensors are constant, so that the format stores one value of each.

    Args:
        name: of the model in TF Serving.
        specs: signature -> its inputs.
        sample_rate: of the model's audio, Hz.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    for signature, inputs in specs.items():
        for batch in WARMUP_BATCHES:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, signature
            for spec in inputs:
                shape = [batch, *spec.shape.as_list()[1:]]
                if spec.dtype == tf.string:
                    tensor = tf.make_tensor_proto([_silent_wav(sample_rate)] * batch, tf.string, shape)
                else:
                    tensor = tf.make_tensor_proto(_WARMUP_VALUES.get(spec.name, 0), spec.dtype, shape)
                request.inputs[spec.name].CopyFrom(tensor)
            yield log.SerializeToString(deterministic=True)


def _silent_wav(sample_rate: int) -> bytes:
    """Return a WAV file of one sample, which the model pads."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, sample_rate, 1, "NONE", ""))
        file.writeframes(np.zeros(1, "<i2").tobytes())
    return content.getvalue()
