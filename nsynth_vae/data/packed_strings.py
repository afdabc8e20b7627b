"""Array of many short strings in little memory: a quarter of what Python's own take."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np


class PackedStrings:
    """Strings as UTF-8 bytes of one length; it is read as an object array of `str` would be.

    A name of NSynth (`guitar_acoustic_010-055-025`) takes 27 bytes; as a `str` in an object array, 84.
    """

    def __init__(self, values: np.ndarray) -> None:
        """Hold bytes, NumPy's `S` type `[n]`."""
        self.values = values

    @classmethod
    def pack(cls, strings: Collection[str]) -> PackedStrings:
        """Pack strings, none of which ends with a zero character; they are iterated over twice."""
        size = max((len(_pack(text)) for text in strings), default=1)
        return cls(np.fromiter(map(_pack, strings), np.dtype((np.bytes_, max(1, size)))))

    def __len__(self) -> int:
        """Return the number of strings."""
        return len(self.values)

    def __getitem__(self, key: Any) -> Any:
        """Return a `str` for an integer, else the packed strings of a slice, of an index array, or of a mask."""
        found = self.values[key]
        return PackedStrings(found) if isinstance(found, np.ndarray) else _unpack(found)

    def __iter__(self) -> Iterator[str]:
        """Yield each string."""
        return map(_unpack, self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return an object array of `str`."""
        array = np.empty(len(self), object)
        array[:] = list(self)
        return array if dtype is None else array.astype(dtype)


def _pack(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unpack(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
