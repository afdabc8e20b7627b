"""Pitch estimation: swift-f0 in its range, autocorrelation below, the spectrum's strongest peak above.

A note is measured over 5 to 60 % of its length: after the attack, before the release.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.spectra import parabolic_peak
from nsynth_vae.notes import pitch_to_hertz

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

TRACKER_HERTZ = (46.875, 2093.75)
"""Range of swift-f0's estimates, Hz."""

MEASURED = (0.05, 0.6)
"""The part of a note that is measured, as fractions of its length."""

VOICED_FRACTION = 0.15
"""The fraction of the sounding frames that must be voiced for a sound to have a pitch."""

BETWEEN_FRACTION = 0.003
"""With more than this fraction of the power between its multiples, a pitch is an octave (or more) too high."""

LOWEST_HERTZ = 26.7
"""The lowest estimate: 50 cents below A0, NSynth's lowest note. Below it is mostly rumble."""

_RATE = 16000  # Hz, the tracker's.
_FRAME = 4096
_FFT = 65536
_LOUD_DB = 40.0


def median_f0(audio: np.ndarray, sample_rate: int = 16000) -> float | None:
    """Estimate the fundamental frequency of a note.

    Args:
        audio: float `[samples]`, -1..1; at least 0.1 s.
        sample_rate: Hz; only 16000, the tracker's.

    Returns:
        Hz, the median over the measured part; None without a steady pitch (noise, a drum, silence).
    """
    return _f0(_measured(audio, sample_rate), VOICED_FRACTION)


def estimate_pitch(audio: np.ndarray, sample_rate: int = 16000) -> tuple[int, float] | None:
    """Return (nearest MIDI pitch, Hz) of a note, or None if it is unpitched; see `median_f0`."""
    hertz = median_f0(audio, sample_rate)
    if hertz is None:
        return None
    pitch = round(hertz_to_pitch(hertz))
    return (pitch, hertz) if 0 <= pitch <= 127 else None


def pitch_candidates(part: np.ndarray) -> dict[str, float | None]:
    """Return what each method estimates as a sound's f0, Hz, None where it finds nothing; the first is `median_f0`'s.

    Args:
        part: float32 `[samples]` at 16 kHz, the part of a note that is measured.
    """
    return {
        "best": _f0(part, VOICED_FRACTION),
        "period": _period_hertz(part),
        "tracked": _tracked(part, 0.0),
        "peak": _peak_hertz(part),
    }


def hertz_to_pitch(hertz: float) -> float:
    """Return the MIDI pitch of a frequency, with its fraction."""
    return 69.0 + 12.0 * math.log2(hertz / 440.0)


