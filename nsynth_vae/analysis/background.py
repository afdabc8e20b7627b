"""Background of recordings: a converter's offset, rumble and noise, each estimated and removed.

Noise and hum are measured where the note is not: before it or after it. Where there is no such place, they are left.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nsynth_vae.analysis.spectra import hann

HIGH_PASS_HERTZ = 18.0
"""-3 dB of the high-pass, which is -70 dB at 8 Hz; A0, the piano's lowest note, has 27.5 Hz."""

HIGH_PASS_DAMPING = (0.3129, 0.9080, 1.4142, 1.7820, 1.9754)
"""Of the sections of a Butterworth filter of order 10: 2 sin(i pi / 20), i = 1, 3, 5, 7, 9."""

OFFSET = 0.005
"""Smaller offsets and rumble, as fractions of the peak, are left: half of what is the onset."""

NOISE_DB = (-66.0, -12.0)
"""Range of noise and hum, dB of the loudest frame. Quieter ones are part of NSynth's own notes."""
TAIL_DB = -20.0
"""Most after the note: what decays slowly is steady, too."""
HUM_LEFT_DB = -110.0
"""What is left of hum is removed as noise down to this level, dB of the loudest frame."""
FRAME_SECONDS = 0.064
STEADY_DB = 3.0
"""A noise floor's frames are at most this far above their median."""

DRIFT_DB = 0.5
"""Most that the two halves of a noise floor differ by; a decaying note's differ by more."""

QUIET_SECONDS = 5.0
CLEAN_SECONDS = 0.5
LEAD_IN_FRAMES = 8
TAIL_FRAMES = 24
"""Fewest frames, 16 ms apart, from which noise is measured before the note and after it."""

ENDED_DB, ENDED_FRAMES = 6.0, 12
"""Background has ended where as many later frames, 0.2 s, are this far below the lead-in: there is none in the note."""

NOISE_SPREAD = 0.3
"""A floor after the note is noise if the logarithm of its mean power is this far above the mean logarithm.

It is Euler's constant, 0.577, for noise, whose power is distributed exponentially, and about 0 for steady tones."""

GATE = 2.5
"""What has less than this many times the noise's power, mean over 9 frames and 3 bins, is reduced by `REDUCED_DB`."""

REDUCED_DB = 22.0
"""Most that noise is reduced by: the encoder was trained with noise, and finds another timbre in holes.

Of 120 notes of `nsynth-valid` with noise at -38 dB, z was 0.73 of its length off, and the decoded note 1.26 nats, where
all that is below 1.7 times the noise's power was removed; with these two it is 0.63 and 1.03."""


