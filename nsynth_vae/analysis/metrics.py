"""Metrics of a note: spectral distances from a reference, tuning, vibrato, noise, onset, level and motion.

All measure the first 63,488 samples of 16 kHz audio (31 frames of 2048, so that every frame length fits) and return one
float a note. Their constants are fixed, so that models with other features can be compared. They check their arguments
as `compare` does.
"""

from __future__ import annotations

import math

import numpy as np

from nsynth_vae.analysis import motion
from nsynth_vae.analysis.arguments import check_audio, check_pitch
from nsynth_vae.analysis.pitch import in_tune, median_f0, tracker
from nsynth_vae.analysis.spectra import MEASURED_LOG_MEL, hann, magnitude, mel_spectrogram
from nsynth_vae.notes import pitch_to_hertz

MEASURED_SAMPLES = 63488
"""Samples of a note that are measured, from its start."""

FRAME_LENGTHS = (2048, 1024, 512, 256, 128, 64)
"""Frame lengths of `mss`, in samples; the step is a quarter."""

WOBBLE_PITCHES = (34, 94)
"""The lowest and the highest MIDI pitch with a `wobble_cents`, well inside swift-f0's range."""

LEVEL_SECONDS = 3.0
"""The part of a note whose level is measured: until NSynth's notes are released."""

DISTANCES: dict[str, str] = {
    "lsd_db": "log-spectral distance, dB: RMS over bins, mean over frames (2048/512), floor 80 dB below the maximum",
    "mss": "multi-scale spectral distance, no unit: mean |A - B| + mean |ln A - ln B|, sum over frames of 2048 to 64",
    "log_mel_l1": "mean |difference| of ln(mel + 1e-4), 128 bands, nats",
    "onset_error_seconds": "onset_seconds less the reference's, s",
    "level_error_db": "level_db less the reference's, dB",
}
"""The metrics that need a reference, with their units."""

OWN: dict[str, str] = {
    "wobble_cents": "standard deviation of f0 over 8 to 60 % of the note, cents; none outside MIDI 34 to 94",
    "off_harmonic_db": "power off the multiples of the note's f0 over all power, dB",
    "in_tune": "1 where the median f0 over 5 to 60 % of the note is within 50 cents of the target pitch, else 0",
    "onset_seconds": "time from -40 dB to -6 dB of the peak of the first 200 ms, s",
    "level_db": "RMS of the first 3 s, dB of full scale",
    **motion.DEFINITIONS,
}
"""The metrics of a note alone, with their units: those that `measure` returns."""

DEFINITIONS: dict[str, str] = DISTANCES | OWN
"""The metrics that `compare` returns, with their units."""

_SAMPLE_RATE = 16000


def compare(reference: np.ndarray, audio: np.ndarray, pitch: int) -> dict[str, float]:
    """Return all metrics of a note: its distances from the reference, and those of `measure`.

    Args:
        reference: float `[samples]`, -1..1, at least `MEASURED_SAMPLES` at 16 kHz: the real note.
        audio: the note to measure, of the same length. The reference itself gives a real note's own figures.
        pitch: the target pitch, MIDI.

    Returns:
        The keys of `DEFINITIONS`; a metric that a note has no value for is NaN.

    Raises:
        ValueError: for other audio or pitches, and for a silent reference.
    """
    reference, audio = _checked_pair(reference, audio)
    own = measure(audio, pitch)
    return {
        "lsd_db": lsd_db(reference, audio),
        "mss": mss(reference, audio),
        "log_mel_l1": log_mel_l1(reference, audio),
        "onset_error_seconds": own["onset_seconds"] - onset_seconds(reference),
        "level_error_db": own["level_db"] - level_db(reference),
    } | own


def measure(audio: np.ndarray, pitch: int) -> dict[str, float]:
    """Return the metrics of a note that need no reference, the keys of `OWN`; arguments and NaN as in `compare`."""
    f0 = note_f0(audio, pitch)
    return {
        "wobble_cents": wobble_cents(audio, pitch),
        "off_harmonic_db": off_harmonic_db(audio, f0),
        "in_tune": float(in_tune(audio, pitch)),
        "onset_seconds": onset_seconds(audio),
        "level_db": level_db(audio),
    } | motion.measure_motion(audio, f0)


def lsd_db(reference: np.ndarray, audio: np.ndarray) -> float:
    """Return the log-spectral distance (Gray and Markel 1976) in dB.

    Of 20 log10 of the magnitudes, 2048/512, both floored 80 dB below the reference's maximum: root mean square over
    the bins, mean over the frames. A silent reference, which has no floor, raises ValueError.
    """
    reference, audio = (magnitude(part, 2048, 512) for part in _checked_pair(reference, audio))
    floor = 1e-4 * reference.max()
    if floor == 0.0:
        raise ValueError("reference: found silence, expected a note")
    ratio = np.maximum(reference, floor) / np.maximum(audio, floor)
    return float(np.sqrt(np.square(20.0 * np.log10(ratio)).mean(axis=1)).mean())


