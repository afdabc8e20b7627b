"""Notes' names in the file names of samples: which part of a name is one, and which pitches it may state."""

from __future__ import annotations

import dataclasses
import re

from nsynth_vae.notes import NOTE_NAME, parse_note_name

_SIGN = "s|sharp|flat|[#b♯♭]"
# A note's name apart from other letters and digits.
_JOINED = re.compile(rf"(?<![A-Za-z0-9#♯♭])(?:{NOTE_NAME})(?![A-Za-z0-9#])", re.IGNORECASE)
_SEPARATED = re.compile(
    r"(?<![A-Za-z0-9#♯♭])(?P<letter>[A-G])"
    rf"(?:[-_ ]?(?P<word>(?i:sharp|flat))[-_ ]?|(?P<sign>{_SIGN})?[-_. ])(?P<octave>\d)(?![A-Za-z0-9#])"
)
_CAMEL = re.compile(rf"(?<=[a-z])[A-G](?:{_SIGN})?(?:-1|\d)(?![A-Za-z0-9#])")
"""`ViolinC4`."""

_GERMAN = re.compile(
    r"(?<![A-Za-z0-9#])(?:(?P<letter>[A-GH])(?P<sign>is|es)?|(?P<flat>[EA])s)(?P<octave>-1|\d)(?![A-Za-z0-9#])",
    re.IGNORECASE,
)
_GERMAN_SIGNS = {"": "", "is": "#", "es": "b"}
RANGE = re.compile(
    rf"(?<![A-Za-z0-9#♯♭])(?P<first>[A-G](?:{_SIGN})?(?:-1|\d))"
    rf"(?:(?:(?:-|_?to_?)?[A-G](?:{_SIGN})?(?:-1|\d))+|(?:[-_ +][A-G](?:{_SIGN})?(?:-1|\d)){{2,}})(?![A-Za-z0-9#])",
    re.IGNORECASE,
)
"""Several notes in one file: a scale (`C4B4`), a glide (`C4-C5`), a chord."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """A pitch that a name may state."""

    pitch: int
    """MIDI."""
    sure: bool
    """Whether it stands by itself: a note's name; others are believed only where the sound agrees."""
    name: bool = True
    """Whether it is a note's name, whose octave is a convention, and no number."""


def find_note(stem: str) -> tuple[int, int, list[Reading]] | None:
    """Return (start, end, readings) of the note's name that counts in a text: the last, but of a range the first."""
    for match in reversed(list(RANGE.finditer(stem))):
        pitch = parse_note_name(match["first"])
        if pitch is not None:
            return match.start(), match.end(), [Reading(pitch, False)]
    found: dict[int, tuple[int, list[Reading]]] = {}
    for match in _JOINED.finditer(stem):
        if (pitch := parse_note_name(match[0])) is not None:
            found[match.start()] = match.end(), [Reading(pitch, True)]
    for match in _GERMAN.finditer(stem):
        if reading := _german_reading(match):
            others = found.get(match.start(), (0, []))[1]
            found[match.start()] = match.end(), [reading] if reading.sure else [*others, reading]
    if found:
        start = max(found)
        return start, *found[start]
    for pattern in (_SEPARATED, _CAMEL):
        for match in reversed(list(pattern.finditer(stem))):
            spelled = pattern is _SEPARATED and match["word"] is not None
            joined = re.sub(r"[-_. ]", "", match[0]) if pattern is _SEPARATED else match[0]
            pitch = parse_note_name(joined)
            if pitch is not None:
                return match.start(), match.end(), [Reading(pitch, spelled)]
    return None


def _german_reading(match: re.Match[str]) -> Reading | None:
    """Return what a note's name says in German: H is B; Cis is C#, Des and Es are flat. None where it is no other."""
    letter = (match["letter"] or match["flat"]).upper()
    sign = "es" if match["flat"] else (match["sign"] or "").lower()
    if not sign and letter != "H":
        return None
    pitch = parse_note_name(letter.replace("H", "B") + _GERMAN_SIGNS[sign] + match["octave"])
    # H alone may be anything's name, and `As` is A# as well, while nobody writes E#.
    return None if pitch is None else Reading(pitch, sign != "" and match["flat"] not in ("A", "a"))
