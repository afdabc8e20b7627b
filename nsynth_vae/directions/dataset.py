"""Notes that attributes are learnt from: encoded, described, and compared within family and pitch."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe
from nsynth_vae.cli.progress import Progress
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.source import BadNotes, NoteTable, Source
from nsynth_vae.data.streaming import stream_batches
from nsynth_vae.errors import InputError
from nsynth_vae.timbre_model import BATCH, TimbreModel

REACH = 3
"""Semitones to either side within which notes are compared."""

MIN_PEERS = 8
"""Least number of a family's notes within `REACH`, for a comparison."""

HELD_OUT_NOTES = 128
"""Most notes that effects are measured on, of instruments that nothing is learnt from."""

MIN_HELD_OUT = 64
"""Least number of another split's notes to measure effects on."""

HELD_OUT_FRACTION = 0.2
"""Fraction of the instruments that is held out where the source has no split for that."""


@dataclasses.dataclass(frozen=True)
class EncodedNotes:
    """Notes with their latent vectors and descriptors."""

    table: NoteTable
    z: np.ndarray
    """z_mean, float32 `[notes, latent_dim]`."""
    descriptors: dict[str, np.ndarray]
    """Name -> float `[notes]`."""

    def take(self, rows: np.ndarray) -> EncodedNotes:
        """Return the notes at some rows."""
        return EncodedNotes(
            self.table.take(rows), self.z[rows], {name: x[rows] for name, x in self.descriptors.items()}
        )

    def at_one_level(self) -> EncodedNotes:
        """Return the notes with 0, the typical level, as the first coordinate of each z: differences leave it alone."""
        z = self.z.copy()
        z[:, 0] = 0.0
        return dataclasses.replace(self, z=z)

    @functools.cached_property
    def covariance(self) -> np.ndarray:
        """The covariance of z_mean within families, `[latent_dim, latent_dim]`."""
        gaps = self.z.astype(np.float64)
        for rows in by_family(self.table):
            gaps[rows] -= gaps[rows].mean(axis=0)
        return gaps.T @ gaps / len(gaps)


def hold_out(table: NoteTable, rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to learn from, and at most `HELD_OUT_NOTES` rows to measure effects on.

    Args:
        table: all notes.
        rows: of a split.
        others: of another split, of other instruments. With fewer than `MIN_HELD_OUT` of these, `HELD_OUT_FRACTION` of
            the first split's instruments are held out instead, by a stable hash; of a single one, so many notes.
    """
    if len(others) < MIN_HELD_OUT:
        names = table.sample_group[rows]
        if len(set(names)) < 2:
            names = table.note_str[rows]
        ordered = sorted(set(names), key=lambda name: stable_hash("held out", name))
        held_out = set(ordered[: max(1, round(HELD_OUT_FRACTION * len(ordered)))]) if len(ordered) > 1 else set()
        is_held_out = np.array([name in held_out for name in names])
        rows, others = rows[~is_held_out], rows[is_held_out] if held_out else rows
    return rows, others[spread(table.take(others), HELD_OUT_NOTES)]


def encode_notes(model: TimbreModel, source: Source, rows: np.ndarray, bad_notes: BadNotes) -> EncodedNotes:
    """Read notes, encode and describe them.

    Args:
        model: encodes.
        source: of the notes.
        rows: of its `table`.
        bad_notes: gets those that cannot be used.

    Raises:
        InputError: if none is left; a BadNoteError for an invalid one, under the policy `error`.
    """
    bar = Progress("Encoding notes")
    good, z, waiting = [], [], []
    with ThreadPoolExecutor() as pool:
        for batch, sounds in stream_batches(source, rows, bad_notes, BATCH):
            for audio, pitch in zip(sounds, source.table.pitch[batch], strict=True):
                waiting.append(pool.submit(describe, audio, int(pitch), model.config.sample_rate))
            good.append(batch)
            z.append(model.encode(sounds))
            bar.to(len(waiting) / len(rows))
        found = [each.result() for each in waiting]
    bar.close()
    if not found:
        raise InputError(f"{source.name}: no note can be used, expected at least one")
    described = {name: np.array([one[name] for one in found]) for name in DESCRIPTORS}
    return EncodedNotes(source.table.take(np.concatenate(good)), np.concatenate(z), described)


def spread(table: NoteTable, count: int) -> np.ndarray:
    """Return the rows of at most `count` notes, one of every family in turn, each family's by a stable hash."""
    place = np.array([stable_hash("spread", name) for name in table.note_str], np.int64)
    order = np.lexsort((place, table.instrument_family))
    family = table.instrument_family[order]
    rank = np.arange(order.size) - np.searchsorted(family, family)
    return order[np.lexsort((place[order], rank))][:count]


def local_standard_deviation(values: np.ndarray, table: NoteTable) -> float:
    """Return a descriptor's standard deviation within families, at a pitch.

    Deviations are from the mean of the family's notes within `REACH` semitones, root mean square over a family. The
    median of the families is taken, so that one family of clicks and booms does not decide. NaN (silence) is left out.
    The result is NaN if no family has `MIN_PEERS` such notes.
    """
    found = []
    for rows in by_family(table):
        rows = rows[np.isfinite(values[rows])]
        squares = [
            np.square(values[same] - values[peers].mean()) * peers.size / (peers.size - 1)
            for same, peers in _peers(rows, table.pitch)
        ]
        if sum(map(len, squares)) >= MIN_PEERS:
            found.append(math.sqrt(np.mean(np.concatenate(squares))))
    return float(np.median(found)) if found else math.nan


def quarters(values: np.ndarray, table: NoteTable) -> tuple[np.ndarray, np.ndarray]:
    """Return which notes are in the top, and the bottom, quarter of their family's within `REACH` semitones.

    Returns:
        Two of bool `[notes]`. Notes with fewer than `MIN_PEERS` such peers, and ties that fill more than a quarter, are
        in neither.
    """
    top, bottom = np.zeros(len(table), bool), np.zeros(len(table), bool)
    for rows in by_family(table):
        for same, peers in _peers(rows, table.pitch):
            ordered = np.sort(values[peers])
            first, last = (np.searchsorted(ordered, values[same], side) for side in ("left", "right"))
            place = (first + last - 1) / 2 / (peers.size - 1)
            top[same], bottom[same] = place >= 0.75, place <= 0.25
    return top, bottom


def by_family(table: NoteTable) -> list[np.ndarray]:
    """Return the rows of every family; notes of unknown family count as one."""
    return [np.flatnonzero(table.instrument_family == family) for family in np.unique(table.instrument_family)]


def _peers(rows: np.ndarray, pitch: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (the rows of a pitch, the rows within `REACH` semitones of it) where the latter are `MIN_PEERS`."""
    for value in np.unique(pitch[rows]):
        peers = rows[np.abs(pitch[rows] - value) <= REACH]
        if peers.size >= MIN_PEERS:
            yield rows[pitch[rows] == value], peers
