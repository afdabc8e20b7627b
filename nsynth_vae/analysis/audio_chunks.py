"""Chunks of WAV, RF64, W64, AIFF, CAF and AU files: where the audio is, and whether all of it is there.

libsndfile reads a truncated file as far as it goes and says nothing. It does not read what recorders leave that died
(audio of 0 bytes), CAF of unknown length, and chunks of an odd size without their pad byte: these get another head.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import BinaryIO

from nsynth_vae.analysis.audio_layout import Layout, Part

SLACK = 64
"""Bytes that a file may state beyond its end: writers count their own header (44 bytes), or a last odd sample."""

UNKNOWN = 0x7FFF0000
"""Sizes from here on are placeholders of who writes to a pipe, where the file is shorter."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Container:
    first: int
    """Where the first chunk begins, in bytes."""
    size: str
    """`struct` format of a chunk's size, in the container's byte order."""
    data: bytes
    """Name of the audio's chunk."""
    counted: int = 0
    """Bytes of a chunk's header that its size counts."""
    align: int = 2
    own: int = 0
    """Bytes at the beginning of the audio's chunk that are no audio."""


_WAV = _Container(first=12, size="<I", data=b"data")
_CONTAINERS = {
    b"RIFF": _WAV,
    b"RIFX": dataclasses.replace(_WAV, size=">I"),
    b"RF64": _WAV,
    b"BW64": _WAV,
    b"riff": _Container(
        first=40, size="<Q", data=b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", counted=24, align=8
    ),
    b"FORM": _Container(first=12, size=">I", data=b"SSND", own=8),
    b"caff": _Container(first=8, size=">Q", data=b"data", align=1, own=4),
}
_HEADS = {b"RF64": b"RIFF", b"BW64": b"RIFF"}
"""Containers whose new head is that of another one: libsndfile does not know BW64, and RF64 states its length twice."""

_READ = (0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0x31, 0x38, 0x40, 0x55, 0xFFFE)
"""Encodings of WAV by number, that libsndfile reads: PCM, float, A-law, mu-law, ADPCM, GSM, MP3."""
_ENCODINGS = {
    **dict.fromkeys((0xFF, 0x1600, 0x1602, 0x1610), "AAC"),
    **dict.fromkeys(range(0x160, 0x164), "WMA"),
    **dict.fromkeys((*range(0x674F, 0x6752), *range(0x676F, 0x6772)), "Vorbis"),
    **dict.fromkeys((0x14, 0x40, 0x45, 0x64), "G.726"),
    **{0x10: "OKI ADPCM", 0x20: "Yamaha ADPCM", 0x22: "TrueSpeech", 0x42: "G.723", 0x50: "MP2", 0x92: "AC-3"},
    **{0x270: "ATRAC3", 0x704F: "Opus", 0x2000: "AC-3", 0x2001: "DTS", 0xF1AC: "FLAC"},
}
_EXTENSIBLE = 0xFFFE
_READ_BITS = {1: (8, 16, 24, 32), 3: (32, 64)}
"""Bits of PCM and of float that libsndfile reads."""


def find_audio(stream: BinaryIO, size: int, name: str) -> Layout:
    """Find the audio of a file.

    Args:
        stream: the file.
        size: its size in bytes.
        name: its format.

    Raises:
        ValueError: for a truncated file.
    """
    magic = _read(stream, 0, 4)
    if magic in (b".snd", b"dns."):
        return _find_in_au(stream, size, ">" if magic == b".snd" else "<")
    container = _CONTAINERS[magic]
    position, long_size, chunks, padded = container.first, 0, [], True
    while True:
        chunk, stated, start = _header(stream, position, container)
        if not chunk or (chunk != container.data and start + stated > size):
            raise ValueError(f"ends within its header ({size} bytes): truncated {name}")
        if chunk == container.data:
            break
        if chunk == b"ds64":
            # RF64 has the size of the audio here, in 64 bits; who writes to a pipe leaves 0.
            long_size = int.from_bytes(_read(stream, start + 8, 8), "little")
        else:
            chunks.append((position, start + stated))
        position = _following(stream, start, stated, container)
        padded = padded and (position - start) % container.align == 0
    if long_size and stated == 0xFFFFFFFF:
        stated = long_size
    available = size - start
    length = _length(stream, start, stated, available, container)
    if length + SLACK < stated < UNKNOWN:
        raise ValueError(f"holds {available} of {stated} bytes of audio: truncated {name}")
    if padded and length == stated and magic != b"BW64":
        return Layout(name, (Part(0, size),))
    head = _HEADS.get(magic, magic) + _read(stream, 4, container.first - 4)
    length += container.counted
    for begin, end in chunks:
        head += _read(stream, begin, end - begin) + bytes(-(end - begin) % container.align)
    most = 2 ** (8 * struct.calcsize(container.size)) - 1
    head += container.data + struct.pack(container.size, min(length, most))
    return Layout(name, (Part(start, start + length - container.counted, head),))


