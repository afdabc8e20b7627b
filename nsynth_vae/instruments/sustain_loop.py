"""Sustain loops: decoded notes sustained for longer than they were decoded.

A model's notes are NSynth's: sustained for three quarters of their length (3 s), then released (1 s). Lengths and
positions here are fractions of a note; seconds refer to notes of 4 s.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.instruments.crossfade import (
    SILENT_DB,
    correlations,
    crossfade,
    fade_out,
    fade_to_silence,
    level_window,
    levels,
    rms,
)

RELEASE = 0.7425
"""Start of a note's release, 2.97 s: a decoded note begins to fall half a log-mel's window before 3 s."""

STEADY = (0.25, 0.725)
"""The part in which loops lie and decay is measured, 1 to 2.9 s: after the attack, before the release."""

CROSSFADE = 0.025
"""Length of the cross-fade from a loop's end to the sound before its start, 0.1 s."""

SHORTEST_LOOP = 0.1
"""The shortest loop, 0.4 s, so that its repetition does not buzz; longer ones score higher."""

DECAYING_DB = 3.0
"""A note that falls by this many dB a second or more in its steady part is struck or plucked, and decays on.

Of NSynth's notes nine in ten organs, flutes, reeds, strings and voices fall slower, nine in ten keyboards faster.
"""

OVER_DB = 50.0
"""A note this far below its maximum level at the end of its steady part has died away: it needs no loop."""


@dataclasses.dataclass(frozen=True, slots=True)
class SustainLoop:
    """The loop by which a note is sustained."""

    kind: str
    """`sustained`: at the level of the loop's end; `decaying`: falling at the rate of the loop; `over`: no loop."""
    start: int
    """The loop's first sample; the note's length if it is over."""
    end: int
    """The sample after the loop's last."""
    slope: float
    """Change of level from the loop's start to its end, dB a second."""

    @property
    def decay(self) -> float:
        """The rate at which a decaying note falls on, dB a second."""
        return max(-self.slope, DECAYING_DB)


def find_loop(note: np.ndarray, pitch: int, sample_rate: int = 16000) -> SustainLoop:
    """Find the loop that sustains a note.

    Its start and end are chosen for similar sounds before them (normalised correlation, so that whole periods lie
    between them), for levels on the line of the note's decay, and for length.

    Args:
        note: float `[samples]`, decoded.
        pitch: MIDI; gives the period over which a level is measured.
        sample_rate: Hz.
    """
    note = np.asarray(note, np.float64)
    first, last = (round(fraction * len(note)) for fraction in STEADY)
    fade, shortest = round(CROSSFADE * len(note)), round(SHORTEST_LOOP * len(note))
    level = levels(note, level_window(pitch, sample_rate))
    if level[last] < level[: last + 1].max() - OVER_DB:
        return SustainLoop("over", len(note), len(note), 0.0)
    seconds = np.arange(len(note)) / sample_rate
    slope, offset = np.polyfit(seconds[first:last], level[first:last], 1)
    bumps = level - (slope * seconds + offset)
    best = (-np.inf, first, last)
    for end in range(last, last - fade, -max(fade // 8, 1)):
        starts = np.arange(first, end - shortest + 1)
        similarity = correlations(note[end - fade : end], note[first - fade : end - shortest])
        # 1 dB off the line costs as much as 0.05 of correlation; the longest loop gains 0.05 over the shortest.
        score = similarity - 0.05 * np.abs(bumps[end] - bumps[starts]) - 0.05 * (starts - first) / len(starts)
        chosen = int(score.argmax())
        best = max(best, (float(score[chosen]), int(starts[chosen]), end))
    _, start, end = best
    change = float((level[end] - level[start]) * sample_rate / (end - start))
    return SustainLoop("decaying" if slope <= -DECAYING_DB else "sustained", start, end, change)


def split_loop(note: np.ndarray, loop: SustainLoop, sample_rate: int = 16000) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of a note that is played once and the part that is repeated; both joints are seamless.

    The repeated part has one level throughout: that of the note at the loop's end.

    Args:
        note: float `[samples]`.
        loop: from `find_loop`, of a note that is not over.
        sample_rate: Hz.

    Returns:
        (the note to the loop's end, float `[end]`; the loop, float `[end - start]`).
    """
    fade = round(CROSSFADE * len(note))
    seconds = (loop.end - np.arange(loop.start - fade, loop.end)) / sample_rate
    levelled = note[loop.start - fade : loop.end] * 10 ** (loop.slope * seconds / 20)
    before, repeated = levelled[:fade], levelled[fade:].copy()
    once = note[: loop.end].copy()
    once[-fade:] = crossfade(once[-fade:], before)
    repeated[-fade:] = crossfade(repeated[-fade:], before)
    return once, repeated


def sustain(note: np.ndarray, loop: SustainLoop, samples: int, sample_rate: int = 16000) -> np.ndarray:
    """Return a note sustained for this many samples; arguments as in `split_loop`, but a note may be over."""
    if loop.kind == "over":
        tail = round(RELEASE * len(note))
        whole = np.concatenate([note[:tail], fade_to_silence(note[tail:], rms(note[:tail]), sample_rate)])
        return np.pad(whole, (0, max(samples - len(whole), 0)))[:samples]
    once, repeated = split_loop(note, loop, sample_rate)
    times = max(-(-(samples - len(once)) // len(repeated)), 0)
    sound = np.concatenate([once, np.tile(repeated, times)])[:samples]
    if loop.kind == "decaying":
        seconds = np.maximum(np.arange(len(sound)) - loop.end, 0) / sample_rate
        sound = sound * 10 ** (-loop.decay * seconds / 20)
    return sound


def ring_out(note: np.ndarray, loop: SustainLoop, sample_rate: int = 16000) -> np.ndarray:
    """Return a decaying note sustained until it is `SILENT_DB` below its maximum level; arguments as in `sustain`.

    A note that is over keeps its decoded length.
    """
    if loop.kind == "over":
        return sustain(note, loop, len(note), sample_rate)
    level = levels(note[: loop.end], round(CROSSFADE * len(note)))
    seconds = max(level[-1] - level.max() + SILENT_DB, 0.0) / loop.decay
    return fade_out(sustain(note, loop, loop.end + round(seconds * sample_rate), sample_rate), sample_rate)
