"""A decoded note as it is played: held for as long as is asked, then released. Pure functions of numpy audio."""

from __future__ import annotations

import numpy as np

from nsynth_vae.instruments.crossfade import (
    SILENT_DB,
    correlations,
    crossfade,
    levels,
    root_mean_square,
    to_silence,
    window_of,
)
from nsynth_vae.instruments.sustain_loop import OVER_DB, RELEASE, find_hold, held

MOST_BOOST_DB = 30.0
"""The most that a release is amplified to begin where a decaying note is let go: beyond, it is mostly noise."""

DAMPED_SECONDS = 0.5
"""A note whose release cannot be used falls by `SILENT_DB` in this time."""

SHORTEST_SECONDS = 0.03
"""Every note is held at least this long."""

LONGEST_RELEASE_SECONDS = 5.0
"""The longest answer of `release_seconds`."""


def voice(note: np.ndarray, pitch: int, seconds: float, sample_rate: int = 16000) -> np.ndarray:
    """Returns a note that is held for some time and then released.

    The release is the decoded one: the note's own last second, brought to the level at which the note is let go and
    cross-faded in where it is most like the sound there. A note that is let go more than `MOST_BOOST_DB` above its
    release is damped instead. Both end in silence.

    Args:
        note: float `[samples]`, decoded, with its release in the last quarter.
        pitch: MIDI.
        seconds: from the note's start to its release; at least `SHORTEST_SECONDS` are played.
        sample_rate: Hz.

    Returns:
        float64 `[samples]`: the held part and its release.
    """
    note = np.asarray(note, np.float64)
    release = round(RELEASE * len(note))
    off = round(max(seconds, SHORTEST_SECONDS) * sample_rate)
    until = off + round(DAMPED_SECONDS * sample_rate)
    sound = note[:until]
    if until > release:
        sound = held(note, find_hold(note, pitch, sample_rate), until, sample_rate)
    window = window_of(pitch, sample_rate)
    level, own = (
        root_mean_square(audio[max(place - window // 2, 0) : place + window // 2])
        for audio, place in ((sound, off), (note, release))
    )
    if level > own * 10 ** (MOST_BOOST_DB / 20):
        damping = 10 ** (-SILENT_DB / 20 * np.linspace(0.0, 1.0, until - off))
        return np.concatenate([sound[:off], to_silence(sound[off:] * damping, level, sample_rate)])
    # Up to a window earlier, never later: the fall must not have begun. Of places as good, the latest.
    alike = correlations(sound[off : off + window], note[release - window : release + window])
    release += int((alike + 0.02 * np.linspace(0.0, 1.0, window + 1)).argmax()) - window
    tail = note[release:] * (level / own if own else 0.0)
    tail[:window] = crossfade(sound[off : off + window], tail[:window])
    return np.concatenate([sound[:off], to_silence(tail, level, sample_rate)])


def release_seconds(note: np.ndarray, pitch: int, sample_rate: int = 16000) -> float:
    """Returns how long the note's release takes to fall by 60 dB: seen, or as fast as it fell until the note's end.

    A note that is over by then has no release of its own: `DAMPED_SECONDS`. Arguments as `find_hold`.
    """
    release, window = round(RELEASE * len(note)), window_of(pitch, sample_rate)
    level = levels(note, window)
    if level[release] < level[:release].max() - OVER_DB:
        return DAMPED_SECONDS
    fall = level[release] - level[release : len(note) - window // 2]
    silent = np.flatnonzero(fall >= 60.0)
    if silent.size:
        return float(silent[0]) / sample_rate
    whole = len(fall) / sample_rate
    return min(whole * 60.0 / max(fall[-1], 1.0), LONGEST_RELEASE_SECONDS)
