"""What joining sounds takes: their levels, how alike they are, cross-fades and fades. Pure functions of numpy audio."""

from __future__ import annotations

import numpy as np

from nsynth_vae.notes import pitch_to_hertz

SILENT_DB = 70.0
"""A release ends at least this far below its start: well below 60 dB, which is taken for silence."""

_WINDOW_SECONDS = 0.03
_LAST_SECONDS = 0.01
_FLOOR = 1e-9


def crossfade(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Fades from one sound to another at constant power, whether they are in phase or not.

    The gains are those of a raised cosine, divided by the power that their sum has at the sounds' correlation: Fink,
    Holters and Zölzer, "Signal-matched power-complementary cross-fading and dry-wet mixing", DAFx 2016.

    Args:
        old: float `[samples]`.
        new: float `[samples]`, as long and about as loud.
    """
    fraction = (np.arange(len(old)) + 0.5) / max(len(old), 1)
    gain = 0.5 - 0.5 * np.cos(np.pi * fraction)
    energy = np.sqrt(np.sum(old**2) * np.sum(new**2))
    correlation = max(float(np.sum(old * new) / max(energy, _FLOOR)), 0.0)
    power = (1 - gain) ** 2 + gain**2 + 2 * correlation * gain * (1 - gain)
    return ((1 - gain) * old + gain * new) / np.sqrt(power)


def faded(audio: np.ndarray, sample_rate: int = 16000) -> np.ndarray:
    """Returns a sound, float `[samples]`, whose last 10 ms fade to zero."""
    samples = min(round(_LAST_SECONDS * sample_rate), len(audio))
    last = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, samples + 1) / max(samples, 1))
    return np.concatenate([audio[: len(audio) - samples], audio[len(audio) - samples :] * last])


def to_silence(tail: np.ndarray, level: float, sample_rate: int = 16000) -> np.ndarray:
    """Returns a release that falls faster and faster if it must, to end `SILENT_DB` below its start, and then fades.

    Args:
        tail: float `[samples]`.
        level: root mean square that it starts from.
        sample_rate: Hz.
    """
    end = root_mean_square(tail[-max(len(tail) // 20, 1) :])
    missing = SILENT_DB + 20 * np.log10(max(end, _FLOOR) / max(level, _FLOOR))
    if missing > 0:
        tail = tail * 10 ** (-missing / 20 * np.linspace(0.0, 1.0, len(tail)) ** 2)
    return faded(tail, sample_rate)


def window_of(pitch: int, sample_rate: int = 16000) -> int:
    """Returns the samples over which a note's level is measured: 30 ms, and at least two periods of its MIDI pitch."""
    return round(max(_WINDOW_SECONDS, 2 / pitch_to_hertz(pitch)) * sample_rate)


def root_mean_square(audio: np.ndarray) -> float:
    """Returns the level of a sound, float `[samples]`; 0 for no samples."""
    return float(np.sqrt(np.mean(audio**2))) if audio.size else 0.0


def levels(audio: np.ndarray, window: int) -> np.ndarray:
    """Returns the root mean square in a window around every sample, in dB.

    Args:
        audio: float `[samples]`.
        window: samples; at both ends only what there is of it is measured.

    Returns:
        float64 `[samples]`, dB of full scale, -180 at least.
    """
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(audio, np.float64) ** 2)])
    places = np.arange(len(audio))
    low, high = np.maximum(places - window // 2, 0), np.minimum(places + window // 2, len(audio))
    return 10 * np.log10((energy[high] - energy[low]) / (high - low) + _FLOOR**2)


def correlations(template: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """Returns how alike a sound and each part of another are: their normalised correlation.

    Args:
        template: float `[length]`.
        audio: float `[samples]`, no shorter.

    Returns:
        float `[samples - length + 1]`, -1..1; 0 where one of them is silent.
    """
    from scipy.signal import correlate

    product = correlate(audio, template, mode="valid", method="fft")
    energy = np.concatenate([[0.0], np.cumsum(audio**2)])
    energy = energy[len(template) :] - energy[: -len(template)]
    return product / (np.sqrt(np.maximum(energy, 0.0) * np.sum(template**2)) + _FLOOR**2)
