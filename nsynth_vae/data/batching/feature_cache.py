"""Features of many notes: computed in one parallel pass, kept in memory or in shards on disk.

A shard is a file of up to `SHARD_NOTES` notes, named by a hash of everything its numbers depend on, so a stale one is
never found, and written aside and renamed, so a kill costs that shard only. Reading one note reads only its bytes.
"""

from __future__ import annotations

import abc
import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import MOST_SEMITONES, AudioConfig
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.data.streaming import stream_notes

if TYPE_CHECKING:
    import tensorflow as tf

SHARD_NOTES = 256


def stream_features(
    source: Source,
    rows: np.ndarray,
    audio: AudioConfig,
    bad_notes: BadNotes,
    order: tuple[int, int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Computes features in a parallel `tf.data` pipeline: read, decode, check, log-mel; as `stream_notes`.

    Yields:
        (row, log_mel: float32 `[frames, mel_bins]`).
    """
    import tensorflow as tf

    from nsynth_vae import features

    def compute(note: dict) -> tf.Tensor:
        if "semitones" not in note:
            return features.log_mel(note["audio"], audio)
        ways = [
            functools.partial(features.pitch_shifted_log_mel, note["audio"], audio, semitones)
            for semitones in range(MOST_SEMITONES + 1)
        ]
        return tf.switch_case(note["semitones"], ways)

    return stream_notes(source, rows, compute, bad_notes, order)


class FeatureStore(abc.ABC):
    """Random access to the features of the good notes among those asked for."""

    rows: np.ndarray
    """int64 `[n]`: the good notes' rows of the source's table."""

    @abc.abstractmethod
    def read(self, index: np.ndarray) -> np.ndarray:
        """Returns float32 `[len(index), frames, mel_bins]` of the notes at these positions in `rows`."""


class MemoryStore(FeatureStore):
    """All features in one array."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        audio: AudioConfig,
        bad_notes: BadNotes,
        progress: Callable[[int], None],
    ) -> None:
        """Computes the features; `progress` is told how many notes were read each time one was."""
        self._features = np.empty((len(rows), audio.num_frames, audio.num_mel_bins), np.float32)
        good = []
        for row, log_mel in stream_features(source, rows, audio, bad_notes):
            self._features[len(good)] = log_mel
            good.append(row)
            progress(1)
        self.rows = np.array(good, np.int64)

    def read(self, index: np.ndarray) -> np.ndarray:
        """Returns the notes' features."""
        return self._features[index]


class DiskStore(FeatureStore):
    """Features in shards below a folder. The file: a line of JSON, padded to 64 bytes, then float32 features."""

    def __init__(
        self,
        source: Source,
        rows: np.ndarray,
        audio: AudioConfig,
        bad_notes: BadNotes,
        progress: Callable[[int], None],
        folder: pathlib.Path,
    ) -> None:
        """Computes the shards that the folder does not have yet."""
        from nsynth_vae import features

        self._shape = (audio.num_frames, audio.num_mel_bins)
        self._note_bytes = 4 * audio.num_frames * audio.num_mel_bins
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        shards = []
        for start in range(0, len(rows), SHARD_NOTES):
            part = rows[start : start + SHARD_NOTES]
            prints = [source.fingerprint(int(row)) for row in part]
            key = stable_hash(audio.to_dict(), features.VERSION, prints)
            shards.append((folder / f"log-mel-{key:016x}", part))
        missing = [(path, part) for path, part in shards if self._header(path) is None]
        self._write(source, missing, audio, bad_notes, progress)
        written = {path for path, _ in missing}
        self._paths, self._offsets = [path for path, _ in shards], []
        good, self._shard, self._record = [], [], []
        for number, (path, part) in enumerate(shards):
            header, offset = self._header(path)
            self._offsets.append(offset)
            if path not in written:  # The others' notes were reported and counted as they were computed.
                for position, problem in sorted(header["problems"].items(), key=lambda item: int(item[0])):
                    bad_notes.report(source.location(int(part[int(position)])), problem)
                progress(len(part))
            kept = [row for position, row in enumerate(part) if str(position) not in header["problems"]]
            good += kept
            self._shard += [number] * len(kept)
            self._record += range(len(kept))
        self.rows = np.array(good, np.int64)
        self._shard, self._record = np.array(self._shard, np.int32), np.array(self._record, np.int32)

    def read(self, index: np.ndarray) -> np.ndarray:
        """Returns the notes' features, reading only their bytes."""
        batch = np.empty((len(index), *self._shape), np.float32)
        for position, note in enumerate(index):
            shard = self._shard[note]
            offset = self._offsets[shard] + int(self._record[note]) * self._note_bytes
            values = np.fromfile(self._paths[shard], np.float32, batch[position].size, offset=offset)
            batch[position] = values.reshape(self._shape)
        return batch

    def _write(self, source, missing, audio, bad_notes, progress) -> None:
        """Computes the missing shards in one pass over their notes."""
        if not missing:
            return
        problems = BadNotes(policy="skip")
        notes = stream_features(source, np.concatenate([part for _, part in missing]), audio, problems)
        note = next(notes, None)
        for path, part in missing:
            found, features = {}, []
            for position, row in enumerate(part):
                if note is not None and note[0] == row:
                    features.append(note[1])
                    note = next(notes, None)
                else:
                    location = source.location(int(row))
                    found[str(position)] = problems.skipped.get(location, "cannot be decoded")
                    bad_notes.report(location, found[str(position)])
                progress(1)
            header = json.dumps({"notes": len(features), "problems": found})
            line = (header.ljust(-(-(len(header) + 1) // 64) * 64 - 1) + "\n").encode()
            aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
            with open(aside, "wb") as file:
                file.write(line)
                for log_mel in features:
                    file.write(log_mel.tobytes())
            aside.replace(path)

    def _header(self, path: pathlib.Path) -> tuple[dict, int] | None:
        """Returns a shard's header and where its features start; None unless the file is there and whole."""
        try:
            with open(path, "rb") as file:
                line = file.readline()
            header = json.loads(line)
            whole = path.stat().st_size == len(line) + header["notes"] * self._note_bytes
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (header, len(line)) if whole else None


def _remove_abandoned(folder: pathlib.Path) -> None:
    """Removes what killed processes of this machine left half-written."""
    for path in folder.glob("log-mel-*.tmp"):
        process = int(path.suffixes[-2][1:]) if path.suffixes[-2][1:].isdigit() else 0
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        except OSError:
            pass
