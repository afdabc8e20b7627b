"""Harmonic series beside the tonal peaks of a sound, frame by frame: how much of their power is on its multiples."""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.analysis.spectra import parabolic_peak

RATE = 16000  # Hz, the tracker's.
LOUD_DB = 25.0
OWN = (7, 11, 13, 17, 19, 23)
"""Multiples that the common divisor of a chord's notes has none of."""

_LOWEST_HERTZ = 22.0
_PERIODS = 64  # Of a frame: two notes a semitone apart, 6 %, are then 4 bins apart, the width of a Hann peak.
_GRID = 2.0 ** (np.arange(-90, 91, 6) / 1200.0)
_STRETCHES = (0.0, 1e-4, 3e-4)  # B of stiff strings; partials of low ones are 5 % sharp from the 20th on.
_HARMONICS = 64


@dataclasses.dataclass(frozen=True)
class Comb:
    """A harmonic series beside a sound's tonal peaks."""

    hertz: float
    explained: float
    """Fraction of the tonal power on its multiples, median over the frames."""
    quartile: float
    """The same, lower quartile."""
    stray: float
    """Power of the strongest peak off its multiples, as a fraction of the strongest peak's, median over the frames."""
    tonal: float
    """Power of the tonal peaks, as a fraction of all peaks', median over the frames."""
    drift: float
    """Cents between the 5th and 95th percentile of the frames' f0."""
    power: np.ndarray
    """Power of each multiple, `[_HARMONICS]`, as a fraction of what is explained."""

    def level(self, *numbers: int) -> float:
        """Return the power of some multiples, dB of what is explained."""
        return float(10.0 * np.log10(self.power[list(numbers)].sum() + 1e-9))

    def divisor(self) -> int:
        """Return the largest number, 1 to 8, of which all multiples with power are multiples."""
        numbers = np.arange(_HARMONICS)
        return next((m for m in range(8, 1, -1) if self.power[numbers % m == 0].sum() >= 0.985), 1)

    def is_fundamental(self, agreed: bool = False) -> bool:
        """Return whether the series itself sounds: not only multiples that higher notes of a chord have as well.

        The power of a chord's common divisor is at 4, 5, 6, 8, 10, ...: there is none at 1, nor at large primes, and
        little at 1 to 3; `agreed`, where all methods estimate this f0, less is enough.
        """
        least = -20.0 if agreed or self.hertz < 60.0 else -12.0
        return self.level(1) > -31.0 or (self.level(*OWN) > -31.0 and self.level(1, 2, 3) > least)


@dataclasses.dataclass(frozen=True)
class Frames:
    """A harmonic series beside the tonal peaks of a sound's loud frames; all `[frames]`, as `Comb` describes them."""

    f0: np.ndarray
    explained: np.ndarray
    stray: np.ndarray
    tonal: np.ndarray
    power: np.ndarray
    """Power of each multiple, `[frames, _HARMONICS]`, as a fraction of the tonal power."""


def fit(part: np.ndarray, hertz: float) -> Comb | None:
    """Fit a harmonic series, within 90 cents of a frequency, to a sound; None if no frame has a tonal peak."""
    frames = fit_frames(part, hertz)
    if frames is None:
        return None
    total = frames.power.mean(axis=0)
    spread = np.percentile(1200.0 * np.log2(frames.f0 / hertz), (5, 95))
    return Comb(
        hertz=float(np.median(frames.f0)),
        explained=float(np.median(frames.explained)),
        stray=float(np.median(frames.stray)),
        tonal=float(np.median(frames.tonal)),
        quartile=float(np.percentile(frames.explained, 25)),
        drift=float(spread[1] - spread[0]),
        power=total / max(total.sum(), 1e-12),
    )


