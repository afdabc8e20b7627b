"""Labels in the file names of samples: instrument, pitch, velocity and velocity layer.

What a name says is checked against the sound in `sound_labels`: here are the readings that it allows.
"""

from __future__ import annotations

import dataclasses
import re

from nsynth_vae.notes import NOTE_NAME, parse_instrument_str, parse_note_name

# A note's name apart from other letters and digits.
_JOINED = re.compile(rf"(?<![A-Za-z0-9#♯♭])(?:{NOTE_NAME})(?![A-Za-z0-9#])", re.IGNORECASE)
_SEPARATED = re.compile(
    r"(?<![A-Za-z0-9#♯♭])(?P<letter>[A-G](?:s|sharp|flat|[#b♯♭])?)[-_ ](?P<octave>\d)(?![A-Za-z0-9#])"
)
_NUMBERS = re.compile(r"(?:(?P<instrument>.+)[-_ ])?(?P<pitch>\d{1,3})[-_ ](?P<velocity>\d{1,3})")
_NUMBER = re.compile(r"(?:(?P<instrument>.+)[-_ ])?(?:note|midi|key|pitch)?(?P<pitch>\d{1,3})", re.IGNORECASE)
# Also right after a note's name, as in Salamander's `A0v1`.
_VELOCITY = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=[#b♯♭sA-G]\d)|(?<=-1))"
    r"(?P<word>v|vel|velocity|dyn|layer)[-_ ]?(?P<value>\d{1,3})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_DYNAMICS = {
    "pianissimo": 33,
    "mezzo-piano": 64,
    "mezzo-forte": 80,
    "fortissimo": 112,
    "piano": 49,
    "forte": 96,
    "ppp": 16,
    "pp": 33,
    "mp": 64,
    "mf": 80,
    "fff": 127,
    "ff": 112,
    "p": 49,
    "f": 96,
}
"""Velocities of dynamics as notation programs play them."""

_AFTER_PITCH = ("piano", "forte", "p", "f")
"""Dynamics that before a note's name may be an instrument's."""

_DYNAMIC = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(word.replace('-', '[-_ ]?') for word in _DYNAMICS)})(?![A-Za-z0-9])", re.IGNORECASE
)
MOST_LAYERS = 16
"""`v1` to `v16` may be layers; above, `v` is a velocity."""

_LEAST_OF_TWO_DIGITS = 20
"""Smaller numbers of two digits after a note's name count takes."""

