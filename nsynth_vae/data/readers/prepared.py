"""Reader of prepared features: what `nsynth_vae.prepare` wrote, a folder of feature files and their index.

The index is an `.npz` (arrays, nothing in it can run code): a row a note, in the order of the files and of the notes in
them, and the rest as JSON. Some 50 bytes a note, on disk and in memory, so 300,000 notes are 15 MB.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.feature_shards import feature_shape, read_header, read_note
from nsynth_vae.data.packed_strings import PackedStrings
from nsynth_vae.data.source import BadNotes, NoteTable, Source, shuffled
from nsynth_vae.errors import InputError
from nsynth_vae.files import atomic_write

if TYPE_CHECKING:
    import tensorflow as tf

INDEX = "index.npz"
"""Name of the index in a prepared folder."""

FORMAT_VERSION = 1

_REST = "index.json"

_AUDIO_STEP_BYTES = 4
"""Before the 16-bit samples of a note there is the step between two of them, a float32."""


def audio_file(features: pathlib.Path) -> pathlib.Path:
    """Return the file with the audio of the first notes of a file of features."""
    return features.with_suffix(".audio")


def write_index(
    folder: pathlib.Path, table: NoteTable, copies: np.ndarray, copy_of: np.ndarray, rest: Mapping[str, Any]
) -> int:
    """Write a prepared folder's index atomically.

    Args:
        folder: the prepared folder.
        table: the labels of all stored notes, in their order.
        copies: int `[notes]`: which pitch-shifted copy of another note each is, from 1 on; 0 for a note that is none.
        copy_of: int `[notes]`: the stored note that a copy is of.
        rest: `audio`, `features_version`, `shards` (`[file, notes, notes with audio]` each) and others, as JSON.

    Returns:
        The index's bytes.
    """
    arrays: dict[str, np.ndarray] = {}
    if copies.any():
        arrays |= {"copy": np.asarray(copies, np.int8), "copy_of": np.asarray(copy_of, np.int32)}
    for name in ("instrument_str", "sample_group"):
        number: dict[str, int] = {}
        codes = np.array([number.setdefault(each, len(number)) for each in getattr(table, name)], np.int32)
        arrays[f"{name}_names"], arrays[name] = PackedStrings.pack(number).values, codes
    arrays["note_str"] = PackedStrings.pack(table.note_str).values
    for name in ("pitch", "velocity", "instrument_family", "instrument_source", "qualities", "split"):
        arrays[name] = np.asarray(getattr(table, name), np.int8)
    text = json.dumps({"format_version": FORMAT_VERSION, **rest})
    content = io.BytesIO()
    np.savez_compressed(content, **arrays, **{_REST: np.frombuffer(text.encode(), np.uint8)})
    with atomic_write(folder / INDEX, "prepared index") as temporary, temporary.open("wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    return len(content.getbuffer())


class PreparedSource(Source):
    """Notes whose features are in files already; the audio of all or some of them is there too.

    `table` has the notes, `with_copies` adds their pitch-shifted copies. The features of a row are read by `features`.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        audio: AudioConfig,
        bad_notes: BadNotes,
        log: Callable[[str], None] = print,
        name: str | None = None,
    ) -> None:
        """Read the index; the files are only looked at.

        Args:
            path: the prepared folder.
            audio: the features that are expected.
            bad_notes: not used, since invalid notes are not in the index.
            log: called with each line for the user.
            name: the argument of `--data`, if it is not the path.

        Raises:
            InputError: if the index is broken, a file is missing or not whole, or the features are others.
        """
        self.name, self.config = name or os.fspath(path), audio
        folder = pathlib.Path(path)
        arrays, rest = _read_index(folder)
        _check_features(folder, rest, audio)
        self.copies: int = rest["copies"]
        """Pitch-shifted copies of each training note, at most."""
        self._shards = [_open_shard(folder / file, notes, audio) for file, notes, _ in rest["shards"]]
        self._with_audio = np.array([kept for _, _, kept in rest["shards"]], np.int64)
        self._starts = np.cumsum([0, *(notes for _, notes, _ in rest["shards"])])
        self._copy, self._copy_of = arrays.get("copy"), arrays.get("copy_of")
        self._all = _to_table(arrays)
        self._stored: np.ndarray | None = None
        self.table = self._all
        if self._copy is not None:
            self._stored = np.flatnonzero(self._copy == 0).astype(np.int32)
            self.table = self._all.take(self._stored)
        log(f"{self.name}: {len(self.table):,} prepared notes in {len(self._shards):,} files")

    def with_copies(self, rows: np.ndarray, copies: int) -> tuple[PreparedSource, np.ndarray]:
        """Add the pitch-shifted copies of some notes.

        Args:
            rows: int64 `[n]`, rows of `table`.
            copies: copies of each at most.

        Returns:
            (a source whose first rows are those of `table`, rows of it: `rows` and those of their copies).

        Raises:
            InputError: if fewer were prepared.
        """
        if copies > self.copies:
            raise InputError(
                f"{self.name}: prepared with {self.copies} pitch-shifted copies of a note, expected at least {copies}: "
                f"--pitch-shift-copies {self.copies}, or prepare it anew with --pitch-shift-copies {copies}"
            )
        if self._stored is None or self._copy is None or self._copy_of is None:
            return self, rows
        found = np.flatnonzero((self._copy > 0) & (self._copy <= copies))
        found = found[np.isin(self._copy_of[found], self._stored[rows])]
        joined = object.__new__(PreparedSource)
        joined.__dict__.update(self.__dict__)
        joined._stored = np.concatenate([self._stored, found.astype(np.int32)])
        joined.table = self._all.take(joined._stored)
        return joined, np.concatenate([rows, np.arange(len(self.table), len(joined.table))])

    def files_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the files that some rows of `table` are in.

        Returns:
            (numbers of the files: int64 `[files]`, ascending; where each one's rows begin, and the last one's end:
            int64 `[files + 1]`; positions in `rows` by files: int32 `[n]`, or None if `rows` are so already).
        """
        stored = rows if self._stored is None else self._stored[rows]
        order = None
        if not (stored[1:] > stored[:-1]).all():
            order = np.argsort(stored, kind="stable").astype(np.int32)
            stored = stored[order]
        bounds = np.searchsorted(stored, self._starts)
        files = np.flatnonzero(np.diff(bounds))
        return files, np.r_[bounds[files], len(rows)], order

    def place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (number of the file, number of the note in it), int64 `[n]` each, of some rows of `table`."""
        stored = np.asarray(rows, np.int64) if self._stored is None else self._stored[rows].astype(np.int64)
        shard = np.searchsorted(self._starts, stored, side="right") - 1
        return shard, stored - self._starts[shard]

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Read the features of some rows of `table`, float32 `[n, frames, mel_bins]`; only their bytes are read."""
        result = np.empty((len(rows), *feature_shape(self.config)), np.float32)
        for position, (shard, record) in enumerate(zip(*self.place(rows), strict=True)):
            path, offset = self._shards[shard]
            result[position] = read_note(path, offset, int(record), self.config)
        return result

    def path(self, shard: int) -> pathlib.Path:
        """Return the file of features of a number."""
        return self._shards[shard][0]

    def has_audio(self, rows: np.ndarray) -> np.ndarray:
        """Return bool `[n]`: whether the audio of some rows of `table` is there too."""
        shard, record = self.place(rows)
        return record < self._with_audio[shard]

    def location(self, row: int) -> str:
        """Return the file and record of a note."""
        shard, record = self._place(row)
        return f"{self._shards[shard][0]}: record {record}"

    def _place(self, row: int) -> tuple[int, int]:
        """Return `place` of one row, in a tenth of the time."""
        stored = row if self._stored is None else int(self._stored[row])
        shard = int(self._starts.searchsorted(stored, side="right")) - 1
        return shard, int(stored - self._starts[shard])

    def fingerprint(self, row: int) -> str:
        """Return the file, whose name has a hash of what its features were computed of, and the record."""
        return self.location(row)

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray:
        """Return the rows in the order in which `audio` streams them."""
        return shuffled(np.asarray(rows, np.int64), order)

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Stream the notes' audio, where it was kept; see `Source.audio`."""
        import tensorflow as tf

        def read(row: tf.Tensor) -> dict[str, tf.Tensor]:
            found = tf.numpy_function(lambda row: self.read(int(row)), [row], (tf.float32, tf.string), stateful=False)
            audio, problem = found
            audio = tf.ensure_shape(audio, [self.config.num_samples])
            return {"row": row, "audio": audio, "problem": tf.ensure_shape(problem, [])}

        notes = tf.data.Dataset.from_tensor_slices(tf.constant(self.order_of(rows, order), tf.int64))
        return notes.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note; see `Source.read`."""
        shard, record = self._place(row)
        if record >= self._with_audio[shard]:
            nothing = np.zeros(self.config.num_samples, np.float32)
            return nothing, "was prepared without its audio, expected notes prepared with --keep-audio all"
        return read_audio(audio_file(self._shards[shard][0]), record, self.config), ""


def write_audio(path: pathlib.Path, notes: list[tuple[np.ndarray, np.floating]]) -> None:
    """Write the audio of the first notes of a file of features: (int16 `[num_samples]`, step) of each."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        for samples, step in notes:
            file.write(np.float32(step).tobytes() + samples.tobytes())


