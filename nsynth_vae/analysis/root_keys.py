"""Root keys in sound files: the MIDI pitch that samplers and editors store beside the audio.

WAV (RIFF, RIFX, RF64, BW64, W64) has it in the chunks `smpl`, `inst` or `acid`, AIFF in `INST`, CAF in `inst`.
"""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Iterator
from typing import BinaryIO

# First bytes -> where the first chunk begins, byte order, format of a size, bytes of a name, alignment.
_CONTAINERS = {
    b"RIFF": (12, "<", "I", 4, 2),
    b"RIFX": (12, ">", "I", 4, 2),
    b"RF64": (12, "<", "I", 4, 2),
    b"BW64": (12, "<", "I", 4, 2),
    b"riff": (40, "<", "Q", 16, 8),
    b"FORM": (12, ">", "I", 4, 2),
    b"caff": (8, ">", "Q", 4, 1),
}
_NAMES = (b"smpl", b"inst", b"acid", b"INST")
_ACID_HAS_ROOT = 2


def read_root_key(path: pathlib.Path) -> int | None:
    """Return the MIDI pitch of a file's root key, 1 to 127; None if it states none, 0 or what is no pitch.

    0 is what writers leave that do not know it. A key between two is rounded.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
            if magic not in _CONTAINERS:
                return None
            order = _CONTAINERS[magic][1]
            found = {name: _key(magic, name, contents, order) for name, contents in _chunks(stream, magic)}
    except (OSError, struct.error):
        return None
    keys = (round(key) for name in _NAMES if (key := found.get(name)) is not None)
    return next((key for key in keys if 1 <= key <= 127), None)


def _chunks(stream: BinaryIO, magic: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the first 64 bytes of each chunk that may hold a root key."""
    position, order, size_format, name_size, align = _CONTAINERS[magic]
    end = stream.seek(0, 2)
    header_size = name_size + struct.calcsize(size_format)
    long_size = 0
    while position + header_size <= end:
        stream.seek(position)
        header = stream.read(header_size)
        (size,) = struct.unpack(f"{order}{size_format}", header[name_size:])
        # W64 counts the header; RF64 has the size of its audio in the chunk ds64, in 64 bits.
        size = max(0, size - header_size) if name_size == 16 else size
        name = header[:4]
        if name == b"data" and size == 0xFFFFFFFF:
            size = long_size
        if name == b"ds64":
            long_size = struct.unpack(f"{order}Q", stream.read(16)[8:])[0]
        elif name in _NAMES:
            yield name, stream.read(min(size, 64))
        position += header_size + size
        stream.seek(position)
        # Some writers leave the padding out: then the next chunk's name begins here.
        padding = stream.read(-size % align)
        position += 0 if padding[:1].isalpha() else -size % align


def _key(magic: bytes, name: bytes, contents: bytes, order: str) -> float | None:
    """Return the root key in a chunk, with its fraction; None if the chunk has none, or is too short."""
    try:
        if name == b"smpl":
            note, fraction = struct.unpack_from(f"{order}II", contents, 12)
            return note + fraction / 2**32
        if name == b"acid":
            flags, note = struct.unpack_from(f"{order}IH", contents)
            return note if flags & _ACID_HAS_ROOT else None
        if magic == b"caff":
            return struct.unpack_from(f"{order}f", contents)[0]
        # A sample that is tuned up by some cents sounds that much below its key.
        note, cents = struct.unpack_from("Bb", contents)
        return note - cents / 100
    except (struct.error, ValueError):
        return None
