"""Plan of the starter set: presets, their notes, names and splits."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections import Counter
from pathlib import Path

from nsynth_vae.notes import FAMILIES

# (bank, program) of the chosen presets. Every sample group that sounds at its written pitch is preferred to a
# second preset of the same samples; families are as even as the sound font allows (organ has two presets).
# A pitch tracker found two more to leave out: Tubular Bells (0, 14) sounds an octave above the written pitch,
# and Muted Guitar (0, 28) is silent at its upper end.
CHOSEN = {
    "bass": [(0, 32), (0, 33), (0, 34), (0, 35), (0, 37), (0, 38), (0, 39)],
    "brass": [(0, 56), (0, 57), (0, 58), (0, 59), (0, 60), (0, 61), (0, 62)],
    "flute": [(0, 72), (0, 73), (0, 74), (0, 75), (0, 76), (0, 77), (0, 78), (0, 79)],
    "guitar": [(0, 24), (0, 25), (0, 26), (0, 27), (0, 29), (0, 30), (0, 104), (0, 105)],
    "keyboard": [(0, 0), (0, 2), (0, 4), (0, 5), (0, 6), (0, 7), (8, 0)],
    "mallet": [(0, 8), (0, 9), (0, 10), (0, 11), (0, 12), (0, 13), (0, 108), (0, 114)],
    "organ": [(0, 19), (0, 20)],
    "reed": [(0, 21), (0, 64), (0, 66), (0, 67), (0, 68), (0, 70), (0, 71)],
    "string": [(0, 40), (0, 41), (0, 42), (0, 45), (0, 46), (0, 48), (0, 107)],
    "synth_lead": [(0, 80), (0, 81), (0, 82), (0, 84), (0, 89), (0, 94), (0, 95), (8, 80)],
    "vocal": [(0, 52), (0, 53), (0, 54), (0, 85), (0, 91)],
}
# Velocities of the nine pitches, from low to high: all three of 25, 75 and 127 low, in the middle and high;
# the others at 50 and 100 in turn. So every instrument has three notes of each of NSynth's five velocities.
VELOCITIES = ((100,), (25, 75, 127), (50,), (100,), (25, 75, 127), (50,), (100,), (25, 75, 127), (50,))
# An inner pitch may lie this fraction of a step from its even position.
MAX_SHIFT = 0.4
# NSynth's own instruments are numbered below 300 in each family and source.
FIRST_NUMBER = 900
HELD_OUT_FAMILIES = 8


@dataclasses.dataclass(frozen=True)
class Instrument:
    """One preset of the sound font, as an instrument of the set."""

    instrument_str: str
    instrument_name: str
    instrument_family: str
    instrument_source: str
    bank: int
    program: int
    sample_group: str
    split: str
    notes: tuple[tuple[int, int], ...]
    """(pitch, velocity) pairs."""


def stable_hash(text: str) -> str:
    """Return the SHA-256 of a text, hexadecimal: the same on every machine and in every run."""
    return hashlib.sha256(text.encode()).hexdigest()


def choose_notes(lowest_pitch: int, highest_pitch: int, used: Counter[int]) -> list[tuple[int, int]]:
    """Return (pitch, velocity) of 15 notes: nine pitches about evenly over the range, both ends among them.

    Args:
        lowest_pitch: MIDI number.
        highest_pitch: MIDI number, at least 16 above the lowest.
        used: Number of instruments with each pitch so far; counted up here. Near its even position, each inner pitch
            is the rarest one so far, so that the set covers all pitches.
    """
    notes = []
    step = (highest_pitch - lowest_pitch) / (len(VELOCITIES) - 1)
    for place, velocities in enumerate(VELOCITIES):
        even = lowest_pitch + step * place
        shift = MAX_SHIFT * step if 0 < place < len(VELOCITIES) - 1 else 0.0
        near = range(math.ceil(even - shift), math.floor(even + shift) + 1) or [round(even)]
        pitch = min(near, key=lambda pitch, even=even: (used[pitch], abs(pitch - even), pitch))
        used[pitch] += 1
        notes += [(pitch, velocity) for velocity in velocities]
    return notes


def choose_splits(groups: dict[str, list[str]]) -> dict[str, str]:
    """Return the split of each sample group: about 80/10/10 by instrument, with eight families each in valid and test.

    A family can be held out if it has at least five instruments. Families, and in each family the groups that
    have a single instrument, are put in the order of their SHA-256. The first eight families give their first
    group to valid, the last eight their second to test. All else is train.

    Args:
        groups: sample_group -> the families of its instruments, one entry for each instrument.

    Returns:
        sample_group -> "train", "valid" or "test".
    """
    sizes = Counter(family for families in groups.values() for family in families)
    families = sorted((family for family, size in sizes.items() if size >= 5), key=stable_hash)
    splits = dict.fromkeys(groups, "train")
    for family in families:
        single = sorted((group for group, members in groups.items() if members == [family]), key=stable_hash)
        if family in families[:HELD_OUT_FAMILIES]:
            splits[single[0]] = "valid"
        if family in families[-HELD_OUT_FAMILIES:]:
            splits[single[1]] = "test"
    return splits


def plan_starter_set(presets_file: Path) -> list[Instrument]:
    """Return the set's instruments, by family and then by preset.

    Args:
        presets_file: JSON: `presets` is a list of objects with `bank`, `program`, `name`,
            `instrument_family`, `instrument_source`, `lowest_pitch`, `highest_pitch`, `sample_group`.
    """
    presets = {(p["bank"], p["program"]): p for p in json.loads(presets_file.read_text())["presets"]}
    chosen = [(family, presets[key]) for family in FAMILIES for key in CHOSEN[family]]
    groups: dict[str, list[str]] = {}
    for family, preset in chosen:
        if preset["instrument_family"] != family or "not_at_written_pitch" in preset:
            problem = f"is not of family {family} or not at its written pitch"
            raise ValueError(f"{presets_file}: {preset['name']} {problem}")
        groups.setdefault(f"fluidr3mono-{preset['sample_group']}", []).append(family)
    splits = choose_splits(groups)
    numbers: Counter[str] = Counter()
    instruments = []
    used: Counter[int] = Counter()
    for family, preset in chosen:
        kind = f"{family}_{preset['instrument_source']}"
        group = f"fluidr3mono-{preset['sample_group']}"
        instruments.append(
            Instrument(
                instrument_str=f"{kind}_{FIRST_NUMBER + numbers[kind]}",
                instrument_name=preset["name"],
                instrument_family=family,
                instrument_source=preset["instrument_source"],
                bank=preset["bank"],
                program=preset["program"],
                sample_group=group,
                split=splits[group],
                notes=tuple(choose_notes(preset["lowest_pitch"], preset["highest_pitch"], used)),
            )
        )
        numbers[kind] += 1
    return instruments
