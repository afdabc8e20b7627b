"""Quantization of the constants in a TFLite file, and text entries in its metadata.

Files are rewritten by the schema that comes with LiteRT. TensorFlow's converter has one format for all constants of a
file; a network's weights tolerate 8 bits, but a DFT's matrix would have a noise floor 50 dB below the note.
"""

from __future__ import annotations

import collections
import struct
from collections.abc import Callable

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
"""The file's bytes 4 to 7."""

ALIGNMENT = 16
"""Bytes: alignment of a constant by the schema's `force_align`, which the generated code ignores."""

_INT8_RUNTIME = b"2.17.0"
"""The oldest runtime with matrix products of int8 weights with a scale for each output."""

_INT8_VERSIONS = {schema.BuiltinOperator.CONV_2D: 5, schema.BuiltinOperator.FULLY_CONNECTED: 12}
"""The versions of the operators that take float inputs and int8 weights with a scale for each output."""

Plan = Callable[[np.ndarray], str]
"""A float32 constant -> `float32`, `float16` or `int8`."""


def operators(content: bytes) -> dict[str, int]:
    """Return the operators of a TFLite file: name -> number of them; custom ones have names in lower case.

    Raises:
        ValueError: if the content is not a TFLite file.
    """
    model = _read(content)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    found: collections.Counter[str] = collections.Counter()
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            # Files of before 2020 have the code in the narrower field only.
            builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
            custom = code.customCode
            found[f"custom {custom.decode()}" if custom else names[builtin]] += 1
    return dict(sorted(found.items()))


def rewrite(content: bytes, *, metadata: dict[str, str], plan: Plan | None = None) -> bytes:
    """Return a TFLite file with entries added to its metadata and its constants in the planned formats.

    Args:
        content: a file of float32 constants, as TensorFlow's converter writes it.
        metadata: name -> text of the entries to add.
        plan: called with every constant; None leaves all in float32. `float16` ones are converted back when the file
            is loaded. `int8` is for the weights of `CONV_2D` and `FULLY_CONNECTED`: dynamic range, symmetric, a scale
            for each output; such a product also rounds its inputs to 8 bits, by their range in each call.

    Raises:
        ValueError: if the content is not a TFLite file, or a constant is to be int8 that is not such weights.
    """
    model = _read(content)
    if plan is not None:
        halves: dict[int, int] = {}
        for graph in model.subgraphs:
            _quantize_constants(model, graph, plan, halves)
            _drop_names(graph)
        _drop_unused(model)
    for name, text in metadata.items():
        entry = schema.MetadataT()
        entry.name, entry.buffer = name.encode(), len(model.buffers)
        model.buffers.append(_Buffer(text.encode()))
        model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content) + 1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


class _Buffer(schema.BufferT):
    """A buffer aligned to `ALIGNMENT`."""

    def __init__(self, data: bytes | np.ndarray | None = None) -> None:
        """Set the content; None is an empty buffer, that of a computed tensor."""
        super().__init__()
        self.data = None if data is None else np.frombuffer(bytes(data), np.uint8)

    def Pack(self, builder: flatbuffers.Builder) -> int:
        """Write the buffer; return its offset."""
        if self.data is None:
            return super().Pack(builder)
        builder.StartVector(1, self.data.size, ALIGNMENT)
        builder.head -= self.data.size
        builder.Bytes[builder.head : builder.head + self.data.size] = self.data.tobytes()
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def _read(content: bytes) -> schema.ModelT:
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0) if content[4:8] == IDENTIFIER else None
    except (ValueError, TypeError, IndexError, struct.error):
        # A truncated file has offsets beyond its end.
        model = None
    if model is None:
        raise ValueError("found something else, expected a whole TFLite file")
    model.buffers = [_Buffer(buffer.data) for buffer in model.buffers]
    return model


