"""Labels in the file names of samples: instrument, pitch and velocity."""

from __future__ import annotations

import dataclasses
import re

_NUMBERS = re.compile(r"(?:(?P<instrument>.+)[-_ ])?(?P<pitch>\d{3})[-_ ](?P<velocity>\d{3})")
_NOTE_NAME = re.compile(r"(?<![A-Za-z0-9#])(?P<letter>[A-Ga-g])(?P<sign>[#b♯♭]?)(?P<octave>-1|\d)(?![A-Za-z0-9#])")
_VELOCITY = re.compile(
    r"(?<![A-Za-z0-9])(?:v|vel|velocity)[-_ ]?(?P<v>\d{1,3})(?![A-Za-z0-9])|(?<=[0-9])[-_ ](?P<last>\d{3})$",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class FileName:
    """Labels in a sample's file name; None where there is none."""

    instrument: str
    pitch: int | None
    velocity: int | None


def parse_file_name(stem: str) -> FileName:
    """Parse instrument, pitch and velocity from a file name without its extension.

    `piano-060-100` is instrument, MIDI pitch and velocity, three digits each. Else the pitch is a note's name apart
    from letters and digits: `C4` = 60, `A#3`, `bb2`, `C-1` = 0; the last one counts. `v90`, `vel90` or three digits
    after a note's name (`C4-090`) are the velocity. Numbers above 127 are no pitch and no velocity.

    Args:
        stem: such as `My Cello A#3 v90`.
    """
    match = _NUMBERS.fullmatch(stem)
    if match is not None and int(match["pitch"]) <= 127 and int(match["velocity"]) <= 127:
        return FileName(_tidy(match["instrument"] or ""), int(match["pitch"]), int(match["velocity"]))
    velocity = pitch = None
    for match in reversed(list(_VELOCITY.finditer(stem))):
        before = stem[: match.start()]
        value = int(match["v"] or match["last"])
        named = match["v"] is not None or any(note.end() == len(before) for note in _NOTE_NAME.finditer(before))
        if value <= 127 and named:
            velocity = value
            stem = before + stem[match.end() :]
            break
    for match in reversed(list(_NOTE_NAME.finditer(stem))):
        semitone = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}[match["letter"].lower()]
        semitone += {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[match["sign"]]
        value = 12 * (int(match["octave"]) + 1) + semitone
        if 0 <= value <= 127:
            pitch = value
            stem = stem[: match.start()] + stem[match.end() :]
            break
    return FileName(_tidy(stem), pitch, velocity)


def _tidy(text: str) -> str:
    return re.sub(r"[-_ ]{2,}", "_", text).strip("-_ .") or "sample"
