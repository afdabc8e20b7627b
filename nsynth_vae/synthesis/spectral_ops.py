"""Signal processing of the synthesizer: sines and Fourier transforms as matrix products.

Everything here is a pure, differentiable function made of operators that TFLite has built in: no FFT, no complex
numbers, no look-up that depends on a note's length. Control values come every `CONTROL_STEP` samples (4 ms).
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.griffin_lim import overlapped_squares
from nsynth_vae.analysis.spectra import hann
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError

CONTROL_STEP = 64
"""Samples from one value of amplitude, phase and noise gain to the next: 4 ms, short enough for a hammer's blow."""


def overlap_add(frames: tf.Tensor, step: int) -> tf.Tensor:
    """Return the sum of frames laid `step` samples apart.

    `tf.signal.overlap_and_add` for frame lengths that are a multiple of the step, by shifts and sums alone.

    Args:
        frames: float32 `[batch, frames, length]`.
        step: samples; length must be a multiple of it.

    Returns:
        float32 `[batch, (frames - 1) * step + length]`.

    Raises:
        ValueError: if the length is not a multiple of the step.
    """
    count, length = frames.shape[1], frames.shape[2]
    if length % step:
        raise ValueError(f"frames: found length {length}, expected a multiple of the step {step}")
    parts = length // step
    pieces = tf.reshape(frames, [-1, count, parts, step])
    total = tf.add_n([tf.pad(pieces[:, :, i], [[0, 0], [i, parts - 1 - i], [0, 0]]) for i in range(parts)])
    return tf.reshape(total, [-1, (count + parts - 1) * step])


