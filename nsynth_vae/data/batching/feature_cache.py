"""Cache of features: computed in one parallel pass, kept in memory or in shards on disk.

A shard is a file of up to `SHARD_NOTES` notes (`data.feature_shards`). Its name is a hash of everything its numbers
depend on, so a stale one is never found.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import MOST_SEMITONES, AudioConfig
from nsynth_vae.data.feature_shards import SHARD_NOTES, feature_shape, read_header, read_note, write_shard
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.data.streaming import stream_notes
from nsynth_vae.errors import InputError
from nsynth_vae.files import remove_abandoned

if TYPE_CHECKING:
    import tensorflow as tf


def stream_features(
    source: Source,
    rows: np.ndarray,
    audio: AudioConfig,
    bad_notes: BadNotes,
    order: tuple[int, int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Compute features in a parallel `tf.data` pipeline: read, decode, check, log-mel; as `stream_notes`.

    Yields:
        (row, log_mel: float32 `[frames, mel_bins]`).
    """
    import tensorflow as tf

    from nsynth_vae import features

    def compute(note: dict) -> tf.Tensor:
        if "semitones" not in note:
            return features.log_mel(note["audio"], audio)
        shifts = [
            functools.partial(features.pitch_shifted_log_mel, note["audio"], audio, semitones)
            for semitones in range(MOST_SEMITONES + 1)
        ]
        return tf.switch_case(note["semitones"], shifts)

    return stream_notes(source, rows, compute, bad_notes, order)


class MemoryStore:
    """All features in one array. `rows` (int64 `[n]`) are the valid notes' rows of the source's table."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        audio: AudioConfig,
        bad_notes: BadNotes,
        progress: Callable[[int], None],
    ) -> None:
        """Compute the features; call `progress` with 1 for each note."""
        self._features = np.empty((len(rows), audio.num_frames, audio.num_mel_bins), np.float32)
        good: list[int] = []
        for row, log_mel in stream_features(source, rows, audio, bad_notes):
            self._features[len(good)] = log_mel
            good.append(row)
            progress(1)
        self.rows = np.array(good, np.int64)

    def read(self, index: np.ndarray) -> np.ndarray:
        """Return float32 `[len(index), frames, mel_bins]` of the notes at these positions in `rows`."""
        return self._features[index]


class DiskStore:
    """Features in shards in a folder; `rows` as in `MemoryStore`."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        audio: AudioConfig,
        bad_notes: BadNotes,
        progress: Callable[[int], None],
        folder: pathlib.Path,
    ) -> None:
        """Compute the shards that the folder lacks; call `progress` with numbers of notes as they are done."""
        from nsynth_vae import features

        self._audio = audio
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        shards = []
        for start in range(0, len(rows), SHARD_NOTES):
            part = rows[start : start + SHARD_NOTES]
            prints = [source.fingerprint(int(row)) for row in part]
            key = stable_hash(audio.to_dict(), features.VERSION, prints)
            shards.append((folder / f"log-mel-{key:016x}", part))
        missing = [(path, part) for path, part in shards if read_header(path, audio, len(part)) is None]
        self._write(source, missing, audio, bad_notes, progress)
        written = {path for path, _ in missing}
        self._paths = [path for path, _ in shards]
        self._offsets: list[int] = []
        good: list[int] = []
        shard_of: list[int] = []
        record_of: list[int] = []
        for number, (path, part) in enumerate(shards):
            found = read_header(path, audio, len(part))
            if found is None:
                raise InputError(f"{path}: cannot be read, expected the features that were just written")
            header, offset = found
            self._offsets.append(offset)
            if path not in written:  # The others' notes were counted, and reported, as they were computed.
                for position, problem in sorted(header["problems"].items(), key=lambda item: int(item[0])):
                    bad_notes.report(source.location(int(part[int(position)])), problem)
                progress(len(part))
            kept = [row for position, row in enumerate(part) if str(position) not in header["problems"]]
            good += kept
            shard_of += [number] * len(kept)
            record_of += range(len(kept))
        self.rows = np.array(good, np.int64)
        self._shard, self._record = np.array(shard_of, np.int32), np.array(record_of, np.int32)

    def read(self, index: np.ndarray) -> np.ndarray:
        """Return the notes' features as `MemoryStore` does, reading only their bytes."""
        batch = np.empty((len(index), *feature_shape(self._audio)), np.float32)
        for position, note in enumerate(index):
            shard = self._shard[note]
            batch[position] = read_note(self._paths[shard], self._offsets[shard], int(self._record[note]), self._audio)
        return batch

    def _write(
        self,
        source: Source,
        missing: list[tuple[pathlib.Path, np.ndarray]],
        audio: AudioConfig,
        bad_notes: BadNotes,
        progress: Callable[[int], None],
    ) -> None:
        """Compute the missing shards in one pass over their notes."""
        if not missing:
            return
        problems = BadNotes(policy="skip")
        notes = stream_features(source, np.concatenate([part for _, part in missing]), audio, problems)
        note = next(notes, None)
        for path, part in missing:
            found: dict[str, str] = {}
            features: list[np.ndarray] = []
            for position, row in enumerate(part):
                if note is not None and note[0] == row:
                    features.append(note[1])
                    note = next(notes, None)
                else:
                    location = source.location(int(row))
                    found[str(position)] = problems.skipped.get(location, "cannot be decoded")
                    bad_notes.report(location, found[str(position)])
                progress(1)
            write_shard(path, features, found)
