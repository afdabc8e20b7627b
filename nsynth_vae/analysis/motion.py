"""Motion of a note: shimmer, pitch wobble, spectral flux, and the grain of the noise between its partials.

All measure 0.5 to 2.8 s of 16 kHz audio, after the attack and before the release, and return one float a note. A steady
tone has no motion; filtered Gaussian noise has the grain of Rayleigh's distribution. A note that ends earlier is
measured until it has fallen by `ENDED_DB`: digital silence is in 74 of the 435 sustained notes of `nsynth-test`, and
it would give them a grain of 17 to 33 dB. Their constants are fixed, as those of `metrics` are.
"""

from __future__ import annotations

import math

import numpy as np

from nsynth_vae.analysis.arguments import check_audio
from nsynth_vae.analysis.spectra import MEASURED_LOG_MEL, hann, magnitude, mel_weight_matrix

MOVING_SAMPLES = (8000, 44800)
"""The measured samples: 0.5 to 2.8 s."""

ENDED_DB = 60.0
"""A note has ended where its level, in blocks of 12.5 ms, stays this far below its loudest block."""

SHORTEST_SAMPLES = 8000
"""Notes of which less than 0.5 s is left to measure have no motion."""

PARTIALS = 8
"""Harmonics whose level is tracked, those within `PARTIAL_RANGE_DB` of the loudest."""

PARTIAL_RANGE_DB = 40.0

STEP_SAMPLES = 200
"""From one value of a partial to the next: 12.5 ms."""

RAYLEIGH_DB = 10.0 / math.log(10.0) * math.pi / math.sqrt(6.0)
"""The `grain_db` of Gaussian noise, 5.57 dB: 20 log10 of a Rayleigh variable scatters by (10 / ln 10) pi / sqrt(6)."""

DEFINITIONS: dict[str, str] = {
    "shimmer_db": "standard deviation of the level of each of the first 8 partials within 40 dB of the loudest, after "
    "a cubic trend, over 0.5 to 2.8 s, dB; median over the partials",
    "phase_wobble_cents": "standard deviation of the f0 that the strongest partial's phase gives, after a cubic trend, "
    "over 0.5 to 2.8 s, cents",
    "flux": "mean |change| of ln(mel + 1e-4) between frames 16 ms apart, over 0.5 to 2.8 s, nats; of the mel bins "
    "within 7 nats of the loudest",
    "grain_db": "standard deviation over time of 20 log10 |STFT| (2048/512), 0.5 to 2.8 s, dB; median over the bins "
    "farther than 0.3 f0 from a multiple of f0",
}
"""The measures that `measure_motion` returns, with their units."""

_SAMPLE_RATE = 16000
_FLUX_NATS = 7.0
_SILENT = 1e-6  # Of full scale: 30 dB below a 16-bit step.


def measure_motion(audio: np.ndarray, f0_hertz: float) -> dict[str, float]:
    """Return all measures of a note's motion.

        motion = measure_motion(audio, metrics.note_f0(audio, pitch))
        motion["shimmer_db"]

    Args:
        audio: float `[samples]`, -1..1, at least 2.8 s at 16 kHz.
        f0_hertz: the note's fundamental frequency, above 6 Hz; see `metrics.note_f0`.

    Returns:
        The keys of `DEFINITIONS`; NaN where a note has no value: it has ended before 1 s, or has no partial or no bin.

    Raises:
        ValueError: for other arguments.
    """
    shimmer, wobble = partial_motion(audio, f0_hertz)
    return {
        "shimmer_db": shimmer,
        "phase_wobble_cents": wobble,
        "flux": flux(audio),
        "grain_db": grain_db(audio, f0_hertz),
    }


def partial_motion(audio: np.ndarray, f0_hertz: float) -> tuple[float, float]:
    """Return (`shimmer_db`, `phase_wobble_cents`); arguments and NaN as in `measure_motion`."""
    level, hertz = track_partials(audio, f0_hertz)
    if not len(level):
        return math.nan, math.nan
    mean = level.mean(axis=1)
    loud = level[mean >= mean.max() - PARTIAL_RANGE_DB]
    cents = 1200.0 / math.log(2.0) * np.log(np.maximum(hertz[mean.argmax()], 1.0))
    return float(np.median(detrended(loud).std(axis=1))), float(detrended(cents).std())


