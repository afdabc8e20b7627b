"""What training does to log-mels, so that few notes teach more: pure functions of (log-mels, seed)."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from nsynth_vae.config import AudioConfig

EQUALIZER_NATS, EQUALIZER_POINTS = 0.4, 12
"""Standard deviation of a random equaliser's gain (3.5 dB), and its points over the mel bins."""

DECAY_NATS = 0.4
"""Standard deviation of what a random decay, or swell, adds in a second (3.5 dB)."""


def recolored(
    log_mel: tf.Tensor, target: tf.Tensor, seed: tf.Tensor, config: AudioConfig, *, share: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns notes of which a share has another timbre: a random equaliser, and a random decay or swell.

    Both act on the linear mel, as a filter and a volume pedal would, so that what is below `log_offset` stays there; a
    note's loudest mel bin gets no louder. Instruments are few: these are others, whose partials are where they were.

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`.
        target: what they are to be decoded to, the same shape: it gets the same equaliser and decay.
        seed: int32 `[2]`; the same seed does the same.
        config: the audio configuration.
        share: of the notes, 0 to 1.

    Returns:
        (log_mel, target), as given.
    """
    frames, bins = log_mel.shape[1], log_mel.shape[2]
    total, mine = _rows(log_mel)
    seed += tf.constant([0, 1 << 27])
    chosen = tf.random.stateless_uniform([total, 1, 1], seed)[mine] < share
    gain = EQUALIZER_NATS * tf.random.stateless_normal([total, 1, EQUALIZER_POINTS], seed + [1, 0])[mine]
    gain = tf.matmul(gain, _bicubic(EQUALIZER_POINTS, bins), transpose_b=True)
    seconds = tf.range(frames, dtype=tf.float32)[None, :, None] * (config.frame_step / config.sample_rate)
    gain += DECAY_NATS * tf.random.stateless_normal([total, 1, 1], seed + [2, 0])[mine] * seconds

    def changed(x: tf.Tensor) -> tf.Tensor:
        nats = x * config.log_mel_scale + config.log_mel_center
        loudest, was = (tf.reduce_max(part, axis=[1, 2], keepdims=True) for part in (nats + gain, nats))
        mel = tf.maximum(tf.exp(nats) - config.log_offset, 0.0) * tf.exp(gain - tf.maximum(loudest - was, 0.0))
        new = (tf.math.log(mel + config.log_offset) - config.log_mel_center) / config.log_mel_scale
        return tf.where(chosen, new, x)

    note = changed(log_mel)
    return note, note if target is log_mel else changed(target)


def blurred(log_mel: tf.Tensor, seed: tf.Tensor, *, share: float) -> tf.Tensor:
    """Returns log-mels of which a share is smoothed over time and frequency and bent, as a decoder's are.

    A smoothed note is a random mix of itself, its mean over 7 frames and over 3 bins, plus a random surface that is
    smooth over 16 frames and 8 bins, of a standard deviation of up to 0.1 (0.4 nats).

    Args:
        log_mel: float32 `[batch, frames, mel_bins]`.
        seed: int32 `[2]`; the same seed blurs the same way.
        share: of the notes, 0 to 1.
    """
    frames, bins = log_mel.shape[1], log_mel.shape[2]
    total, mine = _rows(log_mel)
    draw = tf.random.stateless_uniform([4, total, 1, 1], seed + [0, 1 << 28])[:, mine]
    over_time = tf.nn.avg_pool1d(log_mel, 7, 1, "SAME")
    over_bins = tf.transpose(tf.nn.avg_pool1d(tf.transpose(log_mel, [0, 2, 1]), 3, 1, "SAME"), [0, 2, 1])
    smooth = draw[0] * over_time + (1.0 - draw[0]) * over_bins
    surface = tf.random.stateless_normal([total, frames // 16 + 1, bins // 8], seed + [1, 1 << 28])
    surface = tf.matmul(_bicubic(frames // 16 + 1, frames), surface[mine])
    surface = tf.matmul(surface, _bicubic(bins // 8, bins), transpose_b=True)
    changed = log_mel + draw[1] * (smooth - log_mel) + draw[2] * 0.1 * surface
    return tf.where(draw[3] < share, changed, log_mel)


def _rows(log_mel: tf.Tensor) -> tuple[tf.Tensor, slice]:
    """Returns the notes of the global batch, and which of them are this replica's: each draws its own rows."""
    batch = tf.shape(log_mel)[0]
    replica = tf.distribute.get_replica_context()
    first = batch * tf.cast(replica.replica_id_in_sync_group, tf.int32)
    return batch * replica.num_replicas_in_sync, slice(first, first + batch)


@functools.lru_cache(maxsize=8)
def _bicubic(points: int, size: int) -> np.ndarray:
    """Returns the matrix `[size, points]` of `tf.image.resize`'s bicubic interpolation, which XLA cannot compile."""
    with tf.init_scope():
        return tf.image.resize(tf.eye(points)[None, :, :, None], [size, points], "bicubic")[0, :, :, 0].numpy()
