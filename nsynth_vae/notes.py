"""NSynth's note schema: families, sources, qualities and `note_str`; MIDI pitch to Hz and to a name."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    _Number = TypeVar("_Number", float, np.ndarray)

FAMILIES = (
    "bass",
    "brass",
    "flute",
    "guitar",
    "keyboard",
    "mallet",
    "organ",
    "reed",
    "string",
    "synth_lead",
    "vocal",
)
"""NSynth's instrument families; the index is `instrument_family`."""

SOURCES = ("acoustic", "electronic", "synthetic")
"""NSynth's instrument sources; the index is `instrument_source`."""

QUALITIES = (
    "bright",
    "dark",
    "distortion",
    "fast_decay",
    "long_release",
    "multiphonic",
    "nonlinear_env",
    "percussive",
    "reverb",
    "tempo-synced",
)
"""NSynth's note qualities, in the order of the `qualities` flags."""

MIDDLE_C = 60
"""MIDI pitch of C4, the default of everything that is decoded."""

DEFAULT_VELOCITY = 100
"""Velocity of a note whose source has none."""

UNKNOWN = -1
"""Stands for an unknown family, source or quality flag in integer arrays; never 0, which is a value."""

NOTE_NAME = r"(?P<name>[A-G])(?P<sign>s|sharp|flat|[#b♯♭])?(?P<number>-1|\d)"
"""Pattern of a pitch's name, to be matched regardless of case: C4, A#3, Bb2, Fs3, Csharp4, C-1."""

_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "s": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}
_NOTE_STR = re.compile(r"(?P<instrument>.+)-(?P<pitch>\d{3})-(?P<velocity>\d{3})")
_INSTRUMENT_STR = re.compile(rf"(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_\d+")


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """One note's labels, by NSynth's names. Unknown ones are None (a quality flag: `UNKNOWN`)."""

    note_str: str
    pitch: int
    """MIDI number, 0 to 127; C4 = 60."""
    velocity: int
    """MIDI velocity, 0 to 127."""
    instrument_str: str
    instrument_family: int | None = None
    instrument_source: int | None = None
    qualities: tuple[int, ...] | None = None
    sample_group: str | None = None
    """Instruments that share recordings share a group, and are kept on one side of a split."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InputError: for a value outside its range; names the note.
        """
        for name, top in (("pitch", 127), ("velocity", 127)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= top:
                raise InputError(f"{self.note_str}: {name} is {value!r}, expected an integer from 0 to {top}")
        for name, names in (("instrument_family", FAMILIES), ("instrument_source", SOURCES)):
            value = getattr(self, name)
            if value is not None and value not in range(len(names)):
                raise InputError(f"{self.note_str}: {name} is {value!r}, expected 0 to {len(names) - 1} or null")
        if self.qualities is not None and (
            len(self.qualities) != len(QUALITIES) or any(flag not in (UNKNOWN, 0, 1) for flag in self.qualities)
        ):
            raise InputError(f"{self.note_str}: qualities are {self.qualities!r}, expected {len(QUALITIES)} flags")


def parse_note_str(note_str: str) -> Note:
    """Return the labels in a note's name: instrument, pitch, velocity, and NSynth's family and source if it has them.

    Args:
        note_str: such as `guitar_acoustic_010-055-025`: instrument, MIDI pitch, velocity.

    Raises:
        InputError: if the name is not of that form, or its pitch or velocity is above 127.
    """
    match = _NOTE_STR.fullmatch(note_str)
    if match is None:
        raise InputError(
            f"{note_str}: not a note's name, expected INSTRUMENT-PPP-VVV such as guitar_acoustic_010-055-025"
        )
    family, source = parse_instrument_str(match["instrument"])
    return Note(note_str, int(match["pitch"]), int(match["velocity"]), match["instrument"], family, source)


def parse_instrument_str(instrument_str: str) -> tuple[int | None, int | None]:
    """Return (family, source) of an instrument named as NSynth names its own, else (None, None)."""
    match = _INSTRUMENT_STR.fullmatch(instrument_str)
    if match is None:
        return None, None
    return FAMILIES.index(match["family"]), SOURCES.index(match["source"])


def format_note_str(instrument_str: str, pitch: int, velocity: int) -> str:
    """Return the `note_str` of an instrument's note: `guitar_acoustic_010-055-025`."""
    return f"{instrument_str}-{pitch:03d}-{velocity:03d}"


def readable(name: str) -> str:
    """Return a name with the bytes that are no UTF-8, as in files of old archives, read as Windows-1252."""

    def read(letter: str) -> str:
        if not 0xD800 <= ord(letter) <= 0xDFFF:
            return letter
        # Python's file names have such a byte as a surrogate of 0xDC00 + byte; JSON may have any surrogate.
        escaped = 0xDC80 <= ord(letter) <= 0xDCFF
        return bytes([ord(letter) - 0xDC00]).decode("cp1252", "replace") if escaped else "\ufffd"

    return name if name.isascii() else "".join(map(read, name))


def pitch_to_hertz(pitch: _Number) -> _Number:
    """Return the frequency in Hz of a MIDI pitch (number or array) in equal temperament, A4 = 69 = 440 Hz."""
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def highest_pitch(sample_rate: int) -> int:
    """Return the highest MIDI pitch that is below half the sample rate, at 16 kHz B8, 119."""
    return min(math.ceil(69 + 12 * math.log2(sample_rate / 2 / 440)) - 1, 127)


def silent_notes(pitches: Iterable[float], sample_rate: int) -> str:
    """Return in words how many notes have no partial below half the sample rate, and are silent; empty for none.

    >>> silent_notes([60, 120, 127], 16000)
    '2 notes above B8 (7902 Hz) cannot sound at 16 kHz'
    """
    count = sum(pitch_to_hertz(pitch) >= sample_rate / 2 for pitch in pitches)
    highest = highest_pitch(sample_rate)
    where = f"above {note_name(highest)} ({pitch_to_hertz(highest):.0f} Hz) cannot sound at {sample_rate / 1000:g} kHz"
    return f"{count} {plural(count, 'note')} {where}" if count else ""


def plural(count: int, noun: str) -> str:
    """Return a noun as it stands behind a count: `note` behind 1, else `notes`."""
    return noun if count == 1 else f"{noun}s"


def note_name(pitch: int) -> str:
    """Return a MIDI pitch's name: 60 is C4, 70 A#4."""
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return f"{names[pitch % 12]}{pitch // 12 - 1}"


def parse_note_name(text: str) -> int | None:
    """Return the MIDI pitch of a name such as C4 = 60, A#3, Bb2 or Fs3; None for another text, and beyond 0 to 127."""
    match = re.fullmatch(NOTE_NAME, text, re.IGNORECASE)
    if match is None:
        return None
    semitone = _SEMITONES[match["name"].lower()] + _SIGNS[(match["sign"] or "").lower()]
    pitch = 12 * (int(match["number"]) + 1) + semitone
    return pitch if 0 <= pitch <= 127 else None
