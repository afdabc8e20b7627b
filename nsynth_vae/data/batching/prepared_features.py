"""Batches of prepared features, streamed from their files: shuffled by file and by window.

An epoch's order is computed, not drawn as files are read: any step is found at once, and resuming reads nothing
again. The files of a split are dealt to **lanes**; each lane fills a fixed, contiguous part of every batch. It takes
its files in a new order in each epoch, a window of a few at a time, and shuffles the notes of a window. So

- no more than a window of a lane is planned at a time, and memory does not grow with the number of notes;
- a worker of a cluster that reads a contiguous part of each batch reads the files of its own lanes only;
- all workers' parts together are the batches of one process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
import tensorflow as tf

from nsynth_vae.data.batching.base import WHOLE, Order, Shard
from nsynth_vae.data.batching.epoch_plan import plan_mixup
from nsynth_vae.data.batching.feature_batches import CachedFeatures
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.readers.prepared import PreparedSource
from nsynth_vae.errors import InputError

MOST_LANES = 8
"""Workers that can each read files of their own."""

WINDOW_FILES = 2
"""Files of a lane that are shuffled together: with eight lanes 4,096 notes. `prepare` has shuffled them before."""

Step = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(notes: int64 `[batch]`, mixup partners: int64 `[batch]`, their fractions: float32 `[batch]`)."""


class PreparedStore:
    """Reader of the features of some rows of a prepared source, as `feature_cache.MemoryStore` and `DiskStore`."""

    def __init__(self, source: PreparedSource, rows: np.ndarray) -> None:
        """Take the notes at `rows` of the source's table."""
        self.source, self.rows = source, rows
        self.error: InputError | None = None
        """Why reading failed, which `tf.data` would hide."""

    def read(self, index: np.ndarray) -> np.ndarray:
        """Return float32 `[len(index), frames, mel_bins]` of the notes at these positions in `rows`."""
        try:
            return self.source.features(self.rows[index])
        except InputError as error:
            self.error = error
            raise


class PreparedFeatures(CachedFeatures):
    """One split's features in the files of a prepared source.

    An epoch has every note once, except the rest that fills no whole batch, if all lanes have as many notes: `prepare`
    deals them so. Where filters leave a lane fewer notes than others, it repeats some, and others leave some out.
    """

    source: PreparedSource

    def __init__(self, source: PreparedSource, rows: np.ndarray) -> None:
        """Take the notes at `rows` (ascending) of the source's table."""
        self._prepared = PreparedStore(source, rows)
        super().__init__(source, source.config, self._prepared)
        self.source = source
        # Pitch-shifted copies come after all notes: a file's notes are then not one run of `rows`.
        self.files, self._bounds, self._notes = source.files_of(rows)

    def training(
        self,
        *,
        batch_size: int,
        seed: int,
        first_step: int = 0,
        shard: Shard = WHOLE,
        mixup_probability: float = 0.0,
        velocity_pair_probability: float = 0.0,
        instrument_balance: float = 0.0,
    ) -> tf.data.Dataset:
        """Return endless batches; see the base class.

        Partners for mixup are in a note's own window. There are neither pairs of velocities nor balance, which need
        notes of all windows.
        """
        lanes = number_of_lanes(batch_size, len(self.files))

        def plan(order: Order) -> EpochOfLanes:
            steps = self.steps_per_epoch(batch_size)
            return EpochOfLanes(
                [_Lane(self, lane, lanes, order, mixup_probability) for lane in range(lanes)], steps, batch_size
            )

        return self._by_plan(
            plan, self._read_mixed, batch_size=batch_size, seed=seed, first_step=first_step, shard=shard
        )

    def checked(self, dataset: Iterable) -> Iterator:
        """Iterate over a dataset of these notes, and raise the error of a file; see the base class."""
        try:
            yield from super().checked(dataset)
        except tf.errors.OpError as error:
            raise self._prepared.error or error from error

    def notes_of(self, file: int) -> np.ndarray:
        """Return the notes, as rows of `self.table`, in the file of a position in `self.files`."""
        start, end = self._bounds[file : file + 2]
        return np.arange(start, end) if self._notes is None else self._notes[start:end].astype(np.int64)

    def count(self, files: np.ndarray) -> np.ndarray:
        """Return the numbers of notes in files, by their positions in `self.files`."""
        return self._bounds[files + 1] - self._bounds[files]

    def announce(self, file: int) -> None:
        """Let the system read a file ahead: its notes are about to be read, in any order."""
        _read_ahead(self.source.path(int(self.files[file])))


