"""Pairs of notes of one instrument and pitch at two velocities: what a model makes of the touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nsynth_vae.analysis.descriptors import spectral_centroid_hertz
from nsynth_vae.analysis.metrics import log_mel_l1
from nsynth_vae.data.source import NoteTable

LEAST_NATS = 0.3
"""Pairs whose real notes are nearer than this are alike: there is nothing to move."""

DEFINITIONS = {
    "pairs": "pairs (a, b) of notes of one instrument and pitch at two velocities, in both orders",
    "distinct_pairs": f"those whose real notes are more than {LEAST_NATS:g} nats of log_mel_l1 apart",
    "own_nats": "mean log_mel_l1 of z of a, decoded at a's velocity, from the real note b; of the distinct pairs",
    "target_nats": "likewise of z of a, decoded at b's velocity",
    "gain_nats": "own_nats less target_nats",
    "brightness": "fraction of the distinct pairs in which the spectral centroid of a, decoded at b's velocity instead "
    "of its own, moves up or down as from the real note a to b",
}
"""What `measure_pairs` returns."""


def velocity_pairs(table: NoteTable) -> np.ndarray:
    """Return all pairs of notes of one instrument and pitch at two velocities, in both orders: int64 `[pairs, 2]`."""
    pairs = []
    for row in range(len(table)):
        same = (table.instrument_str == table.instrument_str[row]) & (table.pitch == table.pitch[row])
        pairs += [(row, other) for other in np.flatnonzero(same & (table.velocity != table.velocity[row]))]
    return np.array(pairs, np.int64).reshape(-1, 2)


def measure_pairs(
    table: NoteTable,
    read: Callable[[np.ndarray], np.ndarray],
    decode: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, Any]:
    """Measure a model's velocity on the pairs of `velocity_pairs`.

    Args:
        table: labels of the notes.
        read: rows to the real audio `[rows, samples]`.
        decode: rows, pitch and velocity to the audio of the rows' z, decoded there.

    Returns:
        The keys of `DEFINITIONS`; only `pairs` and `distinct_pairs` if no pair is distinct.
    """
    distinct = 0
    own, target, agrees = [], [], []
    pairs = velocity_pairs(table)
    for rows in pairs[pairs[:, 0] < pairs[:, 1]]:
        real = read(rows)
        if log_mel_l1(*real) <= LEAST_NATS:
            continue
        distinct += 2
        brighter = _brightens(real)
        for first, second in ((0, 1), (1, 0)):
            twice = rows[[first, first]]
            decoded = decode(twice, table.pitch[twice], table.velocity[rows[[first, second]]])
            own.append(log_mel_l1(real[second], decoded[0]))
            target.append(log_mel_l1(real[second], decoded[1]))
            agrees.append(_brightens(decoded) == (brighter if first == 0 else -brighter))
    result: dict[str, Any] = {"pairs": len(pairs), "distinct_pairs": distinct}
    if not distinct:
        return result
    return result | {
        "own_nats": float(np.mean(own)),
        "target_nats": float(np.mean(target)),
        "gain_nats": float(np.mean(own) - np.mean(target)),
        "brightness": float(np.mean(agrees)),
    }


def _brightens(two: np.ndarray) -> float:
    """Return the sign of the change of the spectral centroid from one sound to another."""
    return float(np.sign(spectral_centroid_hertz(two[1]) - spectral_centroid_hertz(two[0])))