def track_partials(audio: np.ndarray, f0_hertz: float) -> tuple[np.ndarray, np.ndarray]:
    """Track the first harmonics by heterodyning, a Hann window of max(50 ms, 4 periods) every 12.5 ms.

    Args:
        audio: as in `measure_motion`.
        f0_hertz: likewise.

    Returns:
        (level, dB of full scale, `[partials, frames]`; frequency that the phase gives, Hz, `[partials, frames - 1]`, as
        of the first harmonic). Harmonics above half the sample rate are left out; a note that has ended has none.
    """
    part = moving_part(audio)
    _check_f0(f0_hertz)
    number = np.arange(1, PARTIALS + 1)
    number = number[number * f0_hertz < _SAMPLE_RATE / 2]
    if not number.size or not part.size:
        return np.zeros([0, 0]), np.zeros([0, 0])
    length = window_samples(f0_hertz)
    window = hann(length)
    step = 2.0 * math.pi * number * f0_hertz / _SAMPLE_RATE
    angle = np.arange(length)[:, None] * step
    kernel = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * (2.0 / window.sum() * window[:, None])
    frames = np.lib.stride_tricks.sliding_window_view(part, length)[::STEP_SAMPLES]
    real, imaginary = np.split((frames @ kernel).T, 2)
    level = 20.0 * np.log10(np.maximum(np.hypot(real, imaginary), _SILENT))
    # A frame's phase counts from its own start: less what the harmonic itself turns in a step, it is the deviation's.
    turn = np.diff(np.arctan2(imaginary, real), axis=1) - (step * STEP_SAMPLES)[:, None]
    turn -= 2.0 * math.pi * np.round(turn / (2.0 * math.pi))
    deviation = turn * (_SAMPLE_RATE / (2.0 * math.pi * STEP_SAMPLES))
    return level, f0_hertz + deviation / number[:, None]


def window_samples(f0_hertz: float) -> int:
    """Return the length of the window that partials are tracked with."""
    return round(max(0.05, 4.0 / f0_hertz) * _SAMPLE_RATE)


def flux(audio: np.ndarray) -> float:
    """Return the mean |change| of ln(mel + 1e-4) from frame to frame (1024/256), nats; audio as in `measure_motion`.

    Of the mel bins whose mean is within 7 nats of the loudest one's.
    """
    part = moving_part(audio)
    if not part.size:
        return math.nan
    config = MEASURED_LOG_MEL
    mel = magnitude(part, config.frame_length, config.frame_step) @ mel_weight_matrix(config)
    log_mel = np.log(mel + config.log_offset)
    mean = log_mel.mean(axis=0)
    return float(np.abs(np.diff(log_mel[:, mean >= mean.max() - _FLUX_NATS], axis=0)).mean())


def grain_db(audio: np.ndarray, f0_hertz: float) -> float:
    """Return how much the level of the noise between the partials scatters, dB; arguments as in `measure_motion`.

    Standard deviation over time of 20 log10 |STFT| (2048/512), median over the bins farther than 0.3 f0 from every
    multiple of f0. Gaussian noise has `RAYLEIGH_DB`; NaN without such a bin.
    """
    part = moving_part(audio)
    _check_f0(f0_hertz)
    hertz = np.arange(1025) * (_SAMPLE_RATE / 2048)
    between = np.abs(hertz - f0_hertz * np.round(hertz / f0_hertz)) > 0.3 * f0_hertz
    if not between.any() or not part.size:
        return math.nan
    level = 20.0 * np.log10(np.maximum(magnitude(part, 2048, 512)[:, between], _SILENT))
    return float(np.median(level.std(axis=0)))


def detrended(values: np.ndarray) -> np.ndarray:
    """Return values `[..., frames]` less their least-squares cubic: what a decay or a crescendo leaves."""
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, values.shape[-1]), 3))
    return values - (values @ basis) @ basis.T


def moving_part(audio: np.ndarray) -> np.ndarray:
    """Return what is measured of a note: 0.5 to 2.8 s, or to its end (`ENDED_DB`); nothing below `SHORTEST_SAMPLES`."""
    start, end = MOVING_SAMPLES
    audio = check_audio("audio", audio, end)[:end]
    level = np.sqrt(np.square(audio).reshape(-1, STEP_SAMPLES).mean(axis=1))
    sounding = np.flatnonzero(level > max(level.max() * 10.0 ** (-ENDED_DB / 20.0), _SILENT))
    end = (sounding[-1] + 1) * STEP_SAMPLES if sounding.size else 0
    return audio[start : end if end >= start + SHORTEST_SAMPLES else start]


def _check_f0(hertz: float) -> None:
    if not (math.isfinite(hertz) and hertz > 6.0):
        raise ValueError(f"f0_hertz: found {hertz}, expected a frequency above 6 Hz")