def mss(reference: np.ndarray, audio: np.ndarray) -> float:
    """Return the multi-scale spectral distance (the loss of DDSP, Engel et al. 2020, of means).

    Sum over `FRAME_LENGTHS` of mean |A - B| + mean |ln(A + 1e-3) - ln(B + 1e-3)|, with the magnitudes A and B at that
    length.
    """
    reference, audio = _checked_pair(reference, audio)
    total = 0.0
    for length in FRAME_LENGTHS:
        a, b = (magnitude(part, length, length // 4) for part in (reference, audio))
        total += np.abs(a - b).mean() + np.abs(np.log((a + 1e-3) / (b + 1e-3))).mean()
    return float(total)


def log_mel_l1(reference: np.ndarray, audio: np.ndarray) -> float:
    """Return the mean absolute difference, in nats, of ln(mel + 1e-4).

    Magnitude, 1024/256, the audio padded by 512 zeros a side; mel bands of
    `tf.signal.linear_to_mel_weight_matrix(128, 513, 16000, 20, 8000)`.
    """
    reference, audio = _checked_pair(reference, audio)
    return float(np.abs(_log_mel(reference) - _log_mel(audio)).mean())


def off_harmonic_db(audio: np.ndarray, f0_hertz: float) -> float:
    """Return the fraction of the power that lies off the multiples of a frequency, in dB.

    Off is farther than max(0.06 f0, 3 Hz) from every multiple. 0 Hz is one, so that an offset does not count as noise.
    Measured in the Hann-windowed power spectrum of samples 4000 to 36767.

    Args:
        audio: as `compare`'s.
        f0_hertz: the note's fundamental frequency, above 6 Hz (else a ValueError); see `note_f0`.

    Returns:
        -120 (nothing off) to 0; NaN for silence.
    """
    audio = _checked("audio", audio)
    if not (math.isfinite(f0_hertz) and f0_hertz > 6.0):
        raise ValueError(f"f0_hertz: found {f0_hertz}, expected a frequency above 6 Hz")
    part = audio[4000 : 4000 + 32768]
    power = np.square(np.abs(np.fft.rfft(part * hann(part.size))))
    hertz = np.arange(power.size) * (_SAMPLE_RATE / part.size)
    off = np.abs(hertz - f0_hertz * np.round(hertz / f0_hertz)) > max(0.06 * f0_hertz, 3.0)
    if not power.any():
        return math.nan
    return float(10.0 * np.log10(max(power[off].sum() / power.sum(), 1e-12)))


def note_f0(audio: np.ndarray, pitch: int) -> float:
    """Return the fundamental frequency of a note's harmonics, in Hz.

    It is the note's median f0 if that is within 50 cents of the target pitch: at the tenth harmonic, 10 cents are the
    0.06 f0 of `off_harmonic_db`. Else it is the target pitch's own frequency.
    """
    target = _target_hertz(pitch)
    found = median_f0(_checked("audio", audio))
    return found if found is not None and abs(1200.0 * math.log2(found / target)) <= 50.0 else target


def wobble_cents(audio: np.ndarray, pitch: int) -> float:
    """Return the standard deviation of f0 over swift-f0's voiced frames in 8 to 60 % of the note, in cents.

    Frames beyond 100 cents from the target pitch are dropped: they are the tracker's errors, or `in_tune` counts them.
    The note's median in its place would make a steady wrong note look good.

    Returns:
        Cents, 0 or more; NaN for a pitch outside `WOBBLE_PITCHES` or where fewer than 3 frames are left.
    """
    audio, target = _checked("audio", audio), _target_hertz(pitch)
    if not WOBBLE_PITCHES[0] <= pitch <= WOBBLE_PITCHES[1]:
        return math.nan
    result = tracker().detect(audio, _SAMPLE_RATE)
    fraction = result.timestamps * _SAMPLE_RATE / audio.size
    cents = 1200.0 * np.log2(result.pitch_hz / target)
    cents = cents[(result.confidence >= 0.5) & (fraction >= 0.08) & (fraction <= 0.6) & (np.abs(cents) <= 100.0)]
    return float(cents.std()) if cents.size >= 3 else math.nan


def onset_seconds(audio: np.ndarray) -> float:
    """Return the time from -40 dB to -6 dB of the peak of a note's first 200 ms, in seconds.

    Measured between the first crossings of the RMS envelope, 5 ms windows every 1 ms; a note that begins above -40 dB
    starts at 0.

    Returns:
        0 or more; NaN where the first 200 ms are silent (peak of the envelope below -100 dB of full scale).
    """
    start = _checked("audio", audio)[: _SAMPLE_RATE // 5]
    envelope = np.sqrt(np.square(np.lib.stride_tricks.sliding_window_view(start, 80)[::16]).mean(axis=1))
    peak = envelope.max()
    if peak < 1e-5:
        return math.nan
    first, last = (int((envelope >= peak * 10.0 ** (level / 20.0)).argmax()) for level in (-40.0, -6.0))
    return (last - first) * 16 / _SAMPLE_RATE


def level_db(audio: np.ndarray) -> float:
    """Return the RMS of a note's first 3 s in dB of full scale; -120 for silence."""
    power = np.square(_checked("audio", audio)[: round(LEVEL_SECONDS * _SAMPLE_RATE)]).mean()
    return float(10.0 * np.log10(max(power, 1e-12)))


def _target_hertz(pitch: int) -> float:
    check_pitch(pitch)
    return pitch_to_hertz(int(pitch))


def _checked(name: str, audio: np.ndarray) -> np.ndarray:
    return check_audio(name, audio, MEASURED_SAMPLES)[:MEASURED_SAMPLES]


def _checked_pair(reference: np.ndarray, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the measured samples of two notes of equal length."""
    measured = _checked("reference", reference), _checked("audio", audio)
    if reference.size != audio.size:
        raise ValueError(f"audio: found {audio.size} samples, expected the reference's {reference.size}")
    return measured


def _log_mel(audio: np.ndarray) -> np.ndarray:
    return np.log(mel_spectrogram(audio, MEASURED_LOG_MEL) + MEASURED_LOG_MEL.log_offset)
