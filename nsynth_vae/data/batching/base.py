"""What all batches of notes share, be they features or audio: steps, random access by step, streams by epoch."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf


class SplitNotes(abc.ABC):
    """One split's notes, as batches: dictionaries of tensors.

    `table` has the notes' labels, `rows` (int64 `[notes]`) their rows in the source's table. What the batches hold,
    and in which order they come, is up to the subclass, but always a pure function of (seed, step).
    """

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        """Holds the labels of the notes at `rows` of the source's table."""
        self.table, self.rows = source.table.take(rows), rows
        self._error: InputError | None = None

    def steps_per_epoch(self, batch_size: int) -> int:
        """Returns the number of whole batches in the notes, at least one."""
        return max(1, len(self.table) // batch_size)

    @abc.abstractmethod
    def training(self, *, batch_size: int, seed: int, first_step: int = 0) -> tf.data.Dataset:
        """Returns endless shuffled batches of exactly `batch_size` notes, from step `first_step` of the run on."""

    @abc.abstractmethod
    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns every good note once, in order; the last batch can be smaller."""

    def checked(self, dataset: Iterable) -> Iterator:
        """Iterates over a dataset of these notes; a bad note met on the way is raised as what it is.

        Raises:
            BadNoteError: which `tf.data` would hide in an error of its own.
        """
        import tensorflow as tf

        try:
            yield from dataset
        except tf.errors.OpError as error:
            raise self._error or error from error


class StreamedNotes(SplitNotes):
    """Notes read anew each epoch; memory does not grow with their number."""

    def __init__(self, source: Source, rows: np.ndarray, bad_notes: BadNotes) -> None:
        """Takes the notes at `rows` of the source's table."""
        super().__init__(source, rows)
        self._source, self._bad_notes = source, bad_notes

    @abc.abstractmethod
    def _stream(self, order: tuple[int, int] | None) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (row, what is batched) of every good note; see `cache.stream_notes`."""

    def _notes(self, order: tuple[int, int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Reads the notes anew, and keeps the error that ends it for `checked`."""
        try:
            yield from self._stream(order)
        except InputError as error:
            self._error = error
            raise

    def _endless(self, order: tuple[int, int]) -> Iterator[tuple[int, np.ndarray]]:
        """Reads the notes again and again, always in this order."""
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
        elements: Callable[[tuple[int, int]], Iterator[tuple]],
        signature: dict[str, tf.TensorSpec],
        *,
        batch_size: int,
        seed: int,
        first_step: int,
    ) -> tf.data.Dataset:
        """Returns endless batches of the elements, tuples in the signature's order, that (seed, epoch) gives."""
        import tensorflow as tf

        steps = self.steps_per_epoch(batch_size)

        def generate() -> Iterator[dict]:
            epoch, skip = divmod(first_step, steps)
            while True:
                notes = elements((seed, epoch))
                for step in range(steps):
                    batch = [next(notes) for _ in range(batch_size)]
                    if step >= skip:
                        columns = [np.stack(column) for column in zip(*batch, strict=True)]
                        yield dict(zip(signature, columns, strict=True))
                epoch, skip = epoch + 1, 0

        return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2)


def by_steps(
    load: Callable[[int], Sequence[np.ndarray]], signature: dict[str, tf.TensorSpec], first_step: int
) -> tf.data.Dataset:
    """Returns endless batches: what `load` gives, in the signature's order, for each step from `first_step` on."""
    import tensorflow as tf

    def to_batch(step: tf.Tensor) -> dict:
        values = tf.numpy_function(load, [step], [spec.dtype for spec in signature.values()])
        return {
            name: tf.ensure_shape(value, spec.shape)
            for value, (name, spec) in zip(values, signature.items(), strict=True)
        }

    return tf.data.Dataset.counter(first_step).map(to_batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def by_rows(
    read: Callable[[np.ndarray], dict[str, np.ndarray]],
    count: int,
    batch_size: int,
    signature: dict[str, tf.TensorSpec],
) -> tf.data.Dataset:
    """Returns every one of `count` notes once: what `read` gives for their numbers, a batch at a time."""
    import tensorflow as tf

    def generate() -> Iterator[dict]:
        for start in range(0, count, batch_size):
            yield read(np.arange(start, min(start + batch_size, count)))

    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2)
