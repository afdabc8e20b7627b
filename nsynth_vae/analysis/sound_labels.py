"""Labels of sound files: what their names and root keys say, where the sound does not say otherwise.

A name is compared with the sound. Where the sound has a clear other pitch, that one is taken. Octaves are another
matter: they are where trackers err, and where names follow conventions (C3 = 60 with Ableton, Logic and Yamaha). So a
name keeps its octave, but if most of the files are off by the same octaves, that is an error with an option.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nsynth_vae.analysis.file_names import FileName, Reading
from nsynth_vae.analysis.pitch import hertz_to_pitch
from nsynth_vae.analysis.single_pitch import NAME_CENTS, confirms, find_single_pitch
from nsynth_vae.errors import InputError
from nsynth_vae.notes import DEFAULT_VELOCITY, note_name, pitch_to_hertz

NO_PITCH = "has no pitch in its name and no single pitch in its sound"

_COUNTER = re.compile(r"(?P<number>\d{1,3})[-_. ]+(?P<name>.*[A-Za-z].*)")
_FEWEST_COUNTED = 3
"""With fewer, numbers in front may tell instruments apart: `2 violins`, `4 violins`."""

OctaveShift = int | str | None
"""Octaves by which names are wrong; `auto`: as most of the files sound; None: that they are wrong is an error."""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a file's name, its root key and its sound say of its pitch."""

    named: FileName
    root_key: int | None
    sound: float | None
    """MIDI pitch, with its fraction, that the sound has; None without a single one."""
    reading: Reading | None
    """The name's reading that the sound confirms, else one that needs no confirmation; None for none."""


@dataclasses.dataclass(frozen=True)
class SoundLabel:
    """A file's labels."""

    instrument: str
    pitch: int | None
    """MIDI; None without a pitch."""
    velocity: int | None
    """MIDI; None if it is not named."""
    source: str
    """Where the pitch is from: `name`, `root key`, `sound`, or nothing."""
    hertz: float | None
    """Of a pitch that the sound has and the name has not."""
    warnings: tuple[str, ...]
    """What is odd about the labels."""

    def remarks(self) -> tuple[str, ...]:
        """Return what is to be said of the labels: what is odd, and a pitch that is not the name's."""
        if self.pitch is None or self.source == "name":
            return self.warnings
        found = f"pitch {self.pitch} ({note_name(self.pitch)}"
        by = "), root key of the file" if self.hertz is None else f", {self.hertz:.1f} Hz) estimated from the sound"
        return *self.warnings, found + by


def examine(named: FileName, root_key: int | None, audio: np.ndarray) -> Evidence:
    """Compare what a file's name says with its sound.

    Args:
        named: the labels in the name.
        root_key: MIDI pitch that the file states, or None.
        audio: float32 `[samples]`, -1..1, at 16 kHz.
    """
    stated = list(named.readings)
    for reading in stated:
        if confirms(audio, reading.pitch):
            return Evidence(named, root_key, float(reading.pitch), reading)
    sound: float | None
    if root_key is not None and confirms(audio, root_key):
        sound = float(root_key)
    else:
        found = find_single_pitch(audio)
        sound = None if found is None else hertz_to_pitch(found[1])
    for reading in stated:  # The trackers' candidates may hold a pitch that `confirms` found no evidence for.
        if sound is not None and abs(sound - reading.pitch) * 100 <= NAME_CENTS:
            return Evidence(named, root_key, sound, reading)
    sure = [one for one in stated if one.sure]
    octaves = [one for one in sure if sound is not None and _octaves_off(one.pitch, sound) is not None]
    return Evidence(named, root_key, sound, next(iter(octaves or sure), None))


def label_sounds(
    evidence: Sequence[Evidence], *, octave_shift: OctaveShift = None, where: str = "", alone: bool = False
) -> list[SoundLabel]:
    """Label files that belong together: a folder, or those of one command.

    Args:
        evidence: of each file.
        octave_shift: see `OctaveShift`.
        where: the folder, for the message.
        alone: the files do not tell of one another: nothing is concluded from what most of them do.

    Raises:
        InputError: if most of two or more named files sound the same octaves off their names and no shift is given.
    """
    evidence = _without_counters(evidence)
    shift = _find_shift(evidence, octave_shift, where, alone)
    layers = _layer_velocities(evidence)
    believed = set() if alone else _believed_numbers(evidence)
    return [_label(one, shift, layers, believed) for one in evidence]


def _octaves_off(pitch: int, sound: float) -> int | None:
    """Return by how many octaves a sound is above a pitch; None if it is off by anything else."""
    octaves = round((sound - pitch) / 12)
    return octaves if abs(sound - pitch - 12 * octaves) * 100 <= NAME_CENTS and abs(octaves) <= 2 else None


