"""Any source's notes as batches of features, for training and for validation.

Three ways, one interface: features kept in memory, in shards on disk, or computed anew in every epoch (nothing kept).
Batch order, and which notes are paired, are pure functions of (seed, epoch).
"""

from __future__ import annotations

import abc
import collections
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.base import SplitNotes, StreamedNotes, by_rows, by_steps
from nsynth_vae.data.batching.epoch_plan import Blends, blended, plan_blends, plan_epoch
from nsynth_vae.data.batching.feature_cache import DiskStore, FeatureStore, MemoryStore, stream_features
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

RESERVOIR_NOTES = 384
"""Notes that a stream without a cache keeps, over all instruments, as partners for later ones."""

RESERVOIR_PER_INSTRUMENT = 4

RESERVOIR_PER_PITCH = 3
"""Notes that it keeps of each pitch, to blend later ones with."""


class SplitFeatures(SplitNotes):
    """The features of one split's notes, as batches.

    A batch is {`log_mel`: float32 `[batch, frames, mel_bins]`, `pitch`, `velocity`: int32 `[batch]`}, for training
    with `target_log_mel`, `target_pitch`, `target_velocity` as well: the note that each is to be decoded to; for
    `batches` with `row` (int64 `[batch]`), the note's row in `self.table`.
    """

    audio: AudioConfig

    @abc.abstractmethod
    def training(
        self,
        *,
        batch_size: int,
        seed: int,
        first_step: int = 0,
        cross_note_share: float = 0.0,
        blended_share: float = 0.0,
    ) -> tf.data.Dataset:
        """Returns endless batches, of which a share has partners as targets, a share is blended; see the base class."""

    def _signature(self, names: tuple[str, ...], batch_size: int | None) -> dict:
        import tensorflow as tf

        features = tf.TensorSpec([batch_size, self.audio.num_frames, self.audio.num_mel_bins], tf.float32)
        labels = tf.TensorSpec([batch_size], tf.int32)
        rows = tf.TensorSpec([batch_size], tf.int64)
        return {name: features if name.endswith("log_mel") else rows if name == "row" else labels for name in names}


_NOTE = ("log_mel", "pitch", "velocity")
_TARGET = tuple(f"target_{name}" for name in _NOTE)
_ROW = (*_NOTE, "row")


