"""Notes that are other notes, some semitones higher: instruments that training has not heard otherwise.

A transposed note is the note with every frame played faster, and so with its partials and its formants moved up, while
its attack and its decay take as long as before; see `features.pitch_shifted_log_mel`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import MOST_SEMITONES
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.readers.concatenated import ConcatenatedSource
from nsynth_vae.data.source import Source

if TYPE_CHECKING:
    import tensorflow as tf

HIGHEST_PITCH = 127


class TransposedSource(Source):
    """Some notes of another source, each by its own number of semitones higher.

    What `audio` streams is the other source's audio, with `semitones` (int32 []) beside it.
    """

    def __init__(self, source: Source, rows: np.ndarray, semitones: np.ndarray) -> None:
        """Takes notes.

        Args:
            source: what is transposed.
            rows: int64 `[n]`, rows of its table, each at most once.
            semitones: int32 `[n]`, 0 to `config.MOST_SEMITONES`.
        """
        self.name = source.name
        self._source, self._rows, self._semitones = source, rows, semitones.astype(np.int32)
        table = source.table.take(rows)

        def higher(names: np.ndarray) -> np.ndarray:
            changed = [f"{name} +{by}" if by else name for name, by in zip(names, semitones, strict=True)]
            return np.array(changed, dtype=object)

        self.table = dataclasses.replace(
            table,
            note_str=higher(table.note_str),
            instrument_str=higher(table.instrument_str),
            pitch=table.pitch + self._semitones,
        )
        self._places = np.full(len(source.table), -1, np.int64)
        self._places[rows] = np.arange(len(rows))

    def fingerprint(self, row: int) -> str:
        """Returns what tells a note's audio from another's; of an untransposed one what its source says."""
        found, by = self._source.fingerprint(int(self._rows[row])), self._semitones[row]
        return f"{found} +{by}" if by else found

    def location(self, row: int) -> str:
        """Returns the file of a note."""
        return self._source.location(int(self._rows[row]))

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray | None:
        """Returns the rows in the order in which `audio` gives them, if the source knows it."""
        found = self._source.order_of(self._rows[rows], order)
        return None if found is None else self._places[found]

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Streams the notes' audio as it is in the source; see `Source.audio`."""
        import tensorflow as tf

        places, semitones = tf.constant(self._places), tf.constant(self._semitones)

        def place(note: dict) -> dict:
            row = places[note["row"]]
            return {**note, "row": row, "semitones": semitones[row]}

        return self._source.audio(self._rows[rows], order).map(place)


def with_transposed(source: Source, rows: np.ndarray, copies: int, seed: int) -> tuple[Source, np.ndarray]:
    """Adds transposed copies of some notes to a source.

    Args:
        source: all notes.
        rows: int64 `[n]`, rows of its table, of the notes that are to have copies.
        copies: of each note, each by another number of semitones, from 1 to `config.MOST_SEMITONES`, by chance;
            fewer for the highest notes of MIDI.
        seed: of the chance.

    Returns:
        (a source whose first rows are those of `source`, rows of it: `rows` and those of their copies).
    """
    everything = np.arange(len(source.table))
    parts: list[Source] = [TransposedSource(source, everything, np.zeros(len(everything), np.int32))]
    generator = np.random.default_rng(stable_hash("transposed", seed))
    semitones = generator.permuted(np.tile(np.arange(1, MOST_SEMITONES + 1), (len(rows), 1)), axis=1)
    for copy in range(copies):
        fits = source.table.pitch[rows] + semitones[:, copy] <= HIGHEST_PITCH
        parts.append(TransposedSource(source, rows[fits], semitones[fits, copy]))
    joined = ConcatenatedSource(parts)
    joined.name = source.name
    return joined, np.concatenate([rows, np.arange(len(everything), len(joined.table))])
