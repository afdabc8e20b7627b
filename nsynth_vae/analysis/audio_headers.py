"""Headers of audio files: format, rate, channels, and validation that the file is whole.

The decoders do not validate. tensorflow-io's Vorbis decoder ends the process on an empty file. It and libsndfile return
the beginning of a truncated file as if it were all. So chunks, pages or frames must follow one another to the end.
Checksums must match where the format has them: Ogg's pages here, FLAC's MD5 in `sound_files.check_flac`. WAV and MP3
have none: there, damaged samples go unnoticed.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib

FORMATS = ("wav", "flac", "ogg", "mp3")
"""Supported formats; also the file name extensions."""

ENCODINGS = ("u8", "s16", "s24", "s32", "f32", "f64", "flac8", "flac16", "flac24", "vorbis", "mp3")
"""Encodings of samples: WAV's by type and bits, FLAC's by bits, Ogg Vorbis and MP3."""

_NAMES = {"wav": "WAV", "flac": "FLAC", "ogg": "Ogg", "mp3": "MP3"}
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MP3_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


class UnknownFormatError(ValueError):
    """A format or encoding that is not checked here, which libsndfile may read all the same."""


@dataclasses.dataclass(frozen=True)
class Header:
    """Header of a file, as the decoder needs it."""

    encoding: str
    """One of `ENCODINGS`."""
    sample_rate: int
    """Hz."""
    channels: int
    offset: int = 0
    """Start of a WAV's samples, in bytes."""
    size: int = 0
    """Bytes of a WAV's samples."""


def read_header(contents: bytes, formats: tuple[str, ...] = FORMATS) -> Header:
    """Read and validate a whole audio file.

    Args:
        contents: the file's bytes.
        formats: those of `FORMATS` that are allowed.

    Returns:
        Its header.

    Raises:
        UnknownFormatError: for another format, or an encoding that is none of `ENCODINGS`.
        ValueError: for a file that is none of `formats`, truncated or damaged.
    """
    if not contents:
        raise ValueError("is empty, expected audio")
    found = _format(contents)
    expected = " or ".join(_NAMES[name] for name in formats)
    if found is None:
        raise UnknownFormatError(f"begins with {contents[:4]!r}, expected {expected}")
    if found not in formats:
        raise ValueError(f"is {_NAMES[found]}, expected {expected}")
    try:
        header = {"wav": _wav, "flac": _flac, "ogg": _ogg, "mp3": _mp3}[found](contents)
    except (struct.error, IndexError) as error:
        raise ValueError(f"ends within its header ({len(contents)} bytes): truncated {_NAMES[found]}") from error
    if header.sample_rate <= 0 or header.channels <= 0:
        raise ValueError(f"states {header.sample_rate} Hz and {header.channels} channels: damaged {_NAMES[found]}")
    return header


def _format(contents: bytes) -> str | None:
    if contents[:4] == b"RIFF" and contents[8:12] in (b"WAVE", b""):
        return "wav"
    if contents[:4] == b"fLaC":
        return "flac"
    if contents[:4] == b"OggS":
        return "ogg"
    if contents[:3] == b"ID3" or (len(contents) > 1 and contents[0] == 0xFF and contents[1] >= 0xE0):
        return "mp3"
    return None


def _wav(contents: bytes) -> Header:
    """Parse RIFF/WAVE with integer PCM of 8 to 32 bits or float of 32 or 64."""
    position, layout = 12, None
    while True:
        name, size = struct.unpack_from("<4sI", contents, position)
        position += 8
        if name == b"data":
            break
        if name == b"fmt ":
            tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", contents, position)
            if tag == 0xFFFE:  # WAVE_FORMAT_EXTENSIBLE: the tag is in its GUID.
                (tag,) = struct.unpack_from("<H", contents, position + 24)
            layout = tag, channels, rate, block, bits
        position += size + size % 2
    if layout is None:
        raise ValueError("has no fmt chunk: damaged WAV")
    tag, channels, rate, block, bits = layout
    encoding = {
        (1, 8): "u8",
        (1, 16): "s16",
        (1, 24): "s24",
        (1, 32): "s32",
        (3, 32): "f32",
        (3, 64): "f64",
    }.get((tag, bits))
    if encoding is None:
        raise UnknownFormatError(
            f"is WAV of format {tag} with {bits} bits, expected PCM of 8 to 32 or float of 32 or 64"
        )
    if position + size > len(contents):
        raise ValueError(f"holds {len(contents) - position} of {size} bytes of audio: truncated WAV")
    if block == 0 or block != channels * bits // 8 or size % block:
        raise ValueError(f"holds {size} bytes of audio in blocks of {block}: damaged WAV")
    return Header(encoding, rate, channels, position, size)


