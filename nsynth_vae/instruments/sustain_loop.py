"""How a decoded note goes on when it is held for longer than it was decoded. Pure functions of numpy audio.

A model's notes are NSynth's: held for three quarters of their length (3 s), then released (1 s). Lengths and places
are given here as shares of a note, so where seconds are named 4 s notes are meant.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.instruments.crossfade import (
    SILENT_DB,
    correlations,
    crossfade,
    faded,
    levels,
    root_mean_square,
    to_silence,
    window_of,
)

RELEASE = 0.7425
"""Where a note's release is taken from, 2.97 s: a decoded note begins to fall half a log-mel's window before 3 s."""

STEADY = (0.25, 0.725)
"""The part in which loops lie and decay is measured, 1 to 2.9 s: after the attack, before the release."""

CROSSFADE = 0.025
"""The share over which a loop's end is cross-faded into what precedes its start, 0.1 s."""

SHORTEST_LOOP = 0.1
"""A loop is at least this share of a note, 0.4 s, so that its repetition does not buzz, and as long as it can be."""

DECAYING_DB = 3.0
"""A note that falls by this many dB a second or more in its steady part is struck or plucked: held on, it decays on.

Of NSynth's notes nine in ten organs, flutes, reeds, strings and voices fall slower, nine in ten keyboards faster.
"""

OVER_DB = 50.0
"""A note this far below its own loudest moment when its steady part ends is over: holding it adds nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """How a note goes on."""

    kind: str
    """`sustained`: at the level it has at the loop's end; `decaying`: falling on as it fell in the loop; `over`."""
    start: int
    """Sample at which the loop starts; the note's length if it is over."""
    end: int
    """The sample after the loop's last."""
    slope: float
    """Change of level from the loop's start to its end, dB a second."""

    @property
    def decay(self) -> float:
        """How fast a decaying note falls on, dB a second."""
        return max(-self.slope, DECAYING_DB)


def find_hold(note: np.ndarray, pitch: int, sample_rate: int = 16000) -> Hold:
    """Finds out how a note goes on, and the loop that it goes on by.

    The loop's end and start are chosen for the likeness of the sounds before them (normalised correlation, so that
    whole periods lie between them), for levels on the line of the note's decay, and for length.

    Args:
        note: float `[samples]`, decoded.
        pitch: MIDI; gives the period over which a level is measured.
        sample_rate: Hz.
    """
    note = np.asarray(note, np.float64)
    first, last = (round(share * len(note)) for share in STEADY)
    fade, shortest = round(CROSSFADE * len(note)), round(SHORTEST_LOOP * len(note))
    level = levels(note, window_of(pitch, sample_rate))
    if level[last] < level[: last + 1].max() - OVER_DB:
        return Hold("over", len(note), len(note), 0.0)
    seconds = np.arange(len(note)) / sample_rate
    slope, offset = np.polyfit(seconds[first:last], level[first:last], 1)
    bumps = level - (slope * seconds + offset)
    best = (-np.inf, first, last)
    for end in range(last, last - fade, -max(fade // 8, 1)):
        starts = np.arange(first, end - shortest + 1)
        alike = correlations(note[end - fade : end], note[first - fade : end - shortest])
        # 1 dB off the line is as bad as 0.05 of correlation; the longest loop is worth 0.05 more than the shortest.
        score = alike - 0.05 * np.abs(bumps[end] - bumps[starts]) - 0.05 * (starts - first) / len(starts)
        chosen = int(score.argmax())
        best = max(best, (float(score[chosen]), int(starts[chosen]), end))
    _, start, end = best
    change = float((level[end] - level[start]) * sample_rate / (end - start))
    return Hold("decaying" if slope <= -DECAYING_DB else "sustained", start, end, change)


def loop(note: np.ndarray, hold: Hold, sample_rate: int = 16000) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is played once and then what is repeated without end; both joints are seamless.

    What is repeated is at one level throughout: that of the note at the loop's end.

    Args:
        note: float `[samples]`.
        hold: a loop's, from `find_hold`.
        sample_rate: Hz.

    Returns:
        (the note to the loop's end, float `[end]`; the loop, float `[end - start]`).
    """
    fade = round(CROSSFADE * len(note))
    seconds = (hold.end - np.arange(hold.start - fade, hold.end)) / sample_rate
    levelled = note[hold.start - fade : hold.end] * 10 ** (hold.slope * seconds / 20)
    before, repeated = levelled[:fade], levelled[fade:].copy()
    once = note[: hold.end].copy()
    once[-fade:] = crossfade(once[-fade:], before)
    repeated[-fade:] = crossfade(repeated[-fade:], before)
    return once, repeated


def held(note: np.ndarray, hold: Hold, samples: int, sample_rate: int = 16000) -> np.ndarray:
    """Returns the note held down for this many samples; arguments as `loop`."""
    if hold.kind == "over":
        tail = round(RELEASE * len(note))
        whole = np.concatenate([note[:tail], to_silence(note[tail:], root_mean_square(note[:tail]), sample_rate)])
        return np.pad(whole, (0, max(samples - len(whole), 0)))[:samples]
    once, repeated = loop(note, hold, sample_rate)
    times = max(-(-(samples - len(once)) // len(repeated)), 0)
    sound = np.concatenate([once, np.tile(repeated, times)])[:samples]
    if hold.kind == "decaying":
        seconds = np.maximum(np.arange(len(sound)) - hold.end, 0) / sample_rate
        sound = sound * 10 ** (-hold.decay * seconds / 20)
    return sound


def rung_out(note: np.ndarray, hold: Hold, sample_rate: int = 16000) -> np.ndarray:
    """Returns a decaying note held until it is `SILENT_DB` below its loudest moment; arguments as `loop`.

    A note that is over is held for as long as it was decoded.
    """
    if hold.kind == "over":
        return held(note, hold, len(note), sample_rate)
    level = levels(note[: hold.end], round(CROSSFADE * len(note)))
    seconds = max(level[-1] - level.max() + SILENT_DB, 0.0) / hold.decay
    return faded(held(note, hold, hold.end + round(seconds * sample_rate), sample_rate), sample_rate)
