"""Attributes to learn, and candidate directions for each: by labels, by descriptors, by latent perturbations."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.directions.dataset import REACH, EncodedNotes, by_family, quarters
from nsynth_vae.notes import QUALITIES, SOURCES, plural

if TYPE_CHECKING:
    from nsynth_vae.data.source import NoteTable
    from nsynth_vae.directions.perturbations import Perturbations

MIN_NOTES, MIN_INSTRUMENTS = 20, 3
"""Least number of notes and instruments on either side: with the attribute and without it."""

MIN_IN_FAMILY = 5
"""Least number of a family's notes on either side; families with fewer are left out."""


@dataclasses.dataclass(frozen=True)
class Attribute:
    """An attribute to learn: the descriptor that rises, and the label that marks notes with it."""

    name: str
    descriptor: str = ""
    """Of `descriptors.DESCRIPTORS`; empty if there is none."""
    sign: int = 1
    """1 if the attribute is more of the descriptor, -1 if less."""
    quality: str = ""
    """NSynth's flag."""
    source: str = ""
    """NSynth's source."""

    @property
    def label(self) -> str:
        """The label in words; empty if there is none."""
        return f"the flag {self.quality}" if self.quality else f"the source {self.source}" if self.source else ""


_DESCRIBED = {
    "bright": Attribute("bright", "spectral_centroid", quality="bright"),
    "dark": Attribute("dark", "spectral_centroid", -1, quality="dark"),
    "distortion": Attribute("distortion", "roughness", quality="distortion"),
    "fast_decay": Attribute("fast_decay", "decay_db_per_second", quality="fast_decay"),
    "percussive": Attribute("percussive", "temporal_centroid", -1, quality="percussive"),
}

ATTRIBUTES = (
    *(_DESCRIBED.get(name, Attribute(name, quality=name)) for name in QUALITIES),
    Attribute("attack", "log_attack_time"),
    Attribute("decay", "decay_db_per_second"),
    Attribute("tonal", "tonal_to_noise_db"),
    Attribute("noisy", "tonal_to_noise_db", -1),
    Attribute("inharmonic", "inharmonicity"),
    Attribute("rough", "roughness"),
    *(Attribute(name, source=name) for name in SOURCES),
)
"""All attributes, learnt where the notes allow: NSynth's qualities, descriptors, and sources."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A candidate direction and its provenance."""

    direction: np.ndarray
    """`[latent_dim]`."""
    learnt_from: str
    notes: tuple[int, int]
    """Numbers of notes with, and without, the attribute."""
    instruments: tuple[int, int]


def flagged(attribute: Attribute, table: NoteTable) -> tuple[np.ndarray, np.ndarray]:
    """Return which notes have the attribute's label, and which are known not to: bool `[notes]` each."""
    if attribute.source:
        source = table.instrument_source
        return source == SOURCES.index(attribute.source), (source != SOURCES.index(attribute.source)) & (source >= 0)
    flags = table.qualities[:, QUALITIES.index(attribute.quality)]
    return flags == 1, flags == 0


def is_enough(table: NoteTable, *chosen: np.ndarray) -> bool:
    """Return whether each side's chosen notes (bool) are at least `MIN_NOTES` of `MIN_INSTRUMENTS`."""
    return all(side.sum() >= MIN_NOTES and _instruments(table, side) >= MIN_INSTRUMENTS for side in chosen)


def counted(table: NoteTable, chosen: np.ndarray) -> str:
    """Return the number of the chosen notes (bool), in words."""
    notes, instruments = int(chosen.sum()), _instruments(table, chosen)
    return f"{notes} {plural(notes, 'note')} of {instruments} {plural(instruments, 'instrument')}"


