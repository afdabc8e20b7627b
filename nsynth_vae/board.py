"""TensorBoard: losses, KL, active dimensions, spectrogram images and audio."""

from __future__ import annotations

import pathlib
import time

import numpy as np
import tensorflow as tf

from nsynth_vae.showcase import Examples
from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio
from nsynth_vae.trainer import Trainer

MEDIA_SECONDS = 60.0
"""Images and audio are written at most this often: making audio takes a moment."""


class Board:
    """Writes a trainer's progress to event files below a folder."""

    def __init__(self, folder: pathlib.Path, trainer: Trainer, examples: Examples) -> None:
        """Opens the event file; the examples are what images and audio show."""
        self._writer = tf.summary.create_file_writer(str(folder))
        self._trainer, self._examples = trainer, examples
        self._media_time = -MEDIA_SECONDS
        config = trainer.config.audio
        with self._writer.as_default():
            for name, audio in zip(examples.table.note_str, examples.audio, strict=True):
                tf.summary.audio(f"original/{name}", audio[None, :, None], config.sample_rate, step=0)

    def write(self, record: dict) -> None:
        """Writes an epoch's record, and now and then what the examples look and sound like."""
        step = record["step"]
        with self._writer.as_default(step=step):
            for split in ("train", "valid"):
                for name, value in record[split].items():
                    tf.summary.scalar(f"{split}/{name}", value)
            if time.monotonic() - self._media_time >= MEDIA_SECONDS:
                self._write_media()
                self._media_time = time.monotonic()
        self._writer.flush()

    def close(self) -> None:
        """Writes the examples once more and closes the file."""
        with self._writer.as_default(step=self._trainer.step):
            self._write_media()
        self._writer.close()

    def _write_media(self) -> None:
        examples, config = self._examples, self._trainer.config.audio
        decoded = self._trainer.vae(
            {
                "log_mel": tf.constant(examples.log_mel),
                "pitch": tf.constant(examples.table.pitch),
                "velocity": tf.constant(examples.table.velocity),
            }
        )
        audio = log_mel_to_audio(decoded, config, iterations=16)
        for i, name in enumerate(examples.table.note_str):
            pair = np.concatenate([examples.log_mel[i], decoded[i].numpy()], axis=0).T[::-1]
            tf.summary.image(f"original and reconstruction/{name}", _to_grey(pair)[None, :, :, None])
            tf.summary.audio(f"reconstruction/{name}", audio[i][None, :, None], config.sample_rate)


def _to_grey(log_mel: np.ndarray) -> np.ndarray:
    """Returns a log-mel as grey values, 0 for silence (-1.3) to 1 for the loudest (2.5)."""
    return np.clip((log_mel + 1.3) / 3.8, 0.0, 1.0)
