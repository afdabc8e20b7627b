"""Detection of a single pitch: whether one harmonic series explains a sound, and whether it is the one of its name.

Trackers always return something: of a chord the common divisor, of a bell one of its partials. Here their estimates are
candidates. Each is checked against the sound's tonal peaks, frame by frame: they must be multiples of it, stay so, and
the fundamental, or harmonics that no higher series shares, must be among them. The limits were chosen by
`benchmarks/single_pitch.py`.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.analysis.pitch import hertz_to_pitch, pitch_candidates
from nsynth_vae.analysis.spectra import parabolic_peak
from nsynth_vae.notes import pitch_to_hertz

NAME_CENTS = 60.0
"""A name's pitch is wrong if the sound is further from it than this."""

_RATE = 16000  # Hz, the tracker's.
_BLOCK = 320  # 20 ms, over which levels are measured.
_LOUD_DB = 25.0
_LONGEST_BLOCKS = 110
_LOWEST_HERTZ = 22.0
_PERIODS = 64  # Of a frame: two notes a semitone apart, 6 %, are then 4 bins apart, the width of a Hann peak.
_GRID = 2.0 ** (np.arange(-90, 91, 6) / 1200.0)
_STRETCHES = (0.0, 1e-4, 3e-4)  # B of stiff strings; partials of low ones are 5 % sharp from the 20th on.
_OWN = (7, 11, 13, 17, 19, 23)
_HARMONICS = 64
_LEAST_TONAL = 0.25  # Of 1000 real notes, 8 have less; of 160 decaying noises, none has more than 0.03.
_LEAST_OF_ONE = 0.04  # The same of a high partial alone in the noise of an attack, as of some synthetic basses.
_SHORT_SECONDS = 0.17
_FEWEST_PERIODS = 6  # With fewer, the multiples are no further apart than the spectrum resolves.


@dataclasses.dataclass(frozen=True)
class _Comb:
    """A harmonic series beside a sound's tonal peaks."""

    hertz: float
    explained: float
    """Fraction of the tonal power on its multiples, median over the frames."""
    quartile: float
    """The same, lower quartile."""
    stray: float
    """Power of the strongest peak off its multiples, as a fraction of the strongest peak's, median over the frames."""
    tonal: float
    """Power of the tonal peaks, as a fraction of all peaks', median over the frames."""
    drift: float
    """Cents between the 5th and 95th percentile of the frames' f0."""
    power: np.ndarray
    """Power of each multiple, `[_HARMONICS]`, as a fraction of what is explained."""

    def level(self, *numbers: int) -> float:
        """Return the power of some multiples, dB of what is explained."""
        return float(10.0 * np.log10(self.power[list(numbers)].sum() + 1e-9))

    def divisor(self) -> int:
        """Return the largest number, 1 to 8, of which all multiples with power are multiples."""
        numbers = np.arange(_HARMONICS)
        return next((m for m in range(8, 1, -1) if self.power[numbers % m == 0].sum() >= 0.985), 1)

    def is_fundamental(self, agreed: bool = False) -> bool:
        """Return whether the series itself sounds: not only multiples that higher notes of a chord have as well.

        The power of a chord's common divisor is at 4, 5, 6, 8, 10, ...: there is none at 1, nor at large primes, and
        little at 1 to 3; `agreed`, where all methods estimate this f0, less is enough.
        """
        least = -20.0 if agreed or self.hertz < 60.0 else -12.0
        return self.level(1) > -31.0 or (self.level(*_OWN) > -31.0 and self.level(1, 2, 3) > least)


def find_single_pitch(audio: np.ndarray, sample_rate: int = 16000) -> tuple[int, float] | None:
    """Find the pitch of a sound, if it has a single one.

    Args:
        audio: float `[samples]`, -1..1.
        sample_rate: Hz; only 16000.

    Returns:
        (nearest MIDI pitch, Hz); None for chords, bells, cymbals, drums, glides, noise and silence.
    """
    part, seconds = _note_part(audio, sample_rate)
    if part.size < _RATE // 10:
        return None
    estimates = pitch_candidates(part) | {"sum": _harmonic_sum(part)}
    combs: list[_Comb] = []
    for hertz in estimates.values():
        if hertz is None or not 26.0 < hertz < 5000.0 or any(_near(hertz, comb.hertz, 36.0) for comb in combs):
            continue
        comb = _fit(part, hertz)
        if comb is not None:
            combs.append(comb)
            if (times := comb.divisor()) > 1 and (higher := _fit(part, hertz * times)) is not None:
                combs.append(higher)
    single = [comb for comb in combs if _is_single(comb, estimates, seconds)]
    if not single:
        return None
    hertz = max(single, key=lambda comb: comb.explained).hertz
    pitch = round(hertz_to_pitch(hertz))
    return (pitch, hertz) if 0 <= pitch <= 127 else None