def read_audio(path: pathlib.Path, record: int, config: AudioConfig) -> np.ndarray:
    """Read the audio of one note, float32 `[num_samples]`, from what `write_audio` wrote."""
    size = _AUDIO_STEP_BYTES + 2 * config.num_samples
    content = np.fromfile(path, np.uint8, size, offset=record * size)
    step = content[:_AUDIO_STEP_BYTES].view(np.float32)
    return content[_AUDIO_STEP_BYTES:].view(np.int16).astype(np.float32) * step


def _read_index(folder: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    path = folder / INDEX
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        rest = json.loads(arrays.pop(_REST).tobytes())
        if rest["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {rest['format_version']}")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected what nsynth_vae.prepare writes") from error
    return arrays, rest


def _check_features(folder: pathlib.Path, rest: dict[str, Any], audio: AudioConfig) -> None:
    """Raise `InputError` unless the features are those of this configuration, and of this version."""
    from nsynth_vae import features

    found, expected = rest["audio"], audio.to_dict()
    others = [
        f"{name} {found.get(name)} (expected {value})" for name, value in expected.items() if found.get(name) != value
    ]
    if rest["features_version"] != features.VERSION:
        others.append(f"version {rest['features_version']} (expected {features.VERSION})")
    if others:
        raise InputError(f"{folder}: its features have {', '.join(others)}; expected to be prepared anew")


def _open_shard(path: pathlib.Path, notes: int, audio: AudioConfig) -> tuple[pathlib.Path, int]:
    """Return a file of features and the offset of the first one's in bytes."""
    found = read_header(path, audio)
    if found is None or found[0]["notes"] != notes:
        problem = "is damaged" if path.exists() else "is not there"
        raise InputError(f"{path}: {problem}, expected {notes} prepared notes; the same prepare command writes it anew")
    return path, found[1]


def _to_table(arrays: dict[str, np.ndarray]) -> NoteTable:
    """Return the labels of all stored notes."""
    names = {}
    for name in ("instrument_str", "sample_group"):
        names[name] = np.array(PackedStrings(arrays[f"{name}_names"]), object)[arrays[name]]
    if np.array_equal(names["instrument_str"], names["sample_group"]):
        names["sample_group"] = names["instrument_str"]
    table = {name: arrays[name] for name in ("instrument_family", "instrument_source", "qualities", "split")}
    table |= {name: arrays[name].astype(np.int32) for name in ("pitch", "velocity")}
    fields = {"note_str": PackedStrings(arrays["note_str"]), **names, **table}
    return NoteTable(**{field.name: fields[field.name] for field in dataclasses.fields(NoteTable)})
