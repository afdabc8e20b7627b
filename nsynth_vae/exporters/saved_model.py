"""SavedModels: what TensorFlow and TF Serving load, with the model's facts and warm-up requests beside the graph."""

from __future__ import annotations

import io
import json
import os
import pathlib
import wave
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.exporters.signatures import Endpoint
from nsynth_vae.exporters.suppress_stderr import quiet
from nsynth_vae.files import write_text
from nsynth_vae.pretrained import ASSETS_EXTRA, METADATA

WARMUP = "tf_serving_warmup_requests"
"""TF Serving's name for the requests that it makes to a model before it takes any other."""

WARMUP_BATCHES = (1, 8)
"""Each signature's requests are of so many notes."""

_WARMUP_VALUES = {"pitch": 60, "velocity": 100}


def write(folder: str | os.PathLike, name: str, endpoints: Mapping[str, Endpoint], facts: Mapping[str, object]) -> None:
    """Writes a SavedModel with the endpoints as its signatures, and its `assets.extra`: facts and warm-up requests.

    By Keras's `ExportArchive`, which finds the variables that the functions use; a layer that it is told to track as
    well would be written twice.

    Args:
        folder: to be made.
        name: of the model in TF Serving.
        endpoints: signature -> endpoint.
        facts: what a client needs to know of the model, JSON-ready; `sample_rate` among it.
    """
    archive = keras.export.ExportArchive()
    with quiet():
        for signature, (function, inputs) in endpoints.items():
            archive.add_endpoint(signature, function, inputs)
        archive.write_out(str(folder), verbose=False)
    extra = pathlib.Path(folder) / ASSETS_EXTRA
    extra.mkdir()
    write_text(extra / METADATA, json.dumps(facts, indent=2) + "\n")
    specs = {signature: inputs for signature, (_, inputs) in endpoints.items()}
    with tf.io.TFRecordWriter(str(extra / WARMUP)) as file:
        for request in warmup_requests(name, specs, facts["sample_rate"]):
            file.write(request)


def warmup_requests(name: str, specs: Mapping[str, list[tf.TensorSpec]], sample_rate: int) -> Iterator[bytes]:
    """Yields serialized `PredictionLog`s of requests to each signature, with `WARMUP_BATCHES` notes.

    The first run of a signature takes seconds, in which its graph is optimized: no client is to wait for that. The
    tensors are constant, of which the format keeps one value.

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
    """Returns a WAV file of one sample, which a model pads."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, sample_rate, 1, "NONE", ""))
        file.writeframes(np.zeros(1, "<i2").tobytes())
    return content.getvalue()
