"""Constants of the synthesizer: mel weights both ways, frequencies of pitches, scales, fades."""

from __future__ import annotations

import functools

import numpy as np

from nsynth_vae import features
from nsynth_vae.analysis.griffin_lim import bins_of_mel
from nsynth_vae.analysis.spectra import hann
from nsynth_vae.config import AudioConfig
from nsynth_vae.notes import pitch_to_hertz
from nsynth_vae.synthesis import spectral_ops
from nsynth_vae.synthesis.filtered_noise import NOISE_BANDS, NOISE_LENGTH

AUDIBLE_HERTZ = 7800.0
"""Harmonics above it are silent: the rest below 8 kHz is for the resampling filters of players."""

FADE_IN, FADE_OUT = 32, 160
"""Samples of the fades that keep a note's ends from clicking: 2 ms and 10 ms."""

NOISE_SCALES = 64
"""Points over frequency, evenly spaced in mel, at which the noise's level is corrected."""


@functools.lru_cache(maxsize=4)
def make_constants(config: AudioConfig, num_harmonics: int) -> dict[str, np.ndarray]:
    """Return the synthesizer's constants by name.

    Arrays over FFT bins and noise bands are in the order of `spectral_ops.bin_order`. Those that a rounding to 11 bits
    would change audibly are whole numbers. The others are rounded to float16 here, so that a file in float16 computes
    the same as the model itself.

    Args:
        config: the audio configuration.
        num_harmonics: sines of a note.
    """
    weights = features.mel_weight_matrix(config).astype(np.float64)
    mel_to_bin = bins_of_mel(weights)
    f0 = pitch_to_hertz(np.arange(128)) / config.sample_rate * 2**14
    # The mean of a Rayleigh distribution: |STFT| of Gaussian noise of variance 1.
    noise_magnitude = np.sqrt(np.sum(hann(config.frame_length) ** 2) * np.pi) / 2
    order, bands = spectral_ops.bin_order(config.fft_length), spectral_ops.bin_order(NOISE_LENGTH)
    half = {
        "bins": order,
        "mel_weights": weights[order],
        "mel_to_bin": mel_to_bin[:, order],
        "mel_to_band": _mel_to_band(mel_to_bin)[:, bands],
        "scale_to_band": _scale_to_band(config)[:, bands],
        "noise_gain": 1.0 / (weights.sum(axis=0) * noise_magnitude),
        "phase": np.random.default_rng(0).uniform(size=num_harmonics),
        "loudest": features.loudest_log_mel(config),
        "fade_in": hann(2 * FADE_IN)[:FADE_IN],
        "fade_out": hann(2 * FADE_OUT)[FADE_OUT:],
        "octaves": 2.0 * np.pi * 2.0 ** np.arange(5) / 128.0,
        "number": np.arange(1, num_harmonics + 1),
    }
    exact = {
        "f0_high": np.floor(f0).astype(np.int32),
        "f0_low": np.round((f0 - np.floor(f0)) * 2**14).astype(np.int32),
    }
    return {name: value.astype(np.float16).astype(np.float32) for name, value in half.items()} | exact


def _mel_to_band(mel_to_bin: np.ndarray) -> np.ndarray:
    """Return `[mel_bins, NOISE_BANDS]`: a noise band is the mean of the FFT bins around it; columns add up to 1."""
    mel_bins, bins = mel_to_bin.shape
    ratio = (bins - 1) / (NOISE_BANDS - 1)
    result = np.zeros((mel_bins, NOISE_BANDS))
    for band in range(NOISE_BANDS):
        first, last = max(1, round((band - 0.5) * ratio)), min(bins - 1, round((band + 0.5) * ratio))
        result[:, band] = mel_to_bin[:, first : last + 1].mean(axis=1)
    return result / result.sum(axis=0)


def _scale_to_band(config: AudioConfig) -> np.ndarray:
    """Return `[NOISE_SCALES, NOISE_BANDS]`, linear interpolation over mel; columns add up to 1."""
    mel = 1127.0 * np.log1p(np.arange(NOISE_BANDS) * config.sample_rate / NOISE_LENGTH / 700.0)
    centers = np.linspace(0.0, mel[-1], NOISE_SCALES)
    result = np.maximum(0.0, 1.0 - np.abs(mel[None] - centers[:, None]) / centers[1])
    return result / result.sum(axis=0)
