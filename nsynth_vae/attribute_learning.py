"""What is learnt as a direction of the latent space, and the directions between notes with and without it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.attribute_notes import REACH, Notes, by_family, local_deviation, quarters, rounded
from nsynth_vae.data.source import NoteTable
from nsynth_vae.notes import QUALITIES, SOURCES

if TYPE_CHECKING:
    from nsynth_vae.attribute_effects import Judge
    from nsynth_vae.attribute_steps import Steps

LEAST_NOTES, LEAST_INSTRUMENTS = 20, 3
"""What an attribute is learnt from at least, on either side: with it and without it."""

TARGETS = {"rises": 0.9, "pitch_kept": 0.98, "family_kept": 0.85, "deviations": 0.5}
"""What an effect is to be at least: the shares of the notes on which the attribute rises, and on which pitch and family
are heard as before; and how far it rises, in its standard deviations. The family's is above the 0.8 that are aimed at:
of what is chosen by some notes, some is lost on others."""

STRONG = 0.75
"""How far a flag's direction is to rise, in the attribute's standard deviations, not to be compared with the
descriptor's: strength 1 is to be one of them."""

LEAST_RISES = 0.8
"""Share below which a direction is not worth having."""

LEAST_PLAYED = 0.02
"""Share of the real notes' deviation of a descriptor below which the model does not play it."""

TURNED = (2.0, 8.0)
"""How dear movement is along which the family changes that is heard, against other movement, to a direction that is
turned away from it."""

LEAST_IN_FAMILY = 5
"""Notes of a family, on either side, without which it says nothing of an attribute."""


@dataclasses.dataclass(frozen=True)
class Attribute:
    """A direction that is asked for: what is to rise, and which flag says that a note has it."""

    name: str
    descriptor: str | None = None
    """Of `descriptors.DESCRIPTORS`; None where there is none."""
    sign: int = 1
    """1 if the attribute is more of the descriptor, -1 if less."""
    quality: str | None = None
    """NSynth's flag."""
    source: str | None = None
    """NSynth's source."""

    @property
    def label(self) -> str:
        """What the notes are labelled with, in words; empty if there is no such label."""
        return f"the flag {self.quality}" if self.quality else f"the source {self.source}" if self.source else ""


_OF_QUALITIES = {
    "bright": ("spectral_centroid", 1),
    "dark": ("spectral_centroid", -1),
    "distortion": ("roughness", 1),
    "fast_decay": ("decay_db_per_second", 1),
    "percussive": ("temporal_centroid", -1),
}

ATTRIBUTES = (
    *(Attribute(name, *_OF_QUALITIES.get(name, (None, 1)), quality=name) for name in QUALITIES),
    Attribute("attack", "log_attack_time"),
    Attribute("decay", "decay_db_per_second"),
    Attribute("tonal", "tonal_to_noise_db"),
    Attribute("noisy", "tonal_to_noise_db", -1),
    Attribute("inharmonic", "inharmonicity"),
    Attribute("rough", "roughness"),
    *(Attribute(name, source=name) for name in SOURCES),
)
"""All directions that are learnt, if the notes allow: NSynth's qualities, descriptors, and sources."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A direction, and what it is learnt from."""

    direction: np.ndarray
    """`[latent_dim]`."""
    learnt_from: str
    notes: tuple[int, int]
    """With, and without, the attribute."""
    instruments: tuple[int, int]


def flagged(attribute: Attribute, table: NoteTable) -> tuple[np.ndarray, np.ndarray]:
    """Returns which notes have the attribute's flag, or are of its source, and which are known not to: bool each."""
    if attribute.source is not None:
        source = table.instrument_source
        return source == SOURCES.index(attribute.source), (source != SOURCES.index(attribute.source)) & (source >= 0)
    flags = table.qualities[:, QUALITIES.index(attribute.quality)]
    return flags == 1, flags == 0


def is_enough(table: NoteTable, chosen: np.ndarray) -> bool:
    """Tells whether the chosen notes (bool) are at least `LEAST_NOTES` of `LEAST_INSTRUMENTS`."""
    return chosen.sum() >= LEAST_NOTES and len(set(table.instrument_str[chosen])) >= LEAST_INSTRUMENTS


def counted(table: NoteTable, chosen: np.ndarray) -> str:
    """Returns how many the chosen notes (bool) are, in words."""
    notes, instruments = int(chosen.sum()), len(set(table.instrument_str[chosen]))
    return f"{notes} note{'s' * (notes != 1)} of {instruments} instrument{'s' * (instruments != 1)}"


def contrasts(notes: Notes, top: np.ndarray, bottom: np.ndarray, words: str) -> list[Candidate]:
    """Returns the ways from notes without an attribute to notes with it, within families.

    Each family's notes are taken relative to the middle between its two sides; a family with fewer than
    `LEAST_IN_FAMILY` on a side is left out. Where no family has both sides, there is no telling the attribute from the
    family: all notes are compared.

    Args:
        notes: all notes.
        top: bool `[notes]`, those with it.
        bottom: bool `[notes]`, those without it.
        words: what sets the two apart.

    Returns:
        The difference of the means, and the normal of a linear classifier.
    """
    points, used, within = notes.z.astype(np.float64), np.zeros(len(notes.table), bool), ", within families"
    for rows in by_family(notes.table):
        sides = [rows[side[rows]] for side in (top, bottom)]
        if min(map(len, sides)) >= LEAST_IN_FAMILY:
            both = np.concatenate(sides)
            points[both] -= (notes.z[sides[0]].mean(axis=0) + notes.z[sides[1]].mean(axis=0)) / 2
            used[both] = True
    if not used.any():
        used, within = top | bottom, ", across families"
    sides = [points[side & used] for side in (top, bottom)]
    if not min(map(len, sides)):
        return []
    counts = tuple(map(len, sides))
    instruments = tuple(len(set(notes.table.instrument_str[side & used])) for side in (top, bottom))
    return [
        Candidate(latent.direction(*sides, method=method), f"{words}: {what}{within}", counts, instruments)
        for method, what in (("difference", "difference of means"), ("classifier", "normal of a linear classifier"))
    ]