def in_tune(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> bool:
    """Return whether a note sounds within 50 cents of a target pitch.

    The target decides the method: `median_f0`'s within swift-f0's range, autocorrelation below it, the spectrum's
    strongest peak above it. A note without an estimate counts as out of tune.

    Args:
        audio: float `[samples]`, -1..1.
        pitch: the target, MIDI.
        sample_rate: Hz; only 16000.
    """
    part = _measured(audio, sample_rate)
    target = pitch_to_hertz(pitch)
    if target < TRACKER_HERTZ[0]:
        found = _period_hertz(part)
    elif target > TRACKER_HERTZ[1]:
        found = _peak_hertz(part)
    else:
        found = _f0(part, 0.0)
    return found is not None and abs(hertz_to_pitch(found) - pitch) <= 0.5


def _measured(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the measured part of a note; trailing zeros do not count towards its length."""
    if sample_rate != _RATE:
        raise ValueError(f"sample_rate is {sample_rate}, expected {_RATE}")
    audio = np.asarray(audio, np.float32).reshape(-1)
    sounding = np.flatnonzero(audio)
    audio = audio[: sounding[-1] + 1] if sounding.size else audio[:0]
    first, last = (int(fraction * audio.size) for fraction in MEASURED)
    return audio[first:last]


def _f0(part: np.ndarray, voiced: float) -> float | None:
    """Estimate f0 of a measured part; for swift-f0 at least this fraction of the sounding frames must be voiced."""
    tracked, peak = _corrected(part, voiced), _peak_hertz(part)
    above = peak is not None and peak > TRACKER_HERTZ[1]
    if above and (tracked is None or _fraction_between(part, tracked, 2) < BETWEEN_FRACTION):
        return peak
    if tracked is not None:
        return tracked
    period = _period_hertz(part)
    return None if period is None or not LOWEST_HERTZ <= period <= TRACKER_HERTZ[1] else _refined(part, period)


@functools.lru_cache(maxsize=1)
def tracker() -> SwiftF0:
    """Return swift-f0, made once; one thread."""
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1)


def _tracked(part: np.ndarray, fraction: float) -> float | None:
    """Return swift-f0's median over the voiced frames, if they are this fraction of the sounding ones."""
    if part.size < 1600 or np.abs(part).max() < 1e-3:
        return None
    result = tracker().detect(part, _RATE)
    voiced = result.confidence >= 0.5
    loud = result.loudness_db > result.loudness_db.max() - _LOUD_DB
    if voiced.sum() < 3 or (voiced & loud).sum() < fraction * loud.sum():
        return None
    return float(np.median(result.pitch_hz[voiced]))


def _period_hertz(part: np.ndarray) -> float | None:
    """Estimate f0 by autocorrelation: the median over frames, if most frames agree with it."""
    starts = range(0, part.size - _FRAME + 1, _FRAME // 2)
    frames = np.array([part[start : start + _FRAME] for start in starts], np.float64).reshape(-1, _FRAME)
    power = (frames**2).mean(axis=1)
    if not frames.size or power.max() < 1e-7:
        return None
    frames = frames[power > power.max() * 10 ** (-_LOUD_DB / 10)]
    found = np.array([_period(frame) for frame in frames])
    median = float(np.median(found))
    agree = np.abs(np.log2(np.maximum(found, 1.0) / max(median, 1.0))) < 1 / 24
    return median if median > 0 and agree.mean() > 0.6 else None


def _period(frame: np.ndarray) -> float:
    """Return a frame's frequency in Hz by the first high peak of its autocorrelation; 0 for none."""
    longest = int(_RATE / LOWEST_HERTZ) + 2
    frame = frame - frame.mean()
    size = 2 * frame.size
    product = np.fft.irfft(np.abs(np.fft.rfft(frame, size)) ** 2)[: longest + 1]
    energy = np.concatenate([[0.0], np.cumsum(frame**2)])
    lags = np.arange(longest + 1)
    norm = np.sqrt((energy[frame.size - lags]) * (energy[-1] - energy[lags]))
    r = product / np.maximum(norm, 1e-12)
    peaks = np.flatnonzero((r[1:-1] >= r[:-2]) & (r[1:-1] > r[2:])) + 1
    peaks = peaks[peaks >= 8]
    if not peaks.size or r[peaks].max() < 0.8:
        return 0.0
    lag = int(peaks[r[peaks] >= 0.95 * r[peaks].max()][0])
    return float(_RATE / (lag + parabolic_peak(*r[lag - 1 : lag + 2])))


def _spectrum(part: np.ndarray) -> np.ndarray:
    """Return the Hann-windowed power spectrum of a part, `_FFT // 2 + 1` bins."""
    part = part[:_FFT]
    return np.abs(np.fft.rfft(part * np.hanning(part.size), _FFT)) ** 2


def _peak_hertz(part: np.ndarray) -> float | None:
    """Return the frequency of the spectrum's strongest peak above 60 Hz, if it holds a fifth of the power there."""
    if part.size < 1600 or np.abs(part).max() < 1e-3:
        return None
    power = _spectrum(part)
    power[: _bin(60.0)] = 0.0
    peak = int(power[:-1].argmax())
    width = max(4, int(4 * _FFT / part.size), int(0.01 * peak))
    if power[max(peak - width, 0) : peak + width + 1].sum() < 0.2 * power.sum():
        return None
    return float(_RATE / _FFT * (peak + parabolic_peak(*np.log(power[peak - 1 : peak + 2] + 1e-30))))


def _corrected(part: np.ndarray, fraction: float) -> float | None:
    """Return swift-f0's estimate, its octave errors corrected by the autocorrelation and the spectrum.

    swift-f0 0.3 estimates many flutes, reeds and sines around 500 Hz an octave too high, and sines above its range far
    too low. Where the autocorrelation's estimate is a whole multiple or fraction of it, the lower of the two is right
    if, and only if, the spectrum has power at multiples of it that are not multiples of the higher one.
    """
    tracked = _tracked(part, fraction)
    other = None if tracked is None else _period_hertz(part)
    if tracked is None or other is None:
        return tracked
    low, high = sorted((tracked, other))
    times = round(high / low)
    if times < 2 or abs(high / low / times - 1) > 0.04:
        return tracked
    return _refined(part, low if _fraction_between(part, low, times) > BETWEEN_FRACTION else high)


def _fraction_between(part: np.ndarray, hertz: float, times: int) -> float:
    """Return the fraction of the power at multiples of a frequency that are not multiples of `times` it."""
    power = _spectrum(part)
    between = [k * hertz for k in range(1, 32) if k % times and k * hertz < 7900]
    return sum(_band(power, f).sum() for f in between) / max(power[_bin(LOWEST_HERTZ) :].sum(), 1e-30)


def _bin(hertz: float) -> int:
    return int(hertz * _FFT / _RATE)


def _band(power: np.ndarray, hertz: float) -> np.ndarray:
    """Return the power spectrum's bins within 2 % of a frequency."""
    return power[_bin(0.98 * hertz) : _bin(1.02 * hertz) + 2]


def _refined(part: np.ndarray, hertz: float) -> float:
    """Refine a frequency by the strongest of the spectrum's peaks near its first multiples."""
    power = _spectrum(part)
    first = [k for k in range(1, 5) if k * hertz < 7900]
    best = max(first, key=lambda k: _band(power, k * hertz).max())
    peak = _bin(0.98 * best * hertz) + int(_band(power, best * hertz).argmax())
    return peak * _RATE / _FFT / best
