"""Sound files to notes, in numpy: decoding by libsndfile, resampling by soxr, onset, length and checks.

A file becomes a note like this: it is folded to mono (the mean of the channels), resampled, cut before its onset
(silence in front goes, also in a short file), cut or padded with zeros to the note's length; where sound was cut off at
the end, it fades out over 20 ms.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from nsynth_vae.analysis import audio_headers
from nsynth_vae.analysis.audio_headers import UnknownFormatError
from nsynth_vae.analysis.file_names import FileName, parse_file_name
from nsynth_vae.analysis.pitch import estimate_pitch
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

    def cut(self, config: AudioConfig) -> str:
        """Return how long the sound is and which part of it is the note; empty if that is all of it."""
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


def read_sounds(
    files: Iterable[pathlib.Path],
    config: AudioConfig,
    *,
    whole: bool = False,
    formats: tuple[str, ...] | None = None,
) -> Iterator[Sound]:
    """Yield each file's sound, in the files' order.

    Args:
        files: of any format that `decode` reads, whatever their names end in.
        config: the target sample rate and length.
        whole: leave a sound that is no longer than a note as it is, with the silence before its onset, or all silent.
        formats: see `decode`.
    """
    for file in files:
        named = parse_file_name(file.stem)
        try:
            audio, sample_rate = decode(read_bytes(file), formats)
        except ValueError as error:
            yield Sound(np.zeros(config.num_samples, np.float32), str(error), 0, 0, named)
        else:
            yield Sound(*make_note(audio, sample_rate, config, whole=whole), named)


def read_bytes(path: pathlib.Path) -> bytes:
    """Return a file's content.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}), expected a sound file") from error


def decode(contents: bytes, formats: tuple[str, ...] | None = None) -> tuple[np.ndarray, int]:
    """Decode an audio file.

    Args:
        contents: the file's bytes.
        formats: those of `audio_headers.FORMATS` that are allowed; None for these and all others that libsndfile reads.

    Returns:
        (audio: float32 `[samples, channels]`, -1..1, sample rate in Hz).

    Raises:
        ValueError: for a file of another format, and one that is truncated or damaged.
    """
    import soundfile

    unknown, header = None, None
    try:
        header = audio_headers.read_header(contents, formats or audio_headers.FORMATS)
    except UnknownFormatError as error:
        if formats is not None:
            raise
        unknown = error
    try:
        with soundfile.SoundFile(io.BytesIO(contents)) as file:
            if header is None or not header.encoding.startswith("flac"):
                return file.read(dtype="float32", always_2d=True), file.samplerate
            values = file.read(dtype="int32", always_2d=True)
            if len(values) != len(file):
                raise ValueError(f"cannot be decoded ({len(values)} of {len(file)} samples): damaged FLAC")
            sample_rate = file.samplerate
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise unknown or ValueError(f"cannot be decoded ({reason}): damaged file") from error
    # libsndfile's integers fill 32 bits.
    bits = int(header.encoding.removeprefix("flac"))
    if problem := check_flac(contents, values >> (32 - bits), bits):
        raise ValueError(problem)
    return values.astype(np.float32) * np.float32(2.0**-31), sample_rate


def check_flac(contents: bytes, values: np.ndarray, bits: int) -> str:
    """Return what is wrong with decoded FLAC samples, by the MD5 in the file; empty for nothing, or no MD5.

    Args:
        contents: the file's bytes.
        values: int `[samples, channels]`.
        bits: of a sample: 8, 16 or 24.
    """
    stated, width = audio_headers.flac_md5(contents), bits // 8
    packed = np.ascontiguousarray(values, "<i4" if width == 3 else f"<i{width}")
    if width == 3:
        packed = np.ascontiguousarray(packed.reshape(-1, 1).view(np.uint8)[:, :3])
    if any(stated) and hashlib.md5(packed.data, usedforsecurity=False).digest() != stated:
        return "decodes to other samples than were encoded (MD5): damaged FLAC"
    return ""


def resample(audio: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """Return audio, float32 `[samples, channels]` or `[samples]`, at another rate, by soxr (HQ), without delay."""
    import soxr

    return audio if rate_in == rate_out or not audio.size else soxr.resample(audio, rate_in, rate_out, quality="HQ")


def make_note(
    audio: np.ndarray, sample_rate: int, config: AudioConfig, *, whole: bool = False
) -> tuple[np.ndarray, str, int, int]:
    """Fold audio to mono, resample it, and cut it from the onset on or pad it.

    Args:
        audio: float32 `[samples, channels]`, -1..1.
        sample_rate: Hz.
        config: the target sample rate and length.
        whole: as in `read_sounds`.

    Returns:
        (audio: float32 `[num_samples]`, zeros if bad; problem, empty if good; length after resampling; where in that
        the note begins).
    """
    mono = resample(audio.mean(axis=1, dtype=np.float32), sample_rate, config.sample_rate)
    onset, size = find_onset(mono, config), config.num_samples
    if whole and mono.size <= size:
        onset = 0
    note = mono[onset : onset + size].copy()
    if mono.size - onset > size:
        fade = round(FADE_SECONDS * config.sample_rate)
        note[-fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)
    note = np.pad(note, (0, size - note.size))
    return *check_audio(note, config, silence=0.0 if whole else SILENCE), mono.size, onset


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
    elif not np.all(np.isfinite(audio)):
        problem = "holds NaN or infinite samples, expected finite ones"
    elif np.abs(audio).max() < silence:
        problem = f"is silent, expected a peak of at least {silence}"
    else:
        return audio, ""
    return np.zeros(config.num_samples, np.float32), problem
