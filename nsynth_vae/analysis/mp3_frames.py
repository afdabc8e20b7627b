"""Frames of MP3 files: where they begin and end, and how many there are.

libsndfile believes the number of frames in a file's first frame (Xing's or LAME's). Without one it guesses the length
from the first frame's bit rate, and reads half of a file of varying rate. It passes over damage, and of two files one
after the other it reads the first; it says nothing. So each part gets a first frame with the number of frames found.
"""

from __future__ import annotations

import dataclasses
import struct

from nsynth_vae.analysis.audio_layout import Layout, Part

LOST = 2
"""Frames that may be missing of those that the file states: one cut at the end, and one that encoders count twice."""

LARGEST_FREE = 4096
"""Bytes within which frames of free format follow one another: one of 640 kbit/s at 32 kHz has 2880."""

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@dataclasses.dataclass(frozen=True)
class _Frame:
    size: int
    """Bytes."""
    rate: int
    """Hz."""
    side: int
    """Where a Xing header would begin: bytes of the header and the side information."""
    mono: bool


def find_audio(contents: bytes) -> Layout:
    """Find the frames of a file, or of several one after the other.

    Raises:
        ValueError: for a file with no frames, or damage between them; for one of several sample rates.
    """
    warnings: list[str] = []
    end = skip_tags(contents, 0) if contents[:1] != b"\0" else 0
    if _is_free(contents, end):
        return Layout("MP3", (Part(end, len(contents)),), ("is of free format: its frames are not checked",))
    position = synchronize(contents, end)
    if position is None:
        raise ValueError("holds no frames: damaged MP3")
    if position > end:
        warnings.append(f"{position - end} bytes before the first frame are no sound and passed over")
    parts: list[Part] = []
    rate, cut = 0, False
    while position is not None and not cut:
        end, found, cut = _walk(contents, position)
        if rate not in (0, found):
            raise ValueError(f"changes from {rate} to {found} Hz: damaged MP3")
        start, stop = position, end
        rate, end = found, skip_tags(contents, end)
        position = synchronize(contents, end)
        if position is not None and position > end:
            between = f"{position - end} bytes between its frames"
            # Only the first frame of an MP3 has a name in it: another one begins here.
            if (frame := _frame(contents, position)) is None or not _info(contents, position, frame):
                raise ValueError(f"has {between} that are none: damaged MP3")
            warnings.append(f"{between} are no sound and passed over")
        parts.append(_part(contents, start, stop))
    if cut:
        warnings.append("the last frame is cut off and left out")
    elif end < len(contents):
        warnings.append(f"{len(contents) - end} bytes after the last frame are no sound and passed over")
    if len(parts) > 1:
        warnings.append(f"{len(parts)} MP3s one after the other, all read")
    return Layout("MP3", tuple(parts), tuple(warnings))


