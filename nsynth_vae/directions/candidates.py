"""What is learnt as a direction of the latent space, and its candidates: ways from notes without to notes with it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.data.source import NoteTable
from nsynth_vae.directions.dataset import REACH, Notes, by_family, quarters
from nsynth_vae.notes import QUALITIES, SOURCES

if TYPE_CHECKING:
    from nsynth_vae.directions.perturbations import Perturbations

LEAST_NOTES, LEAST_INSTRUMENTS = 20, 3
"""What an attribute is learnt from at least, on either side: with it and without it."""

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


def of_label(attribute: Attribute, train: Notes) -> tuple[list[Candidate], str]:
    """Returns the candidates that NSynth's flag, or the source, gives; and, should that be none, why."""
    if not attribute.label:
        return [], f"its descriptor, {attribute.descriptor}, tells too few notes apart"
    sides = flagged(attribute, train.table)
    with_it, without = (counted(train.table, side) for side in sides)
    why = f"{attribute.label}: {with_it} with it, {without} without"
    return contrasts(train, *sides, attribute.label) if all(is_enough(train.table, side) for side in sides) else [], why


def of_descriptor(attribute: Attribute, train: Notes, steps: Perturbations) -> list[Candidate]:
    """Returns the candidates that the descriptor gives: by the notes with most and least of it, and by the steps."""
    found, name = [], attribute.descriptor
    sides = quarters(attribute.sign * train.descriptors[name], train.table)
    if all(is_enough(train.table, side) for side in sides):
        words = f"top against bottom quarter of {'-' * (attribute.sign < 0)}{name} within {REACH} semitones"
        found += contrasts(train, *sides, words)
    if is_enough(steps.table, np.ones(len(steps.table), bool)):
        found += steps.candidates(attribute)
    return found


def half_way(flag: Candidate, descriptor: Candidate) -> Candidate:
    """Returns the direction between a flag's and a descriptor's: what the notes have, and what the decoder does."""
    words = f"half-way between two: {flag.learnt_from}; {descriptor.learnt_from}"
    return Candidate(unit(flag.direction) + unit(descriptor.direction), words, flag.notes, flag.instruments)


def unit(vector: np.ndarray) -> np.ndarray:
    """Returns a vector's direction, of length 1, float64; nothing's is nothing."""
    return np.asarray(vector, np.float64) / max(float(np.linalg.norm(vector)), 1e-12)
