"""Reader of a folder of samples: WAV, FLAC, Ogg Vorbis and MP3 of any rate, length and number of channels.

A sound becomes a note in the graph. It is folded to mono (the mean of the channels) and resampled. Silence before its
onset is cut, also in a short file. Then it is cut, with a fade-out of 20 ms, or padded with zeros, to 4 s.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.pitch import estimate_pitch
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.decoding.audio_headers import FORMATS
from nsynth_vae.data.readers.audio_files import FolderSource
from nsynth_vae.data.readers.file_names import FileName, parse_file_name
from nsynth_vae.data.source import BadNotes, NoteTable, check_audio, error_text
from nsynth_vae.errors import InputError
from nsynth_vae.files import AUDIO_EXTENSIONS
from nsynth_vae.notes import DEFAULT_VELOCITY, UNKNOWN, Note, format_note_str, note_name, parse_instrument_str

if TYPE_CHECKING:
    import tensorflow as tf

ONSET_DB = -40.0
"""Level, against the peak, at whose first crossing the onset is."""

ONSET_SECONDS = 0.005
"""Sound before the onset that is kept."""

FADE_SECONDS = 0.02
"""Length of the fade-out where sound is cut off."""


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


@dataclasses.dataclass(frozen=True)
class Sound:
    """A file's sound as a note."""

    audio: np.ndarray
    """float32 `[num_samples]`, -1..1; zeros if there is a problem."""
    problem: str
    """Problem of the file and what is expected; empty if it is valid."""
    samples: int
    """Length of the whole sound at the note's sample rate."""
    onset: int
    """The sample of the whole sound at which the note begins."""
    named: FileName
    """Instrument, pitch and velocity by the file's name."""

    def cut(self, config: AudioConfig) -> str:
        """Return the sound's length and the part of it that is the note; empty if that is all of it."""
        rate, taken = config.sample_rate, config.num_samples
        if self.samples - self.onset <= taken and self.onset == 0:
            return ""
        start, end = self.onset / rate, min(self.onset + taken, self.samples) / rate
        return f"{self.samples / rate:.2f} s long, {start:.2f} to {end:.2f} s used"

    def find_pitch(self, config: AudioConfig) -> tuple[int, float | None] | None:
        """Return the sound's MIDI pitch: the one in its file's name, else an estimate.

        Returns:
            (pitch, None) if it is named, (pitch, Hz) if it is estimated, None if there is none.
        """
        pitch = self.named.pitch
        return estimate_pitch(self.audio, config.sample_rate) if pitch is None else (pitch, None)


def read_sounds(files: Sequence[pathlib.Path], config: AudioConfig, *, whole: bool = False) -> Iterator[Sound]:
    """Yield each file's sound, in the files' order; a few are read ahead.

    Args:
        files: WAV, FLAC, Ogg Vorbis or MP3, whatever their names end in.
        config: the target sample rate and length.
        whole: keep a sound that is no longer than a note as it is, with the silence before its onset, or all silent.
    """
    import tensorflow as tf

    from nsynth_vae.data.decoding.decode import decode

    def read(path: tf.Tensor) -> tuple[tf.Tensor, ...]:
        audio, sample_rate, problem = decode(tf.io.read_file(path))

        def nothing() -> tuple[tf.Tensor, ...]:
            return tf.zeros([config.num_samples]), problem, tf.constant(0), tf.constant(0)

        return tf.cond(tf.equal(problem, ""), lambda: make_note(audio, sample_rate, config, whole=whole), nothing)

    paths = tf.data.Dataset.from_tensor_slices(tf.constant([str(file) for file in files], tf.string))
    iterator = iter(paths.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2))
    for file in files:
        named = parse_file_name(file.stem)
        try:
            audio, problem, samples, onset = (value.numpy() for value in next(iterator))
            yield Sound(audio, problem.decode(), int(samples), int(onset), named)
        except tf.errors.OpError as error:
            problem = f"cannot be decoded ({error_text(error)})"
            yield Sound(np.zeros(config.num_samples, np.float32), problem, 0, 0, named)


def make_note(
    audio: tf.Tensor, sample_rate: tf.Tensor, config: AudioConfig, *, whole: bool = False
) -> tuple[tf.Tensor, ...]:
    """Fold to mono, resample, and cut from the onset on or pad, in the graph.

    Args:
        audio: float32 `[samples, channels]`, -1..1.
        sample_rate: int64 [], Hz.
        config: the target sample rate and length.
        whole: as in `read_sounds`.

    Returns:
        (audio: float32 `[num_samples]`, zeros if invalid; problem: string [], empty if valid; samples: int32 [],
        length after resampling; onset: int32 [], the sample of these at which the note begins).
    """
    import tensorflow as tf

    from nsynth_vae.data.decoding.decode import resample

    mono = resample(tf.reduce_mean(audio, axis=1, keepdims=True), sample_rate, config.sample_rate)[:, 0]
    onset, size = onset_of(mono, config), config.num_samples
    if whole:
        onset = tf.where(tf.size(mono) > size, onset, 0)
    fade = round(FADE_SECONDS * config.sample_rate)
    ramp = tf.constant(np.r_[np.ones(size - fade), 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)])
    note = mono[onset:]
    note = tf.cond(
        tf.size(note) > size,
        lambda: note[:size] * tf.cast(ramp, tf.float32),
        lambda: tf.pad(note, [[0, size - tf.size(note)]]),
    )
    return (*check_audio(note, config, silence=0.0 if whole else None), tf.size(mono), onset)


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
        for file, sound in zip(files, read_sounds(files, audio), strict=True):
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
        return make_note(audio, sample_rate, self.config)[:2]


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
