"""Checksum inside a TFLite file: LiteRT follows the offsets of a damaged one, and may end the process."""

from __future__ import annotations

import os
import pathlib
import zlib

KEY, UNKNOWN = "checksum", "00000000"
"""The checksum in the file's metadata, a JSON object: CRC-32 in hexadecimal of the file with `UNKNOWN` in its place."""

_BEFORE = f'"{KEY}": "'.encode()


def with_checksum(content: bytes) -> bytes:
    """Return a TFLite file whose metadata have an unknown checksum with its checksum."""
    place = _find(content)
    return content if place is None else content[:place] + _compute(content, place) + content[place + len(UNKNOWN) :]


def read_tflite(path: str | os.PathLike) -> bytes:
    """Return the content of a TFLite file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if its checksum is another; files of other tools have none.
    """
    content = pathlib.Path(path).read_bytes()
    place = _find(content)
    if place is not None and content[place : place + len(UNKNOWN)] != _compute(content, place):
        raise ValueError("found another checksum than its own: it is damaged")
    return content


def _find(content: bytes) -> int | None:
    start = content.find(_BEFORE)
    return None if start < 0 else start + len(_BEFORE)


def _compute(content: bytes, place: int) -> bytes:
    view = memoryview(content)
    crc = zlib.crc32(view[place + len(UNKNOWN) :], zlib.crc32(UNKNOWN.encode(), zlib.crc32(view[:place])))
    return f"{crc:08x}".encode()
