"""Base of sources of TFRecord files: one pass over the labels, then streaming by shards."""

from __future__ import annotations

import abc
import array
import copy
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.audio_formats import other_kind
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.readers.record_shards import Shard
from nsynth_vae.data.source import (
    BadNotes,
    NoteTable,
    Source,
    check_audio,
    file_fingerprint,
    shuffled,
)
from nsynth_vae.errors import InputError
from nsynth_vae.notes import (
    DEFAULT_VELOCITY,
    UNKNOWN,
    Note,
    format_note_str,
    parse_instrument_str,
    parse_note_str,
    plural,
)

if TYPE_CHECKING:
    import tensorflow as tf

SHUFFLE_RECORDS = 256
"""Serialised records in the shuffle buffer: 65 MB of NSynth's."""

SHARDS_AT_ONCE = 8
"""Shards that are read side by side when the order is shuffled."""


class RecordSource(Source):
    """Notes in TFRecord files, in the order of the files and of the records in them.

    Records are numbered from 0. Without an order the audio comes in ascending order of rows, whatever the order
    of the request. With one, shards are read in seeded order, several at once, and records go through a bounded shuffle
    buffer before they are parsed.
    """

    def __init__(
        self,
        name: str,
        shards: Sequence[Shard],
        *,
        audio: AudioConfig,
        bad_notes: BadNotes,
        log: Callable[[str], None] = print,
    ) -> None:
        """Read every record once for its labels; the audio is checked but not kept.

        Args:
            name: the argument of `--data`.
            shards: the files.
            audio: the expected sample rate and length.
            bad_notes: gets the records that cannot be used, as `FILE: record 17`.
            log: called with each line for the user.

        Raises:
            InputError: if a file cannot be read at all.
            BadNoteError: for the first invalid record, if the policy is `error`.
        """
        self.name, self.config = name, audio
        self._shards = list(shards)
        log(f"{name}: reading the labels of {len(self._shards)} record {plural(len(self._shards), 'file')}")
        splits, files, numbers = array.array("b"), array.array("i"), array.array("i")
        self._fingerprints = [file_fingerprint(shard.path, "a TFRecord file") for shard in self._shards]

        def notes() -> Iterator[Note]:
            for index, shard in enumerate(self._shards):
                for number, note in self._read_labels(shard, bad_notes, log):
                    splits.append(shard.split)
                    files.append(index)
                    numbers.append(number)
                    yield note

        self.table = NoteTable.from_notes(notes(), splits)
        self._file, self._number = np.array(files, np.int32), np.array(numbers, np.int32)
        self._offsets: dict[str, np.ndarray] = {}

    def subset(self, rows: np.ndarray) -> RecordSource:
        """Return a source of some rows alone; see `Source.subset`. Reading begins at the first one's record."""
        part, rows = copy.copy(self), np.sort(rows)
        files, part._file = np.unique(self._file[rows], return_inverse=True)
        part.table, part._number = self.table.take(rows), self._number[rows]
        firsts = [int(part._number[np.flatnonzero(part._file == index)[0]]) for index in range(len(files))]
        part._shards = [self._from(self._shards[file], first) for file, first in zip(files, firsts, strict=True)]
        part._fingerprints = [self._fingerprints[file] for file in files]
        part._offsets = {}
        return part

    def _from(self, shard: Shard, record: int) -> Shard:
        """Return a file to be read from a record on; a compressed one is read from its begin."""
        if shard.compression:
            return shard
        if shard.path not in self._offsets:
            self._offsets[shard.path] = _record_offsets(shard.path)
        return dataclasses.replace(shard, first=record, offset=int(self._offsets[shard.path][record]))

    @abc.abstractmethod
    def _parse(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parse one record, in the graph.

        Returns:
            `audio`: float32 `[samples]`; `note_str`, `instrument_str`: string [], empty if unknown; `pitch`,
            `velocity`, `family`, `source`, `sample_rate`: int64 or float32 [], `UNKNOWN` if unknown; `qualities`:
            the same `[10]` or `[0]`.
        """

    def _parse_audio(self, record: tf.Tensor) -> tf.Tensor:
        """Parse the audio of one record alone, in the graph; float32 `[samples]`."""
        return self._parse(record)["audio"]

    def _parse_slowly(self, record: bytes) -> dict:
        """Parse one record that `_parse` does not, in Python.

        Returns:
            As `_parse`, in numpy but for the audio.

        Raises:
            InputError: if it cannot be parsed; says why.
        """
        raise InputError("cannot be parsed, expected the features of its data set")

    def _read_labels(self, shard: Shard, bad_notes: BadNotes, log: Callable[[str], None]) -> Iterator[tuple[int, Note]]:
        """Yield (record, note) of a file's valid records; stop at the first that cannot be read."""
        import tensorflow as tf

        def look(record: tf.Tensor) -> dict[str, tf.Tensor]:
            labels = self._parse(record)
            _, labels["problem"] = check_audio(labels.pop("audio"), self.config)
            return labels

        records = tf.data.TFRecordDataset(os.fsencode(shard.path), shard.compression, buffer_size=1 << 20)
        iterator = iter(records.map(look, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(4))
        unparsed = enumerate(records.as_numpy_iterator())
        number = 0
        while True:
            place = f"{shard.path}: record {number}"
            try:
                try:
                    labels = {key: value.numpy() for key, value in next(iterator).items()}
                except tf.errors.InvalidArgumentError:
                    labels = self._parse_slowly(next(record for index, record in unparsed if index == number))
                    labels["problem"] = check_audio(labels.pop("audio"), self.config)[1].numpy()
                yield number, _to_note(labels, self.config)
            except StopIteration:
                if not number and shard.is_empty:
                    log(f"{shard.path}: is empty")
                elif not number:
                    bad_notes.report(place, f"is no record; expected a whole {shard.kind}")
                return
            except tf.errors.DataLossError:
                found = "corrupt or truncated, as is what follows"
                if not number and not shard.compression:
                    found = other_kind(shard.head) or found
                bad_notes.report(place, f"is {found}; expected a whole {shard.kind}")
                return
            except InputError as error:
                bad_notes.report(place, str(error))
            number += 1

    def location(self, row: int) -> str:
        """Return the file and record of a note."""
        return f"{self._shards[self._file[row]].path}: record {self._number[row]}"

    def fingerprint(self, row: int) -> str:
        """Return the file, its size in bytes and its time in ns, and the record."""
        return f"{self._fingerprints[self._file[row]]}:{self._number[row]}"

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray | None:
        """Return the rows ascending, or None where there is an order, which is not known before streaming."""
        return np.sort(np.asarray(rows, np.int64)) if order is None else None

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Stream the notes' audio; see `Source.audio` and the class."""
        import tensorflow as tf

        rows = np.sort(np.asarray(rows, np.int64))
        shards, ends, wanted = [], [], []
        for index in shuffled(np.unique(self._file[rows]), order):
            own = rows[self._file[rows] == index]
            shard = self._shards[index]
            row_of_record = np.full(int(self._number[own[-1]]) + 1 - shard.first, -1, np.int64)
            row_of_record[self._number[own] - shard.first] = own
            shards.append(shard)
            wanted.append(row_of_record)
            ends.append(sum(map(len, wanted)))
        rows_of_records = tf.constant(np.concatenate([*wanted, np.zeros(0, np.int64)]))
        starts = [0, *ends[:-1]] if ends else []

        def read(path: tf.Tensor, compression: tf.Tensor, place: tf.Tensor) -> tf.data.Dataset:
            # The rows end with the last wanted record: later ones, damaged or not, are not read.
            numbers = tf.data.Dataset.from_tensor_slices(rows_of_records[place[0] : place[1]])
            # `tf.data.TFRecordDataset` has no argument for the offset.
            records = tf.raw_ops.TFRecordDatasetV2(
                filenames=[path], compression_type=compression, buffer_size=1 << 20, byte_offsets=[place[2]]
            )
            records = tf.data.experimental.from_variant(records, tf.TensorSpec([], tf.string))
            return tf.data.Dataset.zip((numbers, records))

        def parse(row: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
            audio, problem = check_audio(self._parse_audio(record), self.config)
            return {"row": row, "audio": audio, "problem": problem}

        files = tf.data.Dataset.from_tensor_slices(
            (
                tf.constant([os.fsencode(shard.path) for shard in shards], tf.string, [len(shards)]),
                tf.constant([shard.compression for shard in shards], tf.string, [len(shards)]),
                tf.constant(
                    [*zip(starts, ends, [shard.offset for shard in shards], strict=True)], tf.int64, [len(shards), 3]
                ),
            )
        )
        at_once = 1 if order is None else max(1, min(SHARDS_AT_ONCE, len(shards)))
        records = files.interleave(read, cycle_length=at_once, block_length=1).filter(lambda row, _: row >= 0)
        if order is not None:
            seed = stable_hash("records", *order) % 2**31
            records = records.shuffle(SHUFFLE_RECORDS, seed=seed, reshuffle_each_iteration=False)
        return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _record_offsets(path: str) -> np.ndarray:
    """Return where each record of an uncompressed TFRecord file begins, in bytes, int64 `[records]`.

    A record is its length in 8 bytes, their checksum in 4, the content, and its checksum in 4.
    """
    offsets, position, size = [], 0, pathlib.Path(path).stat().st_size
    with pathlib.Path(path).open("rb", buffering=0) as file:
        while position < size:
            offsets.append(position)
            position += 16 + int.from_bytes(os.pread(file.fileno(), 8, position), "little")
    return np.array(offsets, np.int64)


def _to_note(labels: dict, config: AudioConfig) -> Note:
    """Return the note of a record's labels.

    Raises:
        InputError: if they are incomplete, out of range or contradict the name, or the audio is invalid.
    """
    if labels["problem"]:
        raise InputError(labels["problem"].decode())
    for key in ("pitch", "velocity", "sample_rate", "family", "source", "qualities"):
        if odd := [value for value in np.ravel(labels[key]) if not float(value).is_integer()]:
            raise InputError(f"has {key} {odd[0]}, expected a whole number")
    note_str, instrument = (labels[key].decode("utf-8", "replace") for key in ("note_str", "instrument_str"))
    pitch, velocity, rate = (int(labels[key]) for key in ("pitch", "velocity", "sample_rate"))
    if rate not in (UNKNOWN, config.sample_rate):
        raise InputError(f"has a sample_rate of {rate} Hz, expected {config.sample_rate}")
    if pitch == UNKNOWN:
        raise InputError("has no pitch, expected a MIDI pitch from 0 to 127")
    if note_str:
        named = parse_note_str(note_str)
        for key, found in (("pitch", pitch), ("velocity", velocity), ("instrument_str", instrument or UNKNOWN)):
            if found not in (UNKNOWN, getattr(named, key)):
                raise InputError(f"has {key} {found!r}, expected {getattr(named, key)!r} by its name {note_str}")
        instrument, velocity = named.instrument_str, named.velocity
    elif not instrument:
        raise InputError("has neither note_str nor instrument_str, expected one of them")
    else:
        velocity = DEFAULT_VELOCITY if velocity == UNKNOWN else velocity
        note_str = format_note_str(instrument, pitch, velocity)
    family, source = parse_instrument_str(instrument)
    family = family if labels["family"] == UNKNOWN else int(labels["family"])
    source = source if labels["source"] == UNKNOWN else int(labels["source"])
    qualities = tuple(int(flag) for flag in labels["qualities"]) or None
    return Note(note_str, pitch, velocity, instrument, family, source, qualities)
