"""Log-magnitude spectrogram on a semitone axis, on which an interval is a shift."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from nsynth_vae.features.mel import modulus
from nsynth_vae.notes import pitch_to_hertz

SAMPLE_RATE = 16000
FRAME_LENGTH, FRAME_STEP = 4096, 2048
"""Samples. A Hann window of 256 ms resolves the harmonics of A0, 27.5 Hz apart."""

BINS_A_PITCH = 3
NUM_BINS = 128 * BINS_A_PITCH
HARMONICS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Multiples of the pitch that `stack_harmonics` stacks, and the octave below."""

_OFFSET = 1e-4
_CENTER, _SCALE = -6.0, 3.0


def num_frames(samples: int) -> int:
    """Return the frames of a sound: one every `FRAME_STEP`, the first centred on sample 0."""
    return 1 + samples // FRAME_STEP


@functools.lru_cache(maxsize=1)
def weight_matrix() -> np.ndarray:
    """Return the weights of FFT bins in log-frequency bins, float32 `[FRAME_LENGTH // 2 + 1, NUM_BINS]`.

    Bin j is a triangle around MIDI pitch (j - 1) / 3, peak 1, that reaches to its neighbours, or to the next FFT bin
    where that is farther: bins 3 k to 3 k + 2 belong to pitch k, the middle one to its frequency. Bins beyond half the
    sample rate are empty.
    """
    center = pitch_to_hertz((np.arange(-1, NUM_BINS + 1) - 1) / BINS_A_PITCH)
    hertz = np.arange(FRAME_LENGTH // 2 + 1)[:, None] * SAMPLE_RATE / FRAME_LENGTH
    least = SAMPLE_RATE / FRAME_LENGTH
    below, above = np.maximum(np.diff(center)[:-1], least), np.maximum(np.diff(center)[1:], least)
    distance = hertz - center[1:-1]
    weights = np.maximum(1.0 - np.where(distance < 0, -distance / below, distance / above), 0.0)
    return (weights * (center[1:-1] < SAMPLE_RATE / 2)).astype(np.float32)


def log_spectrogram(audio: tf.Tensor) -> tf.Tensor:
    """Return the normalised log-magnitude on the semitone axis.

    (ln(magnitude + 1e-4) + 6) / 3, where a sine of amplitude 1 has magnitude 1 (a Hann window's gain is taken out).

    Args:
        audio: float32 `[batch, samples]`, -1..1, at 16 kHz.

    Returns:
        float32 `[batch, num_frames(samples), NUM_BINS]`.
    """
    half = FRAME_LENGTH // 2
    spectrum = tf.signal.stft(tf.pad(audio, [[0, 0], [half, half]]), FRAME_LENGTH, FRAME_STEP, FRAME_LENGTH)
    magnitude = modulus(spectrum) * (4.0 / FRAME_LENGTH)
    return (tf.math.log(tf.matmul(magnitude, weight_matrix()) + _OFFSET) - _CENTER) / _SCALE


def stack_harmonics(spectrogram: tf.Tensor) -> tf.Tensor:
    """Stack the values of a spectrogram at the `HARMONICS` of each bin (after the HCQT of Bittner et al. 2017).

    Args:
        spectrogram: float32 `[batch, frames, NUM_BINS]`, as `log_spectrogram`'s.

    Returns:
        float32 `[batch, frames, NUM_BINS, len(HARMONICS)]`; silence where a harmonic is off the axis.
    """
    silence = (np.log(_OFFSET) - _CENTER) / _SCALE
    shifted = []
    for harmonic in HARMONICS:
        shift = round(12 * BINS_A_PITCH * np.log2(harmonic))
        kept = spectrogram[..., max(shift, 0) : NUM_BINS + min(shift, 0)]
        padding = [[0, 0], [0, 0], [max(-shift, 0), max(shift, 0)]]
        shifted.append(tf.pad(kept, padding, constant_values=silence))
    return tf.stack(shifted, axis=-1)
