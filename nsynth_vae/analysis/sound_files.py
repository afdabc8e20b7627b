"""Sound files to notes, in numpy: reading, resampling by soxr, onset, length and checks.

A file becomes a note like this: it is read (of a long file the 30 s where the sound begins), resampled, folded to mono,
freed of offset, hum and noise (`recordings.prepare`), cut before its onset (what is in front goes, also in a short
file), cut or padded with zeros to the note's length; where sound was cut off at the end, it fades out over 20 ms. Last,
it is set to the level of NSynth's notes (`recordings.set_level`).
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from nsynth_vae.analysis import recordings
from nsynth_vae.analysis.audio_reader import check_peak, read_audio
from nsynth_vae.analysis.evidence import Evidence, examine
from nsynth_vae.analysis.file_names import FileName, parse_file_name
from nsynth_vae.analysis.root_keys import read_root_key
from nsynth_vae.config import AudioConfig

FADE_SECONDS = 0.02
"""Length of the fade-out where sound is cut off."""

CONTINUED_SECONDS = 0.02
"""How far the ends of a sound are continued where it is resampled: more than the filter reaches."""

REPORTED_SECONDS = 0.01
"""Less that is cut off in front is not worth a remark."""

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
    """What was odd about the file, though it could be read, and what was removed from its sound."""
    peak_db: float = -np.inf
    """The note's peak in the file, dB of full scale, before its level was set."""

    def remarks(self, config: AudioConfig) -> tuple[str, ...]:
        """Return what is to be said of the sound: the warnings, and which part of it is the note if it is not all."""
        rate, taken = config.sample_rate, config.num_samples
        if self.samples - self.onset <= taken and self.onset < REPORTED_SECONDS * rate:
            return self.warnings
        start, end = self.onset / rate, min(self.onset + taken, self.samples) / rate
        return *self.warnings, f"{self.samples / rate:.2f} s long, {start:.2f} to {end:.2f} s used"

    def examine(self, config: AudioConfig) -> Evidence:
        """Compare the pitch of the file's name, and its root key, with the sound; see `evidence.examine`."""
        return examine(self.named, self.root_key, resample(self.audio, config.sample_rate, 16000))


def read_sounds(
    files: Iterable[pathlib.Path],
    config: AudioConfig,
    *,
    whole: bool = False,
    as_is: bool = False,
    keep_level: bool = False,
) -> Iterator[Sound]:
    """Yield each file's sound, in the files' order.

    Args:
        files: of any format that `read_audio` reads, whatever their names end in.
        config: the target sample rate and length.
        whole: keep the silence before the onset of a sound that is no longer than a note, or all of it, and its level.
        as_is: remove nothing from a sound, and keep its level, as for the output of a synthesizer.
        keep_level: keep the level alone.
    """
    for file in files:
        yield read_sound(file, config, whole=whole, as_is=as_is, keep_level=keep_level)


def read_sound(
    file: pathlib.Path,
    config: AudioConfig,
    *,
    whole: bool = False,
    as_is: bool = False,
    keep_level: bool = False,
) -> Sound:
    """Return a file's sound; see `read_sounds`."""
    named = parse_file_name(file.stem)
    try:
        found = read_audio(file)
    except ValueError as error:
        return Sound(np.zeros(config.num_samples, np.float32), str(error), 0, 0, named)
    ratio = config.sample_rate / found.sample_rate
    channels = resample(found.samples, found.sample_rate, config.sample_rate)
    recording = (recordings.leave if as_is else recordings.prepare)(channels, config.sample_rate)
    uncut = whole and found.length * ratio <= config.num_samples
    onset = 0 if uncut else recording.onset
    note = cut_note(recording.audio, onset, config)
    note, problem = check_audio(note, config, silence=0.0 if uncut else SILENCE)
    levelled, peak_db = recordings.set_level(note)
    remarks, kept = recording.remarks, whole or as_is or keep_level
    note = note if kept else levelled
    # A quiet file has few bits, whatever its level becomes; a synthesizer's output has not.
    if not kept or (peak_db < recordings.QUIET_DB and not as_is):
        remarks = (*remarks, *recordings.level_remarks(peak_db))
    return Sound(
        note,
        problem,
        samples=round(found.length * ratio),
        onset=onset + round(found.start * ratio),
        named=named,
        # A pipe has been read.
        root_key=read_root_key(file) if file.is_file() else None,
        warnings=(*found.warnings, *remarks),
        peak_db=peak_db,
    )


def resample(audio: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """Return audio, float32 `[samples, channels]` or `[samples]`, at another rate, by soxr (HQ), without delay.

    Both ends are continued by their reflection in the first and last sample. Zeros there would be steps where a
    recording has an offset or hum, and ring: after an offset of 1 % was removed, z was 25 % away.
    """
    import soxr

    if rate_in == rate_out or not audio.size:
        return audio
    # Whole periods of both rates: the ends stay where they are.
    period = rate_in // math.gcd(rate_in, rate_out)
    before = period * math.ceil(CONTINUED_SECONDS * rate_in / period)
    mirrored = min(round(CONTINUED_SECONDS * rate_in), len(audio) - 1)
    around = [(0, 0)] * (audio.ndim - 1)
    longer = np.pad(audio, [(mirrored, mirrored), *around], "reflect", reflect_type="odd")
    longer = np.pad(longer, [(before - mirrored, before - mirrored), *around], "edge")
    start, size = before * rate_out // rate_in, round(len(audio) * rate_out / rate_in)
    return soxr.resample(longer, rate_in, rate_out, quality="HQ")[start : start + size]


def cut_note(audio: np.ndarray, onset: int, config: AudioConfig) -> np.ndarray:
    """Cut a sound to a note's length from its onset on, with a fade-out, or pad it with zeros.

    Args:
        audio: float32 `[samples]`.
        onset: the sample at which the note begins.
        config: gives the sample rate and length.

    Returns:
        float32 `[num_samples]`.
    """
    size = config.num_samples
    note = audio[onset : onset + size].copy()
    fade = round(FADE_SECONDS * config.sample_rate)
    # Less is the end of a file of a note's length with something in front.
    if audio.size - onset > size + fade:
        note[-fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)
    return np.pad(note, (0, size - note.size))


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
    peak = np.abs(audio).max(initial=0.0)
    if audio.size != config.num_samples:
        problem = f"holds {audio.size} samples, expected {config.num_samples} (truncated?)"
    else:
        quiet = f"is silent, expected a peak of at least {silence}" if peak < silence else ""
        problem = check_peak(float(peak)) or quiet
    return (np.zeros(config.num_samples, np.float32) if problem else audio), problem