def confirms(audio: np.ndarray, pitch: int, sample_rate: int = 16000) -> bool:
    """Return whether a sound has the pitch of its name, which is easier to say than which pitch it has.

    Args:
        audio: float `[samples]`, -1..1.
        pitch: the name's, MIDI.
        sample_rate: Hz; only 16000.
    """
    part, _ = _note_part(audio, sample_rate)
    hertz = pitch_to_hertz(pitch)
    comb = _fit(part, hertz) if part.size >= _RATE // 10 and 26.0 < hertz < 5000.0 else None
    return (
        comb is not None
        and comb.explained >= 0.8
        and comb.is_fundamental()
        and comb.divisor() == 1
        and _near(comb.hertz, hertz, NAME_CENTS)
    )


def _is_single(comb: _Comb, estimates: dict[str, float | None], seconds: float) -> bool:
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
    agree = {name: hertz is not None and _near(hertz, comb.hertz, 60.0) for name, hertz in estimates.items()}
    votes = sum(agree[name] for name in ("tracked", "period", "sum"))
    low = comb.level(1, 2, 3)
    # Low notes of organs and basses have their power at 2 and 3, whose period says what no chord's does.
    if comb.drift > 130.0 or not (comb.is_fundamental(votes == 3) or (agree["period"] and low > -0.5)):
        return False
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


def _near(first: float, second: float, cents: float) -> bool:
    return abs(1200.0 * np.log2(first / second)) < cents


