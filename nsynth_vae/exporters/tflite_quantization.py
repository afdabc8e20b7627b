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

_DEQUANTIZE = {"float16": (3, "1.15.0"), "int8": (5, "2.7.0")}
"""The operator's version that takes constants in this format, int8 with a scale for each output; its first runtime."""

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
        plan: called with every constant; None leaves all in float32. LiteRT converts the others back, and computes in
            float32. `int8` is symmetric, with a scale for each entry of the first axis: a weight's outputs.

    Raises:
        ValueError: if the content is not a TFLite file.
    """
    model = _read(content)
    _default_first(model)
    if plan is not None:
        stored: dict[tuple, schema.TensorT] = {}
        for graph in model.subgraphs:
            _quantize_constants(model, graph, plan, stored)
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


def _default_first(model: schema.ModelT) -> None:
    """Put the graph of `serving_default` first: clients that do not know signatures run the first one.

    The converter sorts them by name. No operator of these files refers to another graph.
    """
    for signature in model.signatureDefs or []:
        if signature.signatureKey == b"serving_default":
            first = signature.subgraphIndex
            order = [first, *(i for i in range(len(model.subgraphs)) if i != first)]
            model.subgraphs = [model.subgraphs[i] for i in order]
            for other in model.signatureDefs:
                other.subgraphIndex = order.index(other.subgraphIndex)
            model.signatureDefs.sort(key=lambda one: one.subgraphIndex)
            return


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


def _quantize_constants(
    model: schema.ModelT, graph: schema.SubGraphT, plan: Plan, stored: dict[tuple, schema.TensorT]
) -> None:
    """Change the format of a graph's constants: each is computed from a smaller one.

    `stored` has the smaller ones, which signatures share: (buffer of float32, shape) -> tensor.
    """
    dequantize = []
    for index in range(len(graph.tensors)):
        tensor = graph.tensors[index]
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None:
            continue
        values = data.view(np.float32).reshape(tensor.shape)
        if (kind := plan(values)) == "float32":
            continue
        key = tensor.buffer, values.shape
        if key not in stored:
            stored[key] = _store(model, kind, values)
        tensor.buffer = len(model.buffers)
        model.buffers.append(_Buffer())
        graph.tensors.append(stored[key])
        operator = schema.OperatorT()
        operator.opcodeIndex = _code(model, schema.BuiltinOperator.DEQUANTIZE, _DEQUANTIZE[kind][0])
        operator.inputs, operator.outputs = np.array([len(graph.tensors) - 1], np.int32), np.array([index], np.int32)
        operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        operator.builtinOptions = schema.DequantizeOptionsT()
        dequantize.append(operator)
    graph.operators = dequantize + graph.operators


def _store(model: schema.ModelT, kind: str, values: np.ndarray) -> schema.TensorT:
    """Add a constant in `float16` or `int8` to a model, and return its tensor."""
    tensor = schema.TensorT()
    tensor.shape, tensor.buffer = np.array(values.shape, np.int32), len(model.buffers)
    if kind == "float16":
        tensor.type, data = schema.TensorType.FLOAT16, values.astype(np.float16)
    else:
        largest = np.abs(values).reshape(len(values), -1).max(axis=1)
        scale = np.maximum(largest / 127.0, np.finfo(np.float32).tiny).astype(np.float32)
        quantized = np.round(values / scale.reshape(-1, *[1] * (values.ndim - 1)))
        tensor.type, data = schema.TensorType.INT8, np.clip(quantized, -127, 127).astype(np.int8)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = scale, np.zeros(len(scale), np.int64)
    model.buffers.append(_Buffer(data))
    _need_runtime(model, _DEQUANTIZE[kind][1])
    return tensor


def _need_runtime(model: schema.ModelT, version: str) -> None:
    """Raise the oldest runtime that a model's metadata name to this version."""
    for entry in model.metadata or []:
        if entry.name == b"min_runtime_version":
            stated = bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
            newest = max(stated, version, key=lambda text: [int(number) for number in text.split(".")])
            model.buffers[entry.buffer] = _Buffer(newest.encode().ljust(16, b"\0"))


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
