"""The pitch that a note sounds at: swift-f0 in its range, autocorrelation below, the spectrum above.

A note is measured over 5 to 60 % of its length: after the attack, before the release. All functions take
numpy audio.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from nsynth_vae.notes import pitch_to_hertz

TRACKER_HERTZ = (46.875, 2093.75)
"""What swift-f0 can answer, Hz."""

MEASURED = (0.05, 0.6)
"""The part of a note that is measured."""

VOICED_SHARE = 0.15
"""Share of the sounding frames in which a pitch must be heard, for the sound to have one."""

BETWEEN_SHARE = 0.003
"""Share of the power between the multiples of a pitch that makes it the pitch an octave (or more) lower."""

LOWEST_HERTZ = 26.7
"""The lowest answer: 50 cents below A0, NSynth's lowest note; below it is mostly rumble."""

_FRAME = 4096
_LOUD_DB = 40.0


def median_f0(audio: np.ndarray, sample_rate: int = 16000) -> float | None:
    """Returns the frequency at which a note sounds.

    Args:
        audio: float `[samples]`, -1..1; at least 0.1 s.
        sample_rate: Hz; only 16000, the tracker's.

    Returns:
        Hz, the median over the measured part; None if there is no steady pitch (noise, a drum, silence).
    """
    return _sounding(_measured(audio, sample_rate), VOICED_SHARE)


def estimate_pitch(audio: np.ndarray, sample_rate: int = 16000) -> tuple[int, float] | None:
    """Returns (nearest MIDI pitch, Hz) of a note, or None if it is unpitched; see `median_f0`."""
    hertz = median_f0(audio, sample_rate)
    if hertz is None:
        return None
    pitch = round(_to_pitch(hertz))
    return (pitch, hertz) if 0 <= pitch <= 127 else None