def _note_part(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, float]:
    """Return the loud part of a sound after its attack, without DC and rumble, and the length of all of it, seconds."""
    if sample_rate != _RATE:
        raise ValueError(f"sample_rate is {sample_rate}, expected {_RATE}")
    audio = np.asarray(audio, np.float32).reshape(-1)
    count = audio.size // _BLOCK
    if not count:
        return audio[:0], 0.0
    spectrum = np.fft.rfft(audio)
    spectrum *= np.clip((np.fft.rfftfreq(audio.size, 1.0 / _RATE) - 18.0) / 6.0, 0.0, 1.0)
    audio = np.fft.irfft(spectrum, audio.size).astype(np.float32)
    level = np.sqrt(np.square(audio[: count * _BLOCK].reshape(count, _BLOCK)).mean(axis=1))
    if level.max() < 1e-5:
        return audio[:0], 0.0
    loud = np.flatnonzero(level > level.max() * 10 ** (-_LOUD_DB / 20))
    # It ends at the first gap of 0.2 s.
    gaps = np.flatnonzero(np.diff(loud) > 10)
    first, last = int(loud[0]), int(loud[gaps[0]] if gaps.size else loud[-1]) + 1
    start = first + min(3, (last - first) // 4)
    end = max(min(last, start + _LONGEST_BLOCKS), min(start + 8, count))
    return audio[start * _BLOCK : end * _BLOCK], (last - first) * _BLOCK / _RATE


def _tonal_peaks(frame: np.ndarray, hertz: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return frequencies, Hz, and powers of the tonal peaks, and their power as a fraction of all peaks'.

    These are 11 dB above the median power around them, and within 40 dB of the strongest. The largest of 100 bins of
    noise is 8 dB above their median.
    """
    size = 1 << int(np.ceil(np.log2(2 * frame.size)))
    power = np.square(np.abs(np.fft.rfft(frame * np.hanning(frame.size), size)))
    rumble = float(np.clip(hertz / 8.0, _LOWEST_HERTZ, 60.0))
    power[: max(2, int(rumble * size / _RATE))] = 0.0
    # Wide enough for a partial with the sidebands of a tremolo, narrow enough for the slope of a thump.
    width = int(max(16 * size / frame.size, min(0.8 * hertz, 400.0) * size / _RATE))
    count = power.size // width
    medians = np.median(power[: count * width].reshape(count, width), axis=1) if count > 1 else [np.median(power)]
    around = np.interp(np.arange(power.size), (np.arange(len(medians)) + 0.5) * width, medians)
    middle = power[1:-1]
    is_peak = (middle > power[:-2]) & (middle >= power[2:])
    peaks = np.flatnonzero(is_peak & (middle > 1e-4 * power.max()) & (middle > 12.0 * around[1:-1])) + 1
    shift = parabolic_peak(*(np.log(power[peaks + offset] + 1e-30) for offset in (-1, 0, 1)))
    everything = max(float(middle[is_peak].sum()), 1e-30)
    return (peaks + shift) * _RATE / size, power[peaks], float(power[peaks].sum()) / everything


def _fit(part: np.ndarray, hertz: float) -> _Comb | None:
    """Fit a harmonic series, within 90 cents of a frequency, to each frame; None if no frame has a tonal peak."""
    length = min(int(np.clip(_PERIODS / hertz, 0.128, 1.0) * _RATE), part.size)
    stretches = _STRETCHES if hertz < 120.0 else (0.0,)
    energies, rows, power = [], [], []
    for start in range(0, part.size - length + 1, max(1, length // 2)):
        frame = part[start : start + length]
        found, powers, tonal = _tonal_peaks(frame, hertz)
        if not found.size:
            continue
        fits = [_fit_frame(found, powers, hertz, stretch, _RATE / length) for stretch in stretches]
        # A stretch must explain a tenth more than none, or it would bend chords into place.
        _, numbers, on, f0 = max(fits, key=lambda fit: fit[0] * (1.0 if fit is fits[0] else 0.9))
        energies.append(np.square(frame).mean())
        rows.append((powers[on].sum() / powers.sum(), powers[~on].max(initial=0.0) / powers.max(), tonal, f0))
        row = np.zeros(_HARMONICS)
        np.add.at(row, np.minimum(numbers[on], _HARMONICS - 1), powers[on] / powers.sum())
        power.append(row)
    if not rows:
        return None
    kept = np.array(energies) > max(energies) * 10 ** (-_LOUD_DB / 10)
    explained, stray, tonal_fractions, f0 = np.array(rows)[kept].T
    total = np.array(power)[kept].mean(axis=0)
    spread = np.percentile(1200.0 * np.log2(f0 / hertz), (5, 95))
    return _Comb(
        hertz=float(np.median(f0)),
        explained=float(np.median(explained)),
        stray=float(np.median(stray)),
        tonal=float(np.median(tonal_fractions)),
        quartile=float(np.percentile(explained, 25)),
        drift=float(spread[1] - spread[0]),
        power=total / max(total.sum(), 1e-12),
    )


def _fit_frame(
    found: np.ndarray, powers: np.ndarray, hertz: float, stretch: float, resolution: float
) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Return (score, each peak's number, whether it is on a multiple, f0) of the best series in a frame."""
    f0 = hertz * _GRID[:, None]
    numbers = np.maximum(1, np.round(found / f0))
    if stretch:
        numbers = np.maximum(1, np.round(found / (f0 * np.sqrt(1.0 + stretch * numbers**2))))
    expected = numbers * f0 * np.sqrt(1.0 + stretch * numbers**2)
    # 26 cents, for vibrato within a frame; at most 15 % of the spacing, so that not everything is on a multiple.
    tolerance = np.minimum(np.maximum(0.015 * expected, 1.5 * resolution), 0.15 * f0)
    off = np.abs(found - expected)
    counted = numbers <= (30 if stretch else 16)
    scores = (np.sqrt(powers) * np.maximum(0.0, 1.0 - off / tolerance) * counted).sum(axis=1)
    best = int(scores.argmax())
    return float(scores[best]), numbers[best].astype(int), off[best] < tolerance[best], float(f0[best, 0])


def _harmonic_sum(part: np.ndarray) -> float | None:
    """Estimate f0 by subharmonic summation (Hermes 1988): of the peaks at its multiples k, weighted by 0.88^(k-1)."""
    part = part[:36000]
    found, powers, _ = _tonal_peaks(part, 40.0)
    if not found.size:
        return None
    strongest = np.argsort(-powers)[:60]
    found, height = found[strongest], (powers[strongest] / powers.max()) ** 0.25
    f0 = 26.5 * 2.0 ** (np.arange(0, 7.2, 0.01)[:, None])
    numbers = np.maximum(1, np.round(found / f0))
    tolerance = np.minimum(np.maximum(0.012 * numbers * f0, 1.5 * _RATE / part.size), 0.15 * f0)
    near = np.maximum(0.0, 1.0 - np.square((found - numbers * f0) / tolerance))
    return float(f0[int((height * near * 0.88 ** (numbers - 1)).sum(axis=1).argmax()), 0])
