"""Voice of a sampler: a decoded note sustained for a given duration, then released."""

from __future__ import annotations

import numpy as np

from nsynth_vae.instruments.crossfade import (
    SILENT_DB,
    correlations,
    crossfade,
    fade_to_silence,
    level_window,
    levels,
    rms,
)
from nsynth_vae.instruments.sustain_loop import OVER_DB, RELEASE, find_loop, sustain

MOST_BOOST_DB = 30.0
"""Largest amplification of a release to the level at which a decaying note is released: beyond, it is mostly noise."""

DAMPED_SECONDS = 0.5
"""A note whose release cannot be used falls by `SILENT_DB` in this time."""

SHORTEST_SECONDS = 0.03
"""Every note is sustained at least this long."""

LONGEST_RELEASE_SECONDS = 5.0
"""The longest value of `release_seconds`."""


def sustain_and_release(note: np.ndarray, pitch: int, seconds: float, sample_rate: int = 16000) -> np.ndarray:
    """Sustain a decoded note for a given duration, then release it.

    The release is the decoded one: the note's own last second, scaled to the level at which the note is released and
    cross-faded in where it is most similar to the sound there. A note that is released more than `MOST_BOOST_DB` above
    its own release is damped instead. Both end in silence.

    Args:
        note: float `[samples]`, decoded, with its release in the last quarter.
        pitch: MIDI.
        seconds: from the note's start to its release; at least `SHORTEST_SECONDS` are played.
        sample_rate: Hz.

    Returns:
        float64 `[samples]`: the sustained part and its release.
    """
    note = np.asarray(note, np.float64)
    release = round(RELEASE * len(note))
    off = round(max(seconds, SHORTEST_SECONDS) * sample_rate)
    until = off + round(DAMPED_SECONDS * sample_rate)
    sound = note[:until]
    if until > release:
        sound = sustain(note, find_loop(note, pitch, sample_rate), until, sample_rate)
    window = level_window(pitch, sample_rate)
    level, own = (
        rms(audio[max(center - window // 2, 0) : center + window // 2])
        for audio, center in ((sound, off), (note, release))
    )
    if level > own * 10 ** (MOST_BOOST_DB / 20):
        damping = 10 ** (-SILENT_DB / 20 * np.linspace(0.0, 1.0, until - off))
        return np.concatenate([sound[:off], fade_to_silence(sound[off:] * damping, level, sample_rate)])
    # Up to a window earlier, never later, when the fall has begun; among equally similar starts the latest.
    similarity = correlations(sound[off : off + window], note[release - window : release + window])
    release += int((similarity + 0.02 * np.linspace(0.0, 1.0, window + 1)).argmax()) - window
    tail = note[release:] * (level / own if own else 0.0)
    tail[:window] = crossfade(sound[off : off + window], tail[:window])
    return np.concatenate([sound[:off], fade_to_silence(tail, level, sample_rate)])


def release_seconds(note: np.ndarray, pitch: int, sample_rate: int = 16000) -> float:
    """Return the time in which the release falls by 60 dB, extrapolated if the note ends before.

    A note that is over before its release has `DAMPED_SECONDS`. Arguments as in `find_loop`.
    """
    release, window = round(RELEASE * len(note)), level_window(pitch, sample_rate)
    level = levels(note, window)
    if level[release] < level[:release].max() - OVER_DB:
        return DAMPED_SECONDS
    fall = level[release] - level[release : len(note) - window // 2]
    silent = np.flatnonzero(fall >= 60.0)
    if silent.size:
        return float(silent[0]) / sample_rate
    whole = len(fall) / sample_rate
    return min(whole * 60.0 / max(fall[-1], 1.0), LONGEST_RELEASE_SECONDS)
