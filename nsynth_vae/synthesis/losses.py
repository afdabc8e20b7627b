"""Training losses of the synthesizer: spectral distances of one second of sound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.features.augmentation import blur

LOSS_NAMES = ("loss", "mss", "lsd_db", "unmatched_mss", "unmatched_lsd_db")
"""Reported losses; see `DEFINITIONS`."""

DEFINITIONS = {
    "loss": "minimised in training: mss + 0.3 lsd_db, and 0.3 times the same before mel matching",
    "mss": "multi-scale spectral distance of a second of sound, frames of 2048 to 64 samples",
    "lsd_db": "log-spectral distance of a second of sound, 2048/512, floor 80 dB below the note's maximum, dB",
    "unmatched_mss": "mss before mel matching, at three of the six frame lengths",
    "unmatched_lsd_db": "lsd_db before mel matching",
}

CROP_FRAMES, CONTEXT_FRAMES = 64, 12
"""Frames of the second that is compared, and frames at both sides of it that the network sees too."""

START_PROBABILITY = 0.4
"""Probability of a training step that compares the notes' beginnings."""

BLUR_PROBABILITY = 0.5
"""Probability that a training note's log-mel is blurred, as a decoder's might be."""


class Synthesis(Protocol):
    """Parts of a synthesizer that its losses need; see `Synthesizer`."""

    audio: AudioConfig
    step_seed: Callable[[tf.Tensor], tf.Tensor]
    mel: Callable[[tf.Tensor], tf.Tensor]
    noise_from: Callable[[tf.Tensor, int], tf.Tensor]
    parts: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
    match: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def distances(synthesizer: Synthesis, data: dict, step: tf.Tensor | None) -> dict[str, tf.Tensor]:
    """Return `LOSS_NAMES`, float32 `[batch]` each: of a random second and blurred log-mels, or of the first second.

    Args:
        synthesizer: the model in training.
        data: float32 `audio` `[batch, num_samples]`, int32 `pitch` `[batch]`.
        step: the training step, of which the random choices are a function; None: the first second, not blurred.
    """
    config = synthesizer.audio
    frames, samples = CROP_FRAMES + 2 * CONTEXT_FRAMES, CROP_FRAMES * config.frame_step
    magnitude = features.magnitude(data["audio"], config)
    log_mel = features.magnitude_to_log_mel(magnitude, config)
    start, offset = tf.constant(0), tf.constant(0)
    if step is not None:
        seed = synthesizer.step_seed(step)
        log_mel = blur(log_mel, seed, probability=BLUR_PROBABILITY)
        chance, place = tf.unstack(tf.random.stateless_uniform([2], seed))
        last = config.num_frames - frames
        middle = 1 + tf.cast(place * float(last), tf.int32)
        start = tf.where(chance < START_PROBABILITY, 0, tf.minimum(middle, last))
        offset = tf.where(start == 0, 0, CONTEXT_FRAMES * config.frame_step)
    log_mel = _cut(log_mel, start, frames)
    target = _cut(data["audio"], start * config.frame_step + offset, samples)
    mel = synthesizer.mel(log_mel)
    harmonic, noise, confidence = synthesizer.parts(log_mel, mel, data["pitch"], synthesizer.noise_from(start, frames))
    unmatched = harmonic + noise
    matched = synthesizer.match(unmatched, mel, confidence)
    matched, unmatched = (_cut(part, offset, samples) for part in (matched, unmatched))
    # A Hann window of 2048 gives a steady sine twice the magnitude that one of frame_length 1024 does.
    loudest = tf.reduce_max(magnitude, axis=[1, 2]) * (2048 / config.frame_length)
    mss, lsd = spectral_losses(target, matched, loudest)
    mss_before, lsd_before = spectral_losses(target, unmatched, loudest, frame_lengths=(2048, 512, 128))
    total = mss + 0.3 * lsd + 0.3 * (mss_before + 0.3 * lsd_before)
    return dict(zip(LOSS_NAMES, (total, mss, lsd, mss_before, lsd_before), strict=True))


def _cut(x: tf.Tensor, start: tf.Tensor, length: int) -> tf.Tensor:
    """Return x[:, start : start + length] in a form that XLA can compile for a start that is not constant."""
    piece = tf.slice(x, [0, start] + [0] * (x.shape.rank - 2), [tf.shape(x)[0], length, *x.shape[2:]])
    return tf.ensure_shape(piece, [x.shape[0], length, *x.shape[2:]])


FRAME_LENGTHS = (2048, 1024, 512, 256, 128, 64)
"""Samples of the frames of the multi-scale spectral distance; each steps by a quarter."""


def spectral_losses(
    target: tf.Tensor, audio: tf.Tensor, loudest: tf.Tensor, *, frame_lengths: tuple[int, ...] = FRAME_LENGTHS
) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute two phase-invariant spectral distances.

    - The multi-scale spectral distance (Engel et al. 2020, "DDSP", equation 4, here as the sum of means): over the
      frame lengths, mean |A - B| + mean |ln(A + 1e-3) - ln(B + 1e-3)| of the magnitudes A and B.
    - The log-spectral distance: 20 log10 of the magnitudes of frames of 2048, nothing below 80 dB under `loudest`,
      root mean square over bins, mean over frames.

    Args:
        target: float32 `[batch, samples]`.
        audio: the same shape.
        loudest: float32 `[batch]`, the largest magnitude of the target's note in frames of 2048.
        frame_lengths: of the first distance; 2048 among them.

    Returns:
        Two of float32 `[batch]`: no unit, and dB.
    """
    multi_scale, log_spectral = 0.0, 0.0
    for length in frame_lengths:
        # A floor of -140 dB keeps the gradient finite in silence.
        a, b = (
            features.modulus(tf.signal.stft(sound, length, length // 4, length), 1e-14) for sound in (target, audio)
        )
        distance = tf.abs(a - b) + tf.abs(tf.math.log(a + 1e-3) - tf.math.log(b + 1e-3))
        multi_scale += tf.reduce_mean(distance, axis=[1, 2])
        if length == 2048:
            floor = tf.maximum(loudest * 1e-4, 1e-7)[:, None, None]
            decibel = tf.math.log(tf.maximum(a, floor) / tf.maximum(b, floor)) * (20.0 / math.log(10.0))
            # The small constant keeps the root's gradient finite where both are below the floor.
            rms = tf.sqrt(tf.reduce_mean(tf.square(decibel), axis=2) + 1e-3)
            log_spectral = tf.reduce_mean(rms, axis=1)
    return multi_scale, log_spectral
