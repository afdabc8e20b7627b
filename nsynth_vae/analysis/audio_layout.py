"""Layout of an audio file: the parts of it that are decoded one after the other, and what was odd about it."""

from __future__ import annotations

import dataclasses
import io
from typing import BinaryIO


class UnreadableError(ValueError):
    """A file of a format or encoding that cannot be decoded, though it may be whole."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A stretch of a file, from `start` to `end` in bytes, and what is put in front of it for the decoder."""

    start: int
    end: int
    head: bytes = b""


@dataclasses.dataclass(frozen=True)
class Layout:
    """What of a file is decoded."""

    name: str
    """Format, for messages: `WAV`, `Opus`, ..."""
    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = ()
    """What was odd about the file, though it can be read."""


class PartStream(io.RawIOBase):
    """One part of a file as a file of its own."""

    def __init__(self, stream: BinaryIO, part: Part) -> None:
        """Read from `stream`, which stays open when this is closed."""
        super().__init__()
        self._stream, self._part, self._position = stream, part, 0
        self._size = len(part.head) + part.end - part.start

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, as `io.IOBase.seek` does."""
        self._position = max(0, offset + (0, self._position, self._size)[whence])
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, up to the end of the part: a decoder takes fewer bytes for the end of the file."""
        wanted = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        head = self._part.head[self._position : self._position + len(wanted)]
        wanted[: len(head)] = head
        found = len(head)
        if found < len(wanted):
            self._stream.seek(self._part.start + self._position + found - len(self._part.head))
            found += self._stream.readinto(wanted[found:])  # type: ignore[attr-defined]
        self._position += found
        return found
