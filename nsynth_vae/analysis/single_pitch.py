"""Detection of a single pitch: whether one harmonic series explains a sound, and whether it is the one of its name.

Trackers always return something: of a chord the common divisor, of a bell one of its partials. Here their estimates are
candidates. Each is checked against the sound's tonal peaks, frame by frame (`harmonic_comb`): they must be multiples of
it, stay so to the end, and the fundamental, or harmonics that no higher series shares, must be among them. The limits
were chosen by `benchmarks/single_pitch.py`.
"""

from __future__ import annotations

import numpy as np

from nsynth_vae.analysis.harmonic_comb import LOUD_DB, OWN, RATE, Comb, fit, fit_frames, near, tonal_peaks
from nsynth_vae.analysis.pitch import hertz_to_pitch, pitch_candidates
from nsynth_vae.notes import pitch_to_hertz

NAME_CENTS = 60.0
"""A name's pitch is wrong if the sound is further from it than this."""

_BLOCK = 320  # 20 ms, over which levels are measured.
_LONGEST_BLOCKS = 110
_LEAST_TONAL = 0.25  # Of 1000 real notes, 8 have less; of 160 decaying noises, none has more than 0.03.
_LEAST_OF_ONE = 0.04  # The same of a high partial alone in the noise of an attack, as of some synthetic basses.
_SHORT_SECONDS = 0.17
_LONG_SECONDS = 2.0  # The ends of shorter notes are reverberation, which may bend.
_FEWEST_FRAMES = 6
_FEWEST_PERIODS = 6  # With fewer, the multiples are no further apart than the spectrum resolves.
_LOWEST_FIFTH = 65.0  # Hz


def find_single_pitch(audio: np.ndarray, sample_rate: int = 16000) -> tuple[int, float] | None:
    """Find the pitch of a sound, if it has a single one.

    Args:
        audio: float `[samples]`, -1..1.
        sample_rate: Hz; only 16000.

    Returns:
        (nearest MIDI pitch, Hz); None for chords, bells, cymbals, drums, glides, noise and silence.
    """
    whole, part, seconds = _note_parts(audio, sample_rate)
    if part.size < RATE // 10:
        return None
    estimates = pitch_candidates(part) | {"sum": _harmonic_sum(part)}
    combs: list[Comb] = []
    for hertz in estimates.values():
        if hertz is None or not 26.0 < hertz < 5000.0 or any(near(hertz, comb.hertz, 36.0) for comb in combs):
            continue
        comb = fit(part, hertz)
        if comb is not None:
            combs.append(comb)
            if (times := comb.divisor()) > 1 and (higher := fit(part, hertz * times)) is not None:
                combs.append(higher)
    single = [comb for comb in combs if _is_single(comb, estimates, seconds)]
    if not single:
        return None
    hertz = max(single, key=lambda comb: comb.explained).hertz
    if seconds >= _LONG_SECONDS and _moves(whole, hertz):
        return None
    pitch = round(hertz_to_pitch(hertz))
    return (pitch, hertz) if 0 <= pitch <= 127 else None


