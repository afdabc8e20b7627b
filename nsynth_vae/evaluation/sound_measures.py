"""Measures of one sound, and the processes that compute them.

The processes import this module: what it imports, each of them loads at its start. So it imports no TensorFlow.
"""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from nsynth_vae.analysis import metrics

INFINITE = ("lsd_db", "mss", "log_mel_l1")
"""Distances of sound that is not finite."""


def measure_sound(reference: np.ndarray | None, audio: np.ndarray, pitch: int) -> dict[str, float]:
    """Return the measures of a sound, `metrics.DEFINITIONS`; without a reference those that need none.

    Sound that is not finite is infinitely far from any reference and out of tune.
    """
    if not np.isfinite(audio).all():
        broken = dict.fromkeys(metrics.DEFINITIONS, math.nan)
        return broken | dict.fromkeys(INFINITE if reference is not None else (), math.inf) | {"in_tune": 0.0}
    return metrics.measure(audio, pitch) if reference is None else metrics.compare(reference, audio, pitch)


def make_pool(jobs: int) -> ProcessPoolExecutor:
    """Return processes to measure in; each computes with one thread, and ignores Ctrl-C, which ends the pool."""
    # Forking a process in which TensorFlow's threads run can hang.
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start)


def _start() -> None:
    import signal

    import threadpoolctl

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpoolctl.threadpool_limits(1)
