"""Short-time spectra in numpy: windows, magnitudes, peaks."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(maxsize=16)
def hann(length: int) -> np.ndarray:
    """Returns the periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


def magnitude(audio: np.ndarray, frame_length: int, frame_step: int) -> np.ndarray:
    """Returns |STFT| `[frames, frame_length // 2 + 1]`: Hann, no padding."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, frame_length)[::frame_step]
    return np.abs(np.fft.rfft(frames * hann(frame_length)))


def parabolic_peak(left: np.ndarray, center: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns where the parabola through three values has its vertex, from the middle one, in bins."""
    curve = left - 2.0 * center + right
    return 0.5 * (left - right) / np.where(curve == 0.0, 1.0, curve)
