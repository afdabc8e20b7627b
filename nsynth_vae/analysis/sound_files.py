"""Sound files to notes, in numpy: reading, resampling by soxr, onset, length and checks.

A file becomes a note like this: it is read (of a long file the 30 s where the sound begins), folded to mono (the mean
of the channels), resampled, cut before its onset (silence in front goes, also in a short file), cut or padded with
zeros to the note's length; where sound was cut off at the end, it fades out over 20 ms.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from nsynth_vae.analysis.audio_reader import check_peak, read_audio
from nsynth_vae.analysis.file_names import FileName, parse_file_name
from nsynth_vae.analysis.root_keys import read_root_key
from nsynth_vae.analysis.sound_labels import Evidence, examine
from nsynth_vae.config import AudioConfig

ONSET_DB = -40.0
"""The onset is where the sound first comes this close to its peak."""

ONSET_SECONDS = 0.005
"""This much before the onset is kept."""

FADE_SECONDS = 0.02
"""Length of the fade-out where sound is cut off."""

SILENCE = 1e-3
"""Peak below which a note counts as silent: -60 dB of full scale."""


@dataclasses.dataclass(frozen=True)
class Sound:
    """A file's sound as a note."""

    audio: np.ndarray
    """float32 `[num_samples]`, -1..1; zeros if there is a problem."""
    problem: str
    """What is wrong with the file and what is expected; empty if it is good."""
    samples: int
    """Length of the whole sound at the note's sample rate."""
    onset: int
    """The sample of the whole sound at which the note begins."""
    named: FileName
    """Instrument, pitch and velocity by the file's name."""
    root_key: int | None = None
    """MIDI pitch that the file states."""
    warnings: tuple[str, ...] = ()
    """What was odd about the file, though it could be read."""

    def remarks(self, config: AudioConfig) -> tuple[str, ...]:
        """Return what is to be said of the sound: the warnings, and which part of it is the note if it is not all."""
        rate, taken = config.sample_rate, config.num_samples
        if self.samples - self.onset <= taken and self.onset == 0:
            return self.warnings
        start, end = self.onset / rate, min(self.onset + taken, self.samples) / rate
        return *self.warnings, f"{self.samples / rate:.2f} s long, {start:.2f} to {end:.2f} s used"

    def examine(self, config: AudioConfig) -> Evidence:
        """Compare the pitch of the file's name, and its root key, with the sound; see `sound_labels.examine`."""
        return examine(self.named, self.root_key, self.audio, config.sample_rate)


def read_sounds(files: Iterable[pathlib.Path], config: AudioConfig, *, whole: bool = False) -> Iterator[Sound]:
    """Yield each file's sound, in the files' order.

    Args:
        files: of any format that `read_audio` reads, whatever their names end in.
        config: the target sample rate and length.
        whole: leave a sound that is no longer than a note as it is, with the silence before its onset, or all silent.
    """
    for file in files:
        yield read_sound(file, config, whole=whole)


def read_sound(file: pathlib.Path, config: AudioConfig, *, whole: bool = False) -> Sound:
    """Return a file's sound; see `read_sounds`."""
    named = parse_file_name(file.stem)
    try:
        found = read_audio(file)
    except ValueError as error:
        return Sound(np.zeros(config.num_samples, np.float32), str(error), 0, 0, named)
    ratio = config.sample_rate / found.sample_rate
    whole = whole and found.length * ratio <= config.num_samples
    note, problem, onset = make_note(found.samples, found.sample_rate, config, whole=whole)
    onset += round(found.start * ratio)
    return Sound(note, problem, round(found.length * ratio), onset, named, read_root_key(file), found.warnings)


def resample(audio: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """Return audio, float32 `[samples, channels]` or `[samples]`, at another rate, by soxr (HQ), without delay."""
    import soxr

    return audio if rate_in == rate_out or not audio.size else soxr.resample(audio, rate_in, rate_out, quality="HQ")


def make_note(
    audio: np.ndarray, sample_rate: int, config: AudioConfig, *, whole: bool = False
) -> tuple[np.ndarray, str, int]:
    """Fold audio to mono, resample it, and cut it from the onset on or pad it.

    Args:
        audio: float32 `[samples, channels]`, -1..1.
        sample_rate: Hz.
        config: the target sample rate and length.
        whole: leave the silence before the onset, and do not mind silence.

    Returns:
        (audio: float32 `[num_samples]`, zeros if bad; problem, empty if good; where in the resampled audio the note
        begins).
    """
    mono = resample(audio.mean(axis=1, dtype=np.float32), sample_rate, config.sample_rate)
    onset, size = 0 if whole else find_onset(mono, config), config.num_samples
    note = mono[onset : onset + size].copy()
    if mono.size - onset > size:
        fade = round(FADE_SECONDS * config.sample_rate)
        note[-fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)
    note = np.pad(note, (0, size - note.size))
    return *check_audio(note, config, silence=0.0 if whole else SILENCE), onset


def find_onset(mono: np.ndarray, config: AudioConfig) -> int:
    """Return the sample at which a sound is taken to begin: `ONSET_SECONDS` before it first nears its peak.

    It is 0 for silence, and for audio that is not finite.

    Args:
        mono: float32 `[samples]`.
        config: gives the sample rate.
    """
    level = np.abs(mono)
    loud = level >= max(1e-9, level.max(initial=0.0)) * 10 ** (ONSET_DB / 20)
    return max(int(loud.argmax() if loud.any() else 0) - round(ONSET_SECONDS * config.sample_rate), 0)


def check_format(audio: np.ndarray, sample_rate: int, config: AudioConfig) -> tuple[np.ndarray, str]:
    """Check that audio has the target rate and one channel, then as `check_audio` does.

    Args:
        audio: float32 `[samples, channels]`.
        sample_rate: Hz.
        config: gives the expected rate and length.

    Returns:
        (audio: float32 `[num_samples]`, zeros if bad; problem, empty if good).
    """
    nothing = np.zeros(config.num_samples, np.float32)
    if sample_rate != config.sample_rate:
        return nothing, f"has a sample rate of {sample_rate} Hz, expected {config.sample_rate}"
    if audio.shape[1] != 1:
        return nothing, f"has {audio.shape[1]} channels, expected 1"
    return check_audio(audio[:, 0], config)


def check_audio(audio: np.ndarray, config: AudioConfig, *, silence: float = SILENCE) -> tuple[np.ndarray, str]:
    """Check one note's audio.

    Args:
        audio: float32 `[samples]`.
        config: gives the expected number of samples.
        silence: the peak below which a note is silent, and bad; 0 lets silence through.

    Returns:
        (audio `[num_samples]`, zeros if bad; problem, empty if good).
    """
    if audio.size != config.num_samples:
        problem = f"holds {audio.size} samples, expected {config.num_samples} (truncated?)"
    elif problem := check_peak(float(np.abs(audio).max())):
        pass
    elif np.abs(audio).max() < silence:
        problem = f"is silent, expected a peak of at least {silence}"
    else:
        return audio, ""
    return np.zeros(config.num_samples, np.float32), problem
