"""Chunks of WAV, RF64, W64, AIFF, CAF and AU files: where the audio is, and whether all of it is there.

libsndfile reads a truncated file as far as it goes and says nothing; of W64 it takes for audio what follows it. It does
not read what recorders leave that died (audio of 0 bytes), CAF of unknown length, chunks of an odd size without their
pad byte, and a second chunk of audio: these get another head.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from typing import BinaryIO

from nsynth_vae.analysis import mp3_frames
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
_DESCRIBED_LATER = (b"FORM", b"caff")
"""Containers in which chunks that decoding needs may follow the audio: AIFF's `COMM`, CAF's `pakt`."""
_AU = (b".snd", b"dns.")

_TRAILING = re.compile(rb"LIST|[Ii][Dd]3 |smpl|inst|INST|cue |bext|iXML|_PMX|acid|fact|PEAK|JUNK|ANNO|NAME|COMT|MARK")
_SEARCHED = 1 << 20
"""Bytes at the end of audio of unknown length in which chunks that follow it are looked for."""

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
_EXTENSIBLE, _MP3 = 0xFFFE, 0x55
_READ_BITS = {1: (8, 16, 24, 32), 3: (32, 64)}
"""Bits of PCM and of float that libsndfile reads."""


def find_audio(stream: BinaryIO, size: int, name: str) -> Layout:
    """Find the audio of a file, or of several one after the other.

    Args:
        stream: the file.
        size: its size in bytes.
        name: its format.

    Raises:
        ValueError: for a truncated file; for MP3 in WAV also those of `mp3_frames.find_audio`.
    """
    layouts: list[Layout] = []
    begin = 0
    while begin < size:
        find = _find_in_au if _read(stream, begin, 4) in _AU else _find_in_chunks
        layout, begin = find(stream, begin, size, name)
        layouts.append(layout)
    warnings = [warning for layout in layouts for warning in layout.warnings]
    if len(layouts) > 1:
        warnings.append(f"{len(layouts)} {name}s one after the other, all read")
    parts = [part for layout in layouts for part in layout.parts]
    return Layout(layouts[0].name, tuple(parts), tuple(warnings))


def _find_in_chunks(stream: BinaryIO, begin: int, size: int, name: str) -> tuple[Layout, int]:
    """Find the audio of a file that begins somewhere; also return where the next one begins, or the size."""
    magic = _read(stream, begin, 4)
    container = _CONTAINERS[magic]
    position, long_size, chunks, padded, is_mp3 = begin + container.first, 0, [], True, False
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
        if chunk == b"fmt ":
            is_mp3 = _encoding_of(_read(stream, start, 26), container.size[0])[0] == _MP3
        position = _following(stream, start, stated, container)
        padded = padded and (position - start) % container.align == 0
    if long_size and stated == 0xFFFFFFFF:
        stated = long_size
    available = size - start
    length = _length(stream, start, stated, available, container)
    if length + SLACK < stated < UNKNOWN:
        raise ValueError(f"holds {available} of {stated} bytes of audio: truncated {name}")
    more, following = _after(stream, _following(stream, start, length, container), size, container)
    if is_mp3:
        return _shifted(mp3_frames.find_audio(_read(stream, start, length)), start), following
    head = _HEADS.get(magic, magic) + _read(stream, begin + 4, container.first - 4)
    for first, end in chunks:
        head += _read(stream, first, end - first) + bytes(-(end - first) % container.align)
    parts = [Part(at, at + many, head + _audio_header(many, container)) for at, many in [(start, length), *more]]
    if padded and length == stated and magic != b"BW64":
        # What describes the audio may follow it, but not in WAV; there, and in W64, it may be taken for audio.
        parts[0] = Part(begin, following if magic in _DESCRIBED_LATER else start + length)
    warnings = (f"{len(parts)} chunks of audio, all read",) if more else ()
    return Layout(name, tuple(parts), warnings), following


def _after(stream: BinaryIO, position: int, size: int, container: _Container) -> tuple[list[tuple[int, int]], int]:
    """Return (start, bytes) of each further chunk of audio, and where the next file begins, or the size."""
    more: list[tuple[int, int]] = []
    while position < size:
        chunk, stated, start = _header(stream, position, container)
        if chunk[:4] in _CONTAINERS:
            return more, position
        if not _is_name(chunk) or start + stated > size:
            break
        if chunk == container.data and stated > container.own:
            more.append((start, stated))
        position = _following(stream, start, stated, container)
    return more, size


def _audio_header(length: int, container: _Container) -> bytes:
    """Return the name and size of a chunk of audio; the size is the greatest possible, if it is greater."""
    most = 2 ** (8 * struct.calcsize(container.size)) - 1
    return container.data + struct.pack(container.size, min(length + container.counted, most))


def _shifted(layout: Layout, start: int) -> Layout:
    """Return a layout of what begins somewhere in a file."""
    parts = [dataclasses.replace(part, start=part.start + start, end=part.end + start) for part in layout.parts]
    return dataclasses.replace(layout, parts=tuple(parts))


def encoding(stream: BinaryIO) -> str:
    """Return the name of a WAV's encoding that libsndfile does not read, such as `WMA`; empty for one that it reads."""
    order = ">" if _read(stream, 0, 4) == b"RIFX" else "<"
    head = _read(stream, 0, 4096)
    _, found, described = head.partition(b"fmt ")
    tag, bits = _encoding_of(described[4:] if found else b"", order)
    if tag is None:
        return ""
    if bits not in _READ_BITS.get(tag, (bits,)):
        return f"{bits}-bit {'PCM' if tag == 1 else 'float'}"
    return "" if tag in _READ else _ENCODINGS.get(tag, f"an encoding ({tag:#06x})")


