"""SoundFont 2 files: an instrument and its samples in one RIFF file.

Chunks, generators and units are those of "SoundFont Technical Specification 2.04" (E-mu Systems, 2006). The one package
found on PyPI that writes them, soundfonttools 0.1.4, has commands that convert JSON files, and no modules to import.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterable, Sequence

import numpy as np

from nsynth_vae.instruments.multisample import Region

_FINE_TUNE, _RELEASE, _INSTRUMENT, _KEYS, _VELOCITIES, _SAMPLE, _MODE = 52, 38, 41, 43, 44, 53, 54
_LOOPED = 1
_MONO = 1

_ZEROS = 46
"""Samples of silence after each sample, which the specification demands for interpolation."""

_RELEASE_PER_60_DB = 100 / 60
"""A release's time is that in which it falls by 100 dB."""


def format_sf2(regions: Sequence[Region], sample_rate: int, name: str, comment: str) -> bytes:
    """Return a SoundFont with one preset, bank 0, program 0.

    Synthesizers scale velocities by the specification's default modulator: 40 log10(velocity / 127) dB.

    Args:
        regions: of the instrument.
        sample_rate: Hz.
        name: of the instrument; 19 ASCII characters are kept.
        comment: a line about it.
    """
    audio = [np.round(np.clip(one.sample.audio, -1.0, 1.0) * 32767).astype("<i2") for one in regions]
    silence = np.zeros(_ZEROS, "<i2")
    ends = list(itertools.accumulate(len(samples) + _ZEROS for samples in audio))
    starts = [0, *ends[:-1]]
    zones = [_zone(number, region) for number, region in enumerate(regions)]
    firsts = list(itertools.accumulate(map(len, zones), initial=0))
    headers = [_header(region, start, sample_rate) for region, start in zip(regions, starts, strict=True)]
    no_modulator = struct.pack("<5H", 0, 0, 0, 0, 0)
    info = (
        _chunk(b"ifil", struct.pack("<2H", 2, 1)),
        _chunk(b"isng", _text("EMU8000")),
        _chunk(b"INAM", _text(name)),
        _chunk(b"ICMT", _text(comment)),
    )
    # Every list ends with one more record, which bounds the last one's.
    presets = (
        _chunk(b"phdr", _preset(name, 0) + _preset("EOP", 1)),
        _chunk(b"pbag", struct.pack("<4H", 0, 0, 1, 0)),
        _chunk(b"pmod", no_modulator),
        _chunk(b"pgen", struct.pack("<4H", _INSTRUMENT, 0, 0, 0)),
        _chunk(b"inst", struct.pack("<20sH20sH", _name(name), 0, b"EOI", len(zones))),
        _chunk(b"ibag", b"".join(struct.pack("<2H", first, 0) for first in firsts)),
        _chunk(b"imod", no_modulator),
        _chunk(b"igen", b"".join(struct.pack("<2H", *one) for one in itertools.chain(*zones, [(0, 0)]))),
        _chunk(b"shdr", b"".join(headers) + struct.pack("<20s5IBbHH", b"EOS", *[0] * 9)),
    )
    samples = _chunk(b"smpl", b"".join(part.tobytes() for one in audio for part in (one, silence)))
    lists = (_list(b"INFO", info), _list(b"sdta", [samples]), _list(b"pdta", presets))
    return _chunk(b"RIFF", b"sfbk" + b"".join(lists))


def _zone(number: int, region: Region) -> list[tuple[int, int]]:
    """Return a region's generators, (number, amount); the ranges must be first, the sample last."""
    release = 1200 * math.log2(max(_RELEASE_PER_60_DB * region.sample.release_seconds, 0.001))
    return [
        (_KEYS, region.keys[0] | region.keys[1] << 8),
        (_VELOCITIES, region.velocities[0] | region.velocities[1] << 8),
        (_RELEASE, round(release) & 0xFFFF),
        (_FINE_TUNE, region.cents & 0xFFFF),
        (_MODE, _LOOPED if region.sample.loop else 0),
        (_SAMPLE, number),
    ]


def _header(region: Region, start: int, sample_rate: int) -> bytes:
    """Return a sample's header; its places count from the first sample of the file."""
    sample, end = region.sample, start + len(region.sample.audio)
    # The end of a loop is the sample after its last.
    first, last = (start + sample.loop[0], start + sample.loop[1] + 1) if sample.loop else (start, end)
    name = _name(f"{sample.pitch:03d}-{sample.velocity:03d}")
    return struct.pack("<20s5IBbHH", name, start, end, first, last, sample_rate, sample.pitch, 0, 0, _MONO)


def _preset(name: str, first_zone: int) -> bytes:
    return struct.pack("<20s3H3I", _name(name), 0, 0, first_zone, 0, 0, 0)


def _name(text: str) -> bytes:
    return text.encode("ascii", "replace")[:19]


def _text(text: str) -> bytes:
    """Return ASCII that ends with one zero or two, so that its length is even; 256 bytes at most."""
    ascii_bytes = text.encode("ascii", "replace")[:254]
    return ascii_bytes + bytes(2 - len(ascii_bytes) % 2)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def _list(name: bytes, chunks: Iterable[bytes]) -> bytes:
    return _chunk(b"LIST", name + b"".join(chunks))
