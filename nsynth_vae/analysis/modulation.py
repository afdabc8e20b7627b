"""Modulation spectrum of a note: how fast, and how far, its partials change in level and its f0 in pitch.

The level of each partial (dB) and the f0 (cents), less a cubic trend, are split into bands of modulation frequencies;
the variance in a band is the band's power. Levels have a part that all partials share and a part of each partial's own.
`model.motion` predicts these powers from z, and draws motion that has them.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.analysis import motion

LEVEL_EDGES = (0.6, 2.0, 4.0, 7.0, 11.0, 16.0, 31.0)
"""Hz: edges of the bands of the partials' levels."""

F0_EDGES = (0.6, 2.0, 4.0, 5.0, 6.0, 7.0, 9.0, 16.0)
"""Hz: edges of the bands of the f0, narrow around the rates of vibrato."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModulationPowers:
    """Powers of a note's motion, by band."""

    mean_level: np.ndarray
    """dB^2, `[bands of LEVEL_EDGES]`: of the median of the partials' levels."""
    own_level: np.ndarray
    """dB^2, the same shape: of the partials' differences from that median: the median over partials."""
    partials: int
    """Partials measured: those within `motion.PARTIAL_RANGE_DB` of the loudest; 0: the note has ended before 1 s."""
    f0: np.ndarray
    """cents^2, `[bands of F0_EDGES]`: of the f0 that the phases of all partials give together."""
    own_f0: np.ndarray
    """cents^2 of the f0, the same shape: of what the strongest partial's frequency is off its multiple of that."""
    bins: tuple[np.ndarray, np.ndarray]
    """Bins of the periodograms in the bands of `LEVEL_EDGES` and of `F0_EDGES`: half their degrees of freedom."""


def modulation_powers(audio: np.ndarray, f0_hertz: float) -> ModulationPowers:
    """Measure the motion of a note over 0.5 to 2.8 s.

    Args:
        audio: float `[samples]`, -1..1, at 16 kHz; see `motion.measure_motion`.
        f0_hertz: the note's fundamental frequency.

    Raises:
        ValueError: as `motion.measure_motion`.
    """
    level, hertz = motion.track_partials(audio, f0_hertz)
    if not len(level):
        levels, f0 = np.zeros(len(LEVEL_EDGES) - 1), np.zeros(len(F0_EDGES) - 1)
        bins = np.zeros(len(levels), int), np.zeros(len(f0), int)
        return ModulationPowers(mean_level=levels, own_level=levels, partials=0, f0=f0, own_f0=f0, bins=bins)
    average = level.mean(axis=1)
    heard = np.flatnonzero(average >= average.max() - motion.PARTIAL_RANGE_DB)
    loud = motion.detrended(level[heard])
    # Partials of an ensemble, or of a bow, also waver each by itself, all by about as many Hz: the higher say more of
    # the f0. Three quarters of what a violin section's strongest partial does is its own.
    weight, strongest = np.square(heard + 1.0) * 10.0 ** (average[heard] / 20.0), int(average.argmax())
    together, alone = weight @ hertz[heard] / weight.sum(), hertz[strongest]
    cents = 1200.0 / np.log(2.0) * np.log(np.maximum(together, 1.0))
    own_cents = 1200.0 / np.log(2.0) * (strongest + 1) * (alone - together) / f0_hertz
    mean = np.median(loud, axis=0)
    # A median, in place of a mean: weak partials flutter with the noise that they lie in, which the noise itself does.
    mean_level, level_bins = band_powers(mean, LEVEL_EDGES)
    f0, f0_bins = band_powers(motion.detrended(cents), F0_EDGES)
    mean_level /= _passed(LEVEL_EDGES, f0_hertz)
    f0 /= _passed(F0_EDGES, f0_hertz)
    own_f0 = band_powers(motion.detrended(own_cents), F0_EDGES)[0] / _passed(F0_EDGES, f0_hertz)
    own = np.median([band_powers(partial - mean, LEVEL_EDGES)[0] for partial in loud], axis=0)
    # A band's power is chi-square distributed; its median is below its mean by this (Wilson and Hilferty 1931).
    own /= _passed(LEVEL_EDGES, f0_hertz)
    own /= (1.0 - 1.0 / (9.0 * np.maximum(level_bins, 1))) ** 3
    bins = level_bins, f0_bins
    return ModulationPowers(mean_level=mean_level, own_level=own, partials=len(loud), f0=f0, own_f0=own_f0, bins=bins)


def _passed(edges: tuple[float, ...], f0_hertz: float) -> np.ndarray:
    """Return the fraction of the power in each band that is left by the Hann window that partials are tracked with.

    The window's transform, sin(pi x) / (pi x) / (1 - x^2), x = frequency times length, at the middle of the band. At
    least a quarter: of what is faster the noise beside the partials makes more than their motion.
    """
    x = np.sqrt(np.array(edges[:-1]) * np.array(edges[1:])) * motion.window_samples(f0_hertz) / 16000
    response = np.sinc(x) / np.where(np.abs(x - 1.0) < 1e-6, 1.0, 1.0 - x**2)
    return np.maximum(np.square(np.where(np.abs(x - 1.0) < 1e-6, 0.5, response)) * (x < 1.9), 0.25)


def band_powers(values: np.ndarray, edges: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance of a series in bands of its periodogram, and the bins of each band.

    Args:
        values: float `[frames]`, of zero mean, 80 a second (`motion.STEP_SAMPLES`).
        edges: Hz, ascending, of neighbouring bands.

    Returns:
        (float `[bands]`, whose sum is the variance of what lies between the outer edges; int `[bands]`).
    """
    power = 2.0 * np.square(np.abs(np.fft.rfft(values))) / len(values) ** 2
    band, count = band_of(np.arange(len(power)) * (16000 / motion.STEP_SAMPLES / len(values)), edges), len(edges) - 1
    inside = band >= 0
    return np.bincount(band[inside], power[inside], count), np.bincount(band[inside], minlength=count)


def band_of(hertz: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Return the number of the band that each frequency is in, int `[n]`; -1 outside of the outer edges."""
    band = np.digitize(hertz, edges) - 1
    return np.where(band < len(edges) - 1, band, -1)
