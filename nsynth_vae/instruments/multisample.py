"""Decoded notes made the samples of a sampler: looped or rung out, and tuned. Pure functions of numpy audio."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from nsynth_vae.instruments import sustain_loop, voice
from nsynth_vae.notes import pitch_to_hertz

PEAK_DB = -1.0
"""The loudest sample's peak, dB of full scale."""

GUARD = 32
"""Samples of the loop's start repeated after its end: samplers that interpolate look that far."""

_FRAME = 4096
_FFT = 65536


@dataclasses.dataclass(frozen=True)
class Sample:
    """A note of the instrument."""

    pitch: int
    velocity: int
    audio: np.ndarray
    """float64 `[samples]`, -1..1."""
    kind: str
    """`loops.Hold.kind`: only `sustained` ones have a loop; others are as long as they sound."""
    loop: tuple[int, int] | None
    """Its first and last sample."""
    cents: float | None
    """How far it sounds from its pitch; None if that could not be heard."""
    release_seconds: float
    """In which its release falls by 60 dB."""


def sample_notes(notes: np.ndarray, places: Sequence[tuple[int, int]], sample_rate: int = 16000) -> tuple[Sample, ...]:
    """Makes decoded notes samples: looped or rung out, and as loud as they can be together.

    Args:
        notes: float `[notes, samples]`, -1..1.
        places: the pitch and the velocity of each; all pitches have all velocities.
        sample_rate: Hz.
    """
    notes = np.asarray(notes, np.float64)
    velocities = np.array([velocity for _, velocity in places])
    decibels = 20 * np.log10(np.sqrt(np.mean(notes**2, axis=1)) + 1e-9)
    means = {velocity: decibels[velocities == velocity].mean() for velocity in set(velocities)}
    raised = [10 ** ((max(means.values()) - means[velocity]) / 20) for velocity in velocities]
    samples = [
        _sample(gain * note, *place, sample_rate) for gain, note, place in zip(raised, notes, places, strict=True)
    ]
    gain = 10 ** (PEAK_DB / 20) / max(*(np.abs(sample.audio).max() for sample in samples), 1e-9)
    return tuple(dataclasses.replace(sample, audio=gain * sample.audio) for sample in samples)


def cents_off(note: np.ndarray, pitch: int, sample_rate: int = 16000) -> float | None:
    """Returns how far a note sounds from its pitch, in cents, if the tracker hears it within 50.

    The tracker tells that the note is the pitch, but not to a few cents. How far it is off is told by the spectrum's
    peaks near the first eight multiples of the pitch: their mean weighted by power, of which the median over time,
    weighted by loudness (amplitude to the power of 0.6: Stevens, "On the psychophysical law", 1957), for where a
    struck note is loud, it is heard.

    Args:
        note: float `[samples]`, -1..1.
        pitch: MIDI.
        sample_rate: Hz; only 16000, the tracker's.
    """
    from nsynth_vae.analysis.pitch import MEASURED, median_f0

    heard, asked = median_f0(note, sample_rate), pitch_to_hertz(pitch)
    if heard is None or abs(1200 * np.log2(heard / asked)) > 50:
        return None
    first, last = (round(share * len(note)) for share in MEASURED)
    frames = np.lib.stride_tricks.sliding_window_view(note[first:last], _FRAME)[:: _FRAME // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), _FFT)) ** 2 + 1e-30
    places = np.arange(1, 9) * asked * _FFT / sample_rate
    places = places[places * 2 ** (1 / 24) + 2 < power.shape[1]]
    cents, weights = [], []
    for place in places:
        low, high = (round(place * 2 ** (side / 24)) for side in (-1, 1))
        peak = low + power[:, low : high + 1].argmax(axis=1)
        left, middle, right = (np.log(power[np.arange(len(power)), peak + side]) for side in (-1, 0, 1))
        # The parabola through the logarithms of a peak and its neighbours.
        curve = np.minimum(left - 2 * middle + right, -1e-9)
        cents.append(1200 * np.log2((peak + np.clip(0.5 * (left - right) / curve, -0.5, 0.5)) / place))
        weights.append(power[np.arange(len(power)), peak])
    cents, loudness = np.average(cents, axis=0, weights=weights), np.sum(weights, axis=0) ** 0.3
    order = np.argsort(cents)
    middle = np.searchsorted(np.cumsum(loudness[order]), 0.5 * loudness.sum())
    return float(cents[order[middle]])


def _sample(note: np.ndarray, pitch: int, velocity: int, sample_rate: int) -> Sample:
    hold = sustain_loop.find_hold(note, pitch, sample_rate)
    loop = None
    if hold.kind == "sustained":
        once, repeated = sustain_loop.loop(note, hold, sample_rate)
        audio = np.concatenate([once, repeated, repeated[:GUARD]])
        loop = hold.end, hold.end + len(repeated) - 1
    else:
        audio = sustain_loop.rung_out(note, hold, sample_rate)
    release = voice.release_seconds(note, pitch, sample_rate)
    return Sample(pitch, velocity, audio, hold.kind, loop, cents_off(note, pitch, sample_rate), release)
