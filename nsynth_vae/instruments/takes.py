"""Takes of the notes of tunes and instruments."""

from __future__ import annotations

import numpy as np


def following_takes(take: int, numbers: np.ndarray) -> np.ndarray:
    """Return the takes that follow one: int32, of the shape of `numbers`, 0 for the take itself.

    After the largest integer of 32 bits comes the smallest.
    """
    return (np.int64(take) + np.asarray(numbers, np.int64)).astype(np.int32)