def contrasts(notes: EncodedNotes, top: np.ndarray, bottom: np.ndarray, words: str) -> list[Candidate]:
    """Return the directions from notes without an attribute to notes with it, within families.

    Each family's notes are centred on the midpoint of its two sides' means; a family with fewer than `MIN_IN_FAMILY`
    notes on a side is left out. If no family has both sides, all notes are compared across families.

    Args:
        notes: all notes.
        top: bool `[notes]`, those with it.
        bottom: bool `[notes]`, those without it.
        words: description of the two sides.

    Returns:
        The difference of the means, and the normal of a linear classifier; nothing if a side is empty.
    """
    z, used, within = notes.z.astype(np.float64), np.zeros(len(notes.table), bool), ", within families"
    for rows in by_family(notes.table):
        sides = [rows[side[rows]] for side in (top, bottom)]
        if min(map(len, sides)) >= MIN_IN_FAMILY:
            both = np.concatenate(sides)
            z[both] -= (notes.z[sides[0]].mean(axis=0) + notes.z[sides[1]].mean(axis=0)) / 2
            used[both] = True
    if not used.any():
        used, within = top | bottom, ", across families"
    top, bottom = top & used, bottom & used
    if not (top.any() and bottom.any()):
        return []
    directions = {
        f"{words}: difference of means{within}": latent.direction(z[top], z[bottom]),
        f"{words}: normal of a linear classifier{within}": latent.direction(z[top], z[bottom], method="classifier"),
    }
    return _candidates(directions, notes.table, top, bottom)


def of_label(attribute: Attribute, train: EncodedNotes) -> tuple[list[Candidate], str]:
    """Return the candidates by the attribute's label, and the reason why there might be none."""
    if not attribute.label:
        return [], f"too few notes differ in its descriptor, {attribute.descriptor}"
    sides = flagged(attribute, train.table)
    with_it, without = (counted(train.table, side) for side in sides)
    why = f"{attribute.label}: {with_it} with it, {without} without"
    return contrasts(train, *sides, attribute.label) if is_enough(train.table, *sides) else [], why


def of_descriptor(attribute: Attribute, train: EncodedNotes, perturbations: Perturbations) -> list[Candidate]:
    """Return the candidates by the attribute's descriptor: of real notes, and of perturbations."""
    found, name = [], attribute.descriptor
    sides = quarters(attribute.sign * train.descriptors[name], train.table)
    if is_enough(train.table, *sides):
        words = f"top against bottom quarter of {'-' * (attribute.sign < 0)}{name} within {REACH} semitones"
        found += contrasts(train, *sides, words)
    if is_enough(perturbations.table, np.ones(len(perturbations.table), bool)):
        found += of_perturbations(attribute, perturbations)
    return found


def of_perturbations(attribute: Attribute, perturbations: Perturbations) -> list[Candidate]:
    """Return the directions along which decoding raises an attribute's descriptor, on average around notes.

    A direction between notes also separates the instruments that happen to have more and less of the attribute; with
    about a hundred instruments in 16 dimensions that dominates. Perturbations of one note keep its instrument.

    Returns:
        The normal of a linear classifier of raising against lowering perturbations, and the least-squares slope;
        nothing if no perturbation changes anything.
    """
    name, minus = attribute.descriptor, "-" * (attribute.sign < 0)
    raises = np.sign(attribute.sign * np.nan_to_num(perturbations.changes[name]))
    moved = (perturbations.offsets * raises[:, None])[raises != 0]
    if not len(moved):
        return []
    more, less = ("raise", "lower")[:: attribute.sign]
    words = f"latent perturbations that {more} {name} against those that {less} it: normal of a linear classifier"
    directions = {
        words: latent.direction(moved, -moved, method="classifier"),
        f"latent perturbations: least-squares slope of {minus}{name}": attribute.sign * perturbations.slope(name),
    }
    return _candidates(directions, perturbations.table, raises > 0, raises < 0)


def _candidates(
    directions: dict[str, np.ndarray], table: NoteTable, top: np.ndarray, bottom: np.ndarray
) -> list[Candidate]:
    notes = int(top.sum()), int(bottom.sum())
    instruments = _instruments(table, top), _instruments(table, bottom)
    return [
        Candidate(direction=direction, learnt_from=words, notes=notes, instruments=instruments)
        for words, direction in directions.items()
    ]


def _instruments(table: NoteTable, chosen: np.ndarray) -> int:
    return len(set(table.instrument_str[chosen]))
