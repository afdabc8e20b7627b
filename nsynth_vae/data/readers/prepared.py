"""Reader of prepared features: what `nsynth_vae.prepare` wrote, a folder of feature files and their index."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.feature_shards import feature_shape, file_size, read_note
from nsynth_vae.data.prepared_index import read_index, to_table
from nsynth_vae.data.source import BadNotes, Source, shuffled
from nsynth_vae.errors import InputError
from nsynth_vae.files import atomic_write

if TYPE_CHECKING:
    import tensorflow as tf

_AGAIN = "the same prepare command writes it anew"

_AUDIO_STEP_BYTES = 4
"""Before the 16-bit samples of a note there is the step between two of them, a float32."""


def audio_file(features: pathlib.Path) -> pathlib.Path:
    """Return the file with the audio of the first notes of a file of features."""
    return features.with_suffix(".audio")


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
        """Read the index; of the files, only the sizes are looked at.

        Args:
            path: the prepared folder.
            audio: the features that are expected.
            bad_notes: not used, since invalid notes are not in the index.
            log: called with each line for the user.
            name: the argument of `--data`, if it is not the path.

        Raises:
            InputError: if the index is broken, no file is there or one is not whole, or the features are others.
        """
        self.name, self.config = name or os.fspath(path), audio
        folder = pathlib.Path(path)
        arrays, rest = read_index(folder)
        _check_features(folder, rest, audio)
        self.copies: int = rest["copies"]
        """Pitch-shifted copies of each training note, at most."""
        files, notes, kept, offsets = zip(*rest["shards"], strict=True)
        self._shards = [(folder / file, offset) for file, offset in zip(files, offsets, strict=True)]
        self._with_audio, self._starts = np.array(kept, np.int64), np.cumsum([0, *notes])
        there = sum(_is_there(*shard, size, audio) for shard, size in zip(self._shards, notes, strict=True))
        if not there:
            raise InputError(f"{self.name}: has only an index, expected {files[0]} and others: {_AGAIN}")
        self._copy, self._copy_of = arrays.get("copy"), arrays.get("copy_of")
        self._all = to_table(arrays)
        self._stored: np.ndarray | None = None
        self.table = self._all
        if self._copy is not None:
            self._stored = np.flatnonzero(self._copy == 0).astype(np.int32)
            self.table = self._all.take(self._stored)
        others = "" if there == len(files) else f", of which {len(files) - there:,} are not here"
        log(f"{self.name}: {len(self.table):,} prepared notes in {len(files):,} files{others}")

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
            try:
                result[position] = read_note(path, offset, int(record), self.config)
            except (OSError, ValueError) as error:
                problem = getattr(error, "strerror", None) or "is damaged"
                raise InputError(f"{path}: {problem}, expected prepared notes: {_AGAIN}") from error
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


def _is_there(path: pathlib.Path, offset: int, notes: int, audio: AudioConfig) -> bool:
    """Return whether a file of features is there; a worker of a cluster may have its own lanes' alone.

    Raises:
        InputError: if it is not whole.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    if size != file_size(offset, notes, audio):
        raise InputError(f"{path}: is damaged, expected {notes} prepared notes: {_AGAIN}")
    return True
