"""What the batches of an epoch hold: which notes, what each is decoded to, and what it is blended with.

A blend is the weighted mean of the log-mels of two notes of one pitch, and so the weighted geometric mean of their
spectra, frame by frame: partials stay where they are, formants, attack and decay lie between. Instruments are few; of n
of them there are n (n - 1) / 2 pairs. It is mixup (Zhang et al. 2017) of the inputs, within a pitch: what is decoded is
the blend itself.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.data.hashing import stable_hash


def plan_epoch(
    instruments: np.ndarray, batch_size: int, cross_note_share: float, order: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which notes an epoch's batches hold, and what each is decoded to.

    Every note comes once, but for what is left over a whole number of batches (all come once more if they are fewer
    than one batch). The first `cross_note_share` of a batch is decoded to another note of the instrument, if there is
    one, the rest to the note itself.

    Args:
        instruments: object (str) `[notes]`.
        batch_size: notes in a batch.
        cross_note_share: 0 to 1.
        order: (seed, epoch), of which the result is a pure function.

    Returns:
        (notes, targets): int64 `[batches, batch_size]`, positions in `instruments`.
    """
    generator = np.random.default_rng(stable_hash("epoch", *order))
    count = len(instruments)
    batches = max(1, count // batch_size)
    repeats = -(-batches * batch_size // count)
    notes = np.concatenate([generator.permutation(count) for _ in range(repeats)])[: batches * batch_size]
    # Notes sorted by instrument: a note's partners are the rest of its run, and a random step along the run finds one.
    by_instrument = np.argsort(instruments.astype(str), kind="stable")
    place = np.empty(count, np.int64)
    place[by_instrument] = np.arange(count)
    _, inverse, sizes = np.unique(instruments.astype(str), return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    size, start = sizes[inverse[notes]], starts[inverse[notes]]
    step = 1 + np.floor(generator.random(len(notes)) * np.maximum(size - 1, 1)).astype(np.int64)
    partners = by_instrument[start + (place[notes] - start + step) % size]
    cross = np.tile(np.arange(batch_size) < round(batch_size * cross_note_share), batches)
    targets = np.where(cross & (size > 1), partners, notes)
    return notes.reshape(batches, batch_size), targets.reshape(batches, batch_size)


@dataclasses.dataclass(frozen=True)
class Blends:
    """What the notes of an epoch's batches are blended with."""

    notes: np.ndarray
    """int64 `[batches, batch_size]`: positions of other notes of the same pitches."""
    targets: np.ndarray
    """int64, likewise: of the targets' pitches, each of the same instrument as in `notes`."""
    fraction: np.ndarray
    """float32, likewise: how much of them; 0 for a note that stays as it is."""


def plan_blends(
    instruments: np.ndarray,
    pitch: np.ndarray,
    notes: np.ndarray,
    targets: np.ndarray,
    share: float,
    order: tuple[int, int],
) -> Blends:
    """Returns what an epoch's notes are blended with.

    A note and its target are blended with notes of one other instrument, any that has both pitches, alike likely; where
    there is none they stay as they are. The fraction is uniform from 0 to 1.

    Args:
        instruments: object (str) `[n]`.
        pitch: int `[n]`, MIDI.
        notes: int64 `[batches, batch_size]`, positions in `instruments`.
        targets: int64, likewise: what each is decoded to.
        share: of the notes that are blended, 0 to 1.
        order: (seed, epoch), of which the result is a pure function.
    """
    generator = np.random.default_rng(stable_hash("blends", *order))
    chosen = generator.random(notes.shape) < share
    fraction = generator.random(notes.shape, np.float32)
    _, instrument = np.unique(instruments.astype(str), return_inverse=True)
    plays = np.zeros([instrument.max() + 1, 128], bool)
    plays[instrument, pitch] = True
    # Notes by instrument and pitch: those of one pair are a run.
    key = instrument * 128 + pitch
    sorted_notes = np.argsort(key, kind="stable")
    sorted_keys = key[sorted_notes]

    def any_note(of: int, at: int) -> int:
        first, last = (np.searchsorted(sorted_keys, of * 128 + at, side) for side in ("left", "right"))
        return sorted_notes[generator.integers(first, last)]

    others, other_targets = notes.copy(), targets.copy()
    for place in zip(*np.nonzero(chosen), strict=True):
        note, target = notes[place], targets[place]
        able = plays[:, pitch[note]] & plays[:, pitch[target]]
        able[instrument[note]] = False
        found = np.flatnonzero(able)
        chosen[place] = len(found) > 0
        if len(found):
            other = found[generator.integers(len(found))]
            others[place] = any_note(other, pitch[note])
            other_targets[place] = others[place] if note == target else any_note(other, pitch[target])
    return Blends(others, other_targets, np.where(chosen, fraction, np.float32(0)))


def blended(note: tuple, other: tuple, fraction: np.ndarray | float) -> tuple:
    """Returns notes between two of the same pitch.

    Args:
        note: (log_mel float32 `[..., frames, mel_bins]`, pitch int `[...]`, velocity int `[...]`).
        other: the same, of the same pitches.
        fraction: float32 `[...]`: 0 gives the note, 1 the other one.

    Returns:
        The same; velocity, which lies between too, is rounded.
    """
    fraction = np.asarray(fraction, np.float32)
    log_mel = note[0] + fraction[..., None, None] * (other[0] - note[0])
    velocity = np.rint(note[2] + fraction * (other[2] - note[2])).astype(np.int32)
    return log_mel, note[1], velocity
