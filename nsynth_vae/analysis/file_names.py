"""Labels in the file names of samples: instrument, pitch, velocity and velocity layer.

What a name says is checked against the sound in `sound_labels`: here are the readings that it allows.
"""

from __future__ import annotations

import dataclasses
import re

from nsynth_vae.notes import NOTE_NAME, parse_instrument_str, parse_note_name

_SIGN = "s|sharp|flat|[#b♯♭]"
# A note's name apart from other letters and digits.
_JOINED = re.compile(rf"(?<![A-Za-z0-9#♯♭])(?:{NOTE_NAME})(?![A-Za-z0-9#])", re.IGNORECASE)
_SEPARATED = re.compile(
    r"(?<![A-Za-z0-9#♯♭])(?P<letter>[A-G])"
    rf"(?:[-_ ]?(?P<word>(?i:sharp|flat))[-_ ]?|(?P<sign>{_SIGN})?[-_ ])(?P<octave>\d)(?![A-Za-z0-9#])"
)
_CAMEL = re.compile(rf"(?<=[a-z])[A-G](?:{_SIGN})?(?:-1|\d)(?![A-Za-z0-9#])")
"""`ViolinC4`."""

_GERMAN = re.compile(
    r"(?<![A-Za-z0-9#])(?:(?P<letter>[A-GH])(?P<sign>is|es)?|(?P<flat>[EA])s)(?P<octave>-1|\d)(?![A-Za-z0-9#])",
    re.IGNORECASE,
)
_GERMAN_SIGNS = {"": "", "is": "#", "es": "b"}
_RANGE = re.compile(
    rf"(?<![A-Za-z0-9#♯♭])(?P<first>[A-G](?:{_SIGN})?(?:-1|\d))"
    rf"(?:(?:(?:-|_?to_?)?[A-G](?:{_SIGN})?(?:-1|\d))+|(?:[-_ +][A-G](?:{_SIGN})?(?:-1|\d)){{2,}})(?![A-Za-z0-9#])",
    re.IGNORECASE,
)
"""Several notes in one file: a scale (`C4B4`), a glide (`C4-C5`), a chord."""

_NUMBERS = re.compile(r"(?:(?P<instrument>.+)[-_ ])?(?P<pitch>\d{1,3})[-_ ](?P<velocity>\d{1,3})")
_NUMBER = re.compile(
    r"(?:(?P<instrument>.+)[-_ ])?(?:note|midi|key|pitch|root|[nkp])?(?P<pitch>\d{1,3})"
    r"|(?P<joined>.*[A-Za-z])(?P<end>\d{2,3})",
    re.IGNORECASE,
)
# Also right after a pitch, as in Salamander's `A0v1`, and `n60v100`.
_VELOCITY = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=\d))(?P<word>v|vel|velocity|dyn|layer)[-_ ]?(?P<value>\d{1,3})(?![A-Za-z0-9])",
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

_INSTRUMENTS = ("piano", "forte")
"""Dynamics that are an instrument's name where there is no other."""

_LOUDNESS = {"soft": 49, "medium": 80, "med": 80, "hard": 112, "loud": 112}
_LOUDNESS_AT_END = re.compile(rf"(?<![A-Za-z])(?P<word>{'|'.join(_LOUDNESS)})[-_ .]*\d*$", re.IGNORECASE)
"""Elsewhere such a word is what is played with, as a soft mallet."""

_DYNAMIC = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(word.replace('-', '[-_ ]?') for word in _DYNAMICS)})(?![A-Za-z0-9])", re.IGNORECASE
)
MOST_LAYERS = 16
"""`v1` to `v16` may be layers; above, `v` is a velocity."""

_LEAST_OF_TWO_DIGITS = 20
"""Smaller numbers of two digits after a note's name count takes."""

_COUNT = re.compile(r"[A-Za-z]?\d+|\d+ ?(?:hz|ms|s|khz|bit)", re.IGNORECASE)
"""What is no instrument: `2`, `r1`, `L1`, `440Hz`."""

