"""Order of an epoch's notes, mixup of notes of one pitch, and pairs of velocities.

Mixup (Zhang et al. 2017) here takes the weighted mean of the log-mels of two notes of one pitch. That is the weighted
geometric mean of their spectra, frame by frame: partials stay where they are; formants, attack and decay lie between.
Instruments are few, but n instruments have n (n - 1) / 2 pairs. The model reconstructs the mixture itself.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.data.hashing import stable_hash


def plan_balanced_epoch(instruments: np.ndarray, batch_size: int, order: tuple[int, int], balance: float) -> np.ndarray:
    """Return an epoch's batches in which instruments of many notes take fewer places than they have notes.

    An instrument of n notes gets places in proportion to n^(1 - balance), and each of its notes as many of them as
    any other, but for one.

    Args:
        instruments: object (str) `[n]`.
        batch_size: notes in a batch.
        order: (seed, epoch), of which the result is a pure function.
        balance: 0, every note once, to 1, every instrument as often.

    Returns:
        int64 `[batches, batch_size]`, positions in `instruments`.
    """
    if not balance:
        return plan_epoch(len(instruments), batch_size, order)
    generator = np.random.default_rng(stable_hash("balanced", *order))
    _, instrument, count = np.unique(instruments.astype(str), return_inverse=True, return_counts=True)
    places = max(1, len(instruments) // batch_size) * batch_size
    # Systematic sampling: each note gets its expected number of places, rounded up or down.
    weight = count[instrument] ** -balance
    shuffled = generator.permutation(len(instruments))
    shuffled = shuffled[np.argsort(instrument[shuffled], kind="stable")]
    edges = np.cumsum(weight[shuffled]) / np.sum(weight) * places
    taken = np.searchsorted(edges, np.arange(places) + generator.random(), side="right")
    notes = shuffled[np.minimum(taken, len(shuffled) - 1)]
    return generator.permutation(notes).reshape(-1, batch_size)


def plan_epoch(count: int, batch_size: int, order: tuple[int, int]) -> np.ndarray:
    """Return an epoch's batches: every note once, except the rest that fills no whole batch.

    Fewer notes than one batch are repeated to fill it.

    Args:
        count: number of notes.
        batch_size: notes in a batch.
        order: (seed, epoch), of which the result is a pure function.

    Returns:
        int64 `[batches, batch_size]`, 0 to `count` - 1.
    """
    generator = np.random.default_rng(stable_hash("epoch", *order))
    batches = max(1, count // batch_size)
    repeats = -(-batches * batch_size // count)
    notes = np.concatenate([generator.permutation(count) for _ in range(repeats)])
    return notes[: batches * batch_size].reshape(batches, batch_size)


@dataclasses.dataclass(frozen=True)
class Mixup:
    """Partners of an epoch's notes in mixup."""

    partners: np.ndarray
    """int64 `[batches, batch_size]`: positions of other notes of the same pitches."""
    fraction: np.ndarray
    """float32, likewise: fraction of the partner; 0 for a note that stays as it is."""


def plan_mixup(
    instruments: np.ndarray, pitch: np.ndarray, notes: np.ndarray, probability: float, order: tuple[int, int]
) -> Mixup:
    """Return the partners that an epoch's notes are mixed with.

    A note's partner is of its pitch and of another instrument; all instruments that have the pitch are equally likely.
    Where there is none the note stays as it is. The fraction is uniform from 0 to 1.

    Args:
        instruments: object (str) `[n]`.
        pitch: int `[n]`, MIDI.
        notes: int64 `[batches, batch_size]`, positions in `instruments`.
        probability: of mixup, for each note, 0 to 1.
        order: (seed, epoch), of which the result is a pure function.
    """
    # This word and the order of the draws decide the numbers of trained models: they stay.
    generator = np.random.default_rng(stable_hash("blends", *order))
    chosen = generator.random(notes.shape) < probability
    fraction = generator.random(notes.shape, np.float32)
    _, instrument = np.unique(instruments.astype(str), return_inverse=True)
    plays = np.zeros([instrument.max() + 1, 128], bool)
    plays[instrument, pitch] = True
    # Notes sorted by instrument and pitch: those of one pair are a run.
    key = instrument * 128 + pitch
    sorted_notes = np.argsort(key, kind="stable")
    sorted_keys = key[sorted_notes]
    partners = notes.copy()
    for place in zip(*np.nonzero(chosen), strict=True):
        note = notes[place]
        able = plays[:, pitch[note]].copy()
        able[instrument[note]] = False
        found = np.flatnonzero(able)
        chosen[place] = len(found) > 0
        if len(found):
            wanted = found[generator.integers(len(found))] * 128 + pitch[note]
            first, last = np.searchsorted(sorted_keys, [wanted, wanted + 1])
            partners[place] = sorted_notes[generator.integers(first, last)]
    return Mixup(partners, np.where(chosen, fraction, np.float32(0)))


def plan_velocity_pairs(
    instruments: np.ndarray,
    pitch: np.ndarray,
    velocity: np.ndarray,
    notes: np.ndarray,
    probability: float,
    order: tuple[int, int],
) -> np.ndarray:
    """Return the notes that an epoch's notes are decoded to: themselves, or their instrument's at another velocity.

    Args:
        instruments: object (str) `[n]`.
        pitch: int `[n]`, MIDI.
        velocity: int `[n]`, MIDI.
        notes: int64 `[batches, batch_size]`, positions in `instruments`.
        probability: of another note's being the target, where there is one of the pitch and of another velocity.
        order: (seed, epoch), of which the result is a pure function.

    Returns:
        int64 `[batches, batch_size]`.
    """
    targets = notes.copy()
    if not probability:
        return targets
    generator = np.random.default_rng(stable_hash("velocity pairs", *order))
    _, instrument = np.unique(instruments.astype(str), return_inverse=True)
    key = instrument * 128 + pitch
    sorted_notes = np.argsort(key, kind="stable")
    sorted_keys = key[sorted_notes]
    for place in zip(*np.nonzero(generator.random(notes.shape) < probability), strict=True):
        first, last = np.searchsorted(sorted_keys, [key[notes[place]], key[notes[place]] + 1])
        others = sorted_notes[first:last]
        others = others[velocity[others] != velocity[notes[place]]]
        if others.size:
            targets[place] = others[generator.integers(others.size)]
    return targets


def mix(
    log_mel: np.ndarray,
    velocity: np.ndarray,
    other_log_mel: np.ndarray,
    other_velocity: np.ndarray,
    fraction: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return mixtures of notes with others of the same pitch.

    Args:
        log_mel: float32 `[..., frames, mel_bins]`.
        velocity: int `[...]`.
        other_log_mel: the others', likewise.
        other_velocity: the others', likewise.
        fraction: float32 `[...]`: 0 gives the note, 1 the other one.

    Returns:
        (log_mel, velocity: int32, rounded).
    """
    fraction = np.asarray(fraction, np.float32)
    mixed = log_mel + fraction[..., None, None] * (other_log_mel - log_mel)
    return mixed, np.rint(velocity + fraction * (other_velocity - velocity)).astype(np.int32)
