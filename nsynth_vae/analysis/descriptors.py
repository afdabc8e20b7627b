"""Audio descriptors of a note: brightness, attack, decay, noise, inharmonicity and roughness.

Each function returns one finite float for any sound, and NaN for silence. Arguments of all: `audio`, float `[samples]`,
-1..1, a note from its onset, at least a second of it; `pitch`, its MIDI pitch, 0..127; `sample_rate`, Hz. They raise
ValueError for other arguments.

The steady part of a note is 2.048 s from 0.25 s on, as in `metrics.off_harmonic_db`: see `partials.steady_part`.

Peeters, Giordano, Susini, Misdariis, McAdams 2011, The Timbre Toolbox, JASA 130; Sethares 1993, Local consonance and
the relationship between timbre and scale, JASA 94; Plomp and Levelt 1965, Tonal consonance and critical bandwidth, JASA
38; Fletcher 1964, Normal vibration frequencies of a stiff piano string, JASA 36.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from nsynth_vae.analysis import partials
from nsynth_vae.analysis.arguments import check_audio, check_pitch
from nsynth_vae.analysis.spectra import hann, magnitude
from nsynth_vae.config import AudioConfig
from nsynth_vae.notes import pitch_to_hertz


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """Unit and description of a descriptor, for tables and captions."""

    unit: str
    description: str


DESCRIPTORS: dict[str, Descriptor] = {
    "spectral_centroid": Descriptor("octaves above f0", "mean frequency of the power, relative to the pitch"),
    "spectral_centroid_hertz": Descriptor("Hz", "mean frequency of the power"),
    "spectral_spread": Descriptor("Hz", "standard deviation of the power's frequency"),
    "attack_seconds": Descriptor("s", "time from 10 to 50 % of the first second's largest level"),
    "log_attack_time": Descriptor("log10 s", "logarithm of attack_seconds"),
    "temporal_centroid": Descriptor("s", "mean time of the energy"),
    "decay_db_per_second": Descriptor("dB/s", "fall of the level from its peak until 3 s"),
    "tonal_to_noise_db": Descriptor("dB", "power on the partials over the power between them"),
    "inharmonicity": Descriptor("no unit", "B of f_k = k f0 sqrt(1 + B k^2)"),
    "roughness": Descriptor("1 = two equal partials at their roughest", "beating of the partials"),
}
"""The descriptors of `describe`, in its order."""

SILENCE = 1e-5
"""Peak below which audio is silent: -100 dB of full scale."""

NOTE_OFF_SECONDS = 3.0
"""The time at which NSynth's notes are released."""

ATTACK_LEVELS = (0.1, 0.5)
"""The attack lasts between these fractions of the largest RMS level of a note's first second."""

FLOOR_DB = 60.0
"""The decay is measured down to this far below the peak: what is quieter is the recording's noise."""

TONAL_LIMIT_DB = 80.0
"""`tonal_to_noise_db` stays within this, plus or minus."""

_STEP_SECONDS = 1e-3
_ROUGH_FRAME, _ROUGH_STEP, _ROUGH_PEAKS = 4096, 2048, 24  # samples at 16 kHz; peaks


def describe(
    audio: np.ndarray, pitch: int, sample_rate: int = 16000, names: Sequence[str] = tuple(DESCRIPTORS)
) -> dict[str, float]:
    """Return the named descriptors of a note, all of `DESCRIPTORS` by default; all are NaN for silence.

    Raises:
        ValueError: for audio, a pitch or names that are not valid.
    """
    audio = _checked(audio, pitch, sample_rate)
    whole = functools.cache(lambda: _moments(audio, sample_rate))
    attack = functools.cache(lambda: attack_seconds(audio, pitch, sample_rate))
    functions: dict[str, Callable[[], float]] = {
        "spectral_centroid": lambda: _above_f0(whole()[0], pitch),
        "spectral_centroid_hertz": lambda: whole()[0],
        "spectral_spread": lambda: whole()[1],
        "attack_seconds": attack,
        "log_attack_time": lambda: math.log10(attack()),
        "temporal_centroid": lambda: temporal_centroid(audio, sample_rate),
        "decay_db_per_second": lambda: decay_db_per_second(audio, pitch, sample_rate),
        "tonal_to_noise_db": lambda: tonal_to_noise_db(audio, pitch, sample_rate),
        "inharmonicity": lambda: inharmonicity(audio, pitch, sample_rate),
        "roughness": lambda: roughness(audio, sample_rate),
    }
    unknown = [name for name in names if name not in functions]
    if unknown:
        raise ValueError(f"names: found {unknown[0]!r}, expected some of {', '.join(DESCRIPTORS)}")
    return {name: functions[name]() for name in names}


def describe_all(audio: np.ndarray, pitch: Sequence[int], config: AudioConfig) -> list[dict[str, float]]:
    """Return `describe` of each sound, float `[sounds, samples]`, at its MIDI pitch."""
    return [describe(sound, int(each), config.sample_rate) for sound, each in zip(audio, pitch, strict=True)]


