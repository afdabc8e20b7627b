"""Reader of a folder of samples: WAV, FLAC, Ogg Vorbis and MP3 of any rate, length and number of channels.

`analysis.sound_files` describes how a file becomes a note.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis import sound_files
from nsynth_vae.analysis.audio_headers import FORMATS
from nsynth_vae.analysis.sound_files import FADE_SECONDS, ONSET_DB, ONSET_SECONDS, Sound, read_sounds
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.audio_files import FolderSource
from nsynth_vae.data.source import BadNotes, NoteTable, check_audio
from nsynth_vae.errors import InputError
from nsynth_vae.files import AUDIO_EXTENSIONS
from nsynth_vae.notes import DEFAULT_VELOCITY, UNKNOWN, Note, format_note_str, note_name, parse_instrument_str

if TYPE_CHECKING:
    import tensorflow as tf


def find_audio(root: pathlib.Path) -> tuple[list[pathlib.Path], int]:
    """Return the folder's audio files, at any depth, sorted, and the number of other files.

    Hidden files and folders (`.name`, and macOS's `__MACOSX`) are skipped.
    """
    found, others = [], 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in names:
            if name.startswith("."):
                continue
            path = pathlib.Path(folder, name)
            if path.suffix.lower() in AUDIO_EXTENSIONS:
                found.append(path)
            else:
                others += 1
    return sorted(found), others


def make_note(audio: tf.Tensor, sample_rate: tf.Tensor, config: AudioConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Fold to mono, resample, and cut from the onset on or pad, in the graph; see `sound_files.make_note`.

    Args:
        audio: float32 `[samples, channels]`, -1..1.
        sample_rate: int64 [], Hz.
        config: the target sample rate and length.

    Returns:
        (audio: float32 `[num_samples]`, zeros if invalid; problem: string [], empty if valid).
    """
    import tensorflow as tf

    from nsynth_vae.data.decoding.decode import resample

    mono = resample(tf.reduce_mean(audio, axis=1, keepdims=True), sample_rate, config.sample_rate)[:, 0]
    onset, size = onset_of(mono, config), config.num_samples
    fade = round(FADE_SECONDS * config.sample_rate)
    ramp = tf.constant(np.r_[np.ones(size - fade), 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)])
    note = mono[onset:]
    note = tf.cond(
        tf.size(note) > size,
        lambda: note[:size] * tf.cast(ramp, tf.float32),
        lambda: tf.pad(note, [[0, size - tf.size(note)]]),
    )
    return check_audio(note, config)


class SamplesSource(FolderSource):
    """Notes of a folder of audio files."""

    formats = FORMATS

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        audio: AudioConfig,
        bad_notes: BadNotes,
        log: Callable[[str], None] = print,
        name: str | None = None,
    ) -> None:
        """Read every file once, to check it, to report cuts and to estimate pitches that are not named.

        The instrument is the file's folder below `path` (`strings/cello` becomes `strings_cello`), else the
        file's name less pitch and velocity. Two files with the same instrument, pitch and velocity get the
        same labels; only their `note_str` differs, by `.2`, `.3`, ... after the instrument.

        Args:
            path: a folder, searched at any depth.
            audio: the target sample rate and length.
            bad_notes: gets the files that cannot be used, unpitched sounds among them.
            log: called with a line for each cut and each estimated pitch.
            name: the argument of `--data`, if it is not the path.

        Raises:
            InputError: if there is no audio in the folder.
            BadNoteError: for the first invalid file, if the policy is `error`.
        """
        path = pathlib.Path(path)
        files, others = find_audio(path)
        if not files:
            raise InputError(f"{path}: no audio in it, expected {', '.join(AUDIO_EXTENSIONS)} files")
        if others:
            log(f"{path}: {others} files that are not audio are ignored")
        self.name, self.config = name or str(path), audio
        notes: list[Note] = []
        paths: list[str] = []
        counts: collections.Counter[str] = collections.Counter()
        for file, sound in zip(files, read_sounds(files, audio, formats=FORMATS), strict=True):
            note = self._label(file, path, sound, bad_notes, log)
            if note is None:
                continue
            counts[note.note_str] += 1
            if counts[note.note_str] > 1:
                instrument = f"{note.instrument_str}.{counts[note.note_str]}"
                note = dataclasses.replace(note, note_str=format_note_str(instrument, note.pitch, note.velocity))
            notes.append(note)
            paths.append(str(file))
        super().__init__(self.name, NoteTable.from_notes(notes, [UNKNOWN] * len(notes)), paths, audio)

    def _label(
        self, file: pathlib.Path, root: pathlib.Path, sound: Sound, bad_notes: BadNotes, log: Callable[[str], None]
    ) -> Note | None:
        """Return a file's note, or None if it is invalid."""
        if sound.problem:
            bad_notes.report(str(file), sound.problem)
            return None
        found = sound.find_pitch(self.config)
        if found is None:
            bad_notes.report(
                str(file),
                "has no pitch in its name and none in its sound, expected NAME-PITCH-VELOCITY or a note",
            )
            return None
        pitch, hertz = found
        if hertz is not None:
            log(f"{file}: pitch {pitch} ({note_name(pitch)}, {hertz:.1f} Hz) estimated from the sound")
        if cut := sound.cut(self.config):
            log(f"{file}: {cut}")
        named, folder = sound.named, file.parent.relative_to(root).as_posix()
        instrument = named.instrument if folder == "." else folder.replace("/", "_")
        velocity = DEFAULT_VELOCITY if named.velocity is None else named.velocity
        family, source = parse_instrument_str(instrument)
        return Note(format_note_str(instrument, pitch, velocity), pitch, velocity, instrument, family, source)

    def _to_note(self, audio: tf.Tensor, sample_rate: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return make_note(audio, sample_rate, self.config)

    def _read(self, audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, str]:
        return sound_files.make_note(audio, sample_rate, self.config)[:2]


def onset_of(mono: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the sample at which a sound begins: `ONSET_SECONDS` before it first nears its peak.

    Args:
        mono: float32 `[samples]`.
        config: gives the sample rate.

    Returns:
        int32 []; 0 for silence and for sound that is not finite.
    """
    import tensorflow as tf

    level = tf.abs(mono)
    loud = level >= tf.reduce_max(tf.concat([level, [1e-9]], 0)) * 10 ** (ONSET_DB / 20)
    first = tf.argmax(tf.concat([loud, [False]], 0), output_type=tf.int32)
    return tf.maximum(first - round(ONSET_SECONDS * config.sample_rate), 0)
