"""The inside of TFLite files: metadata entries, constants in float16 and int8."""

import copy
import functools
import tempfile

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.exporters import tflite_quantization
from nsynth_vae.pretrained import tflite_entry

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(32, 48)).astype(np.float32)
TABLE = RNG.normal(size=(48,)).astype(np.float32)
X = RNG.normal(size=(1, 32)).astype(np.float32)


@functools.cache
def converted() -> bytes:
    """Return a file with two products: of one input and WEIGHTS, of the other and TABLE, element by element."""

    @tf.function(input_signature=[tf.TensorSpec([1, 32], name="x"), tf.TensorSpec([1, 48], name="y")])
    def compute(x, y):
        return {"product": tf.matmul(x, WEIGHTS), "scaled": y * TABLE}

    module = tf.Module()
    module.compute = compute
    with quiet(), tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=compute)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def run(content: bytes) -> dict[str, np.ndarray]:
    """Return a file's outputs."""
    return Interpreter(model_content=content).get_signature_runner()(x=X, y=np.ones([1, 48], np.float32))


def planned(kind: str, shape: tuple[int, ...]):
    """Return a plan for the constants of a shape."""
    return lambda values: kind if values.shape == shape else "float32"


def test_a_note_is_read_back_and_nothing_else_changes() -> None:
    """Not the outputs' last bit, nor what the converter wrote in the metadata."""
    before = converted()
    after = tflite_quantization.rewrite(before, metadata={"a.json": '{"é": 1}', "b": "two\nlines"})
    assert tflite_entry(after, "a.json") == '{"é": 1}'
    assert tflite_entry(after, "b") == "two\nlines"
    assert tflite_entry(after, "c") is None
    assert tflite_entry(before, "a.json") is None
    for name, value in run(before).items():
        np.testing.assert_array_equal(run(after)[name], value)
    assert (
        tflite_quantization.operators(before)
        == tflite_quantization.operators(after)
        == {"FULLY_CONNECTED": 1, "MUL": 1}
    )

    def metadata(content: bytes) -> dict[bytes, bytes]:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return {entry.name: bytes(model.buffers[entry.buffer].data) for entry in model.metadata}

    converters, ours = metadata(before), metadata(after)
    assert set(converters) == {b"min_runtime_version", b"CONVERSION_METADATA"}
    assert {name: ours[name] for name in converters} == converters


@pytest.mark.parametrize("plan", [None, planned("float16", (48, 32)), planned("int8", (48, 32))])
def test_constants_are_aligned(plan) -> None:
    """The schema promises 16 bytes to runtimes that read constants in place."""
    content = tflite_quantization.rewrite(converted(), metadata={"a": "x" * 5, "b": "y" * 3}, plan=plan)
    model, data = schema.Model.GetRootAs(content, 0), np.frombuffer(content, np.uint8)
    buffers = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength())]
    places = [part.ctypes.data - data.ctypes.data for part in buffers if isinstance(part, np.ndarray)]
    assert len(places) >= 4
    assert all(place % tflite_quantization.ALIGNMENT == 0 for place in places)


def test_float16_constants() -> None:
    """What the file computes is what the rounded constants give; the others stay exact, and the file shrinks."""
    before = converted()
    after = tflite_quantization.rewrite(before, metadata={}, plan=planned("float16", (48, 32)))
    assert tflite_quantization.operators(after) == {"DEQUANTIZE": 1, "FULLY_CONNECTED": 1, "MUL": 1}
    found = run(after)
    np.testing.assert_allclose(found["product"], X @ WEIGHTS.astype(np.float16).astype(np.float32), atol=1e-5)
    np.testing.assert_array_equal(found["scaled"][0], TABLE)
    assert len(before) - len(after) > WEIGHTS.size * 2 - 600
    everything = run(tflite_quantization.rewrite(before, metadata={}, plan=lambda values: "float16"))
    np.testing.assert_array_equal(everything["scaled"][0], TABLE.astype(np.float16).astype(np.float32))


def test_int8_weights() -> None:
    """A scale for each output, symmetric; what the file computes is what these constants give, in float32."""
    before = converted()
    after = tflite_quantization.rewrite(before, metadata={}, plan=planned("int8", (48, 32)))
    assert tflite_quantization.operators(after) == {"DEQUANTIZE": 1, "FULLY_CONNECTED": 1, "MUL": 1}
    model = schema.ModelT.InitFromPackedBuf(after, 0)
    (weights,) = (tensor for tensor in model.subgraphs[0].tensors if tensor.type == schema.TensorType.INT8)
    stored = model.buffers[weights.buffer].data.view(np.int8).reshape(weights.shape)
    scale = weights.quantization.scale
    np.testing.assert_allclose(scale, np.abs(WEIGHTS).max(axis=0) / 127, rtol=1e-6)
    assert np.abs(stored * scale[:, None] - WEIGHTS.T).max() <= scale.max() * 0.501
    assert list(weights.quantization.zeroPoint) == [0] * 48
    assert weights.quantization.quantizedDimension == 0
    assert len(before) - len(after) > WEIGHTS.size * 3 - 1400
    found = run(after)
    assert 1e-4 < np.abs(found["product"] - X @ WEIGHTS).max() < 0.05 * np.abs(X @ WEIGHTS).max()
    np.testing.assert_allclose(found["product"], X @ (stored * scale[:, None]).T, atol=1e-5)
    np.testing.assert_array_equal(found["scaled"][0], TABLE)


@pytest.mark.parametrize(("kind", "oldest"), [("float16", "1.15.0"), ("int8", "2.7.0")])
def test_the_oldest_runtime_is_named(kind: str, oldest: str) -> None:
    """That of the new operator, or the file's own if that is newer: versions are numbers, not text."""
    after = tflite_quantization.rewrite(converted(), metadata={}, plan=planned(kind, (48, 32)))
    assert tflite_entry(converted(), "min_runtime_version").rstrip("\0") == "1.5.0"
    assert tflite_entry(after, "min_runtime_version").rstrip("\0") == oldest
    model = tflite_quantization._read(after)
    tflite_quantization._need_runtime(model, "2.16.1")
    tflite_quantization._need_runtime(model, "2.5.0")
    (entry,) = (entry for entry in model.metadata if entry.name == b"min_runtime_version")
    assert bytes(model.buffers[entry.buffer].data).rstrip(b"\0") == b"2.16.1"


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_signatures_share_constants(kind: str) -> None:
    """A second graph of the same weights adds no second copy of them, and computes the same."""
    model = tflite_quantization._read(converted())
    second = copy.deepcopy(model.subgraphs[0])
    model.subgraphs.append(second)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), tflite_quantization.IDENTIFIER)
    one, two = (
        tflite_quantization.rewrite(content, metadata={}, plan=planned(kind, (48, 32)))
        for content in (converted(), bytes(builder.Output()))
    )
    assert tflite_quantization.operators(two)["DEQUANTIZE"] == 2
    assert len(two) - len(one) < WEIGHTS.size
    np.testing.assert_array_equal(run(two)["product"], run(one)["product"])


@pytest.mark.parametrize("content", [b"", b"TFL3", b"not a model at all", converted()[:2000], converted()[:40]])
def test_what_is_no_tflite_file(content: bytes) -> None:
    """Or half of one."""
    for function in (
        lambda: tflite_entry(content, "a"),
        lambda: tflite_quantization.operators(content),
        lambda: tflite_quantization.rewrite(content, metadata={}),
    ):
        with pytest.raises(ValueError, match="found something else, expected a whole TFLite file"):
            function()
