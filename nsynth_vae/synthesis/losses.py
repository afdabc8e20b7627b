"""What the synthesizer is trained to minimise: spectral distances of a second of sound, half of them blurred before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.features.augmentation import blur

if TYPE_CHECKING:
    from nsynth_vae.synthesis.synthesizer import Synthesizer

LOSS_NAMES = ("loss", "mss", "lsd_db", "unmatched_mss", "unmatched_lsd_db")
"""What a step reports; see `DEFINITIONS`."""

DEFINITIONS = {
    "loss": "what training minimises: mss + 0.3 lsd_db, and 0.3 times the same before mel matching",
    "mss": "multi-scale spectral distance of a second of sound, frames of 2048 to 64 samples",
    "lsd_db": "log-spectral distance of a second of sound, 2048/512, floor 80 dB below the note's maximum, dB",
    "unmatched_mss": "mss before mel matching, at three of the six frame lengths",
    "unmatched_lsd_db": "lsd_db before mel matching",
}

CROP_FRAMES, CONTEXT_FRAMES = 64, 12
"""Training hears so many frames, a second, and lets the network see so many more at both sides."""

START_SHARE = 0.4
"""Share of the training steps that hear the notes' beginnings."""

BLURRED_SHARE = 0.5
"""Share of the training notes whose log-mel is blurred as a decoder's might be."""


def distances(synthesizer: Synthesizer, data: dict, step: tf.Tensor | None) -> dict[str, tf.Tensor]:
    """Returns `LOSS_NAMES`, float32 `[batch]` each: of a random second and blurred log-mels, or of the first second.

    Args:
        synthesizer: what is trained.
        data: float32 `audio` `[batch, num_samples]`, int32 `pitch` `[batch]`.
        step: the training step, of which the random choices are a function; None: the first second, not blurred.
    """
    frames = CROP_FRAMES + 2 * CONTEXT_FRAMES
    audio, pitch = data["audio"], data["pitch"]
    magnitude = features.magnitude(audio, synthesizer.audio)
    log_mel = features.magnitude_to_log_mel(magnitude, synthesizer.audio)
    start, offset = tf.constant(0), tf.constant(0)
    if step is not None:
        seed = tf.stack([tf.constant(synthesizer.config.train.seed, tf.int32), step])
        log_mel = blur(log_mel, seed, probability=BLURRED_SHARE)
        chance, place = tf.unstack(tf.random.stateless_uniform([2], seed))
        last = synthesizer.audio.num_frames - frames
        middle = 1 + tf.cast(place * float(last), tf.int32)
        start = tf.where(chance < START_SHARE, 0, tf.minimum(middle, last))
        offset = tf.where(start == 0, 0, CONTEXT_FRAMES * synthesizer.audio.frame_step)
    log_mel = _cut(log_mel, start, frames)
    samples = CROP_FRAMES * synthesizer.audio.frame_step
    first = start * synthesizer.audio.frame_step + offset
    target = _cut(audio, first, samples)
    mel = synthesizer.mel(log_mel)
    harmonic, noise, trust = synthesizer.parts(log_mel, mel, pitch, start=start)
    unmatched = harmonic + noise
    matched = synthesizer.match(unmatched, mel, trust)
    matched, unmatched = (_cut(part, offset, samples) for part in (matched, unmatched))
    # A Hann window of 2048 sees a steady sine at twice the magnitude that one of frame_length 1024 does.
    loudest = tf.reduce_max(magnitude, axis=[1, 2]) * (2048 / synthesizer.audio.frame_length)
    mss, lsd = spectral_losses(target, matched, loudest)
    mss_before, lsd_before = spectral_losses(target, unmatched, loudest, frame_lengths=(2048, 512, 128))
    total = mss + 0.3 * lsd + 0.3 * (mss_before + 0.3 * lsd_before)
    return dict(zip(LOSS_NAMES, (total, mss, lsd, mss_before, lsd_before), strict=True))


def _cut(x, start, length):
    """Returns x[:, start : start + length], in a way that XLA can compile for a start that is not constant."""
    piece = tf.slice(x, [0, start] + [0] * (x.shape.rank - 2), [tf.shape(x)[0], length, *x.shape[2:]])
    return tf.ensure_shape(piece, [x.shape[0], length, *x.shape[2:]])


FRAME_LENGTHS = (2048, 1024, 512, 256, 128, 64)
"""Samples of the frames of the multi-scale spectral distance; each steps by a quarter."""


def spectral_losses(
    target: tf.Tensor, audio: tf.Tensor, loudest: tf.Tensor, *, frame_lengths: tuple[int, ...] = FRAME_LENGTHS
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns two distances of sounds that do not hear the phase.

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
        a, b = (_magnitude(sound, length) for sound in (target, audio))
        distance = tf.abs(a - b) + tf.abs(tf.math.log(a + 1e-3) - tf.math.log(b + 1e-3))
        multi_scale += tf.reduce_mean(distance, axis=[1, 2])
        if length == 2048:
            floor = tf.maximum(loudest * 1e-4, 1e-7)[:, None, None]
            decibel = tf.math.log(tf.maximum(a, floor) / tf.maximum(b, floor)) * (20.0 / math.log(10.0))
            # The small constant keeps the root's gradient finite where both are below the floor.
            rms = tf.sqrt(tf.reduce_mean(tf.square(decibel), axis=2) + 1e-3)
            log_spectral = tf.reduce_mean(rms, axis=1)
    return multi_scale, log_spectral


def _magnitude(audio: tf.Tensor, length: int) -> tf.Tensor:
    """Returns |STFT|, Hann, step a quarter; its gradient is finite in silence too, and cheaper than that of tf.abs."""
    spectrum = tf.signal.stft(audio, length, length // 4, length)
    return tf.sqrt(tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum)) + 1e-14)
