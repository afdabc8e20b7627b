"""Measures of rivals, shared recordings, monotone paths and mixes, for `latent.py` and `compare_models.py`."""

from __future__ import annotations

import hashlib

import numpy as np

from nsynth_vae.config import AudioConfig

TURN = 0.02
"""Fraction of the range by which a descriptor may turn back."""


def beaten_rivals(
    decoded: np.ndarray, notes: np.ndarray, pitch: np.ndarray, instruments: np.ndarray, log_mels: np.ndarray
) -> np.ndarray:
    """Return the fraction of a note's rivals that a decoded note is no nearer to than to the note.

    Rivals are the notes of its pitch of all other instruments; 1 is to be nearest to the note itself.

    Args:
        decoded: float32 `[n, frames, mel_bins]`, log-mels.
        notes: int64 `[n]`, the real note that each is decoded for.
        pitch: int `[notes]`, the real notes'.
        instruments: `[notes]`, theirs.
        log_mels: float32 `[notes, frames, mel_bins]`, theirs.

    Returns:
        float `[n]`: 0 to 1, or NaN where no other instrument has the pitch.
    """
    fractions = np.full(len(notes), np.nan)
    for row, (log_mel, note) in enumerate(zip(decoded, notes, strict=True)):
        others = np.flatnonzero((pitch == pitch[note]) & (instruments != instruments[note]))
        if len(others):
            distance = np.abs(log_mels[[note, *others]] - log_mel).mean(axis=(1, 2))
            fractions[row] = np.mean(distance[1:] >= distance[0])
    return fractions


def known_mean(values: np.ndarray) -> float | None:
    """Return the mean of the values that are not NaN; None if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def won(fractions: np.ndarray) -> float | None:
    """Return how often all rivals are beaten, of the fractions of `beaten_rivals`; None if there are none."""
    known = fractions[~np.isnan(fractions)]
    return float(np.mean(known == 1)) if known.size else None


def sharing(instruments: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """Return a name for each note that is the same for instruments of which two notes are one recording.

    Args:
        instruments: object (str) `[notes]`.
        audio: float32 `[notes, num_samples]`; the same samples are the same recording.
    """
    group = instruments.copy()
    first: dict[bytes, int] = {}
    for note, sound in enumerate(audio):
        other = first.setdefault(hashlib.sha256(sound.tobytes()).digest(), note)
        group[group == group[note]] = group[other]
    return group


def monotone(values: np.ndarray) -> bool:
    """Return whether values never turn back by more than `TURN` of the difference between last and first."""
    change = values[-1] - values[0]
    return bool(np.all(np.diff(values) * np.sign(change) >= -TURN * np.abs(change)))


def mix_residual(log_mels: np.ndarray, config: AudioConfig) -> float:
    """Return the distance of the middle's mel magnitudes from the best non-negative mix of the ends', over their norm.

    Args:
        log_mels: float32 `[steps, frames * mel_bins]`, of an odd number of steps.
        config: of the log-mels.
    """
    from scipy.optimize import nnls

    from nsynth_vae import features

    first, middle, last = features.log_mel_to_mel(log_mels[[0, len(log_mels) // 2, -1]], config).numpy().astype(float)
    return nnls(np.stack([first, last], axis=1), middle)[1] / np.linalg.norm(middle)


def same_pitch(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which elements of two arrays of f0 in Hz are within 50 cents, or both NaN."""
    cents = 1200 * np.abs(np.log2(one / other))
    return (cents <= 50) | (np.isnan(one) & np.isnan(other))
