"""Labels of sound files: what their names and root keys say, where the sound does not say otherwise.

A name is compared with the sound. Where the sound has a clear other pitch, that one is taken. Octaves are another
matter: they are where trackers err, and where names follow conventions (C3 = 60 with Ableton, Logic and Yamaha). So a
name keeps its octave, unless the root key and the sound both have another; but if most of an instrument's files are off
by the same octaves, that is an error with an option.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

from nsynth_vae.analysis.evidence import Evidence, by_instrument
from nsynth_vae.analysis.instrument_votes import settle
from nsynth_vae.errors import InputError
from nsynth_vae.notes import note_name, pitch_to_hertz

NO_PITCH = "has no pitch in its name and no single pitch in its sound"

_FEWEST_OF_INSTRUMENT = 3
"""With fewer files that have a pitch, all instruments' files say together by how many octaves names are wrong."""

OctaveShift = int | str | None
"""Octaves by which names are wrong; `auto`: as most of the files sound; None: that they are wrong is an error."""


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
        InputError: if most of an instrument's three or more files, or of two or more of all, sound the same octaves off
            their names or root keys, and no shift is given.
    """
    settled = settle(evidence)
    shifts = _find_shifts(settled, octave_shift, where, alone)
    return [_label(one, shifts[one.named.instrument]) for one in settled]


def _find_shifts(evidence: Sequence[Evidence], given: OctaveShift, where: str, alone: bool) -> dict[str, int]:
    """Return the octaves to add to the names and root keys of each instrument."""
    groups = by_instrument(evidence)
    if isinstance(given, int):
        return dict.fromkeys(groups, given)
    everything = _count_shift(evidence)
    counts = {instrument: _count_shift(files) for instrument, files in groups.items()}
    counts = {name: found if found[2] >= _FEWEST_OF_INSTRUMENT else everything for name, found in counts.items()}
    shifts = {instrument: octaves for instrument, (octaves, _, _) in counts.items()}
    wrong = next((name for name, octaves in shifts.items() if octaves), None)
    if wrong is None or given == "auto":
        return shifts
    equal = len(set(shifts.values())) == 1
    octaves, files, pitched = found = everything if equal else counts[wrong]
    if alone or pitched < 2:
        return dict.fromkeys(groups, 0)
    word = f"{'an octave' if abs(octaves) == 1 else '2 octaves'} {'above' if octaves > 0 else 'below'}"
    of = "" if found is everything else f" of {wrong}"
    option = f"{octaves} (or auto) shifts the pitches" if equal else "auto shifts each instrument by its own octaves"
    raise InputError(
        f"{where}: {files} of {pitched} files{of} with a pitch in their names or root keys sound {word} it, expected "
        f"C4 = 60; --octave-shift {option}, --octave-shift 0 keeps them"
    )


def _count_shift(files: Sequence[Evidence]) -> tuple[int, int, int]:
    """Return (octaves that most of the files are off, or 0; how many are; files with a stated pitch and a sound)."""
    offs: list[int | None] = []
    for one in files:
        names = [reading for reading in one.named.readings if reading.name]
        reading = one.reading or next(iter(names), None)
        pitch = reading.pitch if reading is not None else one.root_key
        if pitch is None or one.sound is None or one.agrees(one.root_key):
            offs += [0] if one.agrees(one.root_key) else []
        elif reading is None or reading.name or one.agrees(pitch):  # MIDI numbers have no convention.
            offs.append(one.octaves_off(pitch))
    counts = collections.Counter(off for off in offs if off is not None)
    octaves, most = counts.most_common(1)[0] if counts else (0, 0)
    return octaves if most * 2 > len(offs) else 0, most, len(offs)


def _label(one: Evidence, shift: int) -> SoundLabel:
    named, sound, warnings = one.named, one.sound, list(one.remarks)
    reading = one.reading
    if reading is None and shift and named.readings and named.readings[0].name:
        # Of a name that the sound must confirm, it does in the other convention.
        reading = named.readings[0] if one.agrees(named.readings[0].pitch + 12 * shift) else None
    instrument = named.instrument if reading is not None or not named.readings else named.otherwise
    velocity = None if named.by == "number" and reading is None else named.velocity
    pitch, source = None, ""
    if reading is not None:
        pitch, source = reading.pitch + 12 * shift * reading.name, "name"
    if one.root_key is not None and one.agrees(one.root_key) and not one.agrees(pitch):
        if pitch is not None:
            both = f"the root key and the sound {one.root_key} ({note_name(one.root_key)}); the root key is taken"
            warnings.append(f"name says {pitch} ({note_name(pitch)}), {both}")
        pitch, source = one.root_key, "root key"
    elif pitch is None and one.root_key is not None:
        pitch, source = one.root_key + 12 * shift, "root key"
    if pitch is not None and not 0 <= pitch <= 127:
        warnings.append(f"{note_name(pitch)} with --octave-shift {shift} is no MIDI pitch")
        pitch, source = None, ""
    hertz = None
    if sound is not None and not one.agrees(pitch):
        heard = round(sound)
        octaves = pitch is not None and one.octaves_off(pitch)
        if pitch is not None:
            taken = f"the {source} is kept" if octaves else "the sound is followed"
            warnings.append(f"{source} says {pitch} ({note_name(pitch)}), sounds {heard} ({note_name(heard)}); {taken}")
        if not octaves:
            pitch, source, hertz = heard, "sound", pitch_to_hertz(sound)
    elif pitch is not None and sound is None:
        warnings.append(f"no single pitch in the sound, the {source}'s is kept: {pitch} ({note_name(pitch)})")
    return SoundLabel(instrument, pitch, velocity, source, hertz, tuple(warnings))
