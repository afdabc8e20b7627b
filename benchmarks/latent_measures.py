"""What `latent.py` measures that is no descriptor: pure functions of numpy arrays."""

from __future__ import annotations

import hashlib

import numpy as np

from nsynth_vae.config import AudioConfig

TURN = 0.02
"""Share of the range that a descriptor may turn back by."""


def beaten_rivals(
    decoded: np.ndarray, notes: np.ndarray, pitch: np.ndarray, instruments: np.ndarray, log_mels: np.ndarray
) -> np.ndarray:
    """Returns the share of a note's rivals that a decoded note is no nearer to than to the note.

    Rivals are the notes of its pitch of all other instruments; 1 is to be nearest to the note itself.

    Args:
        decoded: float32 `[n, frames, mel_bins]`, log-mels.
        notes: int64 `[n]`, which of the real notes each should sound like.
        pitch: int `[notes]`, the real notes'.
        instruments: `[notes]`, theirs.
        log_mels: float32 `[notes, frames, mel_bins]`, theirs.

    Returns:
        float `[n]`: 0 to 1, or NaN where no other instrument has the pitch.
    """
    shares = np.full(len(notes), np.nan)
    for place, (log_mel, note) in enumerate(zip(decoded, notes, strict=True)):
        others = np.flatnonzero((pitch == pitch[note]) & (instruments != instruments[note]))
        if len(others):
            distance = np.abs(log_mels[[note, *others]] - log_mel).mean(axis=(1, 2))
            shares[place] = np.mean(distance[1:] >= distance[0])
    return shares


def known_mean(values: np.ndarray) -> float | None:
    """Returns the mean of what is not NaN; None if all is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def won(shares: np.ndarray) -> float | None:
    """Returns how often all rivals are beaten, of `beaten_rivals`' shares; None if there are none."""
    known = shares[~np.isnan(shares)]
    return float(np.mean(known == 1)) if known.size else None


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
