"""Batches of log-mel features of one split's notes, for training and validation.

Features are kept in memory, in shards on disk, or computed anew in every epoch; the interface is the same. Batch order
and mixup are pure functions of (seed, epoch).
"""

from __future__ import annotations

import abc
import collections
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.base import WHOLE, IndexedNotes, Order, Shard, SplitNotes, StreamedNotes
from nsynth_vae.data.batching.epoch_plan import mix, plan_balanced_epoch, plan_mixup, plan_velocity_pairs
from nsynth_vae.data.batching.feature_cache import DiskStore, MemoryStore, stream_features
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

RESERVOIR_PER_PITCH = 3
"""Latest notes of each pitch that a stream without a cache keeps as partners for mixup."""


class SplitFeatures(SplitNotes):
    """The features of one split's notes, as batches.

    A batch is {`log_mel`: float32 `[batch, frames, mel_bins]`, `pitch`, `velocity`: int32 `[batch]`, `row`: int64
    `[batch]`}; `row` is the note's row in `self.table`.
    """

    audio: AudioConfig

    @abc.abstractmethod
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

        Some notes are mixed with others (`plan_mixup`). With a `velocity_pair_probability`, `target_log_mel` is what
        a note is to be decoded to, at the batch's pitch and velocity (`plan_velocity_pairs`).
        """

    def _signature(self, batch_size: int | None) -> dict[str, tf.TensorSpec]:
        import tensorflow as tf

        labels = tf.TensorSpec([batch_size], tf.int32)
        return {
            "log_mel": tf.TensorSpec([batch_size, self.audio.num_frames, self.audio.num_mel_bins], tf.float32),
            "pitch": labels,
            "velocity": labels,
            "row": tf.TensorSpec([batch_size], tf.int64),
        }


class FeatureStore(Protocol):
    """Features that can be read in any order; `rows` (int64 `[n]`) are the notes' rows of the source's table."""

    rows: np.ndarray

    def read(self, index: np.ndarray) -> np.ndarray:
        """Return float32 `[len(index), frames, mel_bins]` of the notes at these positions in `rows`."""
        ...


class CachedFeatures(IndexedNotes, SplitFeatures):
    """Features with random access, in memory or on disk."""

    def __init__(self, source: Source, audio: AudioConfig, store: FeatureStore) -> None:
        """Take the store's valid notes."""
        super().__init__(source, store.rows)
        self.audio, self.store = audio, store

    def read(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Return a batch of the notes at these rows of `self.table`."""
        return self._labelled(self.store.read(index), index)

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
        """Return endless batches; see the base class."""
        table = self.table

        def plan(order: Order) -> list[tuple[np.ndarray, ...]]:
            notes = plan_balanced_epoch(table.instrument_str, batch_size, order, instrument_balance)
            mixup = plan_mixup(table.instrument_str, table.pitch, notes, mixup_probability, order)
            targets = plan_velocity_pairs(
                table.instrument_str, table.pitch, table.velocity, notes, velocity_pair_probability, order
            )
            return list(zip(notes, mixup.partners, mixup.fraction, targets, strict=True))

        paired = velocity_pair_probability > 0
        return self._by_plan(
            plan,
            functools.partial(self._read_mixed, paired=paired),
            batch_size=batch_size,
            seed=seed,
            first_step=first_step,
            shard=shard,
            also={"target_log_mel": "log_mel"} if paired else {},
        )

    def _read_mixed(
        self,
        notes: np.ndarray,
        partners: np.ndarray,
        fraction: np.ndarray,
        targets: np.ndarray | None = None,
        *,
        paired: bool = False,
    ) -> dict[str, np.ndarray]:
        """Return a batch of notes, those with a fraction above 0 mixed with their partners; read each note once.

        Notes that are not mixed have their pair's features as `target_log_mel`, and its velocity.
        """
        chosen = np.flatnonzero(fraction)
        others = partners[chosen]
        targets = notes if targets is None else np.where(fraction > 0, notes, targets)
        rows, place = np.unique(np.concatenate([notes, others, targets]), return_inverse=True)
        features = self.store.read(rows)
        batch = self._labelled(features[place[: len(notes)]], notes)
        batch["velocity"] = self.table.velocity[targets].copy()
        batch["log_mel"][chosen], batch["velocity"][chosen] = mix(
            batch["log_mel"][chosen],
            batch["velocity"][chosen],
            features[place[len(notes) : len(notes) + len(others)]],
            self.table.velocity[others],
            fraction[chosen],
        )
        if paired:
            target = features[place[len(notes) + len(others) :]]
            target[chosen] = batch["log_mel"][chosen]
            batch["target_log_mel"] = target
        return batch

    def _labelled(self, log_mel: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
        pitch, velocity = self.table.pitch[index], self.table.velocity[index]
        return {"log_mel": log_mel, "pitch": pitch, "velocity": velocity, "row": index}


class StreamedFeatures(StreamedNotes, SplitFeatures):
    """Features computed anew each epoch; memory does not grow with the number of notes."""

    def __init__(self, source: Source, rows: np.ndarray, audio: AudioConfig, bad_notes: BadNotes) -> None:
        """Take the notes at `rows` of the source's table."""
        super().__init__(source, rows, bad_notes)
        self.audio = audio
        self._places = {int(row): np.int64(place) for place, row in enumerate(rows)}

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

        Partners for mixup are among the notes read before. A stream has neither pairs of velocities nor balance: both
        need notes that it has not read yet.
        """

        def elements(order: Order) -> Iterator[dict[str, np.ndarray]]:
            return self._mixed(order, mixup_probability)

        return self._by_epochs(elements, batch_size=batch_size, seed=seed, first_step=first_step, shard=shard)

    def _stream(self, order: Order | None) -> Iterator[tuple[int, np.ndarray]]:
        return stream_features(self._source, self.rows, self.audio, self._bad_notes, order)

    def _element(self, row: int, values: np.ndarray) -> dict[str, np.ndarray]:
        table = self._source.table
        return {
            "log_mel": values,
            "pitch": table.pitch[row],
            "velocity": table.velocity[row],
            "row": self._places[row],
        }

    def _mixed(self, order: Order, probability: float) -> Iterator[dict[str, np.ndarray]]:
        """Yield notes without end, some mixed with a recent note of the pitch and of another instrument."""
        generator = np.random.default_rng(stable_hash("reservoir", *order))
        recent: dict[int, collections.deque] = {}
        for note in self._endless(order):
            instrument = self.table.instrument_str[note["row"]]
            same_pitch = recent.setdefault(int(note["pitch"]), collections.deque(maxlen=RESERVOIR_PER_PITCH))
            choice, chance, fraction = generator.random(3)
            others = [other for name, other in same_pitch if name != instrument]
            same_pitch.append((instrument, note))
            if others and chance < probability:
                other = others[int(choice * len(others))]
                log_mel, velocity = mix(
                    note["log_mel"], note["velocity"], other["log_mel"], other["velocity"], fraction
                )
                note = note | {"log_mel": log_mel, "velocity": velocity}
            yield note


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
    """Open the features of some notes: in memory, else in shards in `cache_dir`, else streamed.

    Args:
        source: where the notes come from.
        rows: int64 `[n]`, rows of `source.table`.
        audio: the audio configuration.
        bad_notes: gets every invalid note.
        memory: whether all features may be kept in memory; see `feature_megabytes`.
        cache_dir: folder for shards, or None.
        progress: called with numbers of notes as they are done.

    Raises:
        BadNoteError: for an invalid note, under the policy `error`.
        InputError: if no note is left.
    """
    if not memory and cache_dir is None:
        return StreamedFeatures(source, rows, audio, bad_notes)
    store: FeatureStore
    if cache_dir is not None:
        store = DiskStore(source, rows, audio, bad_notes, progress, pathlib.Path(cache_dir))
    else:
        store = MemoryStore(source, rows, audio, bad_notes, progress)
    if not len(store.rows):
        raise InputError(f"{source.name}: no note can be used, expected at least one")
    return CachedFeatures(source, audio, store)


def feature_megabytes(notes: int, audio: AudioConfig) -> float:
    """Return the size in MB (1e6 bytes) of the features of a number of notes."""
    return notes * audio.num_frames * audio.num_mel_bins * 4 / 1e6
