"""Short-time spectra, log-mel spectrograms and spectral peaks in numpy."""

from __future__ import annotations

import functools

import numpy as np

from nsynth_vae.config import AudioConfig

MEASURED_LOG_MEL = AudioConfig(
    sample_rate=16000,
    frame_length=1024,
    frame_step=256,
    fft_length=1024,
    num_mel_bins=128,
    lower_edge_hertz=20.0,
    upper_edge_hertz=8000.0,
    log_offset=1e-4,
)
"""The log-mel of measures, whatever a model's features and the defaults are."""


@functools.lru_cache(maxsize=16)
def hann(length: int) -> np.ndarray:
    """Return the periodic Hann window, float64 `[length]`."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


def magnitude(audio: np.ndarray, frame_length: int, frame_step: int, fft_length: int | None = None) -> np.ndarray:
    """Return the magnitude of the short-time Fourier transform: Hann window, no padding, no scaling.

    Args:
        audio: float `[samples]`.
        frame_length: samples of a frame.
        frame_step: samples from one frame to the next.
        fft_length: samples of the FFT; None for the frame length.

    Returns:
        float64 `[1 + (samples - frame_length) // frame_step, fft_length // 2 + 1]`.
    """
    frames = np.lib.stride_tricks.sliding_window_view(audio, frame_length)[::frame_step]
    return np.abs(np.fft.rfft(frames * hann(frame_length), fft_length))


@functools.lru_cache(maxsize=8)
def mel_weight_matrix(config: AudioConfig) -> np.ndarray:
    """Return the mel filters, those of `tf.signal.linear_to_mel_weight_matrix`.

    Triangles that are linear in mel, m = 1127 ln(1 + f / 700) (O'Shaughnessy; HTK's form), with peak 1.

    Returns:
        float32 `[fft_length // 2 + 1, mel_bins]`; every column has a weight above zero.

    Raises:
        ValueError: if a filter is so narrow that it holds no FFT bin.
    """
    edges = np.linspace(_mel(config.lower_edge_hertz), _mel(config.upper_edge_hertz), config.num_mel_bins + 2)
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.linspace(0.0, config.sample_rate / 2.0, config.num_spectrogram_bins))[:, None]
    weights = np.maximum(np.minimum((bins - low) / (center - low), (high - bins) / (high - center)), 0.0)
    weights[0] = 0.0
    empty = np.flatnonzero(weights.max(axis=0) <= 0)
    if empty.size:
        raise ValueError(
            f"mel filters {empty.tolist()} hold no FFT bin: num_mel_bins {config.num_mel_bins} is too many "
            f"for fft_length {config.fft_length}"
        )
    return weights.astype(np.float32)


@functools.lru_cache(maxsize=8)
def mel_power_weights(config: AudioConfig) -> np.ndarray:
    """Return weights w with which a mel shows its sound's power: mean square = sum over the bins of w mel^2.

    So it is within 1.5 dB for a sine of any frequency (standard deviation 0.4 dB), and within 0.1 dB in the median of
    NSynth's notes. A bin's weight is the power of a sine over the sum of its mel^2, averaged over sines of all
    frequencies by how much they have in the bin.

    Returns:
        float64 `[mel_bins]`.
    """
    low, high = 1.5 * config.sample_rate / config.fft_length, 0.95 * config.upper_edge_hertz
    hertz = np.geomspace(max(config.lower_edge_hertz, low), high, 1500)
    time = np.arange(config.frame_length) / config.sample_rate
    frames = np.cos(2.0 * np.pi * hertz[:, None] * time + 1.0) * hann(config.frame_length)
    squares = np.square(np.abs(np.fft.rfft(frames, config.fft_length, axis=1)) @ mel_weight_matrix(config))
    # A filter between the sines, at an end, has what its neighbour has.
    fraction = squares / squares.sum(axis=0)
    return 0.5 * (fraction / squares.sum(axis=1, keepdims=True)).sum(axis=0)


def mel_spectrogram(audio: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return the linear mel magnitude, float64 `[frames, mel_bins]`, of audio `[samples]`; frames as in `log_mel`."""
    padded = np.pad(audio, config.frame_length // 2)
    return magnitude(padded, config.frame_length, config.frame_step, config.fft_length) @ mel_weight_matrix(config)


def log_mel(audio: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return the normalised log-mel of audio, equal to `features.log_mel` within 1e-4.

    (ln(mel + log_offset) - log_mel_center) / log_mel_scale. Frame i is centred on sample i * frame_step.

    Args:
        audio: float `[..., samples]`, -1..1.
        config: the audio configuration.

    Returns:
        float32 `[..., 1 + samples // frame_step, mel_bins]`.
    """
    frames = 1 + audio.shape[-1] // config.frame_step
    result = np.empty([*audio.shape[:-1], frames, config.num_mel_bins], np.float32)
    # One sound at a time: the frames of a 4 s note take 2 MB.
    for index in np.ndindex(audio.shape[:-1]):
        mel = mel_spectrogram(audio[index], config)
        result[index] = (np.log(mel + config.log_offset) - config.log_mel_center) / config.log_mel_scale
    return result


def loudest_log_mel(config: AudioConfig) -> np.ndarray:
    """Return `[mel_bins]`: the log-mel of |STFT| = the window's sum, which audio in -1..1 cannot exceed."""
    mel = np.sum(mel_weight_matrix(config), axis=0) * config.frame_length / 2
    return (np.log(mel + config.log_offset) - config.log_mel_center).astype(np.float32) / config.log_mel_scale


def log_mel_to_mel(log_mel: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return the linear mel magnitude, 0 or more, of a normalised log-mel (same shape)."""
    return np.maximum(np.exp(log_mel * config.log_mel_scale + config.log_mel_center) - config.log_offset, 0.0)


def parabolic_peak(left: np.ndarray, center: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the vertex of the parabola through a peak and its neighbours, -0.5..0.5 bins from the peak."""
    curvature = np.minimum(left - 2.0 * center + right, -1e-9)
    return np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log(1.0 + np.asarray(hertz) / 700.0)