class CachedFeatures(SplitFeatures):
    """Features with random access, in memory or on disk."""

    def __init__(self, source: Source, audio: AudioConfig, store: FeatureStore) -> None:
        """Takes the store's good notes."""
        super().__init__(source, store.rows)
        self.audio, self.store = audio, store

    def read(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Returns a batch of the notes at these rows of `self.table`."""
        return {
            "log_mel": self.store.read(index),
            "pitch": self.table.pitch[index],
            "velocity": self.table.velocity[index],
        }

    def training(
        self,
        *,
        batch_size: int,
        seed: int,
        first_step: int = 0,
        cross_note_share: float = 0.0,
        blended_share: float = 0.0,
    ) -> tf.data.Dataset:
        """Returns endless batches; see the base class."""
        steps = self.steps_per_epoch(batch_size)

        @functools.lru_cache(maxsize=2)
        def plan(epoch: int) -> tuple[np.ndarray, np.ndarray, Blends]:
            labels, order = self.table, (seed, epoch)
            notes, targets = plan_epoch(labels.instrument_str, batch_size, cross_note_share, order)
            blends = plan_blends(labels.instrument_str, labels.pitch, notes, targets, blended_share, order)
            return notes, targets, blends

        def load(step: np.ndarray) -> list[np.ndarray]:
            epoch, position = divmod(int(step), steps)
            notes, targets, blends = plan(epoch)
            fraction = blends.fraction[position]
            return [
                *self._read_blended(notes[position], blends.notes[position], fraction),
                *self._read_blended(targets[position], blends.targets[position], fraction),
            ]

        return by_steps(load, self._signature(_NOTE + _TARGET, batch_size), first_step)

    def _read_blended(self, notes: np.ndarray, others: np.ndarray, fraction: np.ndarray) -> tuple[np.ndarray, ...]:
        """Returns (log_mel, pitch, velocity) of notes, those with a fraction above 0 blended with the others."""
        note = tuple(self.read(notes).values())
        chosen = np.flatnonzero(fraction)
        other = tuple(self.read(others[chosen]).values())
        between = blended(tuple(values[chosen] for values in note), other, fraction[chosen])
        for values, new in zip(note, between, strict=True):
            values[chosen] = new
        return note

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns every note once; see the base class."""
        signature = self._signature(_ROW, None)
        return by_rows(lambda index: self.read(index) | {"row": index}, len(self.table), batch_size, signature)


class StreamedFeatures(StreamedNotes, SplitFeatures):
    """Features computed anew each epoch; memory does not grow with the number of notes."""

    def __init__(self, source: Source, rows: np.ndarray, audio: AudioConfig, bad_notes: BadNotes) -> None:
        """Takes the notes at `rows` of the source's table."""
        super().__init__(source, rows, bad_notes)
        self.audio = audio

    def training(
        self,
        *,
        batch_size: int,
        seed: int,
        first_step: int = 0,
        cross_note_share: float = 0.0,
        blended_share: float = 0.0,
    ) -> tf.data.Dataset:
        """Returns endless batches; see the base class.

        Partners come from the notes read before. A note with another one as its target is not blended.
        """
        cross = round(batch_size * cross_note_share)
        return self._by_epochs(
            lambda order: self._pairs(order, batch_size, cross, blended_share),
            self._signature(_NOTE + _TARGET, batch_size),
            batch_size=batch_size,
            seed=seed,
            first_step=first_step,
        )

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Returns every note once; see the base class."""
        import tensorflow as tf

        places = {int(row): place for place, row in enumerate(self.rows)}

        def generate() -> Iterator[dict]:
            for row, log_mel in self._notes():
                yield dict(zip(_ROW, (*self._labelled(row, log_mel), places[row]), strict=True))

        signature = {
            name: tf.TensorSpec(spec.shape[1:], spec.dtype) for name, spec in self._signature(_ROW, None).items()
        }
        return tf.data.Dataset.from_generator(generate, output_signature=signature).batch(batch_size).prefetch(2)

    def _stream(self, order: tuple[int, int] | None) -> Iterator[tuple[int, np.ndarray]]:
        return stream_features(self._source, self.rows, self.audio, self._bad_notes, order)

    def _labelled(self, row: int, log_mel: np.ndarray) -> tuple:
        table = self._source.table
        return log_mel, table.pitch[row], table.velocity[row]

    def _pairs(self, order: tuple[int, int], batch_size: int, cross: int, blended_share: float) -> Iterator[tuple]:
        """Yields (note, target) without end.

        The first `cross` of a batch have a partner if one was met before; of the others a share is blended, if a note
        of the pitch and of another instrument was met.
        """
        generator = np.random.default_rng(stable_hash("reservoir", *order))
        reservoir: dict[str, collections.deque] = {}
        held = collections.deque()
        at_pitch: dict[int, collections.deque] = {}
        for position, (row, log_mel) in enumerate(self._endless(order)):
            note = self._labelled(row, log_mel)
            instrument = self._source.table.instrument_str[row]
            partners = reservoir.setdefault(instrument, collections.deque())
            same_pitch = at_pitch.setdefault(int(note[1]), collections.deque(maxlen=RESERVOIR_PER_PITCH))
            choice, blend, fraction = generator.random(3)
            if position % batch_size < cross and partners:
                yield note + partners[int(choice * len(partners))]
            else:
                others = [other for name, other in same_pitch if name != instrument]
                shown = note
                if others and blend < blended_share:
                    shown = blended(note, others[int(choice * len(others))], fraction)
                yield shown + shown
            same_pitch.append((instrument, note))
            partners.append(note)
            held.append(instrument)
            if len(partners) > RESERVOIR_PER_INSTRUMENT:
                partners.popleft()
                held.remove(instrument)
            elif len(held) > RESERVOIR_NOTES:
                reservoir[held.popleft()].popleft()


def open_features(
    source: Source,
    rows: np.ndarray,
    audio: AudioConfig,
    bad_notes: BadNotes,
    *,
    memory: bool,
    cache_dir: pathlib.Path | None = None,
    progress: Callable[[int], None] = lambda notes: None,
) -> SplitFeatures:
    """Returns the features of some notes: from memory, else from shards in `cache_dir`, else streamed.

    Args:
        source: where the notes come from.
        rows: int64 `[n]`, rows of `source.table`.
        audio: the audio configuration.
        bad_notes: is told of every bad note.
        memory: whether all features may be held in memory; see `fits_in_memory`.
        cache_dir: folder for shards, or None.
        progress: is told how many notes were done since it was last told.

    Raises:
        BadNoteError: for a bad note, under the policy `error`.
        InputError: if no note is left.
    """
    if not memory and cache_dir is None:
        return StreamedFeatures(source, rows, audio, bad_notes)
    if cache_dir is not None:
        store = DiskStore(source, rows, audio, bad_notes, progress, pathlib.Path(cache_dir))
    else:
        store = MemoryStore(source, rows, audio, bad_notes, progress)
    if not len(store.rows):
        raise InputError(f"{source.name}: no note can be used, expected at least one")
    return CachedFeatures(source, audio, store)


def feature_megabytes(notes: int, audio: AudioConfig) -> float:
    """Returns the size in MB (1e6 bytes) of the features of a number of notes."""
    return notes * audio.num_frames * audio.num_mel_bins * 4 / 1e6