def split_frames(audio: tf.Tensor, length: int, step: int) -> tf.Tensor:
    """Return overlapping frames; the adjoint of `overlap_add`.

    Args:
        audio: float32 `[batch, samples]`, samples a multiple of the step.
        length: samples of a frame, a multiple of the step.
        step: samples from one frame to the next.

    Returns:
        float32 `[batch, samples // step - length // step + 1, length]`.
    """
    samples, parts = audio.shape[1], length // step
    count = samples // step - parts + 1
    pieces = tf.reshape(audio, [-1, samples // step, step])
    return tf.concat([pieces[:, i : i + count] for i in range(parts)], axis=-1)


def times(x: tf.Tensor, values: np.ndarray | float) -> tf.Tensor:
    """Return x times constants that are kept in two parts, so that a float16 file has them to 22 bits."""
    values = np.asarray(values, np.float64)
    high = values.astype(np.float16).astype(np.float64)
    return x * high.astype(np.float32) + x * (values - high).astype(np.float32)


@functools.lru_cache(maxsize=8)
def bin_order(length: int) -> np.ndarray:
    """Return the numbers of a DFT's bins in the order of this module: even ones first, then odd ones."""
    half = length // 2
    return np.r_[0 : half + 1 : 2, 1:half:2]


@functools.lru_cache(maxsize=8)
def _transforms(length: int) -> dict[str, np.ndarray]:
    """Return cos and sin of 2 pi k n / length (row n, column k), for even and for odd bins k, over a quarter of n."""
    half = length // 2
    angle = np.pi * np.outer(np.arange(half // 2 + 1), np.arange(half + 1)) / half
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    return {
        "even_cos": cos[:, 0::2],
        "odd_cos": cos[:-1, 1::2],
        "even_sin": sin[1:-1, 2:-1:2],
        "odd_sin": sin[1:, 1::2],
    }


def real_dft(frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the real and the imaginary part of the one-sided DFT (`tf.signal.rfft`), bins in `bin_order`.

    A real frame is the sum of an even part, which has cosines only, and an odd one, which has sines only. Each is
    folded in its middle once more, for even bins and for odd bins: four matrix products with an eighth of the
    multiplications of the two whole ones. Putting the bins in order would take as long as these.

    Args:
        frames: float32 `[batch, frames, length]`, length a multiple of 4.

    Returns:
        Two of float32 `[batch, frames, length // 2 + 1]`.
    """
    length = frames.shape[-1]
    quarter, transforms = length // 4, _transforms(length)
    first, head, middle, tail = tf.split(frames, [1, 2 * quarter - 1, 1, 2 * quarter - 1], axis=-1)
    tail = tf.reverse(tail, [-1])
    near, center, far = tf.split(head + tail, [quarter - 1, 1, quarter - 1], axis=-1)
    near, far = tf.concat([first, near], axis=-1), tf.reverse(tf.concat([far, middle], axis=-1), [-1])
    real = [
        tf.matmul(tf.concat([near + far, center], axis=-1), transforms["even_cos"]),
        tf.matmul(near - far, transforms["odd_cos"]),
    ]
    near, center, far = tf.split(tail - head, [quarter - 1, 1, quarter - 1], axis=-1)
    far = tf.reverse(far, [-1])
    zero = tf.zeros_like(center)
    imaginary = [
        zero,
        tf.matmul(near - far, transforms["even_sin"]),
        zero,
        tf.matmul(tf.concat([near + far, center], axis=-1), transforms["odd_sin"]),
    ]
    return tf.concat(real, axis=-1), tf.concat(imaginary, axis=-1)


def inverse_real_dft(real: tf.Tensor, imaginary: tf.Tensor) -> tf.Tensor:
    """Return the frames whose one-sided DFT is given (`tf.signal.irfft`).

    Args:
        real: float32 `[batch, frames, length // 2 + 1]`, bins in `bin_order`.
        imaginary: the same shape; its values for the first and the last frequency are ignored.

    Returns:
        float32 `[batch, frames, length]`.
    """
    length = 2 * (real.shape[-1] - 1)
    quarter, transforms = length // 4, _transforms(length)
    weight = np.full(length // 2 + 1, 2.0 / length, np.float32)
    weight[[0, quarter]] = 1.0 / length
    even, odd = tf.split(real * weight, [quarter + 1, quarter], axis=-1)
    even = tf.matmul(even, transforms["even_cos"].T)
    odd = tf.matmul(odd, transforms["odd_cos"].T)
    near, center = tf.split(even, [quarter, 1], axis=-1)
    first, cosines, middle = tf.split(
        tf.concat([near + odd, center, tf.reverse(near - odd, [-1])], axis=-1), [1, 2 * quarter - 1, 1], axis=-1
    )
    _, even, _, odd = tf.split(imaginary * np.float32(2.0 / length), [1, quarter - 1, 1, quarter], axis=-1)
    even = tf.matmul(even, transforms["even_sin"].T)
    odd, center = tf.split(tf.matmul(odd, transforms["odd_sin"].T), [quarter - 1, 1], axis=-1)
    sines = tf.concat([odd + even, center, tf.reverse(odd - even, [-1])], axis=-1)
    return tf.concat([first, cosines - sines, middle, tf.reverse(cosines + sines, [-1])], axis=-1)


def stft(audio: tf.Tensor, config: AudioConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the real and the imaginary part of `features.stft`, bins in `bin_order`.

    Args:
        audio: float32 `[batch, samples]`, samples a multiple of frame_step.
        config: frame sizes; see `check_frames`.

    Returns:
        Two of float32 `[batch, 1 + samples // frame_step, fft_length // 2 + 1]`.
    """
    half = config.frame_length // 2
    frames = split_frames(tf.pad(audio, [[0, 0], [half, half]]), config.frame_length, config.frame_step)
    return real_dft(times(frames, hann(config.frame_length)))


def inverse_stft(real: tf.Tensor, imaginary: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the audio whose `stft` is nearest, in least squares (Griffin and Lim 1984, equation 6).

    Args:
        real: float32 `[batch, frames, fft_length // 2 + 1]`, bins in `bin_order`.
        imaginary: the same shape.
        config: frame sizes.

    Returns:
        float32 `[batch, (frames - 1) * frame_step]`.
    """
    length, step, frames = config.frame_length, config.frame_step, real.shape[1]
    window = hann(length)
    total = overlapped_squares(window, step, frames, (frames - 1) * step + length)
    kept = slice(length // 2, length // 2 + (frames - 1) * step)
    steady = np.sum(window[::step] ** 2)
    audio = overlap_add(times(inverse_real_dft(real, imaginary), window / steady), step)
    return times(audio[:, kept], np.where(np.isclose(total[kept], steady), 1.0, steady / total[kept]))


def check_frames(config: AudioConfig) -> None:
    """Check that the synthesizer can be built for these frames.

    Raises:
        InputError: unless frames are as long as the FFT, overlap by a half at least, and every length is a multiple of
            the frame step, itself a multiple of `CONTROL_STEP`.
    """
    step = config.frame_step
    if config.fft_length != config.frame_length or config.frame_length % (2 * step):
        raise InputError(
            f"frame_length {config.frame_length}, frame_step {step}, fft_length {config.fft_length}: the synthesizer "
            "needs frames as long as the FFT, an even multiple of frame_step"
        )
    for name in ("frame_step", "num_samples"):
        unit = CONTROL_STEP if name == "frame_step" else step
        if getattr(config, name) % unit:
            raise InputError(f"{name}: found {getattr(config, name)}, the synthesizer needs a multiple of {unit}")


def harmonics(amplitude: tf.Tensor, cycles: tf.Tensor, frequency: tf.Tensor) -> tf.Tensor:
    """Return the sum of sines with the given amplitudes and phases, interpolated between control points.

    Around every control point each sine has its own constant frequency, and the stretches are cross-faded:
    sin(p + w n) = sin(p) cos(w n) + cos(p) sin(w n). As cos(w n) and sin(w n) are the same for all control points, all
    sines of all control points are one matrix product. It is exact where the phases advance at just that frequency.

    Args:
        amplitude: float32 `[batch, controls, sines]`, at samples 0, CONTROL_STEP, ...
        cycles: float32 `[batch, controls, sines]`, the phase there, in periods.
        frequency: float32 `[batch, sines]`, cycles a sample, below 0.5.

    Returns:
        float32 `[batch, (controls - 1) * CONTROL_STEP]`.
    """
    angle = times(cycles - tf.floor(cycles), 2.0 * np.pi)
    parts = tf.concat([amplitude * tf.sin(angle), amplitude * tf.cos(angle)], axis=-1)
    n = np.arange(-CONTROL_STEP, CONTROL_STEP, dtype=np.float32)
    ramp = times(frequency[:, :, None] * n, 2.0 * np.pi)
    # Linear, not Hann: then the phase too is interpolated linearly, to first order, where the frequency drifts.
    basis = tf.concat([tf.cos(ramp), tf.sin(ramp)], axis=1) * (1.0 - np.abs(n) / CONTROL_STEP)
    return overlap_add(tf.matmul(parts, basis), CONTROL_STEP)[:, CONTROL_STEP:-CONTROL_STEP]


def upsample(values: tf.Tensor, factor: int) -> tf.Tensor:
    """Return values interpolated linearly to `factor` times the rate.

    Args:
        values: float32 `[batch, frames, n]`.
        factor: points from one frame to the next.

    Returns:
        float32 `[batch, (frames - 1) * factor + 1, n]`; every `factor`-th is a given one.
    """
    frames, width = values.shape[1], values.shape[2]
    fraction = (np.arange(factor, dtype=np.float32) / factor)[None, None, :, None]
    between = values[:, :-1, None] * (1.0 - fraction) + values[:, 1:, None] * fraction
    return tf.concat([tf.reshape(between, [-1, (frames - 1) * factor, width]), values[:, -1:]], axis=1)
