"""Streams of FLAC files: where one ends and the next begins, less the tags at their ends.

libsndfile reads the first of several, and says nothing. Where a stream does not state its length, it takes a tag at the
end for a damaged frame.
"""

from __future__ import annotations

import itertools
import re
from typing import BinaryIO

from nsynth_vae.analysis.audio_layout import Layout, Part

_BEGINNING = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
"""Name, and the header of the first block, which has 34 bytes and may be the last one."""
_BLOCK = 1 << 20
_OVERLAP = 7


def find_audio(stream: BinaryIO, size: int) -> Layout:
    """Find the streams of a file of `size` bytes, which are one after the other."""
    starts = [0]
    for begin in range(0, size, _BLOCK):
        stream.seek(begin)
        block = stream.read(_BLOCK + _OVERLAP)
        starts += [begin + found.start() for found in _BEGINNING.finditer(block) if begin + found.start()]
    parts = tuple(Part(start, _without_tags(stream, start, end)) for start, end in itertools.pairwise([*starts, size]))
    return Layout("FLAC", parts, (f"{len(parts)} FLACs one after the other, all read",) if len(parts) > 1 else ())


def _without_tags(stream: BinaryIO, start: int, end: int) -> int:
    """Return where the tags at the end of a stream begin: ID3's, of version 1, and APE's."""
    while True:
        stream.seek(max(start, end - 128))
        last = stream.read(min(128, end - start))
        if len(last) == 128 and last[:3] == b"TAG":
            size = 128
        elif last[-32:-24] == b"APETAGEX":
            size = int.from_bytes(last[-20:-16], "little") + 32 * (last[-9] >> 7)
        else:
            return end
        if not 32 <= size < end - start:
            return end
        end -= size