def number_of_lanes(batch_size: int, files: int) -> int:
    """Return the largest power of two that divides the batch and the number of files, at most `MOST_LANES`."""
    lanes = 1
    while 2 * lanes <= MOST_LANES and files % (2 * lanes) == batch_size % (2 * lanes) == 0:
        lanes *= 2
    return lanes


@dataclasses.dataclass
class EpochOfLanes(Sequence[Step]):
    """An epoch's steps, each planned when it is asked for."""

    lanes: list[_Lane]
    steps: int
    batch_size: int

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.steps

    @overload
    def __getitem__(self, step: int) -> Step: ...

    @overload
    def __getitem__(self, step: slice) -> list[Step]: ...

    def __getitem__(self, step: int | slice) -> Step | list[Step]:
        """Return a step's notes and their partners for mixup, lane by lane."""
        if isinstance(step, slice):
            return [self[each] for each in range(*step.indices(len(self)))]
        size = self.batch_size // len(self.lanes)
        parts = [lane.take(step * size, size) for lane in self.lanes]
        notes, partners, fraction = (np.concatenate(values) for values in zip(*parts, strict=True))
        return notes, partners, fraction


class _Lane:
    """The notes of every n-th file in an epoch's order; at the end it begins again, in another order."""

    def __init__(self, notes: PreparedFeatures, lane: int, lanes: int, order: Order, mixup_probability: float) -> None:
        self._notes, self._order, self._probability = notes, (*order, lane), mixup_probability
        self._files = np.arange(lane, len(notes.files), lanes)
        self._size = int(notes.count(self._files).sum())
        # The window that is read, and the one that the batches planned ahead read.
        self._window = functools.lru_cache(maxsize=2)(self._plan_window)
        self._pass = functools.lru_cache(maxsize=2)(self._plan_pass)

    def take(self, first: int, count: int) -> Step:
        """Return notes `first` to `first + count` of the epoch."""
        parts = []
        while count:
            number, position = divmod(first, self._size)
            _, ends = self._pass(number)
            window = int(np.searchsorted(ends, position, side="right"))
            start = int(ends[window - 1]) if window else 0
            part = tuple(values[position - start : position - start + count] for values in self._window(number, window))
            parts.append(part)
            first, count = first + len(part[0]), count - len(part[0])
        notes, partners, fraction = (np.concatenate(values) for values in zip(*parts, strict=True))
        return notes, partners, fraction

    def _plan_pass(self, number: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the files of each window of a pass through the lane, and the number of notes up to each one's end."""
        generator = np.random.default_rng(stable_hash("files", *self._order, number))
        files = generator.permutation(self._files)
        windows = [files[start : start + WINDOW_FILES] for start in range(0, len(files), WINDOW_FILES)]
        return windows, np.cumsum([self._notes.count(window).sum() for window in windows])

    def _plan_window(self, number: int, window: int) -> Step:
        """Return the notes of a window, shuffled, and their partners, which are of the window too."""
        files = self._pass(number)[0][window]
        for file in files:
            self._notes.announce(int(file))
        notes = np.concatenate([self._notes.notes_of(int(file)) for file in files])
        key = stable_hash("window", *self._order, number, window)
        places = np.random.default_rng(key).permutation(len(notes))
        table = self._notes.table
        mixup = plan_mixup(
            table.instrument_str[notes], table.pitch[notes], places[np.newaxis], self._probability, (key, 0)
        )
        return notes[places], notes[mixup.partners[0]], mixup.fraction[0]


@functools.lru_cache(maxsize=2 * MOST_LANES * WINDOW_FILES)
def _read_ahead(path: pathlib.Path) -> None:
    """Ask the system to read a file, once while it is among the latest."""
    if not hasattr(os, "posix_fadvise"):
        return
    # Of another worker's lane, which is planned here too, a file may not be here.
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
