"""Automation of a sounding note: its pitch bend and vibrato, by resampling, and its level."""

from __future__ import annotations

import math

import numpy as np

Curve = tuple[tuple[float, float], ...]
"""Steps of a value: (seconds from a note's start, the value from then on), ascending; the first at 0."""

MOST_CENTS = 2400.0
"""The largest bend of a sound either way, two octaves; the pitch that is decoded follows larger ones."""

VIBRATO_HERTZ = 5.5
"""Rate of a vibrato: in the middle of what singers and players have, 5 to 6 Hz."""

_VIBRATO_STEP_SECONDS = 0.0005
"""A vibrato is a staircase: at 50 cents its steps are of 1 cent, and what they add is 60 dB below the sound."""

_ZERO_CROSSINGS = 16
"""Of the interpolating sinc to each side: flat to 0.9 of the band."""

_BLOCK = 4096
_RAMP_SECONDS = 0.01
"""Steps of the level are averaged over this time: sudden ones click."""


def mean_of(curve: Curve, seconds: float) -> float:
    """Return the mean of a curve from 0 to a time."""
    return float(_integral(curve, np.array(seconds))) / seconds


def bent_seconds(bend: Curve, seconds: float) -> float:
    """Return how much of a sound is played in a time in which it is bent."""
    return float(_integral(_ratios(bend), np.array(seconds)))


def add_vibrato(bend: Curve, depth: Curve, seconds: float) -> Curve:
    """Return a bend with a vibrato: a sine of `VIBRATO_HERTZ`, upwards first.

    Args:
        bend: cents; empty for none.
        depth: amplitude of the sine, cents.
        seconds: how long the vibrato lasts.
    """
    bend = bend or ((0.0, 0.0),)
    steps = np.arange(0.0, seconds, _VIBRATO_STEP_SECONDS)
    times = np.unique(np.concatenate([steps, [at for at, _ in bend], [at for at, _ in depth]]))
    cents = _values(bend, times) + _values(depth, times) * np.sin(2 * np.pi * VIBRATO_HERTZ * times)
    return tuple(zip(times.tolist(), cents.tolist(), strict=True))


def bend_sound(sound: np.ndarray, bend: Curve, sample_rate: int = 16000) -> np.ndarray:
    """Resample a sound so that its pitch follows a bend; exact, and without aliasing.

    Sample n of the result is the sound at the integral of 2^(cents / 1200), interpolated by a windowed sinc (Smith and
    Gossett, "A flexible sampling-rate conversion method", ICASSP 1984), whose cut-off falls where the pitch rises.

    Args:
        sound: float `[samples]`.
        bend: cents; more than `MOST_CENTS` either way are as many.
        sample_rate: Hz.

    Returns:
        float64 `[samples]`, longer or shorter.
    """
    ratios = _ratios(bend)
    last, ratio = ratios[-1]
    far = last + len(sound) / sample_rate / ratio
    knots = np.append(ratios[:, 0], far)
    end = np.interp(len(sound) / sample_rate, _integral(ratios, knots), knots)
    bent = np.zeros(math.ceil(end * sample_rate))
    # By blocks: the kernels of all samples of a note of minutes are gigabytes.
    for first in range(0, len(bent), _BLOCK):
        samples = np.arange(first, min(first + _BLOCK, len(bent)))
        bent[samples[0] : samples[-1] + 1] = _interpolate(sound, _integral(ratios, samples / sample_rate) * sample_rate)
    return bent


def levels(gain: Curve, samples: int, sample_rate: int = 16000) -> np.ndarray:
    """Return a curve of factors as samples, float64 `[samples]`, its steps smoothed."""
    seconds = np.arange(samples) / sample_rate
    return (_integral(gain, seconds) - _integral(gain, seconds - _RAMP_SECONDS)) / _RAMP_SECONDS


def _ratios(bend: Curve) -> np.ndarray:
    """Return the speeds at which a sound is played by a bend in cents, `[steps, 2]`."""
    starts, cents = np.array(bend).T
    return np.stack([starts, 2 ** (np.clip(cents, -MOST_CENTS, MOST_CENTS) / 1200)], axis=1)


def _values(curve: Curve, seconds: np.ndarray) -> np.ndarray:
    """Return the values of a curve at some times."""
    starts, values = np.array(curve).T
    return values[np.searchsorted(starts, seconds, side="right") - 1]


def _integral(curve: Curve | np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return the integral of a curve from 0 to each time; before 0 it has its first value."""
    starts, values = np.array(curve).T
    before = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(starts))])
    step = np.maximum(np.searchsorted(starts, seconds, side="right") - 1, 0)
    return before[step] + values[step] * (seconds - starts[step])


def _interpolate(sound: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return a sound at fractional samples, ascending, below the band of the steps between them."""
    step = max(float(np.diff(places).max(initial=1.0)), 1.0)
    half = math.ceil(_ZERO_CROSSINGS * step)
    whole = np.floor(places).astype(int)
    low, high = whole[0] + 1 - half, whole[-1] + 1 + half
    used = np.pad(sound[max(low, 0) : high], (max(-low, 0), 0))
    used = np.pad(used, (0, high - low - len(used)))
    taps = whole[:, None] + np.arange(1 - half, half + 1)
    away = places[:, None] - taps
    kernel = np.sinc(away / step) / step * np.cos(np.pi / 2 * np.clip(away / half, -1, 1)) ** 2
    return np.einsum("nt,nt->n", kernel, used[taps - low])
