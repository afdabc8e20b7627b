"""Recordings as notes: channels, offset, hum, noise floor, onset and level, in numpy.

A recording has what a note of a data set has not: a converter's offset, mains hum and hiss, a count-in, channels of
opposite phase, any level. `prepare` removes what there is evidence for, and says so.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nsynth_vae.analysis.background import HUM_LEFT_DB, Quiet, find_quiet, remove_noise, remove_offset
from nsynth_vae.analysis.hum import remove_hum

PEAK_DB = -0.6
"""Peak that a recording is set to, dB of full scale: the median of NSynth's notes, of which 90 % peak at -4.4 to 0."""

QUIET_DB = -45.0
"""A recording with a lower peak, dB of full scale, is named: 8 bits at most are left of 16."""

RAISED_DB = 12.0
"""A higher gain is mentioned."""

ONSET_DB = -40.0
"""The onset is where the sound first comes this close to its peak."""

ONSET_SECONDS = 0.0025
"""This much before the onset is kept, as is in the median of NSynth's notes."""

CANCELLED = 0.5
"""Where the mean keeps less of the channels' power than this fraction of what it keeps of unrelated ones, they cancel.

The mean of n channels keeps 1 of equal ones, and 1/n of unrelated ones, or of one beside silence."""

EVENT_SECONDS = 0.05
"""Sounds with a longer silence between them are separate events: clicks of a count-in, and the note."""

EVENT_WEIGHT = 0.03
"""The note is the first event whose energy times length is this fraction of the greatest.

Clicks have less of both: 0.02 beside a mallet's note. A tenth of the energy in a third of the time is a note."""

COUNT_IN, COUNT_SECONDS, COUNT_SPREAD = 3, 0.15, 16.0
"""A count-in has as many sounds, at least, each at most as long, whose energies differ by this factor at most, and"""
COUNT_DRIFT, COUNT_LONGER, COUNT_HEAVIER = 0.1, 2.0, 4.0
"""whose distances differ by this fraction; the note after it is longer, or has more of energy times length."""


PHRASE_SECONDS, PHRASE_ENERGY = 0.2, 0.5
"""Sounds after a silence as long, with this fraction of the first one's energy, are other notes, and named.

A harpsichord's key falls back with up to 0.4 of it."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recording after `prepare`."""

    audio: np.ndarray
    """float32 `[samples]`, one channel, not yet cut."""
    onset: int
    """The sample at which the note begins, less `ONSET_SECONDS`."""
    remarks: tuple[str, ...]
    """What was removed."""


def prepare(channels: np.ndarray, sample_rate: int) -> Recording:
    """Turn a recording into the sound of a note: fold it, remove what is no part of the note, and find its onset.

    Args:
        channels: finite float32 `[samples, channels]`.
        sample_rate: Hz.
    """
    audio, folded = fold(channels)
    audio, offset = remove_offset(audio, sample_rate)
    hum, noise, noise_level = "", "", 0.0
    quiet = find_quiet(audio, sample_rate)
    if quiet.lead_in and quiet.ended:
        noise, noise_level = "background before the note cut off", float(audio[quiet.lead_in].std())
        quiet = Quiet(None, None)
    else:
        audio, hum = remove_hum(audio, quiet.cleanest(sample_rate), sample_rate)
        # What the hum has covered is a note's release; only what is left before the note, or after that, is noise.
        quiet = find_quiet(audio, sample_rate, HUM_LEFT_DB) if hum else quiet
    if where := quiet.cleanest(sample_rate):
        before = where == quiet.lead_in
        audio, noise_level, noise = remove_noise(audio, where, sample_rate, before=before, always=bool(hum))
    onset = find_onset(audio, sample_rate, noise_level)
    phrase = _phrase(audio[onset:], sample_rate, noise_level)
    return Recording(audio.astype(np.float32), onset, tuple(filter(None, (folded, offset, hum, noise, phrase))))


def leave(channels: np.ndarray, sample_rate: int) -> Recording:
    """Return the mean of channels with its onset, and nothing removed; arguments as for `prepare`."""
    audio = channels.mean(axis=1, dtype=np.float32)
    return Recording(audio, find_onset(audio, sample_rate), ())


def fold(channels: np.ndarray) -> tuple[np.ndarray, str]:
    """Fold channels to one: their mean, or the loudest of them if the mean loses a part of the spectrum.

    Channels of opposite phase lose everything; a channel that is half a period late loses the fundamental.

    Args:
        channels: float `[samples, channels]`.

    Returns:
        (float64 `[samples]`, what is to be said).
    """
    channels = np.asarray(channels, np.float64)
    mean = channels.mean(axis=1)
    if channels.shape[1] == 1 or not channels.any():
        return mean, ""
    powers = (channels**2).mean(axis=0)
    together = _third_octaves(mean)
    each = np.mean([_third_octaves(channel) for channel in channels.T], axis=0)
    heard = each > 0.01 * each.max()
    if np.all(together[heard] >= CANCELLED / len(powers) * each[heard]):
        return mean, ""
    loudest = int(powers.argmax())
    return channels[:, loudest], f"channels cancel out, channel {loudest + 1} of {len(powers)} used"


