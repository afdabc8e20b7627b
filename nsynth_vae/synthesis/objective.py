"""What the synthesizer is trained to minimise: spectral distances of a second of sound, half of them blurred before."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nsynth_vae import features, losses

if TYPE_CHECKING:
    from nsynth_vae.synthesis.harmonic_noise import Synthesizer

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
        log_mel = blurred(log_mel, seed, share=BLURRED_SHARE)
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
    mss, lsd = losses.spectral_losses(target, matched, loudest)
    mss_before, lsd_before = losses.spectral_losses(target, unmatched, loudest, frame_lengths=(2048, 512, 128))
    total = mss + 0.3 * lsd + 0.3 * (mss_before + 0.3 * lsd_before)
    return dict(zip(LOSS_NAMES, (total, mss, lsd, mss_before, lsd_before), strict=True))


def blurred(log_mel: tf.Tensor, seed: tf.Tensor, *, share: float) -> tf.Tensor:
    """Returns log-mels of which a share is smoothed over time and frequency and bent, as a decoder's are.

    A smoothed note is a random mix of itself, its mean over 7 frames and over 3 bins, plus a random surface that is
    smooth over 16 frames and 8 bins, of a standard deviation of up to 0.1 (0.4 nats).

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`.
        seed: int32 `[2]`; the same seed blurs the same way.
        share: of the notes, 0 to 1.
    """
    batch, frames, bins = tf.shape(log_mel)[0], log_mel.shape[1], log_mel.shape[2]
    # This replica's rows of the global batch's draws.
    replica = tf.distribute.get_replica_context()
    total = batch * replica.num_replicas_in_sync
    first = batch * tf.cast(replica.replica_id_in_sync_group, tf.int32)
    draw = tf.random.stateless_uniform([4, total, 1, 1], seed + [0, 1 << 28])[:, first : first + batch]
    over_time = tf.nn.avg_pool1d(log_mel, 7, 1, "SAME")
    over_bins = tf.transpose(tf.nn.avg_pool1d(tf.transpose(log_mel, [0, 2, 1]), 3, 1, "SAME"), [0, 2, 1])
    smooth = draw[0] * over_time + (1.0 - draw[0]) * over_bins
    surface = tf.random.stateless_normal([total, frames // 16 + 1, bins // 8], seed + [1, 1 << 28])
    surface = tf.matmul(_bicubic(frames // 16 + 1, frames), surface[first : first + batch])
    surface = tf.matmul(surface, _bicubic(bins // 8, bins), transpose_b=True)
    changed = log_mel + draw[1] * (smooth - log_mel) + draw[2] * 0.1 * surface
    return tf.where(draw[3] < share, changed, log_mel)


@functools.lru_cache(maxsize=8)
def _bicubic(points: int, size: int) -> np.ndarray:
    """Returns the matrix `[size, points]` of `tf.image.resize`'s bicubic interpolation, which XLA cannot compile."""
    with tf.init_scope():
        return tf.image.resize(tf.eye(points)[None, :, :, None], [size, points], "bicubic")[0, :, :, 0].numpy()


def _cut(x, start, length):
    """Returns x[:, start : start + length], in a way that XLA can compile for a start that is not constant."""
    piece = tf.slice(x, [0, start] + [0] * (x.shape.rank - 2), [tf.shape(x)[0], length, *x.shape[2:]])
    return tf.ensure_shape(piece, [x.shape[0], length, *x.shape[2:]])