def _quantize_constants(model: schema.ModelT, graph: schema.SubGraphT, plan: Plan, halves: dict[int, int]) -> None:
    """Change the format of a graph's constants, and the operators that take them.

    `halves` has the buffers that are in float16 already, which signatures share: buffer of float32 -> of float16.
    """
    dequantize = []
    for index in range(len(graph.tensors)):
        tensor = graph.tensors[index]
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None:
            continue
        values = data.view(np.float32).reshape(tensor.shape)
        kind = plan(values)
        if kind == "int8":
            _to_int8(model, graph, index, values)
        elif kind == "float16":
            dequantize.append(_to_float16(model, graph, index, values, halves))
    graph.operators = dequantize + graph.operators


def _to_float16(
    model: schema.ModelT, graph: schema.SubGraphT, index: int, values: np.ndarray, halves: dict[int, int]
) -> schema.OperatorT:
    """Compute a float32 constant from a new float16 one; return the operator that does."""
    tensor, half = graph.tensors[index], schema.TensorT()
    if tensor.buffer not in halves:
        halves[tensor.buffer] = len(model.buffers)
        model.buffers.append(_Buffer(values.astype(np.float16)))
    half.shape, half.type, half.buffer = tensor.shape, schema.TensorType.FLOAT16, halves[tensor.buffer]
    half.name = tensor.name + b"_float16"
    tensor.buffer = len(model.buffers)
    model.buffers.append(_Buffer())
    graph.tensors.append(half)
    operator = schema.OperatorT()
    operator.opcodeIndex = _code(model, schema.BuiltinOperator.DEQUANTIZE, 3)
    operator.inputs, operator.outputs = np.array([len(graph.tensors) - 1], np.int32), np.array([index], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _to_int8(model: schema.ModelT, graph: schema.SubGraphT, index: int, values: np.ndarray) -> None:
    """Make a constant int8, and the operators that take it hybrid ones."""
    tensor = graph.tensors[index]
    for operator in graph.operators:
        if index not in operator.inputs:
            continue
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code not in _INT8_VERSIONS or operator.inputs[1] != index:
            raise ValueError(f"{tensor.name.decode()}: found no convolution's or product's weights, expected to")
        operator.opcodeIndex = _code(model, code, _INT8_VERSIONS[code])
        if code == schema.BuiltinOperator.FULLY_CONNECTED:
            operator.builtinOptions.asymmetricQuantizeInputs = True
    largest = np.abs(values).reshape(len(values), -1).max(axis=1)
    scale = np.maximum(largest / 127.0, np.finfo(np.float32).tiny).astype(np.float32)
    quantized = np.round(values / scale.reshape(-1, *[1] * (values.ndim - 1)))
    tensor.type, tensor.buffer = schema.TensorType.INT8, len(model.buffers)
    model.buffers.append(_Buffer(np.clip(quantized, -127, 127).astype(np.int8)))
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = scale, np.zeros(len(scale), np.int64)
    for entry in model.metadata or []:
        if entry.name == b"min_runtime_version":
            model.buffers[entry.buffer] = _Buffer(_INT8_RUNTIME.ljust(16, b"\0"))


def _drop_names(graph: schema.SubGraphT) -> None:
    """Remove the names of a graph's intermediate tensors: paths of layers, 1 % of a file with two signatures."""
    for index in set(range(len(graph.tensors))).difference(graph.inputs, graph.outputs):
        graph.tensors[index].name = None


def _drop_unused(model: schema.ModelT) -> None:
    """Empty the buffers of replaced constants; the others keep their indices."""
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    model.buffers = [buffer if index in used else _Buffer() for index, buffer in enumerate(model.buffers)]


def _code(model: schema.ModelT, builtin: int, version: int) -> int:
    """Return the index of an operator's code in this version, adding it if it is missing."""
    for index, code in enumerate(model.operatorCodes):
        if (code.builtinCode, code.version) == (builtin, version):
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = builtin, version
    code.deprecatedBuiltinCode = min(builtin, 127)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
