"""TensorFlow's C API by ctypes: SavedModels loaded and run by the C++ runtime, without `import tensorflow`.

    python c_api.py EXPORT REQUESTS RESPONSES

Runs the requests of REQUESTS (.npz: `<index>/<signature>/<input>`) on the SavedModel in the folder EXPORT, and writes
`<index>/<output>`, or `<index>/error` with the error's text, to RESPONSES.
"""

from __future__ import annotations

import ctypes
import importlib.util
import pathlib
import sys

import numpy as np

FLOAT, INT32, STRING = 1, 3, 7
DTYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int32): INT32, np.dtype(np.float64): 2, np.dtype(np.int64): 9}
NUMPY = {number: dtype for dtype, number in DTYPES.items()}
STRING_BYTES = 24
"""Size of a `TF_TString`."""


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("data_deallocator", ctypes.c_void_p),
    ]


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def _library() -> ctypes.CDLL:
    """Return TensorFlow's shared library, from the package's folder, without running the package."""
    folder = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"))
    pointer, size, integer, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_char_p
    declared = {
        "TF_NewStatus": (pointer, []),
        "TF_DeleteStatus": (None, [pointer]),
        "TF_GetCode": (integer, [pointer]),
        "TF_Message": (text, [pointer]),
        "TF_NewGraph": (pointer, []),
        "TF_NewSessionOptions": (pointer, []),
        "TF_NewBuffer": (ctypes.POINTER(_Buffer), []),
        "TF_GraphOperationByName": (pointer, [pointer, text]),
        "TF_AllocateTensor": (pointer, [integer, pointer, integer, size]),
        "TF_TensorData": (pointer, [pointer]),
        "TF_TensorType": (integer, [pointer]),
        "TF_NumDims": (integer, [pointer]),
        "TF_Dim": (ctypes.c_int64, [pointer, integer]),
        "TF_TensorByteSize": (size, [pointer]),
        "TF_DeleteTensor": (None, [pointer]),
        "TF_StringInit": (None, [pointer]),
        "TF_StringCopy": (None, [pointer, text, size]),
        "TF_StringGetDataPointer": (pointer, [pointer]),
        "TF_StringGetSize": (size, [pointer]),
        "TF_LoadSessionFromSavedModel": (
            pointer,
            [pointer, pointer, text, pointer, integer, pointer, pointer, pointer],
        ),
        "TF_SessionRun": (
            None,
            [pointer, pointer, *[pointer, pointer, integer] * 2, pointer, integer, pointer, pointer],
        ),
        "TF_CloseSession": (None, [pointer, pointer]),
        "TF_DeleteSession": (None, [pointer, pointer]),
    }
    for name, (result, arguments) in declared.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Return the (number, value) pairs of a protocol buffer on the wire: enough to read a SavedModel's signatures."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        number, kind = key >> 3, key & 7
        if kind == 0:
            found.append((number, varint()))
        else:
            length = {1: 8, 5: 4}.get(kind) or varint()
            found.append((number, message[at : at + length]))
            at += length
    return found


def _map(message: bytes, number: int) -> dict[str, bytes]:
    """Return a map field: text -> message."""
    entries = [dict(fields(value)) for found, value in fields(message) if found == number]
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}


