"""Sounds of a way, equalised so that their brightness goes straight from one end to the other.

Between two timbres partials come and go, and the spectral centroid and spread of what is decoded need not lie between
those of the ends. What is left to do is little, and an equaliser does it.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nsynth_vae.analysis.descriptors import SILENCE, moments, power_spectrum
from nsynth_vae.config import PEAK

MOST_DB = 12.0
"""Most that an equaliser raises or lowers a frequency by."""

_MIDDLE_HERTZ, _LOWEST_HERTZ = 500.0, 40.0
"""Where an equaliser does nothing, and below where its gain stays what it is there."""

_LEAST = 1e-3
"""Weight of an equaliser's own size: of two that do the same, the smaller one."""


@dataclasses.dataclass(frozen=True)
class Equalizer:
    """A gain that is a tilt and a curvature over the logarithm of frequency, bent to stay within `MOST_DB`."""

    tilt: float = 0.0
    """Nats for each factor e of frequency."""
    curvature: float = 0.0
    """Nats for the square of that."""

    def gain(self, hertz: np.ndarray) -> np.ndarray:
        """Returns the gain in nats, float `[bins]`: tilt x + curvature x^2, bent, with x = ln(f / 500 Hz)."""
        x = np.log(np.maximum(hertz, _LOWEST_HERTZ) / _MIDDLE_HERTZ)
        most = MOST_DB / 20.0 * math.log(10.0)
        return most * np.tanh((self.tilt * x + self.curvature * x**2) / most)

    def apply(self, sound: np.ndarray, sample_rate: int) -> np.ndarray:
        """Returns a sound with this gain, as loud (RMS) as it was, or less so that no sample passes `PEAK`.

        The filter is of minimum phase, so that nothing is heard before its attack. Its phase comes from the cepstrum of
        the gain, whose negative times are folded onto the positive ones (Oppenheim and Schafer 2010, "Discrete-Time
        Signal Processing", chapter 13).

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
        level = np.linalg.norm(sound) / max(np.linalg.norm(filtered), 1e-12)
        return (filtered * min(level, PEAK / max(np.abs(filtered).max(), 1e-12))).astype(np.float32)


def equalize(sounds: np.ndarray, weights: np.ndarray, sample_rate: int) -> tuple[np.ndarray, list[Equalizer]]:
    """Returns sounds between ends, whose spectral centroid and spread are the ends' weighted geometric means.

    Each is equalised by the least that brings both there, or where `MOST_DB` does not reach, as near as it can. The
    ends themselves stay as they are, and so does everything if an end is silent.

    Args:
        sounds: float32 `[n, samples]`, -1..1, the ends among them.
        weights: float64 `[n, ends]`, 0 to 1: how much of each end a sound is; they add to 1, and every end has a sound
            with a weight of 1.
        sample_rate: Hz.

    Returns:
        (float32 `[n, samples]`, what each went through).
    """
    heard = np.abs(sounds).max(axis=1) >= SILENCE
    ends = np.argmax(weights, axis=0)
    equalizers = [Equalizer()] * len(sounds)
    if heard[ends].all():
        wanted = weights @ np.log([moments(*power_spectrum(sounds[end], sample_rate)) for end in ends])
        for place in np.flatnonzero(heard & (weights.max(axis=1) < 1)):
            equalizers[place] = _solve(*power_spectrum(sounds[place], sample_rate), wanted[place])
    result = [
        sound if equalizer == Equalizer() else equalizer.apply(sound, sample_rate)
        for sound, equalizer in zip(sounds, equalizers, strict=True)
    ]
    return np.stack(result), equalizers


def _solve(hertz: np.ndarray, power: np.ndarray, wanted: np.ndarray) -> Equalizer:
    """Returns the equaliser that brings the logarithms of centroid and spread to those wanted, `[2]`."""
    from scipy.optimize import least_squares

    def off(curve: np.ndarray) -> np.ndarray:
        found = np.log(moments(hertz, power * np.exp(2.0 * Equalizer(*curve).gain(hertz))))
        return np.concatenate([found - wanted, _LEAST * curve])

    return Equalizer(*map(float, least_squares(off, np.zeros(2)).x))
