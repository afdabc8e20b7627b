"""What sources of TFRecord files share: one pass over the labels, then streaming by shards."""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.source import BadNotes, NoteTable, Source, check_audio, shuffled
from nsynth_vae.errors import InputError
from nsynth_vae.notes import FAMILIES, QUALITIES, SOURCES, UNKNOWN, Note, parse_instrument_str, parse_note_str

if TYPE_CHECKING:
    import tensorflow as tf

SHUFFLE_RECORDS = 256
"""Serialised records in the shuffle buffer: 65 MB of NSynth's."""

SHARDS_AT_ONCE = 8
"""Shards that are read side by side when the order is shuffled."""

DEFAULT_VELOCITY = 100
"""Velocity of a record that has none."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records."""

    path: str
    split: int
    """Index in `source.SPLITS` or `UNKNOWN`."""


class RecordSource(Source):
    """Notes in TFRecord files, in the order of the files and of the records in them.

    Records are numbered from 0. Without an order the audio comes in ascending order of rows, whatever the
    order that they were asked in. With one, shards are taken in seeded order, several side by side, and
    records go through a bounded shuffle buffer before they are parsed.
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
        """Reads every record once for its labels; the audio is checked but not kept.

        Args:
            name: what `--data` said.
            shards: the files.
            audio: the sample rate and length that are expected.
            bad_notes: gets the records that cannot be used, as `FILE: record 17`.
            log: gets what a user should know.

        Raises:
            InputError: if a file cannot be read at all.
            BadNoteError: for the first bad record, if the policy is `error`.
        """
        self.name, self.config = name, audio
        self._shards = list(shards)
        log(f"{name}: reading the labels of {len(self._shards)} record file{'s' * (len(self._shards) != 1)}")
        notes: list[Note] = []
        splits: list[int] = []
        self._marks, files, numbers = [], [], []
        for index, shard in enumerate(self._shards):
            try:
                status = os.stat(shard.path)
            except OSError as error:
                raise InputError(f"{shard.path}: {error.strerror}, expected a TFRecord file") from error
            self._marks.append(f"{os.path.abspath(shard.path)}:{status.st_size}:{status.st_mtime_ns}")
            for number, note in self._read_labels(shard, bad_notes):
                notes.append(note)
                splits.append(shard.split)
                files.append(index)
                numbers.append(number)
        self.table = NoteTable.from_notes(notes, splits)
        self._file, self._number = np.array(files, np.int32), np.array(numbers, np.int32)

    @abc.abstractmethod
    def _parse(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses one record, in the graph.

        Returns:
            `audio`: float32 `[samples]`; `note_str`, `instrument_str`: string [], empty if unknown; `pitch`,
            `velocity`, `family`, `source`, `sample_rate`: int64 [], `UNKNOWN` if so; `qualities`: int64
            `[10]` or `[0]`.
        """

    def _read_labels(self, shard: Shard, bad_notes: BadNotes) -> Iterator[tuple[int, Note]]:
        """Yields (record, note) of a file's good records; stops at what cannot be read."""
        import tensorflow as tf

        def look(record: tf.Tensor) -> dict[str, tf.Tensor]:
            labels = self._parse(record)
            _, labels["problem"] = check_audio(labels.pop("audio"), self.config)
            return labels

        records = tf.data.TFRecordDataset(shard.path, buffer_size=1 << 20)
        iterator = iter(records.map(look, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(4))
        number = 0
        while True:
            place = f"{shard.path}: record {number}"
            try:
                labels = {key: value.numpy() for key, value in next(iterator).items()}
                yield number, _to_note(labels, self.config)
            except StopIteration:
                return
            except tf.errors.DataLossError:
                bad_notes.report(place, "is corrupt or truncated, as is what follows; expected a whole TFRecord file")
                return
            except tf.errors.OpError as error:
                bad_notes.report(place, f"cannot be parsed ({_first_line(error)}), expected NSynth's fields")
            except InputError as error:
                bad_notes.report(place, str(error))
            number += 1

    def location(self, row: int) -> str:
        """Returns the file and record of a note."""
        return f"{self._shards[self._file[row]].path}: record {self._number[row]}"

    def fingerprint(self, row: int) -> str:
        """Returns the file, its size in bytes and its time in ns, and the record."""
        return f"{self._marks[self._file[row]]}:{self._number[row]}"

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray | None:
        """Returns the rows ascending, or None where there is an order, which only the stream knows."""
        return np.sort(np.asarray(rows, np.int64)) if order is None else None

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Streams the notes' audio; see `Source.audio` and the class."""
        import tensorflow as tf

        rows = np.sort(np.asarray(rows, np.int64))
        paths, ends, wanted = [], [], []
        for index in shuffled(np.unique(self._file[rows]), order):
            own = rows[self._file[rows] == index]
            row_of_record = np.full(int(self._number[own[-1]]) + 1, -1, np.int64)
            row_of_record[self._number[own]] = own
            paths.append(self._shards[index].path)
            wanted.append(row_of_record)
            ends.append(sum(map(len, wanted)))
        rows_of_records = tf.constant(np.concatenate([*wanted, np.zeros(0, np.int64)]))
        starts = [0, *ends[:-1]] if ends else []

        def read(path: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.data.Dataset:
            # The rows end with the last wanted record: what follows, damaged or not, is not read.
            numbers = tf.data.Dataset.from_tensor_slices(rows_of_records[start:end])
            return tf.data.Dataset.zip((numbers, tf.data.TFRecordDataset(path, buffer_size=1 << 20)))

        def parse(row: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
            audio, problem = check_audio(self._parse(record)["audio"], self.config)
            return {"row": row, "audio": audio, "problem": problem}

        files = tf.data.Dataset.from_tensor_slices(
            (
                tf.constant(paths, tf.string, [len(paths)]),
                tf.constant(starts, tf.int64),
                tf.constant(ends, tf.int64),
            )
        )
        at_once = 1 if order is None else max(1, min(SHARDS_AT_ONCE, len(paths)))
        records = files.interleave(read, cycle_length=at_once, block_length=1).filter(lambda row, _: row >= 0)
        if order is not None:
            seed = stable_hash("records", *order) % 2**31
            records = records.shuffle(SHUFFLE_RECORDS, seed=seed, reshuffle_each_iteration=False)
        return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _first_line(error: Exception) -> str:
    return str(error.message).splitlines()[0].split("}} ")[-1][:160]


def _to_note(labels: dict, config: AudioConfig) -> Note:
    """Returns the note of a record's labels.

    Raises:
        InputError: if they are incomplete, out of range or contradict the name, or the audio is bad.
    """
    if labels["problem"]:
        raise InputError(labels["problem"].decode())
    note_str, instrument = (labels[key].decode("utf-8", "replace") for key in ("note_str", "instrument_str"))
    pitch, velocity, rate = (int(labels[key]) for key in ("pitch", "velocity", "sample_rate"))
    if rate not in (UNKNOWN, config.sample_rate):
        raise InputError(f"has a sample_rate of {rate} Hz, expected {config.sample_rate}")
    if pitch == UNKNOWN:
        raise InputError("has no pitch, expected a MIDI pitch from 0 to 127")
    if note_str:
        named = parse_note_str(note_str)
        for key, found in (
            ("pitch", pitch),
            ("velocity", velocity),
            ("instrument_str", instrument or UNKNOWN),
        ):
            if found not in (UNKNOWN, getattr(named, key)):
                raise InputError(f"has {key} {found!r}, expected {getattr(named, key)!r} by its name {note_str}")
        instrument, velocity = named.instrument_str, named.velocity
    elif not instrument:
        raise InputError("has neither note_str nor instrument_str, expected one of them")
    else:
        velocity = DEFAULT_VELOCITY if velocity == UNKNOWN else velocity
        note_str = f"{instrument}-{pitch:03d}-{velocity:03d}"
    family, source = parse_instrument_str(instrument)
    qualities = tuple(int(flag) for flag in labels["qualities"])
    if len(qualities) not in (0, len(QUALITIES)):
        raise InputError(f"has {len(qualities)} qualities, expected {len(QUALITIES)}")
    for key, names in (("family", FAMILIES), ("source", SOURCES)):
        if labels[key] not in range(UNKNOWN, len(names)):
            raise InputError(f"has instrument_{key} {labels[key]}, expected 0 to {len(names) - 1}")
    return Note(
        note_str,
        pitch,
        velocity,
        instrument,
        family if labels["family"] == UNKNOWN else int(labels["family"]),
        source if labels["source"] == UNKNOWN else int(labels["source"]),
        qualities or None,
    )
