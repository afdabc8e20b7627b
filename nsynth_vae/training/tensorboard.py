"""TensorBoard logs: losses and measures, spectrogram images and audio."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.training.examples import Examples, Rendering
from nsynth_vae.training.state import EpochRecord
from nsynth_vae.training.trainer import Trainer

MEDIA_SECONDS = 60.0
"""Images and audio are written at most this often: making audio takes a moment."""


class TensorBoardWriter:
    """Event files of a trainer's progress."""

    def __init__(
        self,
        folder: pathlib.Path,
        trainer: Trainer,
        examples: Examples,
        render: Callable[[keras.Model, Examples], Rendering] | None,
        kind: str,
    ) -> None:
        """Open the event file; `render`, if there is one, renders the examples, and `kind` names its renderings."""
        self._writer = tf.summary.create_file_writer(str(folder))
        self._trainer, self._examples, self._render, self._kind = trainer, examples, render, kind
        self._media_time = -MEDIA_SECONDS
        with self._writer.as_default(step=0):
            self._write_audio("original", examples.audio)

    def write(self, record: EpochRecord) -> None:
        """Write an epoch's record and, once in `MEDIA_SECONDS`, images and audio."""
        with self._writer.as_default(step=record["step"]):
            for split in ("train", "valid"):
                for name, value in record[split].items():
                    tf.summary.scalar(f"{split}/{name}", value)
            if time.monotonic() - self._media_time >= MEDIA_SECONDS:
                self._write_media()
                self._media_time = time.monotonic()
        self._writer.flush()

    def close(self) -> None:
        """Write images and audio once more and close the file."""
        with self._writer.as_default(step=self._trainer.step):
            self._write_media()
        self._writer.close()

    def _write_media(self) -> None:
        if self._render is None:
            return
        audio, log_mel = self._render(self._trainer.model, self._examples)
        pairs = _to_grey(np.concatenate([self._examples.log_mel, log_mel], axis=1))
        for name, pair in zip(self._examples.table.note_str, pairs, strict=True):
            tf.summary.image(f"original and {self._kind}/{name}", pair.T[None, ::-1, :, None])
        self._write_audio(self._kind, audio)

    def _write_audio(self, kind: str, audio: np.ndarray) -> None:
        for name, sound in zip(self._examples.table.note_str, audio, strict=True):
            tf.summary.audio(f"{kind}/{name}", sound[None, :, None], self._trainer.config.audio.sample_rate)


def _to_grey(log_mel: np.ndarray) -> np.ndarray:
    """Return a log-mel as grey values, 0 for silence (-1.3) to 1 for the loudest (2.5)."""
    return np.clip((log_mel + 1.3) / 3.8, 0.0, 1.0)