def _third_octaves(audio: np.ndarray) -> np.ndarray:
    """Return the power of audio in bands of a third of an octave, as fractions of the sample rate."""
    power = np.abs(np.fft.rfft(audio - audio.mean())) ** 2
    edges = np.unique((power.size * 2.0 ** (np.arange(-30, 1) / 3.0)).astype(int))
    return np.add.reduceat(power, edges[:-1]) if edges.size > 1 else power


def find_onset(audio: np.ndarray, sample_rate: int, noise_level: float = 0.0) -> int:
    """Return the sample at which the note begins: `ONSET_SECONDS` before it first nears its peak.

    Short and weak events before it, such as a count-in's clicks, are passed over. It is 0 for silence.

    Args:
        audio: float `[samples]`.
        sample_rate: Hz.
        noise_level: root mean square of the noise that was reduced; what is not above it is no onset.
    """
    starts, ends, energies = _events(audio, sample_rate, noise_level)
    if not starts.size:
        return 0
    weights = energies * (ends - starts + 1)
    first = int((weights >= EVENT_WEIGHT * weights.max()).argmax())
    first = max(first, _count_in(starts / sample_rate, (ends - starts + 1) / sample_rate, energies))
    return max(int(starts[first]) - round(ONSET_SECONDS * sample_rate), 0)


def _events(audio: np.ndarray, sample_rate: int, noise_level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first and last samples of sounds with silence between them, and their energies, `[events]` each."""
    level = np.abs(audio)
    peak = level.max(initial=0.0)
    loud = np.flatnonzero(level >= max(peak * 10 ** (ONSET_DB / 20), 4.0 * noise_level))
    if peak < 1e-9 or not loud.size:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    gaps = np.flatnonzero(np.diff(loud) > EVENT_SECONDS * sample_rate)
    starts, ends = loud[np.append(0, gaps + 1)], loud[np.append(gaps, loud.size - 1)]
    energies = np.add.reduceat(np.append(audio, 0.0) ** 2, np.stack([starts, ends + 1], 1).reshape(-1))[::2]
    return starts, ends, energies


def _phrase(audio: np.ndarray, sample_rate: int, noise_level: float) -> str:
    """Return what is to be said of a sound, from its onset on, that is more than a note; empty if it is one."""
    starts, ends, energies = _events(audio, sample_rate, noise_level)
    heard = energies > PHRASE_ENERGY * energies[:1]
    count = 1 + int((starts[heard][1:] - ends[heard][:-1] > PHRASE_SECONDS * sample_rate).sum())
    return f"{count} sounds with silence between them, the first is taken for the note" if count > 1 else ""


def _count_in(starts: np.ndarray, seconds: np.ndarray, energies: np.ndarray) -> int:
    """Return how many of the first events are a count-in: short, alike, regular, and before one that is more than they.

    Args:
        starts: of the events, s `[events]`.
        seconds: their lengths.
        energies: their energies.
    """
    weights, beats = energies * seconds, np.diff(starts)
    for count in range(starts.size - 1, COUNT_IN - 1, -1):
        quietest, longest = energies[:count].min(), seconds[:count].max()
        alike = energies[:count].max() <= COUNT_SPREAD * quietest and longest <= COUNT_SECONDS
        regular = np.ptp(beats[: count - 1]) <= COUNT_DRIFT * beats[0]
        heavier = weights[count] >= COUNT_HEAVIER * np.median(weights[:count])
        if alike and regular and (heavier or seconds[count] >= COUNT_LONGER * longest):
            return count
    return 0


def set_level(audio: np.ndarray) -> tuple[np.ndarray, float]:
    """Scale a note to a peak of `PEAK_DB`; silence stays.

    Returns:
        (float32 `[samples]`, the peak it had, dB of full scale).
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0.0:
        return np.asarray(audio, np.float32), -math.inf
    return (audio * (10 ** (PEAK_DB / 20) / peak)).astype(np.float32), 20.0 * math.log10(peak)


def level_remarks(peak_db: float) -> tuple[str, ...]:
    """Return what is to be said of a note's level, if it was raised by more than `RAISED_DB`."""
    if peak_db < QUIET_DB:
        return (f"quiet: peaks at {peak_db:.1f} dB of full scale, expected at least {QUIET_DB:g}",)
    raised = PEAK_DB - peak_db
    return (f"level raised by {raised:.0f} dB",) if raised > RAISED_DB else ()