def fit_frames(part: np.ndarray, hertz: float) -> Frames | None:
    """Fit a harmonic series, within 90 cents of a frequency, to each frame that is loud; None if none has a tonal peak.

    Args:
        part: float32 `[samples]` at 16 kHz.
        hertz: the frequency.
    """
    length = min(int(np.clip(_PERIODS / hertz, 0.128, 1.0) * RATE), part.size)
    stretches = _STRETCHES if hertz < 120.0 else (0.0,)
    energies, rows, power = [], [], []
    for start in range(0, part.size - length + 1, max(1, length // 2)):
        frame = part[start : start + length]
        found, powers, tonal = tonal_peaks(frame, hertz)
        if not found.size:
            continue
        fits = [_fit_frame(found, powers, hertz, stretch, RATE / length) for stretch in stretches]
        # A stretch must explain a tenth more than none, or it would bend chords into place.
        _, numbers, on, f0 = max(fits, key=lambda fit: fit[0] * (1.0 if fit is fits[0] else 0.9))
        energies.append(np.square(frame).mean())
        rows.append((f0, powers[on].sum() / powers.sum(), powers[~on].max(initial=0.0) / powers.max(), tonal))
        row = np.zeros(_HARMONICS)
        np.add.at(row, np.minimum(numbers[on], _HARMONICS - 1), powers[on] / powers.sum())
        power.append(row)
    if not rows:
        return None
    kept = np.array(energies) > max(energies) * 10 ** (-LOUD_DB / 10)
    f0, explained, stray, tonal = np.array(rows)[kept].T
    return Frames(f0, explained, stray, tonal, np.array(power)[kept])


def tonal_peaks(frame: np.ndarray, hertz: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return frequencies, Hz, and powers of the tonal peaks, and their power as a fraction of all peaks'.

    These are 11 dB above the median power around them, and within 40 dB of the strongest. The largest of 100 bins of
    noise is 8 dB above their median.
    """
    size = 1 << int(np.ceil(np.log2(2 * frame.size)))
    power = np.square(np.abs(np.fft.rfft(frame * np.hanning(frame.size), size)))
    rumble = float(np.clip(hertz / 8.0, _LOWEST_HERTZ, 60.0))
    power[: max(2, int(rumble * size / RATE))] = 0.0
    # Wide enough for a partial with the sidebands of a tremolo, narrow enough for the slope of a thump.
    width = int(max(16 * size / frame.size, min(0.8 * hertz, 400.0) * size / RATE))
    count = power.size // width
    medians = np.median(power[: count * width].reshape(count, width), axis=1) if count > 1 else [np.median(power)]
    around = np.interp(np.arange(power.size), (np.arange(len(medians)) + 0.5) * width, medians)
    middle = power[1:-1]
    is_peak = (middle > power[:-2]) & (middle >= power[2:])
    peaks = np.flatnonzero(is_peak & (middle > 1e-4 * power.max()) & (middle > 12.0 * around[1:-1])) + 1
    shift = parabolic_peak(*(np.log(power[peaks + offset] + 1e-30) for offset in (-1, 0, 1)))
    everything = max(float(middle[is_peak].sum()), 1e-30)
    return (peaks + shift) * RATE / size, power[peaks], float(power[peaks].sum()) / everything


def _fit_frame(
    found: np.ndarray, powers: np.ndarray, hertz: float, stretch: float, resolution: float
) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Return (score, each peak's number, whether it is on a multiple, f0) of the best series in a frame."""
    f0 = hertz * _GRID[:, None]
    numbers = np.maximum(1, np.round(found / f0))
    if stretch:
        numbers = np.maximum(1, np.round(found / (f0 * np.sqrt(1.0 + stretch * numbers**2))))
    expected = numbers * f0 * np.sqrt(1.0 + stretch * numbers**2)
    # 26 cents, for vibrato within a frame; at most 15 % of the spacing, so that not everything is on a multiple.
    tolerance = np.minimum(np.maximum(0.015 * expected, 1.5 * resolution), 0.15 * f0)
    off = np.abs(found - expected)
    counted = numbers <= (30 if stretch else 16)
    scores = (np.sqrt(powers) * np.maximum(0.0, 1.0 - off / tolerance) * counted).sum(axis=1)
    best = int(scores.argmax())
    return float(scores[best]), numbers[best].astype(int), off[best] < tolerance[best], float(f0[best, 0])


def near(first: float, second: float, cents: float) -> bool:
    """Return whether two frequencies are within some cents of each other."""
    return abs(1200.0 * np.log2(first / second)) < cents
