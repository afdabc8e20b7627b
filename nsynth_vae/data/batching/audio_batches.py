"""Any source's notes as batches of audio and labels: kept in memory, or read anew in every epoch.

Audio is rounded to 16 bits either way: exact for 16-bit sources such as NSynth, -96 dB of full scale for others
(Vorbis, MP3, resampled sounds, 24 bits). So both ways give the same numbers, and where the source can tell its order
(files can, TFRecord cannot) in the same order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.base import SplitNotes, StreamedNotes, by_rows, by_steps
from nsynth_vae.data.source import BadNotes, Source, shuffled
from nsynth_vae.data.streaming import stream_notes
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

BYTES_A_SAMPLE = 2

LABELS = ("pitch",)
"""The labels of a batch where no others are asked for: what a synthesizer is told."""


class AudioNotes(SplitNotes):
    """The audio and labels of one split's notes, as batches.

    A batch is {`audio`: float32 `[batch, num_samples]`, label: int32 `[batch]`, ...}. Labels are columns of a
    `NoteTable`, by their names there; what is not known is `notes.UNKNOWN`. An epoch has every note once, in an order
    that is a pure function of (seed, epoch), but for what is left over a whole number of batches; notes fewer than one
    batch are repeated to fill it.
    """

    config: AudioConfig
    labels: Sequence[str]

    def _signature(self, batch_size: int | None) -> dict[str, tf.TensorSpec]:
        import tensorflow as tf

        audio = {"audio": tf.TensorSpec([batch_size, self.config.num_samples], tf.float32)}
        return audio | {name: tf.TensorSpec([batch_size], tf.int32) for name in self.labels}


class MemoryAudio(AudioNotes):
    """All audio in one array of 16-bit integers."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        config: AudioConfig,
        bad_notes: BadNotes,
        progress: Callable[[int], None] = lambda notes: None,
        labels: Sequence[str] = LABELS,
    ) -> None:
        """Reads the good notes at `rows` of the source's table; `progress` is told of each as it is read.

        Raises:
            BadNoteError: for a bad note, under the policy `error`.
            InputError: if no note is left.
        """
        self._audio = np.empty((len(rows), config.num_samples), np.int16)
        self._step = np.empty(len(rows), np.float32)
        good: list[int] = []
        for row, audio in _stream(source, rows, bad_notes):
            self._audio[len(good)], self._step[len(good)] = quantize(audio)
            good.append(row)
            progress(1)
        if not good:
            raise InputError(f"{source.name}: no note can be used, expected at least one")
        super().__init__(source, np.array(good, np.int64))
        self.config, self.labels, self._source = config, labels, source

    def read(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Returns a batch of the notes at these rows of `self.table`."""
        audio = {"audio": dequantize(self._audio[index], self._step[index, None])}
        return audio | {name: getattr(self.table, name)[index] for name in self.labels}

    def training(self, *, batch_size: int, seed: int, first_step: int = 0) -> tf.data.Dataset:
        """Returns endless batches; see the base classes."""
        steps = self.steps_per_epoch(batch_size)

        @functools.lru_cache(maxsize=2)
        def plan(epoch: int) -> np.ndarray:
            return np.resize(self._order((seed, epoch)), [steps, batch_size])

        def load(step: np.ndarray) -> list[np.ndarray]:
            epoch, position = divmod(int(step), steps)
            return list(self.read(plan(epoch)[position]).values())

        return by_steps(load, self._signature(batch_size), first_step)

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns every note once; see the base class."""
        return by_rows(self.read, len(self.table), batch_size, self._signature(None))

    def _order(self, order: tuple[int, int]) -> np.ndarray:
        """Returns an epoch's notes, as rows of `self.table`: in the source's own order, if it can tell."""
        rows = self._source.order_of(self.rows, order)
        if rows is None:
            return shuffled(np.arange(len(self.rows)), order)
        by_row = np.argsort(self.rows)
        return by_row[np.searchsorted(self.rows, rows, sorter=by_row)]


class StreamedAudio(StreamedNotes, AudioNotes):
    """Audio read anew each epoch; memory does not grow with the number of notes."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        config: AudioConfig,
        bad_notes: BadNotes,
        labels: Sequence[str] = LABELS,
    ) -> None:
        """Takes the notes at `rows` of the source's table."""
        super().__init__(source, rows, bad_notes)
        self.config, self.labels = config, labels

    def training(self, *, batch_size: int, seed: int, first_step: int = 0) -> tf.data.Dataset:
        """Returns endless batches; see the base classes."""
        return self._by_epochs(
            lambda order: map(self._labelled, self._endless(order)),
            self._signature(batch_size),
            batch_size=batch_size,
            seed=seed,
            first_step=first_step,
        )

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns every note once; see the base class."""
        import tensorflow as tf

        names = self._signature(None)
        signature = {name: tf.TensorSpec(spec.shape[1:], spec.dtype) for name, spec in names.items()}

        def generate() -> Iterator[dict]:
            for note in self._notes():
                yield dict(zip(names, self._labelled(note), strict=True))

        return tf.data.Dataset.from_generator(generate, output_signature=signature).batch(batch_size).prefetch(2)

    def _stream(self, order: tuple[int, int] | None) -> Iterator[tuple[int, np.ndarray]]:
        return _stream(self._source, self.rows, self._bad_notes, order)

    def _labelled(self, note: tuple[int, np.ndarray]) -> tuple:
        row, audio = note
        return dequantize(*quantize(audio)), *(getattr(self._source.table, name)[row] for name in self.labels)


def open_audio(
    source: Source,
    rows: np.ndarray,
    config: AudioConfig,
    bad_notes: BadNotes,
    *,
    memory: bool,
    progress: Callable[[int], None] = lambda notes: None,
    labels: Sequence[str] = LABELS,
) -> AudioNotes:
    """Returns the audio of some notes, from memory, or else streamed.

    Args:
        source: where the notes come from.
        rows: int64 `[n]`, rows of `source.table`.
        config: the audio configuration.
        bad_notes: is told of every bad note.
        memory: whether all of it may be held in memory; see `audio_megabytes`.
        progress: is told how many notes were read since it was last told.
        labels: columns of `NoteTable` that the batches are to have.

    Raises:
        BadNoteError: for a bad note, under the policy `error`.
        InputError: if no note is left.
    """
    if memory:
        return MemoryAudio(source, rows, config, bad_notes, progress, labels)
    return StreamedAudio(source, rows, config, bad_notes, labels)


def audio_megabytes(notes: int, config: AudioConfig) -> float:
    """Returns the size in MB (1e6 bytes) of the audio of a number of notes."""
    return notes * config.num_samples * BYTES_A_SAMPLE / 1e6


def quantize(audio: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Returns audio, float32 `[samples]`, as 16-bit integers and the step between two of them.

    The step is 2^-15, as in 16-bit files, or as much more as audio that goes beyond -1..1 needs.
    """
    step = np.float32(max(1.0, float(np.max(np.abs(audio)))) / 2**15)
    return np.clip(np.rint(audio / step), -(2**15), 2**15 - 1).astype(np.int16), step


def dequantize(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Returns the audio, float32, of 16-bit integers and their step."""
    return values.astype(np.float32) * step


def _stream(
    source: Source, rows: np.ndarray, bad_notes: BadNotes, order: tuple[int, int] | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    return stream_notes(source, rows, lambda note: note["audio"], bad_notes, order)
