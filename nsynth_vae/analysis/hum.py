"""Mains hum of recordings: its frequency, amplitudes and phases, found beneath the note, and subtracted."""

from __future__ import annotations

import numpy as np

from nsynth_vae.analysis.background import NOISE_DB, frame_levels
from nsynth_vae.analysis.spectra import hann

MAINS_HERTZ, MAINS_OFF = (50.0, 60.0), 0.5
"""Frequencies of mains, and how far they are off at most, Hz."""

SEARCHED, SCORED = 24, 8
"""Multiples by which hum is found; by the first of them, its frequency within 0.02 Hz."""

HUM_RATE = 3200.0
"""Least sample rate that holds them, Hz."""

SEGMENT_SECONDS, SHORTEST_SECONDS = 1.0, 0.2
"""Length of the segments, and the least: a line is 4 / length wide, and multiples are 50 Hz apart."""

BESIDE = np.array([-7, -6, -5, -4, 4, 5, 6, 7])
"""Where a line's surroundings are measured, in 1 / length of a segment: outside the main lobe of Hann's window."""

FINE = 8
"""Bins, at least, of 1 / length of a segment: in 1 s, power is known each 0.125 Hz."""

COHERENT = 0.9
"""Hum has one phase and amplitude throughout: of a line's power, the mean of its segments keeps at least this fraction.

A note's partial near by turns from segment to segment, or decays."""

AUDIBLE, CLEAR = 2.0, 16.0
"""How many times the power of its surroundings a line has: one that is subtracted, and one that shows hum."""

LOUDER = 10.0
"""Most power of a line of the loudest of those next to it, from the fourth on: 1320 Hz is 22 times 60 Hz, and A4's."""

PASSES = 4
"""Estimates of phases and frequency, each with weights from what the one before has left."""


def remove_hum(audio: np.ndarray, where: slice | None, sample_rate: int) -> tuple[np.ndarray, str]:
    """Subtract mains hum: multiples of about 50 or 60 Hz whose phases and amplitudes stay.

    Segments count by the inverse of the power beside a line, so that silence, if there is any, decides, or else the
    quieter parts of the note.

    Args:
        audio: float64 `[samples]`.
        where: a part in which no note sounds; without it, two of the first three multiples show that there is hum.
        sample_rate: Hz.

    Returns:
        (float64 `[samples]`, what is to be said).
    """
    if audio.size < 2 * SHORTEST_SECONDS * sample_rate:
        return audio, ""
    low, rate = _decimate(audio, sample_rate)
    multiples = np.arange(1, 1 + int(sample_rate / 2 / 64))
    hertz = _search(low, rate, multiples[:SEARCHED])
    if not hertz:
        return audio, ""
    hertz, present, phasors, clear = _fit(low, rate, multiples[:SEARCHED], hertz)
    mains = min(MAINS_HERTZ, key=lambda one: abs(one - hertz))
    if clear < (2 if where is None else 1) or abs(hertz - mains) > MAINS_OFF:
        return audio, ""
    if rate < sample_rate:
        hertz, present, phasors, _ = _fit(audio, sample_rate, multiples, hertz)
    hum = _hum(phasors, present * hertz / sample_rate, audio.size)
    level = 10.0 * np.log10((hum**2).mean() + 1e-20)
    if level < NOISE_DB[0] + frame_levels(audio, sample_rate).max():
        return audio, ""
    rest = audio - hum
    # An offset that was measured beside hum is a little off.
    return rest if where is None else rest - rest[where].mean(), f"hum of {mains:.0f} Hz at {level:.0f} dB removed"


