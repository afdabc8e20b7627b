"""Evidence of a file's labels: what its name, its root key and its sound say of its pitch."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from nsynth_vae.analysis.file_names import FileName
from nsynth_vae.analysis.named_notes import Reading
from nsynth_vae.analysis.pitch import hertz_to_pitch
from nsynth_vae.analysis.single_pitch import NAME_CENTS, confirms, find_single_pitch


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a file's name, its root key and its sound say of its pitch."""

    named: FileName
    root_key: int | None
    sound: float | None
    """MIDI pitch, with its fraction, that the sound has; None without a single one."""
    remarks: tuple[str, ...] = ()
    """What was concluded from the other files."""

    def agrees(self, pitch: int | None) -> bool:
        """Return whether the sound has a pitch, within `NAME_CENTS`."""
        return pitch is not None and self.sound is not None and abs(self.sound - pitch) * 100 <= NAME_CENTS

    def octaves_off(self, pitch: int) -> int | None:
        """Return by how many octaves, two at most, the sound is above a pitch; None if it is off by anything else."""
        octaves = 0 if self.sound is None else round((self.sound - pitch) / 12)
        return octaves if self.agrees(pitch + 12 * octaves) and abs(octaves) <= 2 else None

    @property
    def reading(self) -> Reading | None:
        """The name's reading that the sound confirms, else one that needs no confirmation; None for none."""
        sure = [one for one in self.named.readings if one.sure]
        agreeing = [one for one in self.named.readings if self.agrees(one.pitch)]
        octaves = [one for one in sure if self.octaves_off(one.pitch) is not None]
        return next(iter([*agreeing, *octaves, *sure]), None)

    def renamed(self, *remarks: str, **changes: Any) -> Evidence:
        """Return the same with other labels of the name, and what is to be said of that."""
        named = dataclasses.replace(self.named, **changes)
        return dataclasses.replace(self, named=named, remarks=(*self.remarks, *remarks))


def examine(named: FileName, root_key: int | None, audio: np.ndarray) -> Evidence:
    """Compare what a file's name says with its sound.

    Args:
        named: the labels in the name.
        root_key: MIDI pitch that the file states, or None.
        audio: float32 `[samples]`, -1..1, at 16 kHz.
    """
    others = named.other.readings if named.other is not None else ()
    stated = [reading.pitch for reading in (*named.readings, *others)]
    for pitch in dict.fromkeys([*stated, *([] if root_key is None else [root_key])]):
        if confirms(audio, pitch):
            return Evidence(named, root_key, float(pitch))
    # The trackers' candidates may hold a pitch that `confirms` found no evidence for.
    found = find_single_pitch(audio)
    return Evidence(named, root_key, None if found is None else hertz_to_pitch(found[1]))


def by_instrument(evidence: Iterable[Evidence]) -> dict[str, list[Evidence]]:
    """Return the files of each instrument, as their names say it."""
    groups: dict[str, list[Evidence]] = collections.defaultdict(list)
    for one in evidence:
        groups[one.named.instrument].append(one)
    return groups
