"""Labels of six of NSynth's ten note qualities by measurement: 1, 0, or None where undecided.

NSynth's own labels came from its makers' heuristics and listeners. These are measurements that are to be right
where they decide: between two thresholds the label is None (unknown), never 0. The other four qualities are
always unknown. Audio is `[num_samples]` at 16 kHz, starting at the note's onset, released after 3 s.
"""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 16000
NOTE_OFF_SECONDS = 3.0
FLOOR_DB = -120.0


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def level_db(audio: np.ndarray, start: float, end: float) -> float:
    """Return the RMS level of a part of a note in dB of full scale, at least -120.

    Args:
        audio: [num_samples], 16 kHz.
        start: Seconds from the onset.
        end: Seconds from the onset.
    """
    part = audio[_samples(start) : _samples(end)]
    return float(20 * np.log10(max(np.sqrt(np.mean(np.square(part))), 10 ** (FLOOR_DB / 20))))


def envelope_db(audio: np.ndarray, *, frame_seconds: float, step_seconds: float = 0.01) -> np.ndarray:
    """Return the RMS level of each frame in dB below the loudest frame (at most 0, at least -120).

    Args:
        audio: [num_samples], 16 kHz.
        frame_seconds: Length of a frame; frame k starts at `k * step_seconds`.
        step_seconds: Distance of frames.

    Returns:
        float64 [num_frames].
    """
    length = _samples(frame_seconds)
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    starts = np.arange(0, len(audio) - length + 1, _samples(step_seconds))
    power = np.maximum(energy[starts + length] - energy[starts], 0.0)
    return 10 * np.log10(np.maximum(power / max(power.max(), 1e-20), 10 ** (FLOOR_DB / 10)))


def attack_seconds(audio: np.ndarray) -> float:
    """Return the time in which |audio| grows from 10 % to 90 % of its maximum (each first reached)."""
    so_far = np.maximum.accumulate(np.abs(audio))
    return float(np.searchsorted(so_far, [0.1 * so_far[-1], 0.9 * so_far[-1]]) @ [-1, 1]) / SAMPLE_RATE


def fast_decay(audio: np.ndarray) -> int | None:
    """Return whether the note has decayed well before note-off.

    1: from 1.5 s to note-off every 50 ms frame is at least 20 dB below the loudest.
    0: the last 100 ms before note-off are less than 10 dB below the loudest 50 ms frame. Else None.
    """
    envelope = envelope_db(audio, frame_seconds=0.05)
    frames = slice(150, 296)
    if envelope[frames].max() <= -20:
        return 1
    return 0 if envelope[285:296].max() >= -10 else None


def long_release(audio: np.ndarray) -> int | None:
    """Return whether the note still sounds half a second after note-off.

    1: the level at 3.45..3.55 s is at most 20 dB below the level at 2.9..3.0 s. 0: at least 40 dB below.
    None between, and for notes that are already 40 dB below their loudest 50 ms frame at note-off.
    """
    envelope = envelope_db(audio, frame_seconds=0.05)
    if envelope[290:296].max() <= -40:
        return None
    fall = level_db(audio, 2.9, NOTE_OFF_SECONDS) - level_db(audio, 3.45, 3.55)
    if fall <= 20:
        return 1
    return 0 if fall >= 40 else None


def percussive(audio: np.ndarray) -> int | None:
    """Return whether the note is struck or plucked: a sharp attack, then a decay at once.

    1: attack time (10 to 90 %) at most 20 ms, and 0.25 s after the loudest 20 ms frame the level is at least
    12 dB lower. 0: attack time more than 20 ms, and the last 100 ms before note-off are at most 6 dB below
    the loudest 50 ms frame (a sustained sound that swells). Else None.
    """
    envelope = envelope_db(audio, frame_seconds=0.02, step_seconds=0.005)
    peak = int(envelope.argmax())
    fall = -float(envelope[min(peak + 50, len(envelope) - 1)])
    attack = attack_seconds(audio)
    if attack <= 0.02 and fall >= 12:
        return 1
    sustained = envelope_db(audio, frame_seconds=0.05)[285:296].max() >= -6
    return 0 if attack > 0.02 and sustained else None


def nonlinear_env(audio: np.ndarray) -> int | None:
    """Return whether the sustained note gets louder again after its attack: a swell, a beat, a tremolo below 5 Hz.

    1: between 0.3 and 2.9 s the level (100 ms frames) rises by 6 dB or more above an earlier minimum.
    0: it never rises by more than 2 dB. Else None. Levels below -40 dB of the loudest frame count as -40 dB.
    """
    level = np.maximum(envelope_db(audio, frame_seconds=0.1)[30:281], -40.0)
    rise = float((level - np.minimum.accumulate(level)).max())
    if rise >= 6:
        return 1
    return 0 if rise <= 2 else None


def spectral_centroid(audio: np.ndarray) -> float:
    """Return the magnitude-weighted mean frequency in Hz of the sustained note (1024-sample Hann frames, step 512)."""
    frames = np.lib.stride_tricks.sliding_window_view(audio[: _samples(NOTE_OFF_SECONDS)], 1024)[::512]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(1024), axis=-1)).sum(axis=0)
    return float(magnitude @ np.fft.rfftfreq(1024, 1 / SAMPLE_RATE) / max(magnitude.sum(), 1e-12))


def bright_dark(centroid: float, neighbours: np.ndarray) -> tuple[int | None, int | None]:
    """Return whether a note is bright, and whether it is dark, among the notes near its pitch.

    bright is 1 in the top quarter of spectral centroids, 0 in the lower half, None between. dark is 1 in the
    bottom quarter, 0 in the upper half, None between. Both are None with fewer than 20 neighbours.

    Args:
        centroid: The note's spectral centroid, Hz.
        neighbours: [num_neighbours] centroids in Hz of all notes of the set within 3 semitones, with its own.

    Returns:
        (bright, dark).
    """
    if len(neighbours) < 20:
        return None, None
    low, middle, high = np.quantile(neighbours, [0.25, 0.5, 0.75])
    bright = 1 if centroid >= high else 0 if centroid <= middle else None
    dark = 1 if centroid <= low else 0 if centroid >= middle else None
    return bright, dark