def _decimate(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, float]:
    """Return audio at a power of two below its rate, at least `HUM_RATE` if it can be, and that rate, Hz."""
    factor = 1 << max(0, int(np.log2(sample_rate / HUM_RATE)))
    size = max(1 << (audio.size - 1).bit_length(), 2 * factor)
    spectrum = np.fft.rfft(audio, size)[: size // factor // 2 + 1]
    return np.fft.irfft(spectrum)[: audio.size // factor] / factor, sample_rate / factor


def _hum(phasors: np.ndarray, cycles: np.ndarray, samples: int) -> np.ndarray:
    """Return the sum of sinusoids, float64 `[samples]`, of phasors `[lines]` and cycles a sample `[lines]`."""
    return (phasors @ np.exp(2j * np.pi * np.outer(cycles, np.arange(samples)))).real


def _segments(audio: np.ndarray, rate: float) -> np.ndarray:
    """Return a view of the audio, `[segments, samples]`, a quarter of a segment apart."""
    size = min(round(SEGMENT_SECONDS * rate), audio.size // 2)
    return np.lib.stride_tricks.sliding_window_view(audio, size)[:: size // 4]


def _power(segments: np.ndarray) -> np.ndarray:
    """Return the power of sinusoids, float32 `[segments, 1 + a power of two]`."""
    size = segments.shape[1]
    window, bins = _window(size), 1 << (FINE * size - 1).bit_length()
    # One by one: of 30 s at 16 kHz, all spectra are 120 MB.
    return np.stack([(np.abs(np.fft.rfft(one * window, bins)) ** 2).astype(np.float32) for one in segments])


def _weights(power: np.ndarray, cycles: np.ndarray, size: int) -> np.ndarray:
    """Return the inverse of the power beside lines, the variance of their phasors, `[segments, lines]`.

    Args:
        power: as `_power` returns it.
        cycles: of the lines, a sample, `[lines]`.
        size: samples of a segment.
    """
    bins = 2 * (power.shape[1] - 1)
    beside = np.round(bins * (cycles[:, None] + BESIDE / size)).astype(int)
    return 1.0 / (np.median(power[:, beside], axis=2) + 1e-14 * power.max() + 1e-30)


def _search(audio: np.ndarray, rate: float, multiples: np.ndarray) -> float:
    """Return the frequency whose multiples stand out most and are most coherent, Hz; 0 if the first three do not."""
    segments = _segments(audio, rate)
    power = _power(segments)
    best, hertz, weights = -1.0, 0.0, np.zeros(0)
    for candidate in np.add.outer(MAINS_HERTZ, np.arange(-MAINS_OFF, MAINS_OFF + 0.01, 0.02)).ravel():
        cycles = multiples * candidate / rate
        inverse = _weights(power, cycles, segments.shape[1])
        ratios = (inverse * power[:, np.round(2 * (power.shape[1] - 1) * cycles).astype(int)]).mean(axis=0)
        score = float(np.log(np.maximum(ratios[:SCORED], 1.0)).sum())
        if score > best and (ratios[:3] > CLEAR).any():
            best, hertz, weights = score, float(candidate), inverse
    if not hertz:
        return hertz
    centres = _centres(segments, rate)
    quarter = 0.25 / (multiples[-1] * centres[-1])
    for reach, step in ((0.12, quarter), (2 * quarter, quarter / 20)):
        lines = _phasors(segments, multiples * hertz, rate)
        offsets = np.arange(-reach, reach + step / 2, step)
        heard = (weights * np.abs(lines) ** 2).mean(axis=0) > CLEAR
        turns = -2j * np.pi * np.outer(centres, multiples[heard])
        kept = [_coherence(lines[:, heard] * np.exp(one * turns), weights[:, heard]) for one in offsets]
        hertz += float(offsets[np.log(1.0 - np.array(kept) + 1e-6).sum(axis=1).argmin()])
    return hertz


def _fit(
    audio: np.ndarray, rate: float, multiples: np.ndarray, hertz: float
) -> tuple[float, np.ndarray, np.ndarray, int]:
    """Return the hum's frequency, its multiples, their phasors, and how many of the first three are clear."""
    segments, rest = _segments(audio, rate), audio
    centres, clear = _centres(segments, rate)[:, None], 0
    for _ in range(PASSES):
        # Beside hum is hum: without what was found of it, silence weighs as much as it should.
        weights = _weights(_power(_segments(rest, rate)), multiples * hertz / rate, segments.shape[1])
        lines = _phasors(segments, multiples * hertz, rate)
        phasors = (weights * lines).sum(axis=0) / weights.sum(axis=0)
        power = np.abs(phasors) ** 2
        ratios = power * weights.mean(axis=0)
        present = (_coherence(lines, weights) > COHERENT) & (ratios > AUDIBLE)
        beside = np.abs(np.subtract.outer(multiples, multiples))
        loudest = np.where((beside > 0) & (beside <= 2) & present, power, 0.0).max(axis=1)
        present &= (multiples <= 3) | (power <= LOUDER * loudest)
        clear = int((multiples[present & (ratios > CLEAR)] <= 3).sum())
        if not present.any():
            return hertz, multiples[present], phasors[present], 0
        multiples, phasors, power = multiples[present], phasors[present], power[present]
        weights, lines = weights[:, present], lines[:, present]
        # What turns their phases, by least squares.
        late = centres - (weights * centres).sum(axis=0) / weights.sum(axis=0)
        slopes, gains = 2 * np.pi * multiples * late, weights * power
        turned = (gains * slopes * np.angle(lines * phasors.conj())).sum() / ((gains * slopes**2).sum() + 1e-300)
        hertz += float(turned)
        rest = audio - _hum(phasors, multiples * hertz / rate, audio.size)
    return hertz, multiples, phasors, clear


def _centres(segments: np.ndarray, rate: float) -> np.ndarray:
    """Return the times of the segments' middles, s `[segments]`."""
    count, size = segments.shape
    return (np.arange(count) * (size // 4) + size / 2) / rate


def _phasors(segments: np.ndarray, hertz: np.ndarray, rate: float) -> np.ndarray:
    """Return the phasors of lines of these frequencies, Hz `[lines]`, with phases of time 0: `[segments, lines]`."""
    count, size = segments.shape
    waves = _window(size) * np.exp(-2j * np.pi * np.outer(hertz / rate, np.arange(size)))
    return segments @ waves.T * np.exp(-2j * np.pi * np.outer(np.arange(count) * (size // 4) / rate, hertz))


def _coherence(lines: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return |mean|^2 / mean of |.|^2 of phasors `[segments, multiples]`, 0..1, `[multiples]`."""
    power = (weights * np.abs(lines) ** 2).sum(axis=0)
    return np.abs((weights * lines).sum(axis=0)) ** 2 / (weights.sum(axis=0) * power + 1e-300)


def _window(size: int) -> np.ndarray:
    """Return Hann's window, by which a sinusoid's phasor has its amplitude."""
    return hann(size) * 4.0 / size
