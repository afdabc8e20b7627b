"""How close a note's sound is to another's, and how clean it is: pure functions of numpy audio.

All measure the first 63,488 samples of 16 kHz audio (31 frames of 2048, so that every frame length fits) and return one
float a note. Their constants are fixed, so that the figures of models with other features can be compared. Arguments
are checked as `compare` says.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from nsynth_vae.analysis.pitch import in_tune, median_f0, tracker
from nsynth_vae.config import AudioConfig
from nsynth_vae.notes import pitch_to_hertz

MEASURED_SAMPLES = 63488
"""Samples of a note that are measured, from its start."""

FRAME_LENGTHS = (2048, 1024, 512, 256, 128, 64)
"""Frame lengths of `mss`, in samples; the step is a quarter."""

WOBBLE_PITCHES = (34, 94)
"""The lowest and the highest MIDI pitch with a `wobble_cents`: well inside swift-f0's range."""

DEFINITIONS: dict[str, str] = {
    "lsd_db": "log-spectral distance, dB: RMS over bins, mean over frames (2048/512), floor 80 dB below the maximum",
    "mss": "multi-scale spectral distance, no unit: mean |A - B| + mean |ln A - ln B|, sum over frames of 2048 to 64",
    "log_mel_l1": "mean |difference| of ln(mel + 1e-4), 128 bands, nats",
    "wobble_cents": "standard deviation of f0 over 8 to 60 % of the note, cents; none outside MIDI 34 to 94",
    "off_harmonic_db": "power off the multiples of the note's f0 over all power, dB",
    "in_tune": "1 where the median f0 over 5 to 60 % of the note is within 50 cents of the asked pitch, else 0",
    "onset_seconds": "time from -40 dB to -6 dB of the peak of the first 200 ms, s",
    "onset_error_seconds": "onset_seconds less the reference's, s",
}
"""The measures that `compare` returns, with their units."""

_SAMPLE_RATE = 16000
_LOG_MEL = AudioConfig(
    sample_rate=_SAMPLE_RATE,
    frame_length=1024,
    frame_step=256,
    fft_length=1024,
    num_mel_bins=128,
    lower_edge_hertz=20.0,
    upper_edge_hertz=8000.0,
    log_offset=1e-4,
)


def compare(reference: np.ndarray, audio: np.ndarray, pitch: int) -> dict[str, float]:
    """Returns every measure of one note: its distances from the reference, and its own tuning, wobble, noise and onset.

    Args:
        reference: float `[samples]`, -1..1, at least `MEASURED_SAMPLES` at 16 kHz: the real note.
        audio: the same length: what is judged. The reference itself gives a real note's own figures.
        pitch: MIDI, the pitch that was asked for.

    Returns:
        The keys of `DEFINITIONS`; a measure that a note has no value for is NaN.

    Raises:
        ValueError: for what is not such audio or such a pitch, and for a silent reference.
    """
    reference, audio = _checked_pair(reference, audio)
    onset = onset_seconds(audio)
    return {
        "lsd_db": lsd_db(reference, audio),
        "mss": mss(reference, audio),
        "log_mel_l1": log_mel_l1(reference, audio),
        "wobble_cents": wobble_cents(audio, pitch),
        "off_harmonic_db": off_harmonic_db(audio, note_f0(audio, pitch)),
        "in_tune": float(in_tune(audio, pitch)),
        "onset_seconds": onset,
        "onset_error_seconds": onset - onset_seconds(reference),
    }


def lsd_db(reference: np.ndarray, audio: np.ndarray) -> float:
    """Returns the log-spectral distance (Gray and Markel 1976) in dB.

    Of 20 log10 of the magnitudes, 2048/512, both floored 80 dB below the reference's maximum: root mean square over
    the bins, mean over the frames. A silent reference, which has no floor, is a ValueError.
    """
    reference, audio = (_magnitude(part, 2048, 512) for part in _checked_pair(reference, audio))
    floor = 1e-4 * reference.max()
    if floor == 0.0:
        raise ValueError("reference: found silence, expected a note")
    ratio = np.maximum(reference, floor) / np.maximum(audio, floor)
    return float(np.sqrt(np.square(20.0 * np.log10(ratio)).mean(axis=1)).mean())


