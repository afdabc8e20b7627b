"""Brightness equaliser of an interpolation path: spectral centroid and spread change monotonically along it.

Between two timbres partials appear and disappear, and the spectral centroid and spread of the decoded notes need not
lie between those of the ends. The difference is small enough for an equaliser.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nsynth_vae.analysis.descriptors import SILENCE, moments, power_spectrum
from nsynth_vae.config import PEAK

MOST_DB = 18.0
"""Largest gain of an equaliser, up or down."""

_MIDDLE_HERTZ, _LOWEST_HERTZ = 500.0, 40.0
"""Frequency of gain 1, and that below which the gain is constant."""

_REGULARIZATION = 1e-3
"""Weight of an equaliser's parameters in the fit: of two that reach the target, the smaller one."""

_MOST_STEPS, _LONGEST_STEP, _TOLERANCE, _DIFFERENCE = 200, 1.0, 1e-6, 1e-6
"""Limits of the fit: steps, length of one, relative length of the last, and the difference that derivatives are of."""


@dataclasses.dataclass(frozen=True)
class Equalizer:
    """A gain that is a tilt and a curvature over log frequency, compressed to stay within `MOST_DB`."""

    tilt: float = 0.0
    """Nats for each factor e of frequency."""
    curvature: float = 0.0
    """Nats for the square of that."""

    def gain(self, hertz: np.ndarray) -> np.ndarray:
        """Return the gain in nats, float `[bins]`: tilt x + curvature x^2, compressed by tanh; x = ln(f / 500 Hz)."""
        x = np.log(np.maximum(hertz, _LOWEST_HERTZ) / _MIDDLE_HERTZ)
        most = MOST_DB / 20.0 * math.log(10.0)
        return most * np.tanh((self.tilt * x + self.curvature * x**2) / most)

    def apply(self, sound: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the filtered sound at its former RMS level, or lower so that no sample exceeds `PEAK`.

        The filter has minimum phase, so that nothing precedes the attack. Its phase comes from the cepstrum of the
        gain, whose negative times are folded onto the positive ones (Oppenheim and Schafer 2010, "Discrete-Time Signal
        Processing", chapter 13).

        Args:
            sound: float `[samples]`, -1..1.
            sample_rate: Hz.

        Returns:
            float32 `[samples]`.
        """
        size = 2 ** math.ceil(math.log2(2 * sound.size))
        cepstrum = np.fft.irfft(self.gain(np.fft.rfftfreq(size, 1.0 / sample_rate)), size)
        cepstrum[1 : size // 2] *= 2.0
        cepstrum[size // 2 + 1 :] = 0.0
        response = np.exp(np.fft.rfft(cepstrum))
        filtered = np.fft.irfft(np.fft.rfft(sound, size) * response, size)[: sound.size]
        level = float(np.linalg.norm(sound)) / max(float(np.linalg.norm(filtered)), 1e-12)
        return (filtered * min(level, PEAK / max(float(np.abs(filtered).max()), 1e-12))).astype(np.float32)


def equalize(sounds: np.ndarray, weights: np.ndarray, sample_rate: int) -> tuple[np.ndarray, list[Equalizer]]:
    """Equalise the sounds along an interpolation path or of a grid so that brightness changes monotonically.

    On a path, spectral centroid and spread become those of the nearest monotone path between the ends. In a grid, where
    all rows and columns are paths, they become the weighted geometric means of the corners'. Either is reached by the
    smallest gain that reaches it, or approached as closely as `MOST_DB` allows. The ends are not changed; nothing is if
    an end is silent.

    Args:
        sounds: float32 `[n, samples]`, -1..1, the ends among them; those of a path from one end to the other.
        weights: float64 `[n, ends]`, 0 to 1: the weight of each end in a sound; they add to 1, and every end has a
            sound with a weight of 1. Two ends are those of a path.
        sample_rate: Hz.

    Returns:
        (float32 `[n, samples]`, the equaliser of each).
    """
    audible = np.abs(sounds).max(axis=1) >= SILENCE
    ends = np.argmax(weights, axis=0)
    equalizers = [Equalizer()] * len(sounds)
    if audible[ends].all():
        heard = np.flatnonzero(audible)
        spectra = {index: power_spectrum(sounds[index], sample_rate) for index in heard}
        found = np.full([len(sounds), 2], np.nan)
        found[heard] = np.log([moments(*spectrum) for spectrum in spectra.values()])
        targets = weights @ found[ends]
        if weights.shape[1] == 2:
            targets[heard] = _nearest_monotone(found[heard])
        for index in heard[weights[heard].max(axis=1) < 1]:
            equalizers[index] = _fit(*spectra[index], targets[index])
    result = [
        sound if equalizer == Equalizer() else equalizer.apply(sound, sample_rate)
        for sound, equalizer in zip(sounds, equalizers, strict=True)
    ]
    return np.stack(result), equalizers


def _nearest_monotone(values: np.ndarray) -> np.ndarray:
    """Return the monotone path between the ends of `[n, ...]` that has the smallest largest difference from it.

    It is the mean of the largest value so far and the smallest one to come (Ubhaya 1974, isotonic approximation).
    """
    up = np.where(values[-1] >= values[0], 1.0, -1.0)
    rising = up * values
    nearest = 0.5 * (np.maximum.accumulate(rising) + np.minimum.accumulate(rising[::-1])[::-1])
    return up * np.clip(nearest, rising[0], rising[-1])


def _fit(hertz: np.ndarray, power: np.ndarray, target: np.ndarray) -> Equalizer:
    """Return the equaliser that brings the logarithms of centroid and spread to the target, `[2]`.

    Levenberg-Marquardt (Marquardt 1963): of two parameters it takes fewer steps than scipy takes to import.
    """

    def error(parameters: np.ndarray) -> np.ndarray:
        found = np.log(moments(hertz, power * np.exp(2.0 * Equalizer(*parameters).gain(hertz))))
        return np.concatenate([found - target, _REGULARIZATION * parameters])

    parameters, damping = np.zeros(2), 1e-3
    current = error(parameters)
    for _ in range(_MOST_STEPS):
        jacobian = np.stack([(error(parameters + each) - current) / _DIFFERENCE for each in _DIFFERENCE * np.eye(2)]).T
        normal = jacobian.T @ jacobian
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -jacobian.T @ current)
        # Longer steps end where the gain is saturated, out of reach of the minimum.
        step *= min(1.0, _LONGEST_STEP / max(float(np.linalg.norm(step)), 1e-12))
        if (after := error(parameters + step)) @ after < current @ current:
            parameters, current, damping = parameters + step, after, damping / 10.0
        else:
            damping *= 10.0
        if np.linalg.norm(step) < _TOLERANCE * (1.0 + np.linalg.norm(parameters)):
            break
    return Equalizer(*map(float, parameters))
