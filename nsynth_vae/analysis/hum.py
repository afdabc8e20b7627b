"""Mains hum of recordings: its frequency, amplitudes and phases, estimated where no note sounds, and subtracted."""

from __future__ import annotations

import numpy as np

from nsynth_vae.analysis.background import NOISE_DB, frame_levels, rolling_median
from nsynth_vae.analysis.spectra import hann

MAINS_HERTZ, MAINS_OFF = (50.0, 60.0), 0.5
"""Frequencies of mains, and how far they are off at most, Hz."""

HUM_MULTIPLES = 24


def remove_hum(audio: np.ndarray, where: slice, sample_rate: int) -> tuple[np.ndarray, str]:
    """Subtract mains hum: multiples of about 50 or 60 Hz, whose amplitudes and phases a quiet part gives.

    Args:
        audio: float64 `[samples]`.
        where: the part in which no note sounds.
        sample_rate: Hz.

    Returns:
        (float64 `[samples]`, what is to be said).
    """
    part = audio[where]
    size = 1 << (8 * part.size - 1).bit_length()
    power = np.abs(np.fft.rfft(part * hann(part.size), size)) ** 2
    floor = rolling_median(power[:: size // part.size], 25)
    multiples = np.arange(1, 1 + min(HUM_MULTIPLES, int(sample_rate / 2 / 64)))
    best = (0.0, 0.0, multiples[:0])
    for mains in MAINS_HERTZ:
        for hertz in mains + np.arange(-2.5, 2.51, 0.02):
            bins = np.round(multiples * hertz * size / sample_rate).astype(int)
            ratio = power[bins] / (floor[bins // (size // part.size)] + 1e-20)
            present = ratio > 16.0
            score = float(power[bins[present]].sum())
            if present[:3].any() and score > best[0]:
                best = (score, float(hertz), multiples[present])
    _, hertz, present = best
    # Low notes are found as well: B1 at 61.7 Hz.
    mains = min(MAINS_HERTZ, key=lambda one: abs(one - hertz))
    if present.size and abs(hertz - mains) <= MAINS_OFF:
        hum = _fit_hum(audio, where, hertz, present, sample_rate)
        level = 10.0 * np.log10((hum**2).mean() + 1e-20)
        if level >= NOISE_DB[0] + frame_levels(audio, sample_rate).max():
            rest = audio - hum
            # An offset that was measured beside hum is a little off.
            return rest - rest[where].mean(), f"hum of {mains:.0f} Hz at {level:.0f} dB removed"
    return audio, ""


def _fit_hum(audio: np.ndarray, where: slice, hertz: float, multiples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the multiples of a frequency, `[samples]`, that are nearest to the audio in a part of it.

    Gauss-Newton steps refine the frequency: 0.001 Hz decides whether the hum is still in phase seconds later.
    """
    seconds = np.arange(audio.size) / sample_rate

    def basis(where: slice) -> np.ndarray:
        phases = 2 * np.pi * hertz * seconds[where]
        # And 1: an offset that was measured beside hum is a little off, and would bend the fit.
        return np.vstack([np.ones_like(phases), *(f(k * phases) for k in multiples for f in (np.cos, np.sin))])

    def fit(rows: np.ndarray) -> np.ndarray:  # The rows are nearly orthogonal: sums of products are accurate enough.
        return np.linalg.solve(rows @ rows.T + 1e-6 * np.eye(len(rows)), rows @ audio[where])

    for _ in range(5):
        rows = basis(where)
        cosines, sines = fit(rows)[1:].reshape(-1, 2).T
        slope = 2 * np.pi * seconds[where] * ((sines * multiples) @ rows[1::2] - (cosines * multiples) @ rows[2::2])
        hertz += float(np.clip(fit(np.vstack([rows, slope]))[-1], -0.05, 0.05))
    return fit(basis(where)) @ basis(slice(None))
