"""Filtered noise of the synthesizer: white noise and a filter that changes along the note."""

from __future__ import annotations

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
        noise: float32 `[batch or 1, (controls - 1) * CONTROL_STEP + NOISE_LENGTH]`, white, of variance 1, from half a
            frame before the first control point on.

    Returns:
        float32 `[batch, (controls - 1) * CONTROL_STEP]`; with a constant gain g its variance is g^2.
    """
    controls, half = gain.shape[1], NOISE_LENGTH // 2
    window = hann(NOISE_LENGTH).astype(np.float32)
    real, imaginary = real_dft(split_frames(noise, NOISE_LENGTH, CONTROL_STEP) * window)
    # Squared Hann windows a quarter apart add up to 1.5.
    frames = inverse_real_dft(gain * real, gain * imaginary) * (window / np.float32(1.5))
    return overlap_add(frames, CONTROL_STEP)[:, half : half + (controls - 1) * CONTROL_STEP]
