"""Labels in the file names of samples: instrument, pitch, velocity and velocity layer.

What a name says is checked against the sound, and against the other files of the instrument, in `sound_labels` and
`instrument_votes`: here are the readings that it allows.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

from nsynth_vae.analysis.dynamics import (
    AFTER_PITCH,
    ANY_DYNAMIC,
    DYNAMIC,
    DYNAMICS,
    INSTRUMENTS,
    LOUDNESS,
    LOUDNESS_AT_END,
    find_velocity,
    is_level,
)
from nsynth_vae.analysis.named_notes import RANGE, Reading, find_note
from nsynth_vae.notes import parse_instrument_str

_MIDI = r"1[01]\d|12[0-7]|0?\d\d?"
_AUDIBLE = r"1[01]\d|12[0-7]|0?[2-9]\d|0?1[2-9]"
"""From 12 on, 16 Hz."""

_BY_NUMBER = tuple(
    re.compile(
        rf"(?:(?:(?P<instrument>.+?)[-_ ])??(?:note|midi|key|pitch|root|[nkp])?(?P<pitch>{pitch})"
        rf"(?:[-_ ](?P<velocity>(?:{_MIDI})(?<=\d\d)))?|(?P<joined>.*[A-Za-z])(?P<end>(?:{pitch})(?<=\d\d)))"
        rf"(?P<take>[-_ ][01]?\d)?(?:[-_ ]?(?P<dynamic>{ANY_DYNAMIC}|{'|'.join(LOUDNESS)})(?:[-_ ][01]?\d)?)?",
        re.IGNORECASE,
    )
    for pitch in (_AUDIBLE, _MIDI)
)
"""NAME-PITCH, NAME-PITCH-VELOCITY, `Violin60`, each with a take and a dynamic; audible pitches first."""

_LEAST_OF_TWO_DIGITS = 20
"""Smaller numbers of two digits after a note's name count takes."""

_COUNT = re.compile(r"[A-Za-z]?\d+|\d+ ?(?:hz|ms|s|khz|bit)", re.IGNORECASE)
"""What is no instrument: `2`, `r1`, `L1`, `440Hz`."""