@dataclasses.dataclass(frozen=True)
class Quiet:
    """Where only the noise floor sounds; `QUIET_SECONDS` at most of each."""

    lead_in: slice | None
    """The samples before the first sound."""
    tail: slice | None
    """Those after the last."""
    ended: bool = False
    """Whether what sounds in the lead-in has ended with it."""

    def cleanest(self, sample_rate: int) -> slice | None:
        """Return the part in which there is least of the note: the lead-in, if it is long, or the end of the tail."""
        enough = round(CLEAN_SECONDS * sample_rate)
        if self.tail is None or (self.lead_in and self.lead_in.stop - self.lead_in.start > enough):
            return self.lead_in
        return slice(
            max(self.tail.start, min((self.tail.start + self.tail.stop) // 2, self.tail.stop - enough)), self.tail.stop
        )


def remove_offset(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, str]:
    """Subtract the offset of a recording's quietest frames, and remove rumble that is there.

    A mean of the whole would be a step where the note begins: synthetic basses have means of 1 %, and silence around.

    Returns:
        (float64 `[samples]`, what is to be said).
    """
    if audio.size < _frame(sample_rate)[0] or not audio.any():
        return audio, ""
    frames = _frames(audio, sample_rate)
    spread, window = frames.std(axis=1), hann(frames.shape[1])
    quietest = spread <= min(np.quantile(spread, 0.1), 2.0 * spread.min() + 1e-5)
    means = frames[quietest] @ window / window.sum()
    offset, least = float(np.median(means)), OFFSET * np.abs(audio).max()
    low = _filter(audio - offset, 1.0 - np.abs(_response(audio, sample_rate)))
    rest = _frames(audio - offset - low, sample_rate).std(axis=1)
    below = _frames(low**2, sample_rate).mean(axis=1) ** 0.5
    # What sounds all the time is a note; some synthetic basses reach below 18 Hz. An offset that drifts is rumble too.
    calm = rest <= max(2.0 * rest.min() + 1e-5, 0.01 * rest.max())
    if rest.min() <= 0.1 * rest.max() and (below[calm] >= least).sum() >= LEAD_IN_FRAMES:
        return high_pass(audio - audio[0], sample_rate), "offset and rumble removed"
    if abs(offset) < max(least, 3.0 * means.std()):
        return audio, ""
    return audio - offset, f"offset of {100 * offset:.2g} % removed"


def high_pass(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Remove what is below the lowest pitch, float64 `[samples]`.

    The filter is causal: one of zero phase would let low notes begin before their onset.
    """
    return _filter(audio, _response(audio, sample_rate))


def _response(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the high-pass's frequency response for audio that is padded to twice its length."""
    s = 1j * np.fft.rfftfreq(2 * audio.size, 1 / sample_rate) / HIGH_PASS_HERTZ
    response = np.ones_like(s)
    for damping in HIGH_PASS_DAMPING:
        response *= s**2 / (s**2 + damping * s + 1)
    return response


def _filter(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    return np.fft.irfft(np.fft.rfft(audio, 2 * audio.size) * response)[: audio.size]


def find_quiet(audio: np.ndarray, sample_rate: int, least_db: float = NOISE_DB[0]) -> Quiet:
    """Find where only the noise floor sounds: the steady part before the first sound, and that after the last.

    What is steady near the loudest is a note, such as an organ's from the beginning to the end of a file.

    Args:
        audio: float64 `[samples]`.
        sample_rate: Hz.
        least_db: level of the quietest floor, dB of the loudest frame.
    """
    size, step = _frame(sample_rate)
    if audio.size < size:
        return Quiet(None, None)
    levels, most = frame_levels(audio, sample_rate), round(QUIET_SECONDS * sample_rate)

    def is_floor(steady: np.ndarray, most_db: float) -> bool:
        return steady.size > 0 and least_db <= np.median(steady) - levels.max() <= most_db

    lead_in, tail, ended = None, None, False
    if is_floor(levels[: (count := _steady(levels, LEAD_IN_FRAMES))], NOISE_DB[1]):
        end = (count - 1) * step + size
        lead_in = slice(max(0, end - most), end)
        quietest = np.sort(levels[count:])[ENDED_FRAMES : ENDED_FRAMES + 1]
        ended = bool(np.any(quietest < np.median(levels[:count]) - ENDED_DB))
    if is_floor(levels[levels.size - (count := _steady(levels[::-1], TAIL_FRAMES)) :], TAIL_DB):
        start = (levels.size - count) * step
        tail = slice(max(start, audio.size - most), audio.size)
    return Quiet(lead_in, tail, ended)


def _frame(sample_rate: int) -> tuple[int, int]:
    """Return a frame's samples, and those from one frame to the next."""
    step = max(1, round(FRAME_SECONDS * sample_rate / 4))
    return 4 * step, step


def _frames(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return a view of the audio, `[frames, samples]`."""
    size, step = _frame(sample_rate)
    return np.lib.stride_tricks.sliding_window_view(audio, size)[::step]


def frame_levels(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the levels of frames of `FRAME_SECONDS`, four times as many, dB of full scale."""
    return 10.0 * np.log10(np.maximum(_frames(audio, sample_rate).var(axis=1), 1e-14))


def _steady(levels: np.ndarray, fewest: int) -> int:
    """Return how many of the first levels, dB, are steady; 0 if they are fewer than `fewest`."""
    count = fewest
    while count <= levels.size and levels[:count].max() <= np.median(levels[:count]) + STEADY_DB:
        count += 1
    # The frame that is too loud overlaps those before it.
    count -= 1 if count > levels.size else 5
    for shorter in range(count, max(fewest, count // 2) - 1, -1):
        half = shorter // 2
        if abs(levels[:half].mean() - levels[half:shorter].mean()) < DRIFT_DB:
            return shorter
    return 0


def _spectra(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the short-time spectra, complex128 `[frames, bins]`, with the root of Hann's window."""
    frames = _frames(audio, sample_rate)
    return np.fft.rfft(frames * np.sqrt(hann(frames.shape[1])))


def remove_noise(
    audio: np.ndarray, where: slice, sample_rate: int, *, before: bool, always: bool = False
) -> tuple[np.ndarray, float, str]:
    """Reduce the noise floor by a gate and subtraction in each bin of the short-time spectrum (Boll 1979).

    Args:
        audio: float64 `[samples]`.
        where: the part in which only noise sounds.
        sample_rate: Hz.
        before: whether that is before the note.
        always: also where the noise is below `NOISE_DB`: where hum was removed, for what is left of it.

    Returns:
        (float64 `[samples]`, the noise's root mean square, what is to be said).
    """
    size, step = _frame(sample_rate)
    window = hann(size)
    floor = np.abs(_spectra(audio[where], sample_rate)) ** 2 + 1e-20
    lines = floor.mean(axis=0)
    noise = rolling_median(lines, 9)
    level = float(np.sqrt(noise.mean() / window.sum()))
    loud = 20.0 * np.log10(level + 1e-9) >= NOISE_DB[0] + frame_levels(audio, sample_rate).max()
    is_noise = before or np.average(np.log(lines) - np.log(floor).mean(axis=0), weights=lines) >= NOISE_SPREAD
    if not is_noise or not (loud or always):
        return audio, 0.0, ""
    # What sounds steadily before the first note is background, also where it is no noise; after it, it can be the note.
    noise = np.maximum(noise, lines) if before else noise
    padded = np.pad(audio, (size, size + step))
    spectra = _spectra(padded, sample_rate)
    power = np.abs(spectra) ** 2
    local = _moving_mean(_moving_mean(power, 9).T, 3).T
    gain = np.sqrt(np.maximum(1.0 - noise / np.maximum(local, 1e-20), 0.0)) * (local > GATE * noise)
    gain = np.maximum(gain, 10 ** (-REDUCED_DB / 20))
    frames = np.fft.irfft(spectra * gain, size) * np.sqrt(window)
    cleaned = np.zeros(padded.size + size)
    for shift in range(4):  # Frames a whole length apart do not overlap.
        row = frames[shift::4].reshape(-1)
        cleaned[shift * step : shift * step + row.size] += row
    # Hann windows a quarter apart add to 2.
    cleaned = 0.5 * cleaned[size : size + audio.size]
    return cleaned, level, f"noise at {20 * np.log10(level):.0f} dB reduced" if loud else ""


def _moving_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean over `width` rows around each row; rows beyond the ends count as zeros."""
    sums = np.cumsum(np.pad(values, ((width // 2 + 1, width // 2), (0, 0))), axis=0)
    return (sums[width:] - sums[:-width]) / width


def rolling_median(values: np.ndarray, width: int) -> np.ndarray:
    """Return the median of `width` values around each value."""
    padded = np.pad(values, width // 2, mode="reflect")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
