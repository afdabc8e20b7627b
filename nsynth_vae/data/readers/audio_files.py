"""Base of sources with one audio file per note."""

from __future__ import annotations

import abc
import copy
import os
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import NoteTable, Source, file_fingerprint, shuffled

if TYPE_CHECKING:
    import tensorflow as tf


class FolderSource(Source):
    """Notes that are one file each, shuffled by name before audio is read."""

    needs_tensorflow = False
    random_access = True

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

    def subset(self, rows: np.ndarray) -> FolderSource:
        """Return a source of some rows alone; see `Source.subset`."""
        part, rows = copy.copy(self), np.sort(rows)
        part.table, part._paths = self.table.take(rows), self._paths[rows]
        return part

    @abc.abstractmethod
    def read(self, row: int) -> tuple[np.ndarray, str]:
        """Read the audio of one note, without TensorFlow; see `Source.read`."""

    def audio(self, rows: np.ndarray, order: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Stream the notes' audio; see `Source.audio`."""
        import tensorflow as tf

        def read(row: tf.Tensor, path: tf.Tensor) -> dict[str, tf.Tensor]:
            audio, problem = self._stream(row, path)
            audio = tf.ensure_shape(audio, [self.config.num_samples])
            return {"row": row, "audio": audio, "problem": tf.ensure_shape(problem, [])}

        rows = self.order_of(rows, order)
        # A name that is no UTF-8 has no text that TensorFlow would take.
        paths = tf.constant([os.fsencode(path) for path in self._paths[rows]], tf.string)
        files = tf.data.Dataset.from_tensor_slices((tf.constant(rows, tf.int64), paths))
        return files.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _stream(self, row: tf.Tensor, path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Read the audio of one note in the graph: by `read`, if a source has no operators for it.

        Returns:
            (audio: float32 `[num_samples]`, problem: string []).
        """
        import tensorflow as tf

        return tf.numpy_function(lambda row: self.read(int(row)), [row], (tf.float32, tf.string), stateful=False)