def encoding(stream: BinaryIO) -> str:
    """Return the name of a WAV's encoding that libsndfile does not read, such as `WMA`; empty for one that it reads."""
    order = ">" if _read(stream, 0, 4) == b"RIFX" else "<"
    head = _read(stream, 0, 4096)
    at = head.find(b"fmt ")
    if at < 0 or at + 24 > len(head):
        return ""
    tag, *_, bits = struct.unpack_from(f"{order}HHIIHH", head, at + 8)
    if tag == _EXTENSIBLE and at + 34 <= len(head):
        (tag,) = struct.unpack_from(f"{order}H", head, at + 32)
    if bits not in _READ_BITS.get(tag, (bits,)):
        return f"{bits}-bit {'PCM' if tag == 1 else 'float'}"
    return "" if tag in _READ else _ENCODINGS.get(tag, f"an encoding ({tag:#06x})")


def _read(stream: BinaryIO, position: int, size: int) -> bytes:
    stream.seek(position)
    return stream.read(size)


def _header_size(container: _Container) -> int:
    return len(container.data) + struct.calcsize(container.size)


def _header(stream: BinaryIO, position: int, container: _Container) -> tuple[bytes, int, int]:
    """Return (name, size of the contents, where they begin) of a chunk; an empty name at the end of the file."""
    header = _read(stream, position, _header_size(container))
    if len(header) < _header_size(container):
        return b"", 0, position
    (stated,) = struct.unpack(container.size, header[len(container.data) :])
    return header[: len(container.data)], max(0, stated - container.counted), position + len(header)


def _following(stream: BinaryIO, start: int, stated: int, container: _Container) -> int:
    """Return where the chunk after the one with contents at `start` begins: after the pad byte, if there is one."""
    end = start + stated
    padded = end + -stated % container.align
    if padded == end or container.align != 2:
        return padded
    name = _read(stream, end, 4)
    return end if name[:1] != b"\0" and _is_name(name) else padded


def _is_name(name: bytes) -> bool:
    return len(name) >= 4 and all(32 <= byte < 127 for byte in name[:4])


def _length(stream: BinaryIO, start: int, stated: int, available: int, container: _Container) -> int:
    """Return how many bytes of audio there are."""
    # Of a file without audio, chunks may follow; of a recorder that died, the audio does.
    if stated <= container.own and not _is_chunks(stream, start + stated, start + available, container):
        return available
    return min(stated, available)


def _is_chunks(stream: BinaryIO, position: int, size: int, container: _Container) -> bool:
    while position < size:
        name, stated, start = _header(stream, position, container)
        if not _is_name(name) or start + stated > size:
            return False
        position = _following(stream, start, stated, container)
    return True


def _find_in_au(stream: BinaryIO, size: int, order: str) -> Layout:
    header = _read(stream, 0, 24)
    if len(header) < 24:
        raise ValueError(f"ends within its header ({size} bytes): truncated AU")
    start, stated = struct.unpack_from(f"{order}II", header, 4)
    available = max(0, size - start)
    if available + SLACK < stated < UNKNOWN:
        raise ValueError(f"holds {available} of {stated} bytes of audio: truncated AU")
    if available and (stated == 0 or stated > available + SLACK):
        head = header[:8] + struct.pack(f"{order}I", available) + _read(stream, 12, start - 12)
        return Layout("AU", (Part(start, size, head),))
    return Layout("AU", (Part(0, size),))