def _encoding_of(described: bytes, order: str) -> tuple[int | None, int]:
    """Return the number of a WAV's encoding, and the bits a sample, by its chunk `fmt `; None if that is cut."""
    if len(described) < 16:
        return None, 0
    tag, *_, bits = struct.unpack_from(f"{order}HHIIHH", described)
    if tag == _EXTENSIBLE and len(described) >= 26:
        (tag,) = struct.unpack_from(f"{order}H", described, 24)
    return tag, bits


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
    unstated = stated <= container.own and not _is_chunks(stream, start + stated, start + available, container)
    if not unstated and not UNKNOWN <= stated > available:
        return min(stated, available)
    begin = start + max(0, available - _SEARCHED)
    named = _TRAILING.finditer(_read(stream, begin, start + available - begin))
    ends = (begin + name.start() for name in named)
    return next((at for at in ends if _is_chunks(stream, at, start + available, container)), start + available) - start


def _is_chunks(stream: BinaryIO, position: int, size: int, container: _Container) -> bool:
    while position < size:
        name, stated, start = _header(stream, position, container)
        if not _is_name(name) or start + stated > size:
            return False
        position = _following(stream, start, stated, container)
    return True


def _find_in_au(stream: BinaryIO, begin: int, size: int, name: str) -> tuple[Layout, int]:
    """Find the audio of an AU; see `_find_in_chunks`."""
    header = _read(stream, begin, 24)
    if len(header) < 24:
        raise ValueError(f"ends within its header ({size} bytes): truncated {name}")
    order = ">" if header[:1] == b"." else "<"
    offset, stated = struct.unpack_from(f"{order}II", header, 4)
    start = begin + offset
    available = max(0, size - start)
    if available + SLACK < stated < UNKNOWN:
        raise ValueError(f"holds {available} of {stated} bytes of audio: truncated {name}")
    if available and (stated == 0 or stated > available + SLACK):
        head = header[:8] + struct.pack(f"{order}I", available) + _read(stream, begin + 12, offset - 12)
        return Layout(name, (Part(start, size, head),)), size
    end = min(start + stated, size)
    following = end if _read(stream, end, 4) in _AU else size
    return Layout(name, (Part(begin, end),)), following
