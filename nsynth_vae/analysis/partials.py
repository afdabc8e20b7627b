"""Partials of a note: spectral peaks, the fit of a stiff string's partials, and their dissonance."""

from __future__ import annotations

import math

import numpy as np

from nsynth_vae.analysis.spectra import hann, parabolic_peak
from nsynth_vae.notes import pitch_to_hertz

STEADY_SECONDS = (0.25, 2.048)
"""Start and length of the steady part of a note."""

MAX_INHARMONICITY = 0.02
"""The largest fitted B, above what strings have."""

MAX_PARTIALS = 30
"""Partials that are searched for."""

MIN_PARTIALS = 4
"""Partials that an estimate of B needs."""

PEAK_LIMIT_DB = 60.0
"""Peaks further below the strongest are left out."""

# Sethares 1993: the exponents of his fit to Plomp and Levelt 1965, and where it is largest.
_RISE, _FALL = 3.51, 5.75
_ROUGHEST = math.log(_FALL / _RISE) / (_FALL - _RISE)


def steady_part(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return 2.048 s from 0.25 s on, or what there is of it.

    A note that has died away by then (mean power 60 dB below that of the loudest 10 ms) starts at those 10 ms.
    """
    start, length = (round(seconds * sample_rate) for seconds in STEADY_SECONDS)
    block = sample_rate // 100
    power = np.square(audio[: audio.size // block * block]).reshape(-1, block).mean(axis=1)
    part = audio[start : start + length]
    if np.square(part).mean() < 1e-6 * power.max():
        start = min(int(power.argmax()) * block, audio.size - sample_rate // 2)
        part = audio[start : start + length]
    return part


def steady_spectrum(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies, Hz, up to half the sample rate, and the power of the Hann-windowed steady part at them."""
    part = steady_part(audio, sample_rate)
    size = 2 * round(STEADY_SECONDS[1] * sample_rate)
    power = np.square(np.abs(np.fft.rfft(part * hann(part.size), size)))
    return np.arange(power.size) * (sample_rate / size), power


def fit_partials(hertz: np.ndarray, power: np.ndarray, pitch: int) -> tuple[float, float]:
    """Fit f0, Hz, and B of a stiff string's partials f_k = k f0 sqrt(1 + B k^2) (Fletcher 1964).

    Peaks are followed from the first partial up, each searched for where the fit of those below it expects it. A peak
    counts if it stands 15 dB above the median power around it. (f_k / k)^2 is linear in k^2.

    Args:
        hertz: `[bins]`, evenly spaced from 0.
        power: `[bins]`.
        pitch: MIDI, 0..127: where the search begins.

    Returns:
        (f0, B from 0 to `MAX_INHARMONICITY`; 0 with fewer than `MIN_PARTIALS`).
    """
    step, f0, stretch = hertz[1], pitch_to_hertz(int(pitch)), 0.0
    numbers: list[int] = []
    found: list[float] = []
    for number in range(1, MAX_PARTIALS + 1):
        expected = number * f0 * math.sqrt(1.0 + stretch * number**2)
        reach = (0.2 if len(numbers) < MIN_PARTIALS else 0.1) * f0
        first, last = int((expected - reach) / step), int((expected + reach) / step)
        if last + 1 >= power.size:
            break
        peak = first + int(power[first : last + 1].argmax())
        around = power[int((expected - 0.5 * f0) / step) : int((expected + 0.5 * f0) / step) + 1]
        if first < peak < last and power[peak] > 30.0 * np.median(around):
            numbers.append(number)
            found.append(step * (peak + parabolic_peak(*np.log(power[peak - 1 : peak + 2] + 1e-30))))
            f0, stretch = _fit(np.array(numbers, np.float64), np.array(found))
    return f0, stretch


def partial_frequencies(f0: float, stretch: float, highest: float) -> np.ndarray:
    """Return f_k = k f0 sqrt(1 + B k^2) for k = 0, 1, ..., until above `highest`, Hz."""
    numbers = np.arange(int(highest / f0) + 2)
    return numbers * f0 * np.sqrt(1.0 + stretch * numbers**2)


def strongest_peaks(spectra: np.ndarray, step: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the strongest peaks of each spectrum.

    Args:
        spectra: magnitudes, `[frames, bins]`.
        step: from one bin to the next, Hz.
        count: of peaks.

    Returns:
        (frequencies, Hz; amplitudes), both interpolated, `[frames, count]`; amplitude 0 where there are fewer peaks.
    """
    middle = spectra[:, 1:-1]
    is_peak = (middle > spectra[:, :-2]) & (middle >= spectra[:, 2:])
    is_peak &= middle > 10.0 ** (-PEAK_LIMIT_DB / 20.0) * spectra.max(axis=1, keepdims=True)
    height = np.where(is_peak, middle, 0.0)
    index = np.argpartition(height, -count, axis=1)[:, -count:]
    amplitude = np.take_along_axis(height, index, axis=1)
    left, center, right = (np.log(np.take_along_axis(spectra, index + offset, axis=1) + 1e-30) for offset in (0, 1, 2))
    shift = np.where(amplitude > 0.0, parabolic_peak(left, center, right), 0.0)
    return (index + 1 + shift) * step, amplitude * np.exp(0.25 * (right - left) * shift)


def dissonance(hertz: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Return the sensory dissonance of peaks (Sethares 1993), independent of their level.

    Sum over pairs f1 < f2 with amplitudes a1, a2 of a1 a2 (exp(-3.51 s (f2 - f1)) - exp(-5.75 s (f2 - f1))),
    s = 0.24 / (0.0207 f1 + 18.96 Hz), over half the sum of a^2 and the largest value of the bracket.

    Args:
        hertz: `[frames, peaks]`.
        amplitude: `[frames, peaks]`.

    Returns:
        `[frames]`; 1 for two equal peaks at their roughest, 0 for one, or none.
    """
    first, second = np.triu_indices(hertz.shape[1], 1)
    lower = np.minimum(hertz[:, first], hertz[:, second])
    distance = 0.24 / (0.0207 * lower + 18.96) * np.abs(hertz[:, first] - hertz[:, second])
    bracket = np.exp(-_RISE * distance) - np.exp(-_FALL * distance)
    pairs = (amplitude[:, first] * amplitude[:, second] * bracket).sum(axis=1)
    power = np.maximum(np.square(amplitude).sum(axis=1), 1e-30)
    return 2.0 * pairs / power / (math.exp(-_RISE * _ROUGHEST) - math.exp(-_FALL * _ROUGHEST))


def _fit(numbers: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Return f0 and B by least squares, without partials that are off by 4 times the median error."""
    x, y = np.square(numbers), np.square(found / numbers)
    if x.size < MIN_PARTIALS:
        return math.sqrt(np.median(y)), 0.0
    weight = x  # An error in Hz is one of y in proportion to 1 / k.
    for _ in range(3):
        mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
        slope = (weight * (x - mean_x)) @ (y - mean_y) / ((weight * (x - mean_x)) @ (x - mean_x))
        intercept = mean_y - slope * mean_x
        error = np.abs(y - intercept - slope * x) * numbers
        kept = error <= 4.0 * np.median(error) + 1e-9 * mean_y
        if kept.sum() < MIN_PARTIALS:
            break
        weight = np.where(kept, x, 0.0)
    if slope <= 0.0 or intercept <= 0.0:
        return math.sqrt(mean_y), 0.0
    return math.sqrt(intercept), min(float(slope / intercept), MAX_INHARMONICITY)