def _frame(contents: bytes, position: int) -> _Frame | None:
    """Return the layer III frame at a position, if there is one."""
    if position + 4 > len(contents):
        return None
    (bits,) = struct.unpack_from(">I", contents, position)
    version, kbits, rate = bits >> 19 & 3, bits >> 12 & 15, bits >> 10 & 3
    if bits >> 21 != 0x7FF or version == 1 or bits >> 17 & 3 != 1 or kbits in (0, 15) or rate == 3:
        return None
    hertz, mono = _RATES[version][rate], bits >> 6 & 3 == 3
    per_frame, kbits = (144, _KBITS_1[kbits]) if version == 3 else (72, _KBITS_2[kbits])
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return _Frame(per_frame * 1000 * kbits // hertz + (bits >> 9 & 1), hertz, 4 + side, mono)


def _is_free(contents: bytes, position: int) -> bool:
    """Return whether three frames of free format begin at a position: headers without a bit rate, equally far apart."""
    (wanted,) = struct.unpack_from(">I", contents.ljust(position + 4, b"\0"), position)
    if wanted >> 21 != 0x7FF or wanted >> 19 & 3 == 1 or wanted >> 17 & 3 != 1 or wanted >> 10 & 63 > 2:
        return False

    def is_header(at: int) -> bool:
        # Apart from padding and the use of both channels.
        return at + 4 <= len(contents) and (int.from_bytes(contents[at : at + 4], "big") ^ wanted) & ~0x23F == 0

    nexts = (at for at in range(position + 24, position + LARGEST_FREE) if is_header(at))
    return any(is_header(2 * at - position + padding) for at in nexts for padding in (-1, 0, 1))


def synchronize(contents: bytes, position: int) -> int | None:
    """Return the first place from a position on where a frame is followed by another, a tag or the end of the file."""
    while (position := contents.find(b"\xff", position)) >= 0:
        frame = _frame(contents, position)
        if frame is not None:
            end = position + frame.size
            following = _frame(contents, end)
            if following is None and end <= len(contents) and skip_tags(contents, end) == len(contents):
                return position
            if following is not None and following.rate == frame.rate:
                return position
        position += 1
    return None


def _walk(contents: bytes, start: int) -> tuple[int, int, bool]:
    """Return where the frames of one MP3 end, their sample rate in Hz, and whether the last is cut off there.

    Another MP3 begins where a frame has a name, or another number of channels.
    """
    position, rate, mono = start, 0, None
    while (frame := _frame(contents, position)) is not None and rate in (0, frame.rate):
        if position > start and (frame.mono != mono or _info(contents, position, frame)):
            return position, rate, False
        if position + frame.size > len(contents):
            return position, rate or frame.rate, True
        position, rate, mono = position + frame.size, frame.rate, frame.mono
    # Up to three bytes may be the beginning of another frame.
    return position, rate, len(contents) - position in (1, 2, 3) and contents[position] == 0xFF


def _info(contents: bytes, position: int, frame: _Frame) -> bytes:
    """Return the name of a frame that has no sound but numbers of frames and bytes: `Xing`, `Info` or `VBRI`."""
    for name, at in ((b"Xing", frame.side), (b"Info", frame.side), (b"VBRI", 36)):
        if contents.startswith(name, position + at):
            return name
    return b""


def _part(contents: bytes, start: int, end: int) -> Part:
    """Return the part of one MP3, with a first frame that states its frames and bytes.

    Raises:
        ValueError: if it stated many more frames.
    """
    first = _frame(contents, start)
    if first is None:
        raise ValueError("holds no frames: damaged MP3")
    at, name, head = first.side, _info(contents, start, first), bytearray()
    if name:
        head, start = bytearray(contents[start : start + first.size]), start + first.size
    count, position = 0, start
    while position < end and (frame := _frame(contents, position)) is not None:
        count, position = count + 1, position + frame.size
    if name in (b"Xing", b"Info") and head[at + 7] & 1:
        stated = int.from_bytes(head[at + 8 : at + 12], "big")
        if count + LOST < stated:
            raise ValueError(f"holds {count} of {stated} frames: truncated MP3")
    else:
        head = _xing_frame(contents[start : start + 4], at)
    struct.pack_into(">I", head, at + 8, count)
    if head[at + 7] & 2:
        struct.pack_into(">I", head, at + 12, len(head) + end - start)
    return Part(start, end, bytes(head))


def _xing_frame(header: bytes, at: int) -> bytearray:
    """Return a frame without sound, with room for the number of frames, of another frame's rate and channels.

    It is of 128 or 80 kbit/s: at every rate large enough. It has no checksum and no padding.
    """
    header = bytes([0xFF, header[1] | 1, header[2] & 0x0D | 0x90, header[3]])
    frame = _frame(header, 0)
    head = bytearray(header.ljust(at, b"\0") + b"Xing" + struct.pack(">I", 1))
    return head.ljust(frame.size if frame is not None else 0, b"\0")


def id3_size(head: bytes) -> int:
    """Return the bytes of an ID3 tag, of version 2, by its first ten."""
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + 10 * (head[5] >> 4 & 1)


def skip_tags(contents: bytes, position: int) -> int:
    """Return where the tags and zeros that begin at a position end."""
    while position < len(contents):
        found = contents[position : position + 32]
        if found[:3] == b"ID3" and len(found) >= 10:
            position += id3_size(found)
        elif found[:3] == b"TAG":
            position += 128
        elif found[:8] == b"APETAGEX" and len(found) == 32:
            position += int.from_bytes(found[12:16], "little") + 32 * (found[23] >> 5 & 1)
        elif found[:11] == b"LYRICSBEGIN" and (end := contents.find(b"LYRICS", position + 11)) >= 0:
            position = end + 9
        elif found[:1] == b"\0":
            position += len(contents) - position - len(contents[position:].lstrip(b"\0"))
        else:
            break
    return min(position, len(contents))