def signatures(meta_graph: bytes) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Return signature -> (input -> tensor, output -> tensor) of a serialized `MetaGraphDef`."""

    def tensors(signature: bytes, number: int) -> dict[str, str]:
        return {name: dict(fields(info))[1].decode() for name, info in _map(signature, number).items()}

    return {name: (tensors(signature, 1), tensors(signature, 2)) for name, signature in _map(meta_graph, 5).items()}


class SavedModel:
    """A SavedModel in a session of TensorFlow's C++ runtime."""

    def __init__(self, folder: str) -> None:
        """Load it.

        Raises:
            RuntimeError: with TensorFlow's words, if that fails.
        """
        self.library = _library()
        self.status = self.library.TF_NewStatus()
        self.graph = self.library.TF_NewGraph()
        tags, meta_graph = (ctypes.c_char_p * 1)(b"serve"), self.library.TF_NewBuffer()
        options = self.library.TF_NewSessionOptions()
        self.session = self.library.TF_LoadSessionFromSavedModel(
            options, None, folder.encode(), tags, 1, self.graph, meta_graph, self.status
        )
        self._check(self.status)
        content = ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length)
        self.signatures = signatures(content)

    def run(self, signature: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Return a signature's outputs; threads may call it at once.

        Raises:
            RuntimeError: with TensorFlow's words, if that fails.
        """
        inputs, outputs = self.signatures[signature]
        places = (_Output * len(arrays))(*(self._place(inputs[name]) for name in arrays))
        given = (ctypes.c_void_p * len(arrays))(*(self._tensor(array) for array in arrays.values()))
        requested = (_Output * len(outputs))(*(self._place(name) for name in outputs.values()))
        made, status = (ctypes.c_void_p * len(outputs))(), self.library.TF_NewStatus()
        self.library.TF_SessionRun(
            self.session, None, places, given, len(arrays), requested, made, len(outputs), None, 0, None, status
        )
        for tensor in given:
            self.library.TF_DeleteTensor(tensor)
        try:
            self._check(status)
        finally:
            self.library.TF_DeleteStatus(status)
        return {name: self._array(tensor) for name, tensor in zip(outputs, made, strict=True)}

    def close(self) -> None:
        """End the session."""
        self.library.TF_CloseSession(self.session, self.status)
        self.library.TF_DeleteSession(self.session, self.status)

    def _check(self, status: int) -> None:
        if self.library.TF_GetCode(status) != 0:
            raise RuntimeError(self.library.TF_Message(status).decode())

    def _place(self, tensor: str) -> _Output:
        name, _, index = tensor.partition(":")
        return _Output(self.library.TF_GraphOperationByName(self.graph, name.encode()), int(index))

    def _tensor(self, array: np.ndarray) -> int:
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        if array.dtype != object:
            tensor = self.library.TF_AllocateTensor(DTYPES[array.dtype], shape, array.ndim, array.nbytes)
            ctypes.memmove(self.library.TF_TensorData(tensor), array.tobytes(), array.nbytes)
            return tensor
        tensor = self.library.TF_AllocateTensor(STRING, shape, array.ndim, STRING_BYTES * array.size)
        for index, content in enumerate(array.flat):
            place = self.library.TF_TensorData(tensor) + STRING_BYTES * index
            self.library.TF_StringInit(place)
            self.library.TF_StringCopy(place, content, len(content))
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        shape = [self.library.TF_Dim(tensor, axis) for axis in range(self.library.TF_NumDims(tensor))]
        data, kind = self.library.TF_TensorData(tensor), self.library.TF_TensorType(tensor)
        if kind == STRING:
            places = [data + STRING_BYTES * index for index in range(int(np.prod(shape)))]
            get = self.library.TF_StringGetDataPointer, self.library.TF_StringGetSize
            array = np.array([ctypes.string_at(get[0](place), get[1](place)) for place in places], object)
        else:
            content = ctypes.string_at(data, self.library.TF_TensorByteSize(tensor)) if np.prod(shape) else b""
            array = np.frombuffer(content, NUMPY[kind])
        self.library.TF_DeleteTensor(tensor)
        return array.reshape(shape)


def main(folder: str, requests: str, responses: str) -> None:
    """Run requests from a file, writes the responses to another."""
    model = SavedModel(folder)
    grouped: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for key, array in np.load(requests, allow_pickle=False).items():
        index, signature, name = key.split("/")
        # Bytes have no type of their own in .npz: they come as uint8.
        if array.dtype == np.uint8:
            array = np.array([array.tobytes()], object)
        grouped.setdefault((index, signature), {})[name] = array
    written = {}
    for (index, signature), arrays in grouped.items():
        try:
            made = model.run(signature, **arrays)
        except RuntimeError as error:
            made = {"error": np.array(str(error))}
        for name, array in made.items():
            written[f"{index}/{name}"] = np.frombuffer(b"".join(array), np.uint8) if array.dtype == object else array
    model.close()
    np.savez(responses, **written)
    print("tensorflow" in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
