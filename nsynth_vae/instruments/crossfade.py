"""Cross-fades, fades to silence, level envelopes and correlations of numpy audio."""

from __future__ import annotations

import math

import numpy as np

from nsynth_vae.notes import pitch_to_hertz

SILENT_DB = 70.0
"""A release ends at least this far below its start: well below 60 dB, which counts as silence."""

_WINDOW_SECONDS = 0.03
_FADE_SECONDS = 0.01
_FLOOR = 1e-9


def crossfade(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Fade from one sound to another at constant power, whether they are in phase or not.

    The gains are those of a raised cosine, divided by the power of their sum at the sounds' correlation: Fink, Holters
    and Zölzer, "Signal-matched power-complementary cross-fading and dry-wet mixing", DAFx 2016.

    Args:
        old: float `[samples]`.
        new: float `[samples]`, of the same length and about as loud.
    """
    fraction = (np.arange(len(old)) + 0.5) / max(len(old), 1)
    gain = 0.5 - 0.5 * np.cos(np.pi * fraction)
    energy = np.sqrt(np.sum(old**2) * np.sum(new**2))
    correlation = max(float(np.sum(old * new) / max(energy, _FLOOR)), 0.0)
    power = (1 - gain) ** 2 + gain**2 + 2 * correlation * gain * (1 - gain)
    return ((1 - gain) * old + gain * new) / np.sqrt(power)


def fade_out(audio: np.ndarray, sample_rate: int = 16000) -> np.ndarray:
    """Return a sound, float `[samples]`, whose last 10 ms fade to zero."""
    samples = min(round(_FADE_SECONDS * sample_rate), len(audio))
    gain = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, samples + 1) / max(samples, 1))
    return np.concatenate([audio[: len(audio) - samples], audio[len(audio) - samples :] * gain])


def fade_to_silence(tail: np.ndarray, level: float, sample_rate: int = 16000) -> np.ndarray:
    """Return a release that ends `SILENT_DB` below its start, and fades out; it falls faster and faster if it must.

    Args:
        tail: float `[samples]`.
        level: root mean square at its start.
        sample_rate: Hz.
    """
    end = rms(tail[-max(len(tail) // 20, 1) :])
    missing = SILENT_DB + 20 * np.log10(max(end, _FLOOR) / max(level, _FLOOR))
    if missing > 0:
        tail = tail * 10 ** (-missing / 20 * np.linspace(0.0, 1.0, len(tail)) ** 2)
    return fade_out(tail, sample_rate)


def level_window(pitch: int, sample_rate: int = 16000) -> int:
    """Return the samples over which a note's level is measured: 30 ms, and at least two periods of its MIDI pitch."""
    return round(max(_WINDOW_SECONDS, 2 / pitch_to_hertz(pitch)) * sample_rate)


def rms(audio: np.ndarray) -> float:
    """Return the root mean square of a sound, float `[samples]`; 0 for no samples."""
    return float(np.sqrt(np.mean(audio**2))) if audio.size else 0.0


def levels(audio: np.ndarray, window: int) -> np.ndarray:
    """Return the root mean square in a window around every sample, in dB.

    Args:
        audio: float `[samples]`.
        window: samples; it is cut at both ends of the audio.

    Returns:
        float64 `[samples]`, dB of full scale, -180 at least.
    """
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(audio, np.float64) ** 2)])
    center = np.arange(len(audio))
    low, high = np.maximum(center - window // 2, 0), np.minimum(center + window // 2, len(audio))
    return 10 * np.log10((energy[high] - energy[low]) / (high - low) + _FLOOR**2)


def correlations(template: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """Return the normalised correlation of a sound with every part of another.

    Args:
        template: float `[length]`.
        audio: float `[samples]`, no shorter.

    Returns:
        float `[samples - length + 1]`, -1..1; 0 where one of them is silent.
    """
    # Of these lags none wraps around in a transform of the sound's length or more.
    size = 2 ** math.ceil(math.log2(len(audio)))
    product = np.fft.irfft(np.fft.rfft(audio, size) * np.conj(np.fft.rfft(template, size)), size)
    product = product[: len(audio) - len(template) + 1]
    energy = np.concatenate([[0.0], np.cumsum(audio**2)])
    energy = energy[len(template) :] - energy[: -len(template)]
    return product / (np.sqrt(np.maximum(energy, 0.0) * np.sum(template**2)) + _FLOOR**2)
