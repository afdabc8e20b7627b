"""Pages of Ogg files: each one's checksum and number, and where one stream ends and the next begins.

libsndfile skips damaged pages, reads a truncated file as far as it goes, and of several streams one after the other
only the first; it says nothing.
"""

from __future__ import annotations

import struct
import zlib

from nsynth_vae.analysis.audio_layout import Layout, Part, UnreadableError

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_CODECS = (
    (b"\x01vorbis", "Ogg Vorbis"),
    (b"OpusHead", "Opus"),
    (b"\x7fFLAC", "Ogg FLAC"),
    (b"Speex   ", "Speex"),
    (b"\x80theora", "Ogg video"),
)
_READ = ("Ogg Vorbis", "Opus", "Ogg FLAC")
_PAGE = struct.Struct("<BqIIIB")


def find_audio(contents: bytes) -> Layout:
    """Find the streams of a file, which are one after the other.

    Raises:
        UnreadableError: for a codec that is not read.
        ValueError: for a truncated or damaged file.
    """
    position, start, name = 0, 0, "Ogg"
    numbers: dict[int, int] = {}
    parts, warnings, ended = [], [], False
    while position < len(contents):
        if contents[position : position + 4] != b"OggS":
            if ended:
                warnings.append(f"{len(contents) - position} bytes after its end are passed over")
                break
            raise ValueError(f"has no page at byte {position} of {len(contents)}: damaged {name}")
        if position + 27 > len(contents):
            raise ValueError(f"ends within a page, at byte {len(contents)}: truncated {name}")
        flags, _, serial, number, crc, segments = _PAGE.unpack_from(contents, position + 5)
        body = position + 27 + segments
        end = body + sum(contents[position + 27 : body])
        if end > len(contents):
            raise ValueError(f"ends within a page, at byte {len(contents)}: truncated {name}")
        if flags & 2:
            if ended:
                parts.append(Part(start, position))
                start, numbers = position, {}
            found = next((codec for magic, codec in _CODECS if contents.startswith(magic, body)), "Ogg")
            # Video comes with audio in other pages of the same part.
            name = found if position == start or found == "Ogg video" else name
            numbers[serial] = number
        page = contents[position : position + 22] + bytes(4) + contents[position + 26 : end]
        if checksum(page) != crc or numbers.get(serial) != number:
            raise ValueError(f"has a damaged page at byte {position} of {len(contents)}: damaged {name}")
        numbers[serial] = number + 1
        if flags & 4:
            del numbers[serial]
        position, ended = end, not numbers
    if not ended:
        raise ValueError(f"ends at byte {len(contents)} without a last page: truncated {name}")
    if name not in _READ:
        raise UnreadableError(name)
    parts.append(Part(start, position))
    if len(parts) > 1:
        warnings.append(f"{len(parts)} streams one after the other, all read")
    return Layout(name, tuple(parts), tuple(warnings))


def checksum(page: bytes) -> int:
    """Compute Ogg's CRC-32: zlib's polynomial, but bits the other way round, from 0 and not inverted."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")
