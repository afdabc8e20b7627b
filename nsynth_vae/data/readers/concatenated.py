"""Concatenation of several sources: `--data starter --data DIR`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.data.source import NoteTable, Source, shuffled

if TYPE_CHECKING:
    import tensorflow as tf


class ConcatenatedSource(Source):
    """The notes of several sources, one source's rows after the other's.

    Without an order the audio comes source by source; with one, the sources' own orders are mixed by a draw
    without replacement, so that each stretch holds every source in proportion.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        """Join the sources' tables."""
        self.sources = list(sources)
        self.name = " + ".join(source.name for source in sources)
        self.table = NoteTable.concatenate([source.table for source in sources])
        self.needs_tensorflow = any(source.needs_tensorflow for source in sources)
        self._starts = np.cumsum([0] + [len(source.table) for source in sources])

    def _find(self, row: int) -> tuple[Source, int]:
        index = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self.sources[index], int(row) - int(self._starts[index])

    def location(self, row: int) -> str:
        """Return the file of a note."""
        source, own = self._find(row)
        return source.location(own)

    def fingerprint(self, row: int) -> str:
        """Return an identifier of one note's audio."""
        source, own = self._find(row)
        return source.fingerprint(own)

    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note; see `Source.read`."""
        source, own = self._find(row)
        return source.read(own)

    def _parts(self, rows: np.ndarray) -> list[tuple[Source, int, np.ndarray]]:
        """Return (source, its first row, its own rows) of the sources that have some of the rows."""
        rows = np.asarray(rows, np.int64)
        index = np.searchsorted(self._starts, rows, side="right") - 1
        parts = []
        for number, source in enumerate(self.sources):
            start = int(self._starts[number])
            own = rows[index == number] - start
            if own.size:
                parts.append((source, start, own))
        return parts

    def _choices(self, parts: list, order: tuple[int, int] | None) -> np.ndarray:
        """Return int64 `[n]`: the part that each element comes from."""
        choices = np.repeat(np.arange(len(parts)), [len(own) for _, _, own in parts])
        return shuffled(choices, order).astype(np.int64)

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray | None:
        """Return the rows in the order in which `audio` streams them, if all sources know theirs."""
        parts = self._parts(rows)
        orders = [source.order_of(own, order) for source, _, own in parts]
        choices = self._choices(parts, order)
        result = np.empty(len(choices), np.int64)
        for number, ((_, start, _), own) in enumerate(zip(parts, orders, strict=True)):
            if own is None:
                return None
            result[choices == number] = own + start
        return result

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Stream the notes' audio; see `Source.audio`."""
        import tensorflow as tf

        parts = self._parts(rows)
        if not parts:
            return self.sources[0].audio(np.zeros(0, np.int64), order)

        def shift(dataset: tf.data.Dataset, start: int) -> tf.data.Dataset:
            return dataset.map(lambda note: {**note, "row": note["row"] + start})

        datasets = [shift(source.audio(own, order), start) for source, start, own in parts]
        if len(datasets) == 1:
            return datasets[0]
        choices = tf.data.Dataset.from_tensor_slices(self._choices(parts, order))
        return tf.data.Dataset.choose_from_datasets(datasets, choices, stop_on_empty_dataset=False)