_ROUND_ROBIN = re.compile(r"[-_ .]?(?<![A-Za-z])rr[-_ ]?\d+(?![A-Za-z0-9])", re.IGNORECASE)
_TEMPO = re.compile(r"(?<![A-Za-z])(?:loops?|bpm|tempo|beats?)(?![A-Za-z])|\d ?bpm(?![A-Za-z])", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class FileName:
    """Labels in a sample's file name; None where there is none."""

    instrument: str
    readings: tuple[Reading, ...] = ()
    """Its pitches, the likelier first."""
    velocity: int | None = None
    """MIDI."""
    layer: int | None = None
    """Velocity layer; of `v0` to `v16`, it depends on the other files whether they are velocities."""
    otherwise: str = ""
    """The instrument if no reading is believed."""
    by: str = ""
    """What says the velocity or the layer: `v`, `layer`, `dynamic`, or `number`, believed only if a pitch is."""
    key: int | None = None
    """A number after the note's name that is the first reading, its MIDI pitch, unless it is a velocity."""
    other: FileName | None = None
    """The same name read by its numbers, with the note's name as a part of the instrument's: `HammondB3-060`."""

    @property
    def pitch(self) -> int | None:
        """The likeliest pitch, MIDI."""
        return self.readings[0].pitch if self.readings else None

    def of(self, instrument: str) -> FileName:
        """Return the labels of a file whose instrument is known."""
        other = None if self.other is None else self.other.of(instrument)
        return dataclasses.replace(self, instrument=instrument, otherwise=instrument, other=other)


def parse_file_name(stem: str) -> FileName:
    """Parse the labels in a file name without its extension.

    A note's name apart from letters and digits is the pitch: `C4` = 60, `A#3`, `bb2`, `Fs3`, `Csharp4`, `Cis4`, `C-1` =
    0; the last one counts. Readings that the sound must confirm are `C_4`, `PianoC4`, the German `H3`, the first note
    of a range (`C4B4`), and without a note's name `60` and `60_100` (pitch and velocity). A MIDI number beside a note's
    name (`C3_60`) says which octave is meant. The velocity is `v90`, `vel90`, two or three digits after the note's name
    (`C4-090`) unless they are a tempo (`Loop_C3_120`), or a dynamic (`mf`). `v0` to `v16` may be a layer. The
    instrument is what comes before the pitch, else what comes after it.

    Args:
        stem: such as `My Cello A#3 v90`.
    """
    whole, stem = stem, _ROUND_ROBIN.sub("", stem.replace("\uff03", "#"))
    stem, velocity, layer, by = find_velocity(stem)
    by_number = _by_number(whole, stem, velocity, layer, by)
    note = find_note(stem)
    if note is None:
        return by_number
    start, end, readings = note
    before, after = stem[:start], stem[end:]
    if readings[0].sure and whole[-2:] == "-1" and readings[0].pitch < 12:
        readings.append(Reading(readings[0].pitch + 24, False))  # `Violin-C-1`.
    pitch, sure = readings[0].pitch, readings[0].sure
    in_front = re.search(r"(?<!\d)(\d{2,3})[-_ ]$", before)
    if in_front is not None and _is_same_key(int(in_front[1]), pitch):
        readings.insert(0, Reading(int(in_front[1]), sure, name=False))
        before = before[: in_front.start()]
    numbers = re.fullmatch(r"[-_ ](\d{2,3})(?:[-_ ](\d{1,3}))?", after)
    key = None
    if numbers is not None:
        key, number, after = *_key_and_velocity(numbers[1], numbers[2] or "", pitch), ""
        if key is not None:
            readings.insert(0, Reading(key, sure, name=False))
            key = key if number is None else None
        if number is not None and not by and not _TEMPO.search(whole):
            velocity, by = number, "number"
    instrument, dynamic = _instrument_and_dynamic(before, after)
    if dynamic is not None and velocity is None:  # Beside it, a layer is a take.
        velocity, layer, by = dynamic, None, "dynamic"
    readings = list(dict.fromkeys(readings))
    is_range = len(readings) == 1 and RANGE.fullmatch(stem[start:end]) is not None
    return FileName(
        instrument,
        tuple(readings),
        velocity,
        layer,
        instrument if is_range else _tidy(whole) or "sample",
        by,
        None if _TEMPO.search(whole) else key,
        by_number if numbers is not None and by_number.readings else None,
    )


def parse_path(path: pathlib.PurePath) -> FileName:
    """Parse the labels of a file below a folder of samples, whose instruments are the folders' names.

    A folder that is only a note's name, a velocity, a layer, a dynamic or a round robin is no instrument, but a label
    of its files; one with another note than its files name, such as an organ B3, is an instrument.

    Args:
        path: relative, such as `strings/cello/pp/C4.wav`.
    """
    named = parse_file_name(path.stem)
    own = {reading.pitch for reading in named.readings if reading.name}
    notes, levels, instrument = [], [], []
    for folder in path.parts[:-1]:
        note = find_note(folder)
        if note is not None and note[:2] == (0, len(folder)) and (not own or note[2][0].pitch in own):
            notes.append(folder)
        elif is_level(folder):
            levels.append(folder)
        elif not _ROUND_ROBIN.fullmatch(folder):
            instrument.append(folder)
    named = parse_file_name("_".join([*([] if own else notes[-1:]), path.stem, *levels]))
    return named.of("_".join(instrument)) if instrument else named


def _key_and_velocity(first: str, second: str, pitch: int) -> tuple[int | None, int | None]:
    """Return (MIDI pitch, velocity) that the numbers after a note's name say."""
    key = int(first) if _is_same_key(int(first), pitch) else None
    value = first if key is None else second
    is_velocity = (len(value) == 3 or (value != "" and int(value) >= _LEAST_OF_TWO_DIGITS)) and int(value) <= 127
    return key, int(value) if is_velocity else None


def _instrument_and_dynamic(before: str, after: str) -> tuple[str, int | None]:
    """Return the instrument and the velocity of a dynamic, by the texts before and after a note's name."""
    velocity = None
    named = {re.sub("-", "", key): value for key, value in DYNAMICS.items()}
    for match in DYNAMIC.finditer(f"{before}\0{after}"):
        word = re.sub(r"[-_ ]", "", match[0].lower())
        in_front = match.start() < len(before)
        if word in AFTER_PITCH and in_front:
            continue  # `Piano C4`: the instrument.
        if word in INSTRUMENTS and _instrument(before) is None:
            continue  # `C4 Piano`.
        velocity = named[word]
    loudness = LOUDNESS_AT_END.search(after)
    if loudness is not None:
        after = after[: loudness.start()]
        velocity = LOUDNESS[loudness["word"].lower()] if velocity is None else velocity
    instrument = _instrument(before)
    if instrument is None:
        words = DYNAMIC.sub(lambda m: m[0] if m[0].lower() in INSTRUMENTS else "", after)
        kept = [part for part in re.split(r"[-_ .()]+", words) if part and not _COUNT.fullmatch(part)]
        instrument = _tidy("_".join(kept))
    return instrument or "sample", velocity


def _instrument(before: str) -> str | None:
    """Return the instrument in the text before a note's name; None if there is none, or only a number of the file."""
    instrument = _tidy(DYNAMIC.sub(lambda m: m[0] if m[0].lower() in AFTER_PITCH else "", before))
    instrument = instrument.rstrip("-_ .([{@=+,;~") if instrument else ""
    return None if not instrument or (instrument.isdigit() and int(instrument) <= 127) else instrument


def _is_same_key(number: int, pitch: int) -> bool:
    """Return whether a number beside a note's name is its MIDI pitch, in this octave or another convention's."""
    return number <= 127 and number % 12 == pitch % 12 and abs(number - pitch) in (0, 12, 24)


def _by_number(whole: str, stem: str, velocity: int | None, layer: int | None, by: str) -> FileName:
    """Return the labels of a name as if it had no note's name: of numbers, if there are any."""
    match = next(filter(None, (pattern.fullmatch(stem) for pattern in _BY_NUMBER)), None)
    if match is None or _TEMPO.search(whole):
        otherwise = _tidy(stem if by else _ROUND_ROBIN.sub("", whole)) or "sample"
        return FileName(otherwise, (), velocity, layer, otherwise, by)
    before = match["instrument"] or match["joined"] or ""
    instrument, dynamic = _instrument_and_dynamic(before, match["dynamic"] or "")
    own = parse_instrument_str(instrument)[0] is not None and match["velocity"] is not None
    otherwise = instrument if match["velocity"] or match["take"] else _tidy(_ROUND_ROBIN.sub("", whole)) or "sample"
    if not by and match["velocity"] is not None:
        velocity, by = int(match["velocity"]), "v" if own else "number"
    elif velocity is None and dynamic is not None:
        velocity, layer, by = dynamic, None, "dynamic"
    # NSynth's own names are no chance.
    readings = (Reading(int(match["pitch"] or match["end"]), own, name=False),)
    return FileName(instrument, readings, velocity, layer, otherwise, by)


def _tidy(text: str) -> str | None:
    """Return a name without separators at its ends and twice within it; None if nothing is left."""
    return re.sub(r"([-_ .])[-_ .]+", r"\1", text).strip("-_ .") or None
