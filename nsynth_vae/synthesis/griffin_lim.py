"""Griffin-Lim inversion of log-mels: a non-negative inversion of the mel matrix, then the fast algorithm.

The baseline of the synthesis. Everything runs in the TensorFlow graph with a fixed number of iterations, so that it
can be part of an exported model. Notes are computed one by one, so that a note never depends on its batch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.analysis.griffin_lim import MEL_ITERATIONS, MOMENTUM, bins_of_mel, initial_phase, synthesis_window
from nsynth_vae.config import AudioConfig


def mel_to_magnitude(
    mel: tf.Tensor, config: AudioConfig, *, method: str = "nonnegative", iterations: int = MEL_ITERATIONS
) -> tf.Tensor:
    """Return a linear magnitude whose mel is the given one, or close to it.

    `nonnegative` solves mel = magnitude @ weights for magnitude >= 0 with the multiplicative updates that never
    increase the Kullback-Leibler divergence (Lee and Seung, "Algorithms for non-negative matrix factorization", 2000,
    equation 5; Richardson-Lucy deconvolution). It starts from the mel spread evenly over each filter. As the updates
    multiply, details that the mel does not determine stay as smooth: on real notes it ends nearer to the true
    magnitude than a least-squares solve, and in fewer iterations. Bins that no filter covers are 0.

    `pseudo_inverse` is the cheap baseline: the least-squares magnitude, with values below 0 set to 0.

    Args:
        mel: float32 `[..., frames, mel_bins]`, linear mel magnitude, 0 or more.
        config: the mel constants.
        method: `nonnegative` or `pseudo_inverse`.
        iterations: updates of `nonnegative`, 0 or more.

    Returns:
        float32 `[..., frames, fft_length // 2 + 1]`, 0 or more.

    Raises:
        ValueError: for another method or a negative number of iterations.
    """
    weights = features.mel_weight_matrix(config)
    if method == "pseudo_inverse":
        return tf.maximum(tf.matmul(mel, _pseudo_inverse(config)), 0.0)
    if method != "nonnegative":
        raise ValueError(f"method: found {method!r}, expected nonnegative or pseudo_inverse")
    _check_iterations(iterations)
    back = bins_of_mel(weights)
    start = tf.matmul(mel / np.sum(weights, axis=0), back)

    def update(magnitude: tf.Tensor) -> tf.Tensor:
        found = tf.matmul(magnitude, weights)
        return magnitude * tf.matmul(tf.math.divide_no_nan(mel, found), back)

    return _repeat(update, start, iterations)


def griffin_lim(
    magnitude: tf.Tensor,
    config: AudioConfig,
    *,
    iterations: int = 32,
    momentum: float = MOMENTUM,
    phase: tf.Tensor | None = None,
) -> tf.Tensor:
    """Return audio whose short-time Fourier transform has about the given magnitude.

    Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984, with the momentum of
    Perraudin, Balazs and Sondergaard, "A fast Griffin-Lim algorithm", 2013, in librosa's form: the next phase is that
    of c_n - momentum / (1 + momentum) c_(n-1), where c_n is the spectrogram of the audio of step n.

    Args:
        magnitude: float32 `[batch, num_frames, fft_length // 2 + 1]`, as `features.magnitude` returns it.
        config: frame sizes and length in samples.
        iterations: 0 or more; with 0 the audio has the starting phase.
        momentum: 0 (plain Griffin-Lim) to 1.
        phase: radians to start from, broadcast to the magnitude's shape; by default `initial_phase`.

    Returns:
        float32 `[batch, num_samples]`, not scaled: the magnitude of audio in -1..1 can give a peak above 1.

    Raises:
        ValueError: for a negative number of iterations, a momentum outside 0..1 or another shape.
    """
    _check_iterations(iterations)
    if not 0.0 <= momentum <= 1.0:
        raise ValueError(f"momentum: found {momentum!r}, expected a number from 0 to 1")
    magnitude = _with_shape(magnitude, "magnitude", [None, config.num_frames, config.num_spectrogram_bins])
    if phase is None:
        phase = initial_phase(config)
    start = tf.cast(magnitude, tf.complex64) * tf.exp(tf.complex(0.0, phase))
    lag = tf.constant(momentum / (1.0 + momentum), tf.complex64)

    def project(state: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        spectrogram, previous = state
        consistent = features.stft(inverse_stft(spectrogram, config), config)
        ahead = consistent - lag * previous
        # Where the estimate is 0 it has no phase; far below audibility it may lose it, which avoids 0 / 0.
        scale = magnitude / tf.maximum(tf.abs(ahead), 1e-20)
        return ahead * tf.cast(scale, tf.complex64), consistent

    spectrogram, _ = _repeat(project, (start, tf.zeros_like(start)), iterations)
    return inverse_stft(spectrogram, config)


def log_mel_to_audio(
    log_mel: tf.Tensor,
    config: AudioConfig,
    *,
    iterations: int = 32,
    momentum: float = MOMENTUM,
    method: str = "nonnegative",
) -> tf.Tensor:
    """Return audio of normalised log-mels, each note computed by itself.

    The same log-mel gives the same audio, bit for bit, in one program on one machine. Griffin-Lim amplifies
    differences, though: a log-mel that is off by 1e-6 can give audio that is off by 1e-3 after 32 iterations and by
    1e-2 after 60. Other kernels or another machine round that much differently.

    Args:
        log_mel: float32 `[batch, num_frames, mel_bins]`, as `features.log_mel` returns it.
        config: the audio configuration.
        iterations: of Griffin-Lim.
        momentum: of Griffin-Lim, 0 to 1.
        method: of the mel's inversion; see `mel_to_magnitude`.

    Returns:
        float32 `[batch, num_samples]`, -1..1. A note that would exceed 1 is scaled as a whole to a peak of 1.
        A log-mel is limited to what full-scale audio can have, so that the audio is finite.

    Raises:
        ValueError: for an option outside its range or another shape.
    """
    log_mel = _with_shape(log_mel, "log_mel", [None, config.num_frames, config.num_mel_bins])
    return _synthesizer(config, iterations, momentum, method)(log_mel)


@functools.lru_cache(maxsize=8)
def _synthesizer(
    config: AudioConfig, iterations: int, momentum: float, method: str
) -> tf.types.experimental.GenericFunction:
    """Return `log_mel_to_audio` as a function of the log-mel alone, made and optimised once."""
    loudest = features.loudest_log_mel(config)

    def one_note(log_mel: tf.Tensor) -> tf.Tensor:
        mel = features.log_mel_to_mel(tf.minimum(log_mel, loudest), config)
        magnitude = mel_to_magnitude(mel, config, method=method)
        audio = griffin_lim(magnitude[None], config, iterations=iterations, momentum=momentum)[0]
        return audio / tf.maximum(tf.reduce_max(tf.abs(audio)), 1.0)

    def synthesize(log_mel: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(one_note, log_mel, fn_output_signature=tf.TensorSpec([config.num_samples], tf.float32))

    shape = [None, config.num_frames, config.num_mel_bins]
    return tf.function(synthesize, input_signature=[tf.TensorSpec(shape)], autograph=False)


def inverse_stft(spectrogram: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the audio whose `features.stft` is nearest, in least squares, to the spectrogram.

    Overlap-add of the windowed frames over the sum of the squared windows that really cover each sample
    (Griffin and Lim 1984, equation 6), less the half frame of padding at both sides. The `features.stft` of
    audio gives that audio back.

    Args:
        spectrogram: complex64 `[..., num_frames, fft_length // 2 + 1]`.
        config: frame sizes and length in samples.

    Returns:
        float32 `[..., num_samples]`; samples that no frame covers are 0.
    """
    window, gain = synthesis_window(config)
    frames = tf.signal.irfft(spectrogram, [config.fft_length])[..., : config.frame_length] * window
    audio = tf.signal.overlap_and_add(frames, config.frame_step)
    half = config.frame_length // 2
    audio = audio[..., half : half + config.num_samples]
    missing = config.num_samples - audio.shape[-1]
    audio = tf.pad(audio, [[0, 0]] * (audio.shape.rank - 1) + [[0, missing]])
    return audio * gain


@functools.lru_cache(maxsize=8)
def _pseudo_inverse(config: AudioConfig) -> np.ndarray:
    """Return the pseudo-inverse `[mel_bins, fft_length // 2 + 1]` of the mel matrix."""
    return np.linalg.pinv(features.mel_weight_matrix(config).astype(np.float64)).astype(np.float32)


def _check_iterations(iterations: int) -> None:
    if iterations < 0:
        raise ValueError(f"iterations: found {iterations!r}, expected 0 or more")


def _with_shape(value: tf.Tensor, name: str, shape: list[int | None]) -> tf.Tensor:
    value = tf.convert_to_tensor(value)
    if not value.shape.is_compatible_with(shape):
        raise ValueError(f"{name}: found shape {value.shape.as_list()}, expected {shape}")
    return tf.ensure_shape(value, shape)


def _repeat(step: Callable, state: tf.Tensor | tuple, iterations: int) -> tf.Tensor | tuple:
    """Return the state after so many steps: one loop in the graph, not so many copies of the step."""
    return tf.while_loop(
        lambda index, _: index < iterations,
        lambda index, state: (index + 1, step(state)),
        (tf.constant(0), state),
        maximum_iterations=iterations,
    )[1]