_ROUND_ROBIN = re.compile(r"[-_ .]?(?<![A-Za-z])rr[-_ ]?\d+(?![A-Za-z0-9])", re.IGNORECASE)
_TEMPO = re.compile(r"(?<![A-Za-z])(?:loops?|bpm|tempo|beats?)(?![A-Za-z])|\d ?bpm(?![A-Za-z])", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Reading:
    """A pitch that a name may state."""

    pitch: int
    """MIDI."""
    sure: bool
    """Whether it stands by itself: a note's name; numbers are believed only where the sound agrees."""


@dataclasses.dataclass(frozen=True)
class FileName:
    """Labels in a sample's file name; None where there is none."""

    instrument: str
    readings: tuple[Reading, ...] = ()
    """Its pitches, the likelier first."""
    velocity: int | None = None
    """MIDI; with `numbers`, believed only if the pitch is."""
    layer: int | None = None
    """Velocity layer, from 1 on; of `v1` to `v16`, it depends on the other files whether they are velocities."""
    otherwise: str = ""
    """The instrument if no reading is believed."""
    numbers: bool = False
    """Whether pitch and velocity are numbers: NAME-PITCH-VELOCITY."""

    @property
    def pitch(self) -> int | None:
        """The likeliest pitch, MIDI."""
        return self.readings[0].pitch if self.readings else None


def parse_file_name(stem: str) -> FileName:
    """Parse the labels in a file name without its extension.

    A note's name apart from letters and digits is the pitch: `C4` = 60, `A#3`, `bb2`, `Fs3`, `Csharp4`, `C-1` = 0; the
    last one counts. Without one, `C_4`, `60` and `60_100` (pitch and velocity) are readings that the sound must
    confirm. A MIDI number beside a note's name (`C3_60`) says which octave is meant. The velocity is `v90`, `vel90`,
    two or three digits after the note's name (`C4-090`) unless they are a tempo (`Loop_C3_120`), or a dynamic (`mf`).
    `v1` to `v16` may be a layer. The instrument is what comes before the pitch, else what comes after it.

    Args:
        stem: such as `My Cello A#3 v90`.
    """
    whole, stem = stem, _ROUND_ROBIN.sub("", stem)
    velocity = layer = None
    # A name's velocity is looked for first: `A0v1` has its note's name before it.
    for match in reversed(list(_VELOCITY.finditer(stem))):
        value, word = int(match["value"]), match["word"].lower()
        if value > 127:
            continue
        if word in ("dyn", "layer") or (word == "v" and 1 <= value <= MOST_LAYERS):
            layer = value
        else:
            velocity = value
        stem = f"{stem[: match.start()].rstrip('-_ ')}_{stem[match.end() :].lstrip('-_ ')}".strip("_")
        break
    note = _last_note(stem)
    if note is None:
        return _without_note_name(whole, stem, velocity, layer)
    start, end, pitch, sure = note
    before, after = stem[:start], stem[end:]
    readings = [Reading(pitch, sure)]
    if sure and whole[-2:] == "-1" and pitch < 12:
        readings.append(Reading(pitch + 24, False))  # `Violin-C-1`.
    number = re.search(r"(?<!\d)(\d{2,3})[-_ ]$", before)
    if number is not None and _is_same_key(int(number[1]), pitch):
        readings.insert(0, Reading(int(number[1]), sure))
        before = before[: number.start()]
    number = re.fullmatch(r"[-_ ](\d{2,3})", after)
    if number is not None:
        value, after = int(number[1]), ""
        if _is_same_key(value, pitch):
            readings.insert(0, Reading(value, sure))
        elif velocity is None and layer is None and (len(number[1]) == 3 or value >= _LEAST_OF_TWO_DIGITS):
            velocity = value if value <= 127 and not _TEMPO.search(whole) else None
    readings = list(dict.fromkeys(readings))
    for match in _DYNAMIC.finditer(f"{before}\0{after}"):
        word = re.sub(r"[-_ ]", "", match[0].lower())
        in_front = match.start() < len(before)
        if (word in _AFTER_PITCH and (in_front or not before)) or (in_front and match.start() == 0):
            continue  # `Piano C4`, `C4 Piano`: the instrument.
        named = {re.sub("-", "", key): value for key, value in _DYNAMICS.items()}[word]
        velocity = named if velocity is None and layer is None else velocity
    before = _DYNAMIC.sub(lambda m: m[0] if m[0].lower() in _AFTER_PITCH or m.start() == 0 else "", before)
    instrument = _tidy(before)
    if instrument is None or instrument.isdigit():
        words = _DYNAMIC.sub(lambda m: m[0] if m[0].lower() in _AFTER_PITCH else "", after)
        kept = [part for part in re.split(r"[-_ .]+", words) if part and not part.isdigit()]
        instrument = _tidy("_".join(kept)) or instrument
    return FileName(instrument or "sample", tuple(readings), velocity, layer, _tidy(whole) or "sample")


def _is_same_key(number: int, pitch: int) -> bool:
    """Return whether a number beside a note's name is its MIDI pitch, in this octave or another convention's."""
    return number <= 127 and number % 12 == pitch % 12 and abs(number - pitch) in (0, 12, 24)


def _without_note_name(whole: str, stem: str, velocity: int | None, layer: int | None) -> FileName:
    """Return the labels of a name without a note's name: of numbers, if there are any."""
    otherwise = _tidy(_ROUND_ROBIN.sub("", whole)) or "sample"
    numbers = _NUMBERS.fullmatch(stem) if velocity is None and layer is None else None
    if numbers is not None and int(numbers["pitch"]) <= 127 and int(numbers["velocity"]) <= 127:
        instrument = _tidy(numbers["instrument"] or "") or "sample"
        own = parse_instrument_str(instrument)[0] is not None  # NSynth's own names are no chance.
        readings = (Reading(int(numbers["pitch"]), own),)
        return FileName(instrument, readings, int(numbers["velocity"]), None, instrument, not own)
    number = _NUMBER.fullmatch(stem)
    if number is not None and int(number["pitch"]) <= 127 and not _TEMPO.search(whole):
        instrument = _tidy(number["instrument"] or "") or "sample"
        return FileName(instrument, (Reading(int(number["pitch"]), False),), velocity, layer, otherwise)
    if layer is not None or velocity is not None:
        otherwise = _tidy(stem) or "sample"
    return FileName(otherwise, (), velocity, layer, otherwise)


def _last_note(stem: str) -> tuple[int, int, int, bool] | None:
    """Return (start, end, MIDI pitch, whether it is sure) of the last note's name in a text."""
    for pattern, sure in ((_JOINED, True), (_SEPARATED, False)):
        for match in reversed(list(pattern.finditer(stem))):
            pitch = parse_note_name(match[0] if sure else match["letter"] + match["octave"])
            if pitch is not None:
                return match.start(), match.end(), pitch, sure
    return None


def _tidy(text: str) -> str | None:
    """Return a name without separators at its ends and twice within it; None if nothing is left."""
    return re.sub(r"([-_ .])[-_ .]+", r"\1", text).strip("-_ .") or None
