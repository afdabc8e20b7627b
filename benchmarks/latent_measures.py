"""What `latent.py` measures that is no descriptor: pure functions of numpy arrays."""

from __future__ import annotations

import hashlib

import numpy as np

from nsynth_vae.config import AudioConfig

TURN = 0.02
"""Share of the range that a descriptor may turn back by."""


def nearest_to_own(
    decoded: np.ndarray, notes: np.ndarray, pitch: np.ndarray, instruments: np.ndarray, log_mels: np.ndarray
) -> np.ndarray:
    """Returns whether decoded notes are nearer to a note than to those of its pitch of all other instruments.

    Args:
        decoded: float32 `[n, frames, mel_bins]`, log-mels.
        notes: int64 `[n]`, which of the real notes each should sound like.
        pitch: int `[notes]`, the real notes'.
        instruments: `[notes]`, theirs.
        log_mels: float32 `[notes, frames, mel_bins]`, theirs.

    Returns:
        float `[n]`: 1, 0, or NaN where no other instrument has the pitch.
    """
    found = np.full(len(notes), np.nan)
    for place, (log_mel, note) in enumerate(zip(decoded, notes, strict=True)):
        others = np.flatnonzero((pitch == pitch[note]) & (instruments != instruments[note]))
        if len(others):
            distance = np.abs(log_mels[[note, *others]] - log_mel).mean(axis=(1, 2))
            found[place] = distance.argmin() == 0
    return found


def sharing(instruments: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """Returns a name for each note that is the same for instruments of which two notes are one recording.

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
    """Tells whether values go from the first to the last and never back by more than `TURN` of the way."""
    way = values[-1] - values[0]
    return bool(np.all(np.diff(values) * np.sign(way) >= -TURN * np.abs(way)))


def mix_residual(log_mels: np.ndarray, config: AudioConfig) -> float:
    """Returns how far the middle's mel magnitudes are from the best non-negative mix of the ends', over their norm.

    Args:
        log_mels: float32 `[steps, frames * mel_bins]`, of an odd number of steps.
        config: of the log-mels.
    """
    from scipy.optimize import nnls

    from nsynth_vae import features

    first, middle, last = features.log_mel_to_mel(log_mels[[0, len(log_mels) // 2, -1]], config).numpy().astype(float)
    return nnls(np.stack([first, last], axis=1), middle)[1] / np.linalg.norm(middle)


def same_pitch(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tells which of two arrays of f0 in Hz are within 50 cents, or both NaN."""
    cents = 1200 * np.abs(np.log2(one / other))
    return (cents <= 50) | (np.isnan(one) & np.isnan(other))
