"""What the files of an instrument say together of names that allow several readings.

A number after a note's name is a pitch, a velocity or a take; `v2` is a velocity or a layer. One file does not say
which. Its instrument's other files do, and their sounds.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Callable, Sequence

from nsynth_vae.analysis.dynamics import MOST_LAYERS
from nsynth_vae.analysis.evidence import Evidence, by_instrument
from nsynth_vae.notes import DEFAULT_VELOCITY, note_name

_COUNTER = re.compile(r"(?P<number>\d{1,3})[-_. ]+(?P<name>.*[A-Za-z].*)")
_FEWEST_COUNTED = 3
"""With fewer, numbers in front may tell instruments apart: `2 violins`, `4 violins`."""

_FEWEST_SOUNDS = 3
"""With as many pitches in their sounds, files of one root key have an editor's default."""


def settle(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the evidence with names of one reading: velocities are velocities, layers have them, pitches are believed.

    Args:
        evidence: of files that belong together.
    """
    settled = _without_default_keys(_without_counters(evidence))
    for step in (_choose_numbers, _settle_keys, _believe_numbers, _without_takes, _spread_layers):
        settled = _each_instrument(step, settled)
    return settled


def _each_instrument(step: Callable[[list[Evidence]], list[Evidence]], evidence: Sequence[Evidence]) -> list[Evidence]:
    """Apply a step to the files of each instrument; their order stays."""
    changed = {name: iter(step(files)) for name, files in by_instrument(evidence).items()}
    return [next(changed[one.named.instrument]) for one in evidence]


def _without_counters(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Leave the numbers out by which instruments' names count files: `01 Violin C4`, `02 Violin D4`, `03 Violin E4`."""
    matches = [_COUNTER.fullmatch(one.named.instrument) for one in evidence]
    numbers: dict[str, list[str]] = collections.defaultdict(list)
    for match in filter(None, matches):
        numbers[match["name"]].append(match["number"])
    counted = {name for name, found in numbers.items() if len(set(found)) == len(found) >= _FEWEST_COUNTED}
    return [
        one.renamed(instrument=match["name"]) if match and match["name"] in counted else one
        for one, match in zip(evidence, matches, strict=True)
    ]


def _without_default_keys(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Leave a root key out that all files have, of one instrument or of all, though they sound at other pitches."""

    def without(files: list[Evidence]) -> list[Evidence]:
        keyed = [one for one in files if one.root_key is not None]
        sounds = {round(one.sound) for one in keyed if one.sound is not None}
        key = keyed[0].root_key if keyed else None
        if (
            key is None
            or {one.root_key for one in keyed} != {key}
            or len(sounds) < _FEWEST_SOUNDS
            or len({sound % 12 for sound in sounds}) < 2  # Trackers err by octaves.
        ):
            return files
        said = f"the root key {key} ({note_name(key)}) is ignored: all files have it, and sound at other pitches"
        return [
            one if one.root_key is None else dataclasses.replace(one, root_key=None, remarks=(*one.remarks, said))
            for one in files
        ]

    return _each_instrument(without, without(list(evidence)))


def _choose_numbers(files: list[Evidence]) -> list[Evidence]:
    """Read numbers after what looks like a note's name as pitches, where more sounds have them: `HammondB3-060-050`.

    Where no sound has either, such a number may be both, and is neither.
    """
    asked = [one for one in files if one.named.other is not None]
    numbers = sum(one.agrees(one.named.other.pitch) for one in asked if one.named.other is not None)
    names = sum(any(one.octaves_off(reading.pitch) is not None for reading in one.named.readings) for one in asked)
    chosen = []
    for one in files:
        named = one.named
        if named.other is not None and numbers > names:
            one = dataclasses.replace(one, named=named.other)
        elif named.other is not None and not names and named.by == "number":
            said = f"{named.velocity} may be a velocity or a pitch, no sound says which: velocity {DEFAULT_VELOCITY}"
            one = one.renamed(said, velocity=None, by="")
        chosen.append(one)
    return chosen


def _settle_keys(files: list[Evidence]) -> list[Evidence]:
    """Read a number after a note's name as its MIDI pitch if the sound says so, or if all are as far from the names.

    Of `Piano_C4_36`, `Piano_C4_60` and `Piano_C4_84`, all numbers are velocities.
    """
    numbered = [one for one in files if one.named.key is not None or (one.named.by == "number" and one.named.other)]
    offsets = {None if one.named.key is None else one.named.key - one.named.readings[1].pitch for one in numbered}
    constant = len(offsets) == 1
    settled = []
    for one in files:
        if one.named.key is not None:
            key, name = one.agrees(one.named.key), one.agrees(one.named.readings[1].pitch)
            if (name and not key) or (key == name and not constant):
                velocity = {} if one.named.by else {"velocity": one.named.key, "by": "number"}
                one = one.renamed(readings=one.named.readings[1:], key=None, **velocity)
        settled.append(one)
    return settled


def _believe_numbers(files: list[Evidence]) -> list[Evidence]:
    """Make numbers sure that most of the sounds confirm, where the others' have no pitch, or one octaves off."""
    numbered = [one for one in files if one.named.readings and not one.named.readings[0].name]
    votes = [one.agrees(one.named.pitch) for one in numbered if one.sound is not None]
    if sum(votes) * 2 <= len(votes):
        return files
    believed = []
    for one in files:
        reading = one.named.readings[0] if one.named.readings else None
        unheard = reading is not None and (one.sound is None or one.octaves_off(reading.pitch) is not None)
        if reading is not None and not reading.name and unheard:
            one = one.renamed(readings=(dataclasses.replace(reading, sure=True), *one.named.readings[1:]))
        believed.append(one)
    return believed


def _without_takes(files: list[Evidence]) -> list[Evidence]:
    """Leave numbers out that are believed velocities, but are so small in all files that they count takes."""
    believed = [one.named.by == "number" and one.reading is not None for one in files]
    velocities = [one.named.velocity or 0 for one, is_believed in zip(files, believed, strict=True) if is_believed]
    if max(velocities, default=0) > MOST_LAYERS:
        return files
    said = f"after the pitch counts takes: velocity {DEFAULT_VELOCITY}"
    return [
        one.renamed(f"{one.named.velocity} {said}", velocity=None, by="") if is_believed else one
        for one, is_believed in zip(files, believed, strict=True)
    ]


def _spread_layers(files: list[Evidence]) -> list[Evidence]:
    """Give layer i of n the velocity 127 i / n, and the only one none.

    `v1` to `v16` are velocities themselves only where the instrument has another such as `v64`.
    """
    spoken = any(one.named.by == "v" and one.named.velocity is not None for one in files)
    layers = {one.named.layer for one in files if one.named.layer is not None and not (spoken and one.named.by == "v")}
    first = 1 if 0 in layers else 0
    last = max(layers, default=0)
    spread = []
    for one in files:
        layer = one.named.layer
        if layer is not None and spoken and one.named.by == "v":
            one = one.renamed(velocity=layer, layer=None)
        elif layer is not None and len(layers) == 1:
            one = one.renamed(f"layer {layer} of an unknown number: velocity {DEFAULT_VELOCITY}", layer=None)
        elif layer is not None:
            velocity = round(127 * (layer + first) / (last + first))
            said = f"layer {layer} of {f'0 to {last}' if first else last}: velocity {velocity}"
            one = one.renamed(said, velocity=velocity, layer=None)
        spread.append(one)
    return spread
