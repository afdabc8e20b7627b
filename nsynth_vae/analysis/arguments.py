"""Checks of the arguments that descriptors and metrics share."""

from __future__ import annotations

import numpy as np


def check_audio(name: str, audio: np.ndarray, least: int) -> np.ndarray:
    """Return audio in float64.

    Raises:
        ValueError: for what is not finite floats `[samples]`, at least so many; names the argument.
    """
    if not isinstance(audio, np.ndarray) or audio.dtype.kind != "f":
        found = getattr(audio, "dtype", type(audio).__name__)
        raise ValueError(f"{name}: found {found}, expected a numpy array of floats")
    if audio.ndim != 1 or audio.size < least:
        raise ValueError(f"{name}: found shape {audio.shape}, expected [samples] with at least {least}")
    if not np.isfinite(audio).all():
        raise ValueError(f"{name}: found NaN or infinite samples, expected finite ones")
    return audio.astype(np.float64, copy=False)


def check_pitch(pitch: int) -> None:
    """Raise ValueError for what is not a MIDI pitch."""
    if isinstance(pitch, bool) or not isinstance(pitch, int | np.integer) or not 0 <= pitch <= 127:
        raise ValueError(f"pitch: found {pitch!r}, expected an integer from 0 to 127")
