"""Plan of a preparation: which notes, and which pitch-shifted copies of them, are in which file."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.prepared_features import MOST_LANES
from nsynth_vae.data.feature_shards import SHARD_NOTES
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.readers.concatenated import ConcatenatedSource
from nsynth_vae.data.readers.transposed import draw_semitones, shifted_name
from nsynth_vae.data.source import SPLITS, NoteTable, Source

EXAMPLES = 16
"""Notes of each file whose audio is kept by default: training shows and plays four of all validation notes."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """One file of features: its notes, then their first copies, then their second ones, and so on."""

    path: pathlib.Path
    source: Source
    rows: np.ndarray
    """int64 `[notes]`, rows of the source's table, ascending."""
    semitones: np.ndarray
    """int32 `[notes, copies]`: of each copy; 0 where there is none."""
    keep_audio: int
    """Notes whose audio is kept, the first ones."""

    def stored(self, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (position in `rows`, copy: 0 for the note itself), int64 each, of what the file has, in its order.

        Args:
            valid: bool `[notes]`: the notes that can be used.
        """
        chosen = np.c_[np.ones(len(self.rows), bool), self.semitones > 0] & valid[:, np.newaxis]
        copies, positions = np.nonzero(chosen.T)
        return positions, copies

    def labels(self, valid: np.ndarray) -> tuple[NoteTable, np.ndarray, np.ndarray]:
        """Return (labels of what the file has, copy: 0 for a note itself, place in the file of each one's note)."""
        positions, copies = self.stored(valid)
        table = self.source.table.take(self.rows[positions])
        semitones = np.c_[np.zeros(len(self.rows), np.int32), self.semitones][positions, copies]
        shifted = {name: np.array(getattr(table, name), object) for name in ("note_str", "instrument_str")}
        for place in np.flatnonzero(semitones):
            for names in shifted.values():
                names[place] = shifted_name(names[place], semitones[place])
        # The notes themselves come first, so that a note's place is its rank among the valid ones.
        place_of = np.cumsum(valid) - 1
        return dataclasses.replace(table, pitch=table.pitch + semitones, **shifted), copies, place_of[positions]


def plan_pieces(
    source: Source,
    rows: Mapping[str, np.ndarray],
    audio: AudioConfig,
    folder: pathlib.Path,
    *,
    copies: int,
    seed: int,
    keep_audio: int | None,
) -> list[Piece]:
    """Deal notes to files of at most `SHARD_NOTES`, copies included, each of one split.

    Notes that can be read in any order are shuffled. Records are taken as they follow each other, so that each file is
    made of one stretch of them. There are as many files for each lane of a batch: see `prepared_features`.

    Args:
        source: all notes.
        rows: split -> rows of its table.
        audio: the features.
        folder: gets the files.
        copies: pitch-shifted copies of each training note.
        seed: decides the semitones of the copies.
        keep_audio: notes of each file whose audio is kept; None for all.

    Returns:
        The files. Their names have a hash of all that their content depends on.
    """
    pieces = []
    for split in SPLITS:
        semitones = draw_semitones(source.table.pitch[rows[split]], copies if split == "train" else 0, seed)
        parts = [part for leaf in _leaves(source, rows[split]) for part in _deal(*leaf, semitones)]
        for number, (leaf, own, shifts) in enumerate(parts):
            prints = [leaf.fingerprint(int(row)) for row in own]
            key = stable_hash(audio.to_dict(), features.VERSION, prints, shifts.tolist(), keep_audio)
            path = folder / f"{split}-{number:05d}-of-{len(parts):05d}-{key:016x}.features"
            pieces.append(Piece(path, leaf, own, shifts, len(own) if keep_audio is None else min(keep_audio, len(own))))
    return pieces


def _leaves(source: Source, rows: np.ndarray) -> Iterator[tuple[Source, np.ndarray, np.ndarray]]:
    """Yield each single source, its own rows among the given ones, and these rows' positions in `rows`."""
    if not isinstance(source, ConcatenatedSource):
        yield source, rows, np.arange(len(rows))
        return
    start = 0
    for each in source.sources:
        positions = np.flatnonzero((rows >= start) & (rows < start + len(each.table)))
        if len(positions):
            yield each, rows[positions] - start, positions
        start += len(each.table)


def _deal(
    source: Source, rows: np.ndarray, positions: np.ndarray, semitones: np.ndarray
) -> Iterator[tuple[Source, np.ndarray, np.ndarray]]:
    """Yield (source, rows, semitones) of each file."""
    if not len(rows):
        return
    semitones = semitones[positions]
    files = -(-int(len(rows) + np.count_nonzero(semitones)) // SHARD_NOTES)
    lanes = min(MOST_LANES, 1 << (files - 1).bit_length())
    # A note and all of its copies are in one file.
    files = min(-(-files // lanes) * lanes, len(rows))
    order = np.argsort(rows, kind="stable")
    if source.random_access:
        order = np.random.default_rng(stable_hash("files", len(rows))).permutation(len(rows))
    for part in np.array_split(order, files):
        chosen = part[np.argsort(rows[part], kind="stable")]
        yield source, rows[chosen], semitones[chosen]


def locations(pieces: Sequence[Piece], problems: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return file (or file and record) -> what is wrong with it, of the invalid notes of all files."""
    return {
        piece.source.location(int(piece.rows[int(position)])): problem
        for piece, found in zip(pieces, problems, strict=True)
        for position, problem in sorted(found.items(), key=lambda item: int(item[0]))
    }