def _flac(contents: bytes) -> Header:
    """Parse FLAC's STREAMINFO; its samples are checked after decoding, by `sound_files.check_flac`."""
    packed = int.from_bytes(struct.unpack_from("8s", contents, 18)[0], "big")
    struct.unpack_from("16s", contents, 26)
    rate, channels, bits = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    if bits not in (8, 16, 24):
        raise UnknownFormatError(f"is FLAC with {bits} bits, expected 8, 16 or 24")
    if packed & (1 << 36) - 1 == 0:
        raise ValueError("is FLAC that does not state its length, expected a whole file")
    return Header(f"flac{bits}", rate, channels)


def flac_md5(contents: bytes) -> bytes:
    """Return the MD5 of the unencoded samples that a FLAC file states (zeros: not stated)."""
    return contents[26:42]


def _ogg(contents: bytes) -> Header:
    """Parse one Vorbis stream: every page's CRC, their numbers, and the last page's end flag."""
    position, number, flags, rate, channels = 0, 0, 0, 0, 0
    while position < len(contents):
        if contents[position : position + 4] != b"OggS" or flags & 4:
            raise ValueError(f"has no Ogg page at byte {position} of {len(contents)}: damaged Ogg")
        flags, _, _, sequence, crc, segments = struct.unpack_from("<BqIIIB", contents, position + 5)
        body = position + 27 + segments
        end = body + sum(contents[position + 27 : body])
        if end > len(contents):
            raise ValueError(f"ends within a page, at byte {len(contents)}: truncated Ogg")
        page = contents[position : position + 22] + bytes(4) + contents[position + 26 : end]
        if ogg_crc(page) != crc or sequence != number:
            raise ValueError(f"has a damaged page at byte {position} of {len(contents)}: damaged Ogg")
        if number == 0:
            if contents[body : body + 7] != b"\x01vorbis":
                raise UnknownFormatError("is Ogg but not Vorbis, expected Ogg Vorbis")
            channels, rate = struct.unpack_from("<BI", contents, body + 11)
        position, number = end, number + 1
    if not flags & 4:
        raise ValueError(f"ends at byte {len(contents)} without a last page: truncated Ogg")
    return Header("vorbis", rate, channels)


def ogg_crc(page: bytes) -> int:
    """Compute Ogg's CRC-32: zlib's polynomial, but bits the other way round, from 0 and not inverted."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")


def _mp3(contents: bytes) -> Header:
    """Parse MPEG layer III frames, one after the other up to the end or to a tag."""
    position, first = 0, None
    if contents[:3] == b"ID3":
        size = [byte & 0x7F for byte in struct.unpack_from("4B", contents, 6)]
        position = 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]) + 10 * (contents[5] >> 4 & 1)
        if position >= len(contents):
            raise ValueError("ends within its ID3 tag: truncated MP3")
    while position < len(contents):
        if contents[position : position + 3] in (b"TAG", b"APE", b"LYR", b"ID3") or not any(contents[position:]):
            break
        (bits,) = struct.unpack(">I", contents[position : position + 4].ljust(4, b"\0"))
        version, kbits, rate = bits >> 19 & 3, bits >> 12 & 15, bits >> 10 & 3
        if bits >> 21 != 0x7FF or version == 1 or bits >> 17 & 3 != 1 or kbits in (0, 15) or rate == 3:
            raise ValueError(f"has no layer III frame at byte {position} of {len(contents)}: damaged MP3")
        hertz = _MP3_RATES[version][rate]
        channels = 1 if bits >> 6 & 3 == 3 else 2
        first = first or (hertz, channels)
        if hertz != first[0]:
            raise ValueError(f"changes from {first[0]} to {hertz} Hz at byte {position}: damaged MP3")
        per_frame, kbits = (144, _MP3_KBITS_1[kbits]) if version == 3 else (72, _MP3_KBITS_2[kbits])
        position += per_frame * 1000 * kbits // hertz + (bits >> 9 & 1)
        if position > len(contents):
            raise ValueError(f"ends within a frame, at byte {len(contents)}: truncated MP3")
    if first is None:
        raise ValueError("holds no frames, expected MP3")
    return Header("mp3", *first)