def confirms(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> bool:
    """Return whether a sound has the pitch of its name, which is easier to say than which pitch it has.

    Args:
        audio: float `[samples]`, -1..1.
        pitch: the name's, MIDI.
        sample_rate: Hz; only 16000.
    """
    _, part, _ = _note_parts(audio, sample_rate)
    hertz = pitch_to_hertz(pitch)
    comb = fit(part, hertz) if part.size >= RATE // 10 and 26.0 < hertz < 5000.0 else None
    return (
        comb is not None
        and comb.explained >= 0.8
        and comb.is_fundamental()
        and comb.divisor() == 1
        and near(comb.hertz, hertz, NAME_CENTS)
    )


def _is_single(comb: Comb, estimates: dict[str, float | None], seconds: float) -> bool:
    """Return whether a series is the pitch of a sound, by what it explains and by how many estimates agree.

    The limits refuse as few real notes as possible, with 4 % of the other sounds accepted.
    """
    one = comb.hertz > 600.0 and comb.explained >= 0.95
    if comb.divisor() > 1 or comb.hertz * seconds < _FEWEST_PERIODS:
        return False
    if comb.tonal < (_LEAST_OF_ONE if one else _LEAST_TONAL):
        return False
    if seconds < _SHORT_SECONDS:
        # The knock of a pluck: noise has half of the power even in the highest notes of a guitar.
        return (comb.hertz > 600.0 and comb.explained >= 0.25) or (comb.explained > 0.5 and comb.is_fundamental())
    agree = {name: hertz is not None and near(hertz, comb.hertz, 60.0) for name, hertz in estimates.items()}
    votes = sum(agree[name] for name in ("tracked", "period", "sum"))
    low = comb.level(1, 2, 3)
    # Low notes of organs and basses have their power at 2 and 3, whose period says what no chord's does: but higher
    # and for long, that is a fifth.
    bare = agree["period"] and low > -0.5 and (comb.hertz < _LOWEST_FIFTH or seconds < 1.0)
    if comb.drift > 130.0 or not (comb.is_fundamental(votes == 3) or bare):
        return False
    if _is_bell(comb):
        return False
    if agree["tracked"] and _is_bar(comb):
        return True
    # -6 dB: the other peaks may be noise, or an instrument's own; not a bell's tierce. -4.6 dB where trackers agree.
    alone = comb.stray < (0.35 if agree["best"] and agree["tracked"] and agree["sum"] else 0.25)
    if comb.hertz >= 1200.0:  # The period is too short to be measured, and there is little room for chords.
        needed = 0.3
    elif comb.hertz >= 557.0:
        needed = 0.6
    elif agree["period"] and votes >= 2:
        needed = 0.55 if alone else 0.6
    elif votes >= 2:
        # A church bell's strike note has 0.85 of the power, but another estimate is best.
        needed = 0.6 if alone else (0.75 if agree["best"] else 0.86)
    elif comb.hertz < 60.0 and low > -0.05 and not agree["period"]:
        return False  # A bass drum.
    elif comb.hertz < 60.0 and agree["sum"]:
        needed = 0.48
    elif votes:
        needed = 0.75
    else:
        return False
    quartile = 0.1 if comb.hertz > 1200.0 else needed - 0.4
    return comb.explained >= needed and comb.quartile >= quartile


def _is_bell(comb: Comb) -> bool:
    """Return whether a series is a church bell's hum: steady, with 4 to 6 as loud as where 7 and 11 sound too."""
    steady = comb.drift < 10.0 and comb.stray > 0.17
    return steady and comb.level(*OWN) < -60.0 and comb.level(1, 2, 3) < -0.2


def _is_bar(comb: Comb) -> bool:
    """Return whether a series is a mallet's bar: steady with others, as a bell's, but with no harmonics above 3."""
    steady = comb.drift < 10.0 and comb.tonal >= 0.9 and comb.quartile >= 0.6
    return steady and comb.explained >= 0.68 and comb.level(1, 2, 3) > -0.02 and comb.level(1) > -6.0


def _moves(whole: np.ndarray, hertz: float) -> bool:
    """Return whether a pitch does not last: in the last third of a sound it is elsewhere, gone, or an octave off.

    Of 490 real notes, none that lasts for 2 s goes further than 60 cents, or has less than 0.3 of its
    power on multiples.
    """
    frames = fit_frames(whole, hertz)
    if frames is None or frames.f0.size < _FEWEST_FRAMES:
        return False
    third = frames.f0.size // 3
    first, last = slice(0, third), slice(-third, None)
    trend = 1200.0 * np.log2(np.median(frames.f0[last]) / np.median(frames.f0[first]))
    odd = frames.power[:, 1::2].sum(axis=1) / np.maximum(frames.explained, 1e-9)
    fewer, more = sorted((np.median(odd[first]), np.median(odd[last])))
    return bool(abs(trend) > 90.0 or np.median(frames.explained[last]) < 0.2 or (fewer < 0.01 and more > 0.2))


def _note_parts(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the loud part of a sound after its attack, without DC and rumble, 2.2 s of it, and its length, seconds."""
    if sample_rate != RATE:
        raise ValueError(f"sample_rate is {sample_rate}, expected {RATE}")
    audio = np.asarray(audio, np.float32).reshape(-1)
    count = audio.size // _BLOCK
    if not count:
        return audio[:0], audio[:0], 0.0
    spectrum = np.fft.rfft(audio)
    spectrum *= np.clip((np.fft.rfftfreq(audio.size, 1.0 / RATE) - 18.0) / 6.0, 0.0, 1.0)
    audio = np.fft.irfft(spectrum, audio.size).astype(np.float32)
    level = np.sqrt(np.square(audio[: count * _BLOCK].reshape(count, _BLOCK)).mean(axis=1))
    if level.max() < 1e-5:
        return audio[:0], audio[:0], 0.0
    loud = np.flatnonzero(level > level.max() * 10 ** (-LOUD_DB / 20))
    # It ends at the first gap of 0.2 s.
    gaps = np.flatnonzero(np.diff(loud) > 10)
    first, last = int(loud[0]), int(loud[gaps[0]] if gaps.size else loud[-1]) + 1
    start = first + min(3, (last - first) // 4)
    end = max(last, min(start + 8, count))
    whole = audio[start * _BLOCK : end * _BLOCK]
    return whole, whole[: _LONGEST_BLOCKS * _BLOCK], (last - first) * _BLOCK / RATE


def _harmonic_sum(part: np.ndarray) -> float | None:
    """Estimate f0 by subharmonic summation (Hermes 1988): of the peaks at its multiples k, weighted by 0.88^(k-1)."""
    part = part[:36000]
    found, powers, _ = tonal_peaks(part, 40.0)
    if not found.size:
        return None
    strongest = np.argsort(-powers)[:60]
    found, height = found[strongest], (powers[strongest] / powers.max()) ** 0.25
    f0 = 26.5 * 2.0 ** (np.arange(0, 7.2, 0.01)[:, None])
    numbers = np.maximum(1, np.round(found / f0))
    tolerance = np.minimum(np.maximum(0.012 * numbers * f0, 1.5 * RATE / part.size), 0.15 * f0)
    near = np.maximum(0.0, 1.0 - np.square((found - numbers * f0) / tolerance))
    return float(f0[int((height * near * 0.88 ** (numbers - 1)).sum(axis=1).argmax()), 0])