def half_way(flag: Candidate, descriptor: Candidate) -> Candidate:
    """Returns the direction between a flag's and a descriptor's: what the notes have, and what the decoder does."""
    words = f"half-way between two: {flag.learnt_from}; {descriptor.learnt_from}"
    return Candidate(unit(flag.direction) + unit(descriptor.direction), words, flag.notes, flag.instruments)


def unit(vector: np.ndarray) -> np.ndarray:
    """Returns a vector's direction, of length 1, float64; nothing's is nothing."""
    return np.asarray(vector, np.float64) / max(float(np.linalg.norm(vector)), 1e-12)


def missed(effect: dict) -> dict[str, float]:
    """Returns what of an effect is below `TARGETS`; what is None is not known, and no miss."""
    return {name: effect[name] for name in TARGETS if effect[name] is not None and effect[name] < TARGETS[name]}


def learn_direction(attribute: Attribute, train: Notes, steps: Steps, judge: Judge) -> dict | str:
    """Returns a direction as `attributes.json` holds it, or why there is none.

    NSynth's flag is followed where enough notes have it; the attribute's descriptor where they do not, or where the
    flag's direction misses one of `TARGETS` or `STRONG` and the descriptor's, or that half-way between, has more
    `merit`. One that costs too many notes their family is turned away from where families change, if that does better.

    Args:
        attribute: what is asked for.
        train: what is learnt from.
        steps: from these notes' z.
        judge: has the held-out notes.
    """

    def entry(candidate: Candidate, direction: np.ndarray, effect: dict) -> dict:
        return {
            "direction": rounded(direction),
            "learnt_from": candidate.learnt_from,
            "descriptor": attribute.descriptor,
            "sign": attribute.sign if attribute.descriptor else None,
            "notes": dict(zip(("with", "without"), candidate.notes, strict=True)),
            "instruments": dict(zip(("with", "without"), candidate.instruments, strict=True)),
            "effect": effect,
        }

    table, name = train.table, attribute.descriptor
    by_label, missing = [], f"its descriptor, {name}, tells too few notes apart"
    if attribute.label:
        sides = flagged(attribute, table)
        if all(is_enough(table, side) for side in sides):
            by_label = contrasts(train, *sides, attribute.label)
        else:
            missing = f"{attribute.label}: {counted(table, sides[0])} have it, {counted(table, sides[1])} do not"
    if name is None:
        return entry(by_label[0], by_label[0].direction, judge.hear(by_label[0].direction)) if by_label else missing
    deviation, real = steps.deviations[name], local_deviation(train.descriptors[name], table)
    if not deviation > LEAST_PLAYED * real:
        return f"the model plays {name} with a deviation of {deviation:.2g}, real notes have {real:.2g}"
    by_descriptor = steps.candidates(attribute) if is_enough(steps.table, np.ones(len(steps.table), bool)) else []
    sides = quarters(attribute.sign * train.descriptors[name], table)
    if all(is_enough(table, side) for side in sides):
        words = f"top against bottom quarter of {'-' * (attribute.sign < 0)}{name} within {REACH} semitones"
        by_descriptor = [*contrasts(train, *sides, words), *by_descriptor]
    slope, best, plain, short = steps.slope(name), None, None, {}

    def consider(candidate: Candidate) -> None:
        nonlocal best, plain, short
        found = entry(candidate, *judge.calibrate(attribute, candidate.direction, deviation, slope))
        if best is None:
            best, plain, short = found, candidate.direction, weak(found["effect"])
        elif merit(found["effect"]) > merit(best["effect"]):
            words = ", ".join(f"{measure} {value:.2g}" for measure, value in short.items())
            found["learnt_from"] += f" ({attribute.label}: {words})"
            best, plain = found, candidate.direction

    tried = []
    for candidates in (by_label, by_descriptor):
        if candidates and (best is None or short):
            tried.append(judge.choose(attribute, candidates, slope))
            consider(tried[-1])
    if len(tried) == 2:
        consider(half_way(*tried))
    if best is None:
        return missing
    words = f"{best['learnt_from']}, turned away from where the family changes"
    for dearness in TURNED if steps.family_metric is not None else ():
        if "family_kept" not in missed(best["effect"]):
            break
        direction = steps.away_from_families(plain, dearness)
        direction, effect = judge.calibrate(attribute, direction, deviation, slope)
        if merit(effect) > merit(best["effect"]):
            best |= {"direction": rounded(direction), "learnt_from": words, "effect": effect}
    if best["effect"]["rises"] < LEAST_RISES:
        rises, share = "rises" if attribute.sign > 0 else "falls", f"{best['effect']['rises']:.0%}"
        return f"{name} {rises} on no more than {share} of the notes"
    return best


def weak(effect: dict) -> dict[str, float]:
    """Returns what of an effect is `missed`, and how far it rises where that is less than `STRONG`."""
    return missed(effect) | ({"deviations": effect["deviations"]} if effect["deviations"] < STRONG else {})


def merit(effect: dict) -> tuple[bool, float, float, float]:
    """Returns what is to be large: it is heard at all, misses `TARGETS` by little, is strong, rises on many."""
    short = missed(effect)
    by = sum(TARGETS[name] - value for name, value in short.items())
    return "deviations" not in short, -by, min(effect["deviations"], STRONG), effect["rises"]