def _find_shift(evidence: Sequence[Evidence], given: OctaveShift, where: str, alone: bool) -> int:
    """Return the octaves to add to names."""
    if isinstance(given, int):
        return given
    offs = []
    for one in evidence:
        reading = one.reading or next((other for other in one.named.readings if other.name), None)
        if reading is not None and one.sound is not None:
            offs.append(_octaves_off(reading.pitch, one.sound))
    counts = collections.Counter(off for off in offs if off is not None)
    octaves, files = counts.most_common(1)[0] if counts else (0, 0)
    if not octaves or files * 2 <= len(offs):
        return 0
    if given == "auto":
        return octaves
    if alone or len(offs) < 2:
        return 0
    word = f"{'an octave' if abs(octaves) == 1 else '2 octaves'} {'above' if octaves > 0 else 'below'}"
    raise InputError(
        f"{where}: {files} of {len(offs)} files with a pitch in their names sound {word} it, expected C4 = 60; "
        f"--octave-shift {octaves} (or auto) shifts the names, --octave-shift 0 keeps them"
    )


def _without_counters(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Leave the numbers out by which instruments' names count files: `01 Violin C4`, `02 Violin D4`, `03 Violin E4`."""
    numbers: dict[str, list[str]] = collections.defaultdict(list)
    for one in evidence:
        if match := _COUNTER.fullmatch(one.named.instrument):
            numbers[match["name"]].append(match["number"])
    counted = {name for name, found in numbers.items() if len(set(found)) == len(found) >= _FEWEST_COUNTED}
    kept = []
    for one in evidence:
        match = _COUNTER.fullmatch(one.named.instrument)
        if match and match["name"] in counted:
            one = dataclasses.replace(one, named=dataclasses.replace(one.named, instrument=match["name"]))
        kept.append(one)
    return kept


def _believed_numbers(evidence: Sequence[Evidence]) -> set[str]:
    """Return the instruments whose NAME-PITCH-VELOCITY the sound confirms for most of the files with a pitch."""
    votes: dict[str, list[bool]] = collections.defaultdict(list)
    for one in evidence:
        if one.named.numbers and one.sound is not None:
            votes[one.named.instrument].append(one.reading is not None)
    return {instrument for instrument, seen in votes.items() if sum(seen) * 2 > len(seen)}


def _layer_velocities(evidence: Sequence[Evidence]) -> dict[str, dict[int, int | None]]:
    """Return the velocity of each instrument's layers: layer i of n is 127 i / n; the only one has none.

    Where an instrument has velocities too, such as `v64` beside `v8`, its layers are velocities themselves.
    """
    found: dict[str, set[int]] = collections.defaultdict(set)
    for one in evidence:
        if one.named.layer is not None:
            found[one.named.instrument].add(one.named.layer)
    with_velocities = {one.named.instrument for one in evidence if one.named.velocity is not None}
    velocities: dict[str, dict[int, int | None]] = {}
    for instrument, numbers in found.items():
        if instrument in with_velocities:
            velocities[instrument] = {number: number for number in numbers}
        elif len(numbers) == 1:
            velocities[instrument] = dict.fromkeys(numbers)
        else:
            velocities[instrument] = {number: round(127 * number / max(numbers)) for number in numbers}
    return velocities


def _label(one: Evidence, shift: int, layers: dict[str, dict[int, int | None]], believed: set[str]) -> SoundLabel:
    named, sound, warnings = one.named, one.sound, []
    reading = one.reading
    if reading is None and named.numbers and named.instrument in believed:
        # Trackers err by octaves, and find nothing in some notes: then most of the files decide.
        unheard = sound is None or _octaves_off(named.readings[0].pitch, sound) is not None
        reading = named.readings[0] if unheard else None
    if reading is None and shift and sound is not None and named.readings and named.readings[0].name:
        # Of a name that the sound must confirm, it does in the other convention.
        shifted = named.readings[0].pitch + 12 * shift
        reading = named.readings[0] if abs(sound - shifted) * 100 <= NAME_CENTS else None
    instrument = named.instrument if reading is not None or not named.readings else named.otherwise
    velocity = None if named.numbers and reading is None else named.velocity
    if named.layer is not None:
        velocity = layers[named.instrument][named.layer]
        if velocity is None:
            warnings.append(f"layer {named.layer} of an unknown number: velocity {DEFAULT_VELOCITY}")
        elif velocity != named.layer:
            warnings.append(f"layer {named.layer} of {max(layers[named.instrument])}: velocity {velocity}")
    pitch: int | None
    if reading is not None:
        pitch, source = reading.pitch + 12 * shift, "name"
    elif one.root_key is not None:
        pitch, source = one.root_key, "root key"
    else:
        pitch, source = None, ""
    if pitch is not None and not 0 <= pitch <= 127:
        warnings.append(f"{note_name(pitch)} with --octave-shift {shift} is no MIDI pitch")
        pitch, source = None, ""
    hertz = None
    if sound is not None and (pitch is None or abs(sound - pitch) * 100 > NAME_CENTS):
        heard = round(sound)
        octaves = pitch is not None and _octaves_off(pitch, sound)
        if pitch is not None:
            taken = f"the {source} is kept" if octaves else "the sound is followed"
            warnings.append(f"{source} says {pitch} ({note_name(pitch)}), sounds {heard} ({note_name(heard)}); {taken}")
        if not octaves:
            pitch, source, hertz = heard, "sound", pitch_to_hertz(sound)
    elif pitch is not None and sound is None and source == "name":
        warnings.append(f"no single pitch in the sound, the name's is kept: {pitch} ({note_name(pitch)})")
    return SoundLabel(instrument, pitch, velocity, source, hertz, tuple(warnings))