_ROUND_ROBIN = re.compile(r"[-_ .]?(?<![A-Za-z])rr[-_ ]?\d+(?![A-Za-z0-9])", re.IGNORECASE)
_TEMPO = re.compile(r"(?<![A-Za-z])(?:loops?|bpm|tempo|beats?)(?![A-Za-z])|\d ?bpm(?![A-Za-z])", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Reading:
    """A pitch that a name may state."""

    pitch: int
    """MIDI."""
    sure: bool
    """Whether it stands by itself: a note's name; others are believed only where the sound agrees."""
    name: bool = True
    """Whether it is a note's name, whose octave is a convention, and no number."""


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

    A note's name apart from letters and digits is the pitch: `C4` = 60, `A#3`, `bb2`, `Fs3`, `Csharp4`, `Cis4`, `C-1` =
    0; the last one counts. Readings that the sound must confirm are `C_4`, `PianoC4`, the German `H3`, the first note
    of a range (`C4B4`), and without a note's name `60` and `60_100` (pitch and velocity). A MIDI number beside a note's
    name (`C3_60`) says which octave is meant. The velocity is `v90`, `vel90`, two or three digits after the note's name
    (`C4-090`) unless they are a tempo (`Loop_C3_120`), or a dynamic (`mf`). `v1` to `v16` may be a layer. The
    instrument is what comes before the pitch, else what comes after it.

    Args:
        stem: such as `My Cello A#3 v90`.
    """
    whole, stem = stem, _ROUND_ROBIN.sub("", stem.replace("\uff03", "#"))
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
    note = _find_note(stem)
    if note is None:
        return _without_note_name(whole, stem, velocity, layer)
    start, end, readings = note
    before, after = stem[:start], stem[end:]
    if readings[0].sure and whole[-2:] == "-1" and readings[0].pitch < 12:
        readings.append(Reading(readings[0].pitch + 24, False))  # `Violin-C-1`.
    before, after, key, number = _numbers_around(before, after, readings[0].pitch)
    if key is not None:
        readings.insert(0, dataclasses.replace(readings[0], pitch=key))
    if number is not None and velocity is None and layer is None and not _TEMPO.search(whole):
        velocity = number
    readings = list(dict.fromkeys(readings))
    instrument, dynamic = _instrument_and_dynamic(before, after)
    velocity = dynamic if velocity is None and layer is None else velocity
    is_range = len(readings) == 1 and _RANGE.fullmatch(stem[start:end]) is not None
    return FileName(instrument, tuple(readings), velocity, layer, instrument if is_range else _tidy(whole) or "sample")


def _numbers_around(before: str, after: str, pitch: int) -> tuple[str, str, int | None, int | None]:
    """Take the numbers next to a note's name out of the texts around it.

    Returns:
        (text before, text after, MIDI pitch, velocity).
    """
    key = velocity = None
    number = re.search(r"(?<!\d)(\d{2,3})[-_ ]$", before)
    if number is not None and _is_same_key(int(number[1]), pitch):
        key, before = int(number[1]), before[: number.start()]
    number = re.fullmatch(r"[-_ ](\d{2,3})(?:[-_ ](\d{1,3}))?", after)
    if number is None:
        return before, after, key, velocity
    value, after = number[1], ""
    if _is_same_key(int(value), pitch):
        key, value = int(value), number[2] or ""
    if (len(value) == 3 or (value and int(value) >= _LEAST_OF_TWO_DIGITS)) and int(value) <= 127:
        velocity = int(value)
    return before, after, key, velocity


def _instrument_and_dynamic(before: str, after: str) -> tuple[str, int | None]:
    """Return the instrument and the velocity of a dynamic, by the texts before and after a note's name."""
    velocity = None
    named = {re.sub("-", "", key): value for key, value in _DYNAMICS.items()}
    for match in _DYNAMIC.finditer(f"{before}\0{after}"):
        word = re.sub(r"[-_ ]", "", match[0].lower())
        in_front = match.start() < len(before)
        if word in _AFTER_PITCH and in_front:
            continue  # `Piano C4`: the instrument.
        if word in _INSTRUMENTS and _instrument(before) is None:
            continue  # `C4 Piano`.
        velocity = named[word]
    loudness = _LOUDNESS_AT_END.search(after)
    if loudness is not None:
        after = after[: loudness.start()]
        velocity = _LOUDNESS[loudness["word"].lower()] if velocity is None else velocity
    instrument = _instrument(before)
    if instrument is None:
        words = _DYNAMIC.sub(lambda m: m[0] if m[0].lower() in _INSTRUMENTS else "", after)
        kept = [part for part in re.split(r"[-_ .()]+", words) if part and not _COUNT.fullmatch(part)]
        instrument = _tidy("_".join(kept))
    return instrument or "sample", velocity


def _instrument(before: str) -> str | None:
    """Return the instrument in the text before a note's name; None if there is none, or only a number of the file."""
    instrument = _tidy(_DYNAMIC.sub(lambda m: m[0] if m[0].lower() in _AFTER_PITCH else "", before))
    instrument = instrument.rstrip("-_ .([{@=+,;~") if instrument else ""
    return None if not instrument or (instrument.isdigit() and int(instrument) <= 127) else instrument


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
        readings = (Reading(int(numbers["pitch"]), own, name=False),)
        return FileName(instrument, readings, int(numbers["velocity"]), None, instrument, not own)
    number = _NUMBER.fullmatch(stem)
    pitch = int(number["pitch"] or number["end"]) if number is not None else 128
    if number is not None and pitch <= 127 and not _TEMPO.search(whole):
        instrument = _tidy(number["instrument"] or number["joined"] or "") or "sample"
        return FileName(instrument, (Reading(pitch, False, name=False),), velocity, layer, otherwise)
    if layer is not None or velocity is not None:
        otherwise = _tidy(stem) or "sample"
    return FileName(otherwise, (), velocity, layer, otherwise)


def _find_note(stem: str) -> tuple[int, int, list[Reading]] | None:
    """Return (start, end, readings) of the note's name that counts in a text: the last, but of a range the first."""
    for match in reversed(list(_RANGE.finditer(stem))):
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
            joined = re.sub(r"[-_ ]", "", match[0]) if pattern is _SEPARATED else match[0]
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


def _tidy(text: str) -> str | None:
    """Return a name without separators at its ends and twice within it; None if nothing is left."""
    return re.sub(r"([-_ .])[-_ .]+", r"\1", text).strip("-_ .") or None
