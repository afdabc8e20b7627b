"""Pitch-shift augmentation: copies of the training notes, some semitones higher, as further instruments.

Every frame is played faster, so partials and formants move up, while attack and decay take as long as before; see
`features.pitch_shifted_log_mel`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import MOST_SEMITONES
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.readers.concatenated import ConcatenatedSource
from nsynth_vae.data.readers.prepared import PreparedSource
from nsynth_vae.data.source import Source

if TYPE_CHECKING:
    import tensorflow as tf

HIGHEST_PITCH = 127


def draw_semitones(pitch: np.ndarray, copies: int, seed: int) -> np.ndarray:
    """Return by how many semitones each copy of each note is shifted, int32 `[notes, copies]`; 0 where none fits.

    Args:
        pitch: int `[notes]`, MIDI.
        copies: copies of a note, 0 to `MOST_SEMITONES`, each by another random number of semitones.
        seed: random seed.
    """
    if not copies:
        # Of 300,000 notes, the draws below would be 30 MB for nothing.
        return np.zeros((len(pitch), 0), np.int32)
    # This word decides the numbers of trained models: it stays.
    generator = np.random.default_rng(stable_hash("transposed", seed))
    semitones = generator.permuted(np.tile(np.arange(1, MOST_SEMITONES + 1), (len(pitch), 1)), axis=1)[:, :copies]
    return np.where(pitch[:, np.newaxis] + semitones <= HIGHEST_PITCH, semitones, 0).astype(np.int32)


def shifted_name(name: str, semitones: int) -> str:
    """Return the name of a pitch-shifted copy of a note, or of its instrument."""
    return f"{name} +{semitones}" if semitones else name


class PitchShiftedSource(Source):
    """Some notes of another source, each by its own number of semitones higher.

    `audio` streams the other source's audio, with `semitones` (int32 []) as a further value.
    """

    def __init__(self, source: Source, rows: np.ndarray, semitones: np.ndarray) -> None:
        """Take notes.

        Args:
            source: the notes to shift.
            rows: int64 `[n]`, rows of its table, each at most once.
            semitones: int32 `[n]`, 0 to `config.MOST_SEMITONES`.
        """
        self.name = source.name
        self._source, self._rows, self._semitones = source, rows, semitones.astype(np.int32)
        table = source.table.take(rows)

        def higher(names: np.ndarray) -> np.ndarray:
            return np.array([shifted_name(*pair) for pair in zip(names, semitones, strict=True)], dtype=object)

        self.table = dataclasses.replace(
            table,
            note_str=higher(table.note_str),
            instrument_str=higher(table.instrument_str),
            pitch=table.pitch + self._semitones,
        )
        self._places = np.full(len(source.table), -1, np.int64)
        self._places[rows] = np.arange(len(rows))

    def fingerprint(self, row: int) -> str:
        """Return an identifier of a note's audio; of a note that is not shifted, its source's."""
        found, by = self._source.fingerprint(int(self._rows[row])), self._semitones[row]
        return f"{found} +{by}" if by else found

    def location(self, row: int) -> str:
        """Return the file of a note."""
        return self._source.location(int(self._rows[row]))

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray | None:
        """Return the rows in the order in which `audio` streams them, if the source knows it."""
        found = self._source.order_of(self._rows[rows], order)
        return None if found is None else self._places[found]

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Stream the notes' audio as it is in the source; see `Source.audio`."""
        import tensorflow as tf

        places, semitones = tf.constant(self._places), tf.constant(self._semitones)

        def place(note: dict) -> dict:
            row = places[note["row"]]
            return {**note, "row": row, "semitones": semitones[row]}

        return self._source.audio(self._rows[rows], order).map(place)


def with_pitch_shifts(source: Source, rows: np.ndarray, copies: int, seed: int) -> tuple[Source, np.ndarray]:
    """Add pitch-shifted copies of some notes to a source.

    Args:
        source: all notes.
        rows: int64 `[n]`, rows of its table, of the notes to copy.
        copies: copies of each note, each by another random number of semitones, from 1 to `MOST_SEMITONES`; fewer for
            the highest notes of MIDI.
        seed: random seed.

    Returns:
        (a source whose first rows are those of `source`, rows of it: `rows` and those of their copies).

    Raises:
        InputError: if the source was prepared with fewer copies.
    """
    if isinstance(source, PreparedSource):
        return source.with_copies(rows, copies)
    everything = np.arange(len(source.table))
    parts: list[Source] = [PitchShiftedSource(source, everything, np.zeros(len(everything), np.int32))]
    for semitones in draw_semitones(source.table.pitch[rows], copies, seed).T:
        parts.append(PitchShiftedSource(source, rows[semitones > 0], semitones[semitones > 0]))
    joined = ConcatenatedSource(parts)
    joined.name = source.name
    return joined, np.concatenate([rows, np.arange(len(everything), len(joined.table))])
