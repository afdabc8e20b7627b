"""Griffin-Lim inversion of log-mels in numpy: the algorithm of `synthesis.griffin_lim`, without TensorFlow.

A non-negative inversion of the mel matrix gives the magnitude, the fast Griffin-Lim algorithm its phase. The sources
are named there. Both start from the phases and constants of this module.
"""

from __future__ import annotations

import functools

import numpy as np

from nsynth_vae.analysis.spectra import hann, log_mel_to_mel, loudest_log_mel, mel_weight_matrix
from nsynth_vae.config import AudioConfig

MOMENTUM = 0.99
"""Of the fast algorithm: 0 is plain Griffin-Lim."""

MEL_ITERATIONS = 20
"""Updates of the mel matrix's inversion."""

PHASE_SEED = 0
"""Seed of the phases every note starts from: the same log-mel always gives the same audio."""


def log_mel_to_audio(log_mel: np.ndarray, config: AudioConfig, *, iterations: int = 32) -> np.ndarray:
    """Return audio of normalised log-mels, each note computed by itself.

    Args:
        log_mel: float32 `[batch, num_frames, mel_bins]`, as `spectra.log_mel` returns it.
        config: the audio configuration.
        iterations: of Griffin-Lim, 0 or more.

    Returns:
        float32 `[batch, num_samples]`, -1..1. A note that would exceed 1 is scaled as a whole to a peak of 1. A log-mel
        is limited to what full-scale audio can have, so that the audio is finite.
    """
    loudest = loudest_log_mel(config)
    audio = np.empty([len(log_mel), config.num_samples], np.float32)
    for index, note in enumerate(log_mel):
        mel = log_mel_to_mel(np.minimum(note, loudest), config)
        found = griffin_lim(mel_to_magnitude(mel, config), config, iterations=iterations)
        audio[index] = found / max(float(np.abs(found).max()), 1.0)
    return audio


def mel_to_magnitude(mel: np.ndarray, config: AudioConfig, *, iterations: int = MEL_ITERATIONS) -> np.ndarray:
    """Return a linear magnitude whose mel is the given one, or close to it: multiplicative updates.

    Args:
        mel: float32 `[frames, mel_bins]`, linear mel magnitude, 0 or more.
        config: the mel constants.
        iterations: updates, 0 or more.

    Returns:
        float32 `[frames, fft_length // 2 + 1]`, 0 or more.
    """
    weights = mel_weight_matrix(config)
    back = bins_of_mel(weights).astype(np.float32)
    magnitude = (mel / weights.sum(axis=0)) @ back
    for _ in range(iterations):
        found = magnitude @ weights
        magnitude *= np.divide(mel, found, out=np.zeros_like(found), where=found > 0.0) @ back
    return magnitude


def griffin_lim(
    magnitude: np.ndarray, config: AudioConfig, *, iterations: int = 32, phase: np.ndarray | None = None
) -> np.ndarray:
    """Return audio whose short-time Fourier transform has about the given magnitude.

    Args:
        magnitude: float32 `[num_frames, fft_length // 2 + 1]`.
        config: frame sizes and length in samples.
        iterations: 0 or more; with 0 the audio has the starting phase.
        phase: radians to start from, of the same shape; by default `initial_phase`.

    Returns:
        float32 `[num_samples]`, not scaled.
    """
    phase = initial_phase(config) if phase is None else phase
    spectrogram = magnitude * np.exp(1j * phase).astype(np.complex64)
    lag, previous = np.float32(MOMENTUM / (1.0 + MOMENTUM)), np.zeros_like(spectrogram)
    window = hann(config.frame_length).astype(np.float32)
    for _ in range(iterations):
        padded = np.pad(inverse_stft(spectrogram, config), config.frame_length // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, config.frame_length)[:: config.frame_step]
        consistent = np.fft.rfft(frames * window, config.fft_length).astype(np.complex64)
        ahead = consistent - lag * previous
        # Where the estimate is 0 it has no phase; far below audibility it may lose it, which avoids 0 / 0.
        spectrogram, previous = ahead * (magnitude / np.maximum(np.abs(ahead), 1e-20)), consistent
    return inverse_stft(spectrogram, config)


def inverse_stft(spectrogram: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return the audio whose short-time Fourier transform is nearest, in least squares, to the spectrogram.

    Args:
        spectrogram: complex64 `[num_frames, fft_length // 2 + 1]`.
        config: frame sizes and length in samples.

    Returns:
        float32 `[num_samples]`; samples that no frame covers are 0.
    """
    window, gain = synthesis_window(config)
    frames = np.fft.irfft(spectrogram, config.fft_length)[:, : config.frame_length].astype(np.float32) * window
    step, half = config.frame_step, config.frame_length // 2
    blocks = -(-config.frame_length // step)
    frames = np.pad(frames, [(0, 0), (0, blocks * step - config.frame_length)]).reshape(len(frames), blocks, step)
    audio = np.zeros([len(frames) + blocks, step], np.float32)
    for block in range(blocks):
        audio[block : block + len(frames)] += frames[:, block]
    covered = audio.reshape(-1)[half : half + config.num_samples]
    return np.pad(covered, (0, config.num_samples - covered.size)) * gain


@functools.lru_cache(maxsize=8)
def initial_phase(config: AudioConfig) -> np.ndarray:
    """Return fixed random phases, float32 `[num_frames, fft_length // 2 + 1]`, 0 to 2 pi radians.

    On real notes they end with less error than a zero or a linear phase (32 iterations, momentum 0.99:
    spectral convergence 0.066, 0.087 and 0.104).
    """
    shape = [config.num_frames, config.num_spectrogram_bins]
    return np.random.default_rng(PHASE_SEED).uniform(0.0, 2.0 * np.pi, shape).astype(np.float32)


@functools.lru_cache(maxsize=8)
def synthesis_window(config: AudioConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the window `[frame_length]` and the gain `[num_samples]` that undoes its overlapped squares."""
    window, half = hann(config.frame_length), config.frame_length // 2
    total = overlapped_squares(window, config.frame_step, config.num_frames, config.num_samples + 2 * half)
    total = total[half : half + config.num_samples]
    gain = np.where(total > 1e-6, 1.0 / np.maximum(total, 1e-6), 0.0)
    return window.astype(np.float32), gain.astype(np.float32)


def overlapped_squares(window: np.ndarray, step: int, frames: int, samples: int) -> np.ndarray:
    """Return the sum of the squares of a window laid `step` samples apart, float64 `[samples]`."""
    total = np.zeros(samples)
    for frame in range(frames):
        part = total[frame * step :][: len(window)]
        part += window[: len(part)] ** 2
    return total


def bins_of_mel(weights: np.ndarray) -> np.ndarray:
    """Return `[mel_bins, bins]`: each FFT bin is the weighted mean of the mel bins that it contributes to.

    Args:
        weights: `[bins, mel_bins]`, the mel filters. Bins below the first filter, whose rows are 0, stay 0.
    """
    per_bin = weights.sum(axis=1)
    return (weights / np.where(per_bin > 0, per_bin, 1.0)[:, None]).T
