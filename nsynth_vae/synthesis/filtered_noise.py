"""Filtered noise of the synthesizer: white noise of flat spectra, and a filter that changes along the note."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.spectra import hann
from nsynth_vae.synthesis.spectral_ops import CONTROL_STEP, inverse_real_dft, overlap_add, real_dft, split_frames

NOISE_LENGTH = 256
"""Samples of a noise frame: its filter has NOISE_LENGTH // 2 + 1 bands."""

NOISE_BANDS = NOISE_LENGTH // 2 + 1


def filtered_noise(gain: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Return noise whose spectrum has the given gain at every control point.

    Args:
        gain: float32 `[batch, controls, NOISE_BANDS]`, 0 or more, bands in `bin_order`.
        noise: float32 `[(controls - 1) * CONTROL_STEP + NOISE_LENGTH]`, white, of variance 1, from half a frame before
            the first control point on.

    Returns:
        float32 `[batch, (controls - 1) * CONTROL_STEP]`; with a constant gain g its variance is g^2.
    """
    controls, half = gain.shape[1], NOISE_LENGTH // 2
    window = hann(NOISE_LENGTH).astype(np.float32)
    real, imaginary = real_dft(split_frames(noise[None], NOISE_LENGTH, CONTROL_STEP) * window)
    # Squared Hann windows a quarter apart add up to 1.5.
    frames = inverse_real_dft(gain * real, gain * imaginary) * (window / np.float32(1.5))
    return overlap_add(frames, CONTROL_STEP)[:, half : half + (controls - 1) * CONTROL_STEP]


@functools.lru_cache(maxsize=4)
def flat_noise(samples: int, seed: int = 0, iterations: int = 20) -> np.ndarray:
    """Return white noise whose short-time spectra fluctuate less than those of Gaussian noise.

    The level of a bin of Gaussian noise scatters by 5.6 dB (Rayleigh's distribution). Matched to real noise, which
    scatters as much, it would be off twice. So the magnitudes of its spectra of 2048, 1024, 512 and 256 samples are
    made equal in turn, keeping the phase, as in Griffin-Lim: about 3 dB are left.

    Args:
        samples: length.
        seed: of the Gaussian noise at the start.
        iterations: rounds over the four lengths.

    Returns:
        float32 `[samples]`, mean square 1.
    """
    edge = 2048
    x = np.random.default_rng(seed).standard_normal(edge * (2 + -(-samples // edge)))
    for _ in range(iterations):
        for length in (2048, 1024, 512, 256):
            step, window = length // 4, hann(length)
            frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, length, mode="reflect"), length)[::step]
            spectrum = np.fft.rfft(frames * window)
            frames = np.fft.irfft(spectrum / np.maximum(np.abs(spectrum), 1e-9), length) * window
            total = np.zeros(x.size + 2 * length)
            for part in range(4):
                piece = frames[:, part * step : (part + 1) * step].reshape(-1)
                total[part * step :][: piece.size] += piece
            x = total[length : length + x.size]
            x /= np.sqrt(np.mean(x**2))
    return x[edge : edge + samples].astype(np.float32)