def power_spectrum(audio: np.ndarray, sample_rate: int = 16000) -> tuple[np.ndarray, np.ndarray]:
    """Return (frequency, Hz; power), float `[bins]` each, of a whole note, in frames of 128 ms of equal weight."""
    return _power(_checked(audio, 0, sample_rate), sample_rate)


def moments(hertz: np.ndarray, power: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation, Hz, of the frequencies `[bins]`, weighted by power, not all of it 0."""
    weights = power / power.sum()
    centroid = float(hertz @ weights)
    return centroid, math.sqrt(max(float(np.square(hertz - centroid) @ weights), 0.0))


def spectral_centroid_hertz(audio: np.ndarray, sample_rate: int = 16000) -> float:
    """Return the mean of frequency, weighted by power, over the whole note (Peeters et al. 2011), in Hz."""
    return _moments(_checked(audio, 0, sample_rate), sample_rate)[0]


def spectral_centroid(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> float:
    """Return `spectral_centroid_hertz` relative to the pitch, in octaves: log2(centroid / f0); 0 for a sine."""
    return _above_f0(_moments(_checked(audio, pitch, sample_rate), sample_rate)[0], pitch)


def spectral_spread(audio: np.ndarray, sample_rate: int = 16000) -> float:
    """Return the standard deviation of frequency, weighted by power, over the whole note (Peeters et al. 2011), Hz."""
    return _moments(_checked(audio, 0, sample_rate), sample_rate)[1]


def attack_seconds(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> float:
    """Return the time from 10 to 50 % of the largest RMS level of a note's first second, in seconds.

    The attack begins where the level is last below 10 % before it first reaches 50 %; both times are interpolated. The
    first second begins where the note comes within 40 dB of its maximum. Fixed fractions as in ISO/IEC 15938-4 (MPEG-7,
    LogAttackTime) and Peeters et al. 2011, but low ones, of the first second: what reaches 80 % of a whole note's
    maximum is often a swell or a vibrato. A linear ramp has 0.4 of its length. The level is smoothed over two periods
    of the pitch, 10 ms at least. An abrupt onset takes a quarter of that: 2.5 ms, the least value, for most pitches.

    Returns:
        1 ms or more; NaN for silence.
    """
    audio = _checked(audio, pitch, sample_rate)
    if _is_silent(audio):
        return math.nan
    power, _ = _envelope(audio, pitch, sample_rate)
    onset = int((power > 1e-4 * power.max()).argmax())
    level = np.sqrt(power[: onset + round(1.0 / _STEP_SECONDS)])
    low, high = (fraction * level.max() for fraction in ATTACK_LEVELS)
    last = int((level >= high).argmax())
    first = int(np.flatnonzero(level[:last] < low)[-1]) + 1
    return float(max((_crossing(level, last, high) - _crossing(level, first, low)) * _STEP_SECONDS, _STEP_SECONDS))


def temporal_centroid(audio: np.ndarray, sample_rate: int = 16000) -> float:
    """Return the mean of time, weighted by energy, over the whole note (Peeters et al. 2011), in seconds.

    It is early where most of the energy is in the attack: tau / 2 where the amplitude falls as exp(-t / tau).

    Returns:
        0 to the audio's length; NaN for silence.
    """
    audio = _checked(audio, 0, sample_rate)
    if _is_silent(audio):
        return math.nan
    energy = np.square(audio)
    return float(np.arange(audio.size) @ energy / energy.sum() / sample_rate)


def decay_db_per_second(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> float:
    """Return the rate of decay, in dB a second: the slope, by least squares, of the level in dB.

    It is fitted from the level's maximum (from 2 s if it is later) to 3 s, when NSynth's notes are released, or to
    where the level first falls 60 dB below the maximum. The level is that of `attack_seconds`.

    Returns:
        Above 0 for a note that decays, 0 for a steady one, below 0 for one that swells; NaN for silence.
    """
    audio = _checked(audio, pitch, sample_rate)
    if _is_silent(audio):
        return math.nan
    power, delay = _envelope(audio, pitch, sample_rate)
    end = delay + round(min(NOTE_OFF_SECONDS, audio.size / sample_rate) / _STEP_SECONDS)
    start = min(int(power[:end].argmax()), max(end - round(1.0 / _STEP_SECONDS), delay))
    power = np.maximum(power, 1e-30)
    level = 10.0 * np.log10(power[start:end] / power[:end].max())
    silent = np.flatnonzero(level < -FLOOR_DB)
    level = level[: max(int(silent[0]), 3)] if silent.size else level
    seconds = np.arange(level.size) * _STEP_SECONDS
    seconds -= seconds.mean()
    return float(-(seconds @ level) / (seconds @ seconds))


def tonal_to_noise_db(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> float:
    """Return the ratio of the power on a note's partials to the power between them, in dB, of its steady part.

    A frequency is on a partial within max(0.06 f0, 3 Hz), as in `metrics.off_harmonic_db`. The partials are
    k f0 sqrt(1 + B k^2), k = 1, 2, ..., of `inharmonicity`'s fit, so that a stiff string's are not counted as noise.
    Frequencies nearer to 0 Hz than to the first partial are not counted.

    Returns:
        -80 to 80; NaN for silence.
    """
    audio = _checked(audio, pitch, sample_rate)
    if _is_silent(audio):
        return math.nan
    hertz, power = partials.steady_spectrum(audio, sample_rate)
    f0, stretch = partials.fit_partials(hertz, power, pitch)
    multiples = partials.partial_frequencies(f0, stretch, sample_rate / 2)
    nearest = np.searchsorted((multiples[1:] + multiples[:-1]) / 2.0, hertz)
    on = np.abs(hertz - multiples[nearest]) <= max(0.06 * f0, 3.0)
    tonal, noise = power[on & (nearest > 0)].sum(), power[~on & (nearest > 0)].sum()
    limit = 10.0 ** (-TONAL_LIMIT_DB / 10.0) * max(tonal + noise, 1e-30)
    return float(10.0 * np.log10(max(tonal, limit) / max(noise, limit)))


def inharmonicity(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> float:
    """Return the B of a stiff string's partials, f_k = k f0 sqrt(1 + B k^2) (Fletcher 1964), in the steady part.

    Partials up to the 30th are fitted if they stand 15 dB above the spectrum around them; see `partials.fit_partials`.

    Returns:
        0 to 0.02: 0 for exact multiples, and where fewer than four partials are found; NaN for silence.
    """
    audio = _checked(audio, pitch, sample_rate)
    if _is_silent(audio):
        return math.nan
    return partials.fit_partials(*partials.steady_spectrum(audio, sample_rate), pitch)[1]


def roughness(audio: np.ndarray, sample_rate: int = 16000) -> float:
    """Return the sensory dissonance of the partials (Sethares 1993; Plomp and Levelt 1965), in the steady part.

    The mean of `partials.dissonance` over frames of 0.256 s, of the 24 strongest peaks within 60 dB of the strongest.
    Frames 40 dB below the loudest are left out. Partials closer than some 12 Hz are one peak: such slow beats are not
    rough.

    Returns:
        0 or more, in units of two equal partials at their roughest (about a quarter of a critical band apart); NaN for
        silence.
    """
    audio = _checked(audio, 0, sample_rate)
    if _is_silent(audio):
        return math.nan
    length, step = (round(samples * sample_rate / 16000) for samples in (_ROUGH_FRAME, _ROUGH_STEP))
    frames = magnitude(partials.steady_part(audio, sample_rate), length, step)
    loudness = np.square(frames).sum(axis=1)
    frames = frames[loudness >= 1e-4 * loudness.max()]
    return float(partials.dissonance(*partials.strongest_peaks(frames, sample_rate / length, _ROUGH_PEAKS)).mean())


def _checked(audio: np.ndarray, pitch: int, sample_rate: int) -> np.ndarray:
    check_pitch(pitch)
    return check_audio("audio", audio, sample_rate)


def _is_silent(audio: np.ndarray) -> bool:
    return float(np.abs(audio).max()) < SILENCE


def _moments(audio: np.ndarray, sample_rate: int) -> tuple[float, float]:
    return (math.nan, math.nan) if _is_silent(audio) else moments(*_power(audio, sample_rate))


def _above_f0(hertz: float, pitch: int) -> float:
    return math.log2(max(hertz, 1.0) / pitch_to_hertz(int(pitch)))


def _power(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    length = round(0.128 * sample_rate)
    power = np.square(magnitude(np.pad(audio, length), length, length // 4)).sum(axis=0)
    return np.arange(power.size) * (sample_rate / length), power


def _envelope(audio: np.ndarray, pitch: int, sample_rate: int) -> tuple[np.ndarray, int]:
    """Return the power every ms, smoothed by a Hann window of two periods (no ripple) or of 10 ms, and its delay in ms.

    It begins before the sound, at 0.
    """
    block = round(_STEP_SECONDS * sample_rate)
    power = np.square(audio[: audio.size // block * block]).reshape(-1, block).mean(axis=1)
    half = max(5, round(1.0 / pitch_to_hertz(int(pitch)) / _STEP_SECONDS))
    window = hann(2 * half)[1:]
    return np.concatenate([[0.0], np.convolve(power, window / window.sum())]), half


def _crossing(level: np.ndarray, index: int, value: float) -> float:
    """Return the position between `index` - 1 and `index` at which a rising level passes a value."""
    before, after = level[index - 1 : index + 1]
    return index - 1 + (value - before) / (after - before)