def in_tune(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> bool:
    """Returns whether a note sounds within 50 cents of a pitch.

    The asked pitch decides how it is measured: as `median_f0` does within swift-f0's range, by
    autocorrelation below, by the spectrum's strongest peak above. No answer counts as out of tune.

    Args:
        audio: float `[samples]`, -1..1.
        pitch: MIDI.
        sample_rate: Hz; only 16000.
    """
    part = _measured(audio, sample_rate)
    asked = pitch_to_hertz(pitch)
    if asked < TRACKER_HERTZ[0]:
        found = _period_hertz(part)
    elif asked > TRACKER_HERTZ[1]:
        found = _peak_hertz(part)
    else:
        found = _sounding(part, 0.0)
    return found is not None and abs(_to_pitch(found) - pitch) <= 0.5


def _to_pitch(hertz: float) -> float:
    return 69.0 + 12.0 * math.log2(hertz / 440.0)


def _measured(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Returns the measured part of the note; zeros after a short sound are not part of it."""
    if sample_rate != 16000:
        raise ValueError(f"sample_rate is {sample_rate}, expected 16000")
    audio = np.asarray(audio, np.float32).reshape(-1)
    sounding = np.flatnonzero(audio)
    audio = audio[: sounding[-1] + 1] if sounding.size else audio[:0]
    first, last = (int(share * audio.size) for share in MEASURED)
    return audio[first:last]


def _sounding(part: np.ndarray, share: float) -> float | None:
    """Returns `median_f0` of the measured part; swift-f0 must hear a pitch in this share of the frames."""
    heard, peak = _heard(part, share), _peak_hertz(part)
    above = peak is not None and peak > TRACKER_HERTZ[1]
    if above and (heard is None or _share_between(part, heard, 2) < BETWEEN_SHARE):
        return peak
    if heard is not None:
        return heard
    period = _period_hertz(part)
    return None if period is None or not LOWEST_HERTZ <= period <= TRACKER_HERTZ[1] else _refined(part, period)


@functools.lru_cache(maxsize=1)
def tracker():
    """Returns swift-f0, made once; one thread."""
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1)


def _tracked(part: np.ndarray, share: float) -> float | None:
    """Returns swift-f0's median over the voiced frames, if they are this share of the sounding ones."""
    if part.size < 1600 or np.abs(part).max() < 1e-3:
        return None
    result = tracker().detect(part, 16000)
    voiced = result.confidence >= 0.5
    loud = result.loudness_db > result.loudness_db.max() - _LOUD_DB
    if voiced.sum() < 3 or (voiced & loud).sum() < share * loud.sum():
        return None
    return float(np.median(result.pitch_hz[voiced]))


def _period_hertz(part: np.ndarray) -> float | None:
    """Returns the fundamental by autocorrelation: the median over frames, if most frames agree with it."""
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
    """Returns a frame's frequency in Hz by its first high peak of autocorrelation; 0 for none."""
    longest = int(16000 / LOWEST_HERTZ) + 2
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
    left, middle, right = r[lag - 1 : lag + 2]
    curve = left - 2 * middle + right
    return 16000 / (lag + (0.5 * (left - right) / curve if curve else 0.0))


def _spectrum(part: np.ndarray) -> np.ndarray:
    """Returns the power spectrum of the part, Hann-windowed, 65536 points."""
    part = part[:65536]
    return np.abs(np.fft.rfft(part * np.hanning(part.size), 65536)) ** 2


def _peak_hertz(part: np.ndarray) -> float | None:
    """Returns the spectrum's strongest peak above 60 Hz, if it holds much of the power there."""
    if part.size < 1600 or np.abs(part).max() < 1e-3:
        return None
    power = _spectrum(part)
    step = 16000 / 65536
    power[: int(60 / step)] = 0.0
    peak = int(power[:-1].argmax())
    width = max(4, int(4 * 65536 / part.size), int(0.01 * peak))
    if power[max(peak - width, 0) : peak + width + 1].sum() < 0.2 * power.sum():
        return None
    left, middle, right = np.log(power[peak - 1 : peak + 2] + 1e-30)
    return step * (peak + 0.5 * (left - right) / (left - 2 * middle + right))


def _heard(part: np.ndarray, share: float) -> float | None:
    """Returns swift-f0's answer with its octave errors mended by the autocorrelation and the spectrum.

    swift-f0 0.3 hears many flutes, reeds and sines around 500 Hz an octave too high, and sines above its
    range far too low. Where the autocorrelation's answer is a whole multiple or fraction of it, the lower of
    the two is right if, and only if, the spectrum has power at multiples of it that are not multiples of the
    higher one.
    """
    tracked = _tracked(part, share)
    other = _period_hertz(part) if tracked is not None else None
    if other is None:
        return tracked
    low, high = sorted((tracked, other))
    times = round(high / low)
    if times < 2 or abs(high / low / times - 1) > 0.04:
        return tracked
    return _refined(part, low if _share_between(part, low, times) > BETWEEN_SHARE else high)


def _share_between(part: np.ndarray, hertz: float, times: int) -> float:
    """Returns the share of the power at multiples of a frequency that are not multiples of `times` it."""
    power = _spectrum(part)
    between = [k * hertz for k in range(1, 32) if k % times and k * hertz < 7900]
    return sum(_band(power, f).sum() for f in between) / max(power[_bin(LOWEST_HERTZ) :].sum(), 1e-30)


def _bin(hertz: float) -> int:
    return int(hertz * 65536 / 16000)


def _band(power: np.ndarray, hertz: float) -> np.ndarray:
    """Returns the power spectrum's bins within 2 % of a frequency."""
    return power[_bin(0.98 * hertz) : _bin(1.02 * hertz) + 2]


def _refined(part: np.ndarray, hertz: float) -> float:
    """Returns a frequency made exact by the strongest of the spectrum's peaks near its first multiples."""
    power = _spectrum(part)
    first = [k for k in range(1, 5) if k * hertz < 7900]
    best = max(first, key=lambda k: _band(power, k * hertz).max())
    peak = _bin(0.98 * best * hertz) + int(_band(power, best * hertz).argmax())
    return peak * 16000 / 65536 / best
