"""Batches of one split's notes: random access by step, streams by epoch."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

Order = tuple[int, int]
"""(seed, epoch)."""

Shard = tuple[int, int]
"""(index, number): which of a number of equal, contiguous parts of each batch is read; `WHOLE` is all of it."""

WHOLE: Shard = (0, 1)


def shard_rows(batch_size: int, shard: Shard) -> slice:
    """Return a shard's rows of a batch, of a size that the number of shards divides."""
    size = batch_size // shard[1]
    return slice(size * shard[0], size * (shard[0] + 1))


class SplitNotes(abc.ABC):
    """One split's notes, as batches: dictionaries of tensors.

    `table` has the notes' labels, `rows` (int64 `[notes]`) their rows in the source's table. The contents of the
    batches and their order are up to the subclass, but always a pure function of (seed, step).
    """

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        """Hold the labels of the notes at `rows` of the source's table."""
        self.table, self.rows = source.table.take(rows), rows
        self._error: InputError | None = None

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of whole batches in the notes, at least one."""
        return max(1, len(self.table) // batch_size)

    @abc.abstractmethod
    def training(self, *, batch_size: int, seed: int, first_step: int = 0, shard: Shard = WHOLE) -> tf.data.Dataset:
        """Return endless shuffled batches of exactly `batch_size` notes, from step `first_step` of the run on.

        Of each batch, only the rows of `shard` are given: a worker's part. They are those of the whole batch.
        """

    @abc.abstractmethod
    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Return every valid note once, in order; the last batch can be smaller."""

    @abc.abstractmethod
    def _signature(self, batch_size: int | None) -> dict[str, tf.TensorSpec]:
        """Return the names, shapes and types of a batch."""

    def checked(self, dataset: Iterable) -> Iterator:
        """Iterate over a dataset of these notes, and raise an invalid note's own error.

        Raises:
            BadNoteError: which `tf.data` would hide in an error of its own.
        """
        import tensorflow as tf

        try:
            yield from dataset
        except tf.errors.OpError as error:
            raise self._error or error from error


class IndexedNotes(SplitNotes):
    """Notes with random access, in memory or on disk."""

    @abc.abstractmethod
    def read(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Return a batch of the notes at these rows of `self.table`."""

    def read_all(self) -> dict[str, np.ndarray]:
        """Return all notes as one batch, in order."""
        return self.read(np.arange(len(self.table)))

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Return every note once; see the base class."""
        import tensorflow as tf

        def generate() -> Iterator[dict]:
            for start in range(0, len(self.table), batch_size):
                yield self.read(np.arange(start, min(start + batch_size, len(self.table))))

        return tf.data.Dataset.from_generator(generate, output_signature=self._signature(None)).prefetch(2)

    def _by_plan(
        self,
        plan: Callable[[Order], Sequence[tuple[np.ndarray, ...]]],
        load: Callable[..., dict[str, np.ndarray]],
        *,
        batch_size: int,
        seed: int,
        first_step: int,
        shard: Shard,
        also: Mapping[str, str] | None = None,
    ) -> tf.data.Dataset:
        """Return endless batches: `load` of each step's arguments, which `plan` gives for a whole epoch.

        Each argument has an item for each row of the batch. `also` are further tensors, each with the name of one of
        the same specification.
        """
        import tensorflow as tf

        steps, rows = self.steps_per_epoch(batch_size), shard_rows(batch_size, shard)
        signature = self._signature(batch_size // shard[1])
        signature |= {name: signature[like] for name, like in (also or {}).items()}
        planned = functools.lru_cache(maxsize=2)(lambda epoch: plan((seed, epoch)))

        def load_step(step: np.ndarray) -> list[np.ndarray]:
            epoch, position = divmod(int(step), steps)
            return list(load(*(argument[rows] for argument in planned(epoch)[position])).values())

        def to_batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
            values = tf.numpy_function(load_step, [step], [spec.dtype for spec in signature.values()])
            specs = zip(values, signature.items(), strict=True)
            return {name: tf.ensure_shape(value, spec.shape) for value, (name, spec) in specs}

        return tf.data.Dataset.counter(first_step).map(to_batch, num_parallel_calls=2, deterministic=True).prefetch(2)


class StreamedNotes(SplitNotes):
    """Notes read anew each epoch; memory does not grow with their number."""

    def __init__(self, source: Source, rows: np.ndarray, bad_notes: BadNotes) -> None:
        """Take the notes at `rows` of the source's table."""
        super().__init__(source, rows)
        self._source, self._bad_notes = source, bad_notes

    @abc.abstractmethod
    def _stream(self, order: Order | None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (row, values) of every valid note; see `streaming.stream_notes`."""

    @abc.abstractmethod
    def _element(self, row: int, values: np.ndarray) -> dict[str, np.ndarray]:
        """Return a batch's element, in the signature's order."""

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Return every note once; see the base class."""
        import tensorflow as tf

        signature = {name: tf.TensorSpec(spec.shape[1:], spec.dtype) for name, spec in self._signature(None).items()}
        notes = tf.data.Dataset.from_generator(self._notes, output_signature=signature)
        return notes.batch(batch_size).prefetch(2)

    def _notes(self, order: Order | None = None) -> Iterator[dict[str, np.ndarray]]:
        """Read the notes anew, and keep the error that ends it for `checked`."""
        try:
            for row, values in self._stream(order):
                yield self._element(row, values)
        except InputError as error:
            self._error = error
            raise

    def _endless(self, order: Order) -> Iterator[dict[str, np.ndarray]]:
        """Read the notes again and again, always in this order."""
        while True:
            found = False
            for note in self._notes(order):
                found = True
                yield note
            if not found:
                self._error = InputError(f"{self._source.name}: no note can be used, expected at least one")
                raise self._error

    def _by_epochs(
        self,
        elements: Callable[[Order], Iterator[dict[str, np.ndarray]]],
        *,
        batch_size: int,
        seed: int,
        first_step: int,
        shard: Shard,
    ) -> tf.data.Dataset:
        """Return endless batches of an epoch's elements, which (seed, epoch) gives; other shards' are read too."""
        import tensorflow as tf

        steps, rows = self.steps_per_epoch(batch_size), shard_rows(batch_size, shard)
        signature = self._signature(batch_size // shard[1])

        def generate() -> Iterator[dict[str, np.ndarray]]:
            epoch, skip = divmod(first_step, steps)
            while True:
                notes = elements((seed, epoch))
                for step in range(steps):
                    batch = [next(notes) for _ in range(batch_size)]
                    if step >= skip:
                        yield {name: np.stack([note[name] for note in batch[rows]]) for name in signature}
                epoch, skip = epoch + 1, 0

        return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2)
