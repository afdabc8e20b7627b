"""Samples of a sampler: decoded notes, looped or ringing out, with their detuning and release time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from nsynth_vae.analysis.pitch import MEASURED, median_f0
from nsynth_vae.analysis.spectra import parabolic_peak
from nsynth_vae.instruments import sustain_loop, voice
from nsynth_vae.notes import pitch_to_hertz

PEAK_DB = -1.0
"""The loudest sample's peak, dB of full scale."""

GUARD = 32
"""Samples of the loop's start repeated after its end, for samplers that interpolate across it."""

_FRAME = 4096
_FFT = 65536


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """A sampled note of an instrument."""

    pitch: int
    velocity: int
    take: int
    """Place among the takes that a sampler plays in turn, from 0."""
    audio: np.ndarray
    """float64 `[samples]`, -1..1."""
    kind: str
    """`SustainLoop.kind`: only `sustained` samples have a loop; others last until they are silent."""
    loop: tuple[int, int] | None
    """The loop's first and last sample."""
    cents: float | None
    """Detuning from the pitch; None if it could not be estimated."""
    release_seconds: float
    """The time in which the release falls by 60 dB."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A sample, and the keys and velocities that play it."""

    file: str
    """Path of the sample's WAV relative to the instrument's file, with `/`."""
    sample: Sample
    keys: tuple[int, int]
    """The lowest and the highest."""
    velocities: tuple[int, int]
    """The lowest and the highest."""
    takes: int = 1
    """Takes of its key and velocity, of which the sample is one."""

    @property
    def cents(self) -> int:
        """Transposition that tunes the sample."""
        return 0 if self.sample.cents is None else -round(self.sample.cents)


def nearest_ranges(values: Sequence[int], low: int = 0, high: int = 127) -> list[tuple[int, int]]:
    """Divide `low` to `high` into one range for each value, so that every number belongs to the nearest value.

    Args:
        values: ascending, within the range.
        low: start of the first range.
        high: end of the last range.
    """
    between = [(one + other) // 2 for one, other in itertools.pairwise(values)]
    return list(zip([low, *(last + 1 for last in between)], [*between, high], strict=True))


def sample_notes(notes: np.ndarray, keys: Sequence[tuple[int, ...]], sample_rate: int = 16000) -> tuple[Sample, ...]:
    """Make samples of decoded notes: looped or ringing out, equal in mean level, as loud as they can be together.

    Args:
        notes: float `[notes, samples]`, -1..1.
        keys: the pitch, the velocity and, where there are several, the take of each; all pitches have all velocities.
        sample_rate: Hz.
    """
    notes = np.asarray(notes, np.float64)
    velocities = np.array([velocity for _, velocity, *_ in keys])
    decibels = 20 * np.log10(np.sqrt(np.mean(notes**2, axis=1)) + 1e-9)
    means = {velocity: decibels[velocities == velocity].mean() for velocity in set(velocities)}
    raised = [10 ** ((max(means.values()) - means[velocity]) / 20) for velocity in velocities]
    samples = [_sample(gain * note, sample_rate, *key) for gain, note, key in zip(raised, notes, keys, strict=True)]
    gain = 10 ** (PEAK_DB / 20) / max(*(np.abs(sample.audio).max() for sample in samples), 1e-9)
    return tuple(dataclasses.replace(sample, audio=gain * sample.audio) for sample in samples)


def detuning_cents(note: np.ndarray, pitch: int, sample_rate: int = 16000) -> float | None:
    """Estimate a note's deviation from its pitch, in cents; None if the pitch tracker estimates more than 50.

    The tracker is not exact to a few cents. The spectrum's peaks near the first eight harmonics are: their mean
    weighted by power in each frame, and the median of the frames weighted by loudness (amplitude to the power of 0.6:
    Stevens, "On the psychophysical law", 1957), so that a struck note is tuned where it is loud.

    Args:
        note: float `[samples]`.
        pitch: MIDI.
        sample_rate: Hz; only 16000, the tracker's.
    """
    found, target = median_f0(note, sample_rate), pitch_to_hertz(pitch)
    if found is None or abs(1200 * np.log2(found / target)) > 50:
        return None
    first, last = (round(fraction * len(note)) for fraction in MEASURED)
    frames = np.lib.stride_tricks.sliding_window_view(note[first:last], _FRAME)[:: _FRAME // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), _FFT)) ** 2 + 1e-30
    rows = np.arange(len(power))
    harmonics = np.arange(1, 9) * target * _FFT / sample_rate
    cents, weights = [], []
    for harmonic in harmonics[harmonics * 2 ** (1 / 24) + 2 < power.shape[1]]:
        low, high = (round(harmonic * 2 ** (side / 24)) for side in (-1, 1))
        peak = low + power[:, low : high + 1].argmax(axis=1)
        offset = parabolic_peak(*(np.log(power[rows, peak + side]) for side in (-1, 0, 1)))
        cents.append(1200 * np.log2((peak + offset) / harmonic))
        weights.append(power[rows, peak])
    mean, loudness = np.average(cents, axis=0, weights=weights), np.sum(weights, axis=0) ** 0.3
    order = np.argsort(mean)
    middle = np.searchsorted(np.cumsum(loudness[order]), 0.5 * loudness.sum())
    return float(mean[order[middle]])


def _sample(note: np.ndarray, sample_rate: int, pitch: int, velocity: int, take: int = 0) -> Sample:
    loop, ends = sustain_loop.find_loop(note, pitch, sample_rate), None
    if loop.kind == "sustained":
        once, repeated = sustain_loop.split_loop(note, loop, sample_rate)
        audio = np.concatenate([once, repeated, repeated[:GUARD]])
        ends = loop.end, loop.end + len(repeated) - 1
    else:
        audio = sustain_loop.ring_out(note, loop, sample_rate)
    return Sample(
        pitch=pitch,
        velocity=velocity,
        take=take,
        audio=audio,
        kind=loop.kind,
        loop=ends,
        cents=detuning_cents(note, pitch, sample_rate),
        release_seconds=voice.release_seconds(note, pitch, sample_rate),
    )
