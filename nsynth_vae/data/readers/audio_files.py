"""Base of sources with one audio file per note."""

from __future__ import annotations

import abc
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis import sound_files
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import NoteTable, Source, file_fingerprint, shuffled

if TYPE_CHECKING:
    import tensorflow as tf


class FolderSource(Source):
    """Notes that are one file each, shuffled by name before audio is read."""

    needs_tensorflow = False
    formats: tuple[str, ...]
    """Formats of `audio_headers.FORMATS` that this source's files may have."""

    def __init__(self, name: str, table: NoteTable, paths: list[str], config: AudioConfig) -> None:
        """Hold the table and each row's file.

        Args:
            name: the argument of `--data`.
            table: the notes.
            paths: their files, in the table's order.
            config: the target sample rate and length.
        """
        self.name = name
        self.table = table
        self.config = config
        self._paths = np.empty(len(paths), dtype=object)
        self._paths[:] = paths

    def location(self, row: int) -> str:
        """Return the note's file."""
        return self._paths[row]

    def fingerprint(self, row: int) -> str:
        """Return the note's file, its size in bytes and its time in ns.

        Raises:
            InputError: if the file is gone.
        """
        return file_fingerprint(self._paths[row], "the file that was there before")

    def order_of(self, rows: np.ndarray, order: tuple[int, int] | None) -> np.ndarray:
        """Return the rows in the order in which `audio` streams them."""
        return shuffled(np.asarray(rows, np.int64), order)

    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note, without TensorFlow; see `Source.read`."""
        try:
            audio, sample_rate = sound_files.decode(
                sound_files.read_bytes(pathlib.Path(self._paths[row])), self.formats
            )
        except ValueError as error:
            return np.zeros(self.config.num_samples, np.float32), str(error)
        return self._read(audio, sample_rate)

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Stream the notes' audio; see `Source.audio`."""
        import tensorflow as tf

        from nsynth_vae.data.decoding.decode import decode

        def read(row: tf.Tensor, path: tf.Tensor) -> dict[str, tf.Tensor]:
            audio, sample_rate, problem = decode(tf.io.read_file(path), self.formats)
            audio, problem = tf.cond(
                tf.equal(problem, ""),
                lambda: self._to_note(audio, sample_rate),
                lambda: (tf.zeros([self.config.num_samples]), problem),
            )
            return {"row": row, "audio": tf.ensure_shape(audio, [self.config.num_samples]), "problem": problem}

        rows = self.order_of(rows, order)
        paths = tf.constant([os.fspath(path) for path in self._paths[rows]], tf.string)
        files = tf.data.Dataset.from_tensor_slices((tf.constant(rows, tf.int64), paths))
        return files.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    @abc.abstractmethod
    def _to_note(self, audio: tf.Tensor, sample_rate: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Make a note of a file's audio, in the graph.

        Args:
            audio: float32 `[samples, channels]`.
            sample_rate: int64 [], Hz.

        Returns:
            (audio: float32 `[num_samples]`, problem: string []).
        """

    @abc.abstractmethod
    def _read(self, audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, str]:
        """Make a note of a file's audio in numpy, as `_to_note` does in the graph."""