def mss(reference: np.ndarray, audio: np.ndarray) -> float:
    """Returns the multi-scale spectral distance (the loss of DDSP, Engel et al. 2020, of means).

    Sum over `FRAME_LENGTHS` of mean |A - B| + mean |ln(A + 1e-3) - ln(B + 1e-3)|, with the magnitudes A and B at that
    length.
    """
    reference, audio = _checked_pair(reference, audio)
    total = 0.0
    for length in FRAME_LENGTHS:
        a, b = (_magnitude(part, length, length // 4) for part in (reference, audio))
        total += np.abs(a - b).mean() + np.abs(np.log((a + 1e-3) / (b + 1e-3))).mean()
    return float(total)


def log_mel_l1(reference: np.ndarray, audio: np.ndarray) -> float:
    """Returns the mean absolute difference, in nats, of ln(mel + 1e-4).

    Magnitude, 1024/256, the audio padded by 512 zeros a side; mel bands of
    `tf.signal.linear_to_mel_weight_matrix(128, 513, 16000, 20, 8000)`.
    """
    reference, audio = _checked_pair(reference, audio)
    return float(np.abs(_log_mel(reference) - _log_mel(audio)).mean())


def off_harmonic_db(audio: np.ndarray, f0_hertz: float) -> float:
    """Returns the share of the power that lies off the multiples of a frequency, in dB.

    Off is farther than max(0.06 f0, 3 Hz) from every multiple, of which 0 Hz is one: a constant offset is no noise.
    Measured in the power spectrum of samples 4000 to 36767, Hann-windowed.

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
    power = np.square(np.abs(np.fft.rfft(part * _hann(part.size))))
    hertz = np.arange(power.size) * (_SAMPLE_RATE / part.size)
    off = np.abs(hertz - f0_hertz * np.round(hertz / f0_hertz)) > max(0.06 * f0_hertz, 3.0)
    if not power.any():
        return math.nan
    return float(10.0 * np.log10(max(power[off].sum() / power.sum(), 1e-12)))


def note_f0(audio: np.ndarray, pitch: int) -> float:
    """Returns the fundamental frequency that a note's multiples are counted from, in Hz.

    That is the note's median f0 where it is within 50 cents of the pitch's: at the tenth multiple, 10 cents are the
    0.06 f0 of `off_harmonic_db`. Elsewhere it is the pitch's own.
    """
    asked = _asked_hertz(pitch)
    found = median_f0(_checked("audio", audio))
    return found if found is not None and abs(1200.0 * math.log2(found / asked)) <= 50.0 else asked


def wobble_cents(audio: np.ndarray, pitch: int) -> float:
    """Returns how unsteady a note's pitch is: the standard deviation of swift-f0's voiced frames, in cents.

    Over 8 to 60 % of the note. Frames beyond 100 cents from the asked pitch (not from the note's median, which would
    make a steady wrong note look good) are the tracker's errors, or the `in_tune` measure's matter, and are dropped.

    Returns:
        Cents, 0 or more; NaN for a pitch outside `WOBBLE_PITCHES` or where fewer than 3 frames are left.
    """
    audio, asked = _checked("audio", audio), _asked_hertz(pitch)
    if not WOBBLE_PITCHES[0] <= pitch <= WOBBLE_PITCHES[1]:
        return math.nan
    result = tracker().detect(audio, _SAMPLE_RATE)
    share = result.timestamps * _SAMPLE_RATE / audio.size
    cents = 1200.0 * np.log2(result.pitch_hz / asked)
    cents = cents[(result.confidence >= 0.5) & (share >= 0.08) & (share <= 0.6) & (np.abs(cents) <= 100.0)]
    return float(cents.std()) if cents.size >= 3 else math.nan


def onset_seconds(audio: np.ndarray) -> float:
    """Returns how long a note takes from -40 dB to -6 dB of the peak of its first 200 ms, in seconds.

    Between the first crossings by the RMS envelope, 5 ms windows every 1 ms; a note that begins above -40 dB starts
    at 0.

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


def _asked_hertz(pitch: int) -> float:
    """Returns a checked MIDI pitch's frequency."""
    if isinstance(pitch, bool) or not isinstance(pitch, int | np.integer) or not 0 <= pitch <= 127:
        raise ValueError(f"pitch: found {pitch!r}, expected an integer from 0 to 127")
    return pitch_to_hertz(int(pitch))


def _checked(name: str, audio: np.ndarray) -> np.ndarray:
    """Returns the measured samples in float64, or says what is wrong with the argument of this name."""
    if not isinstance(audio, np.ndarray) or audio.dtype.kind != "f":
        found = getattr(audio, "dtype", type(audio).__name__)
        raise ValueError(f"{name}: found {found}, expected a numpy array of floats")
    if audio.ndim != 1 or audio.size < MEASURED_SAMPLES:
        raise ValueError(f"{name}: found shape {audio.shape}, expected [samples] with at least {MEASURED_SAMPLES}")
    if not np.isfinite(audio).all():
        raise ValueError(f"{name}: found NaN or infinite samples, expected finite ones")
    return audio[:MEASURED_SAMPLES].astype(np.float64)


def _checked_pair(reference: np.ndarray, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the measured samples of two notes of one length, in float64."""
    measured = _checked("reference", reference), _checked("audio", audio)
    if reference.size != audio.size:
        raise ValueError(f"audio: found {audio.size} samples, expected the reference's {reference.size}")
    return measured


@functools.lru_cache(maxsize=8)
def _hann(length: int) -> np.ndarray:
    """Returns the periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


def _magnitude(audio: np.ndarray, frame_length: int, frame_step: int) -> np.ndarray:
    """Returns |STFT| `[1 + (samples - frame_length) // frame_step, frame_length // 2 + 1]`: Hann, no padding."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, frame_length)[::frame_step]
    return np.abs(np.fft.rfft(frames * _hann(frame_length)))


def _log_mel(audio: np.ndarray) -> np.ndarray:
    """Returns ln(mel + 1e-4) `[249, 128]`."""
    from nsynth_vae.features.mel import mel_weight_matrix  # It imports TensorFlow.

    half = _LOG_MEL.frame_length // 2
    mel = _magnitude(np.pad(audio, half), _LOG_MEL.frame_length, _LOG_MEL.frame_step) @ mel_weight_matrix(_LOG_MEL)
    return np.log(mel + _LOG_MEL.log_offset)
