"""Computation of one file of features in one thread: processes are what shares the cores."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import pathlib
import pickle
import zlib

import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.audio_batches import quantize
from nsynth_vae.data.feature_shards import write_shard
from nsynth_vae.data.preparation.plan import Piece
from nsynth_vae.data.readers.prepared import audio_file, write_audio
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.data.streaming import read_notes

NOTES_AT_ONCE = 16
"""Notes whose features are computed together: a quarter faster than one by one."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What a worker needs for one file: the notes' labels and places, not their audio."""

    path: pathlib.Path
    source: Source
    semitones: np.ndarray
    keep_audio: int
    audio: AudioConfig

    def to_bytes(self) -> bytes:
        """Return a message of some 10 bytes a note.

        Runners send a pipeline's elements with its description, which Dataflow allows 10 MB; pickle is Beam's own way,
        between processes of one run.
        """
        return zlib.compress(pickle.dumps(self))

    @classmethod
    def from_bytes(cls, message: bytes) -> Task:
        """Return the task of a message."""
        return pickle.loads(zlib.decompress(message))

    @classmethod
    def of(cls, piece: Piece, audio: AudioConfig) -> Task:
        """Return the task of a planned file."""
        return cls(piece.path, piece.source.subset(piece.rows), piece.semitones, piece.keep_audio, audio)


def use_one_thread() -> None:
    """Let TensorFlow use one thread, unless it runs already."""
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def compute_file(task: Task) -> tuple[int, dict[str, str]]:
    """Compute the features of a file's notes and of their copies, and write them.

    The audio that is kept is written first: a file of features is there only if all of it is.

    Returns:
        (notes in the file, invalid ones left out: location -> problem).

    Raises:
        InputError: if the file cannot be written.
    """
    problems = BadNotes("skip")
    rows = np.arange(len(task.source.table))
    computed: dict[tuple[int, int], np.ndarray] = {}
    kept: list[tuple[np.ndarray, np.floating]] = []
    notes = read_notes(task.source, rows, problems)
    while chunk := list(itertools.islice(notes, NOTES_AT_ONCE)):
        found, audio = np.array([row for row, _ in chunk]), np.stack([audio for _, audio in chunk])
        kept += [quantize(each) for each in audio[: max(0, task.keep_audio - len(kept))]]
        for copy, semitones in enumerate([np.zeros(len(found), np.int32), *task.semitones[found].T]):
            for shift in np.unique(semitones[(semitones > 0) | (copy == 0)]):
                chosen = np.flatnonzero(semitones == shift)
                log_mels = _log_mel(task.audio, int(shift))(tf.constant(audio[chosen])).numpy()
                computed |= {(copy, int(found[place])): each for place, each in zip(chosen, log_mels, strict=True)}
    usable = {row for copy, row in computed if copy == 0}
    left_out = {
        int(row): problems.skipped.get(task.source.location(int(row)), "cannot be decoded")
        for row in rows
        if int(row) not in usable
    }
    if kept:
        write_audio(audio_file(task.path), kept)
    # As `Piece.stored`: all notes, then their first copies, and so on.
    write_shard(
        task.path, [computed[key] for key in sorted(computed)], {str(row): text for row, text in left_out.items()}
    )
    return len(computed), {task.source.location(row): problem for row, problem in left_out.items()}


@functools.lru_cache(maxsize=8)
def _log_mel(audio: AudioConfig, semitones: int) -> tf.types.experimental.PolymorphicFunction:
    """Return the function from audio, float32 `[notes, num_samples]`, to log-mels some semitones higher, compiled."""
    signature = [tf.TensorSpec([None, audio.num_samples], tf.float32)]

    def compute(notes: tf.Tensor) -> tf.Tensor:
        return features.pitch_shifted_log_mel(notes, audio, semitones) if semitones else features.log_mel(notes, audio)

    return tf.function(compute, input_signature=signature, autograph=False)
