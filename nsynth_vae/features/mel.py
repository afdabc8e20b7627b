"""Log-mel spectrograms in TensorFlow: from audio, and back to a linear mel magnitude.

Frame i is centred on sample i * frame_step: the audio is padded with zeros by half a frame on both sides, so the
attack at sample 0 is in the middle of frame 0. All constants are fixed, so a note's features never depend on its batch.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.spectra import mel_weight_matrix
from nsynth_vae.config import AudioConfig

VERSION = 1
"""Version of the features, part of the feature cache's key: raised when the same audio would give other features."""


def stft(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the short-time Fourier transform (periodic Hann window, no scaling).

    Args:
        audio: float32 `[..., samples]`, -1..1.
        config: frame sizes in samples.

    Returns:
        complex64 `[..., 1 + samples // frame_step, fft_length // 2 + 1]`.
    """
    audio = tf.convert_to_tensor(audio)
    half = config.frame_length // 2
    padding = [[0, 0]] * (audio.shape.rank - 1) + [[half, half]]
    return tf.signal.stft(tf.pad(audio, padding), config.frame_length, config.frame_step, config.fft_length)


def modulus(spectrogram: tf.Tensor, floor: float = 0.0) -> tf.Tensor:
    """Return sqrt(real^2 + imaginary^2 + floor); a floor above 0 keeps the gradient finite in silence.

    It takes a third of the time of `tf.abs`, whose scaling against overflow audio does not need.
    """
    power = tf.square(tf.math.real(spectrogram)) + tf.square(tf.math.imag(spectrogram))
    return tf.sqrt(power + floor if floor else power)


def magnitude(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the modulus of `stft`, float32; same arguments and shape."""
    return modulus(stft(audio, config))


@functools.lru_cache(maxsize=8)
def _mel_blocks(config: AudioConfig) -> list[tuple[int, int, np.ndarray]]:
    """Return (first bin, last bin + 1, weights) of runs of mel filters: a filter has weights at few bins only.

    Six products instead of the one with the whole mel matrix leave out most of its zeros.
    """
    blocks = []
    for weights in np.array_split(mel_weight_matrix(config), 6, axis=1):
        bins = np.flatnonzero(weights.any(axis=1))
        first, end = int(bins[0]), int(bins[-1]) + 1
        blocks.append((first, end, np.ascontiguousarray(weights[first:end])))
    return blocks


def magnitude_to_mel(spectrogram: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the linear mel magnitude: the product with `mel_weight_matrix`.

    Args:
        spectrogram: float32 `[..., frames, fft_length // 2 + 1]`, 0 or more.
        config: the mel constants.

    Returns:
        float32 `[..., frames, mel_bins]`.
    """
    blocks = [tf.matmul(spectrogram[..., first:end], weights) for first, end, weights in _mel_blocks(config)]
    return tf.concat(blocks, axis=-1)


def magnitude_to_log_mel(spectrogram: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the normalised log-mel of a linear magnitude; arguments and shape as in `magnitude_to_mel`."""
    return mel_to_log_mel(magnitude_to_mel(spectrogram, config), config)


def mel_to_log_mel(mel: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the normalised log-mel of a linear mel magnitude (same shape), of which `log_mel_to_mel` is the inverse.

    (ln(mel + log_offset) - log_mel_center) / log_mel_scale, about -1.3 for silence to 2.5 for the loudest note.
    """
    return (tf.math.log(mel + config.log_offset) - config.log_mel_center) / config.log_mel_scale


def log_mel(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the normalised log-mel of audio.

    Args:
        audio: float32 `[samples]` or `[batch, samples]`, -1..1.
        config: the audio configuration.

    Returns:
        float32 `[frames, mel_bins]` or `[batch, frames, mel_bins]`, with frames = 1 + samples // frame_step.
    """
    return magnitude_to_log_mel(magnitude(audio, config), config)


def log_mels(audio: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Return the log-mels `[notes, frames, mel_bins]` of audio `[notes, samples]` as an array, 32 notes at a time."""
    starts = range(0, max(1, len(audio)), 32)
    return np.concatenate([log_mel(tf.constant(audio[i : i + 32]), config).numpy() for i in starts])


def pitch_shifted_log_mel(audio: tf.Tensor, config: AudioConfig, semitones: int) -> tf.Tensor:
    """Return the log-mel of audio some semitones higher, formants included; frames follow each other as before.

    A frame 2^(semitones / 12) times as long as others is read as if it were of their length: every partial and every
    formant lies that much higher, with the window's own main lobe. Partials above half the sample rate are left out.

    Args:
        audio: float32 `[samples]` or `[batch, samples]`, -1..1.
        config: the audio configuration.
        semitones: 0 to `config.MOST_SEMITONES`.

    Returns:
        As `log_mel`, and for 0 semitones the same.
    """
    ratio = 2.0 ** (semitones / 12.0)
    frame_length = 2 * round(config.frame_length * ratio / 2)
    fft_length = round(config.fft_length * frame_length / config.frame_length)
    longer = dataclasses.replace(config, frame_length=frame_length, fft_length=fft_length)
    spectrogram = magnitude(audio, longer)[..., : config.num_spectrogram_bins]
    return magnitude_to_log_mel(spectrogram * (config.frame_length / frame_length), config)


def log_mel_to_mel(log_mel: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the linear mel magnitude, 0 or more, of a normalised log-mel (same shape)."""
    mel = tf.exp(log_mel * config.log_mel_scale + config.log_mel_center) - config.log_offset
    return tf.maximum(mel, 0.0)
