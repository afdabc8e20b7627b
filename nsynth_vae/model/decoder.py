"""Decoder of the VAE: z, pitch and velocity to log-mel."""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.spectra import mel_weight_matrix
from nsynth_vae.config import AudioConfig, ModelConfig
from nsynth_vae.model.base import STRIDES, ConfiguredLayer, padded_frames
from nsynth_vae.nn.layers import ResidualBlock
from nsynth_vae.notes import pitch_to_hertz


@functools.lru_cache(maxsize=8)
def harmonic_template(config: AudioConfig) -> np.ndarray:
    """Return the log-mel pattern of a harmonic series with partials of amplitude 1, for every MIDI pitch.

    Each partial k * f0 below half the sample rate is a Hann window's main lobe in the magnitude spectrum (its
    transform, by the closed form sinc(x) / (1 - x^2), x in bins of 1 / frame_length), times the mel weights.

    Returns:
        float32 `[128, mel_bins]`: ln(mel + 1e-3), relative to a partial's own peak in the spectrum.
    """
    bins = np.arange(config.num_spectrogram_bins) * config.sample_rate / config.fft_length
    template = np.empty((128, config.num_mel_bins))
    for pitch in range(128):
        partials = np.arange(1, config.sample_rate / 2 / pitch_to_hertz(pitch)) * pitch_to_hertz(pitch)
        distance = (bins[:, None] - partials[None, :]) * config.frame_length / config.sample_rate
        # At |x| = 1 the closed form is 0 / 0; its limit is 1 / 2.
        near_one = np.abs(np.abs(distance) - 1.0) < 1e-6
        lobe = np.where(near_one, 0.5, np.sinc(distance) / np.where(near_one, 1.0, 1.0 - distance**2))
        power = np.sum(np.square(lobe), axis=1)
        template[pitch] = np.log(np.sqrt(power) @ mel_weight_matrix(config).astype(np.float64) + 1e-3)
    return template.astype(np.float32)


@keras.saving.register_keras_serializable("nsynth_vae")
class Decoder(ConfiguredLayer):
    """(z, pitch, velocity) -> log-mel: a harmonic and a noise envelope, the harmonic one combed at the given pitch.

    mel = exp(harmonic) * template[pitch] + exp(noise). The places of a pitch's partials on the mel axis are known and
    need not be learnt from notes, so what is learnt carries over to other pitches. Nearest-neighbour upsampling before
    the convolutions leaves no checkerboard.
    """

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Make the layers."""
        super().__init__(audio, model, **kwargs)
        width, policy = self.model.channels, self.dtype_policy
        self.start_frames = padded_frames(self.audio) // 2**STRIDES
        self.condition = keras.layers.Dense(width, activation="silu", dtype=policy)
        self.start = keras.layers.Dense(self.start_frames * width, dtype=policy)
        self.convolutions, self.blocks = [], []
        for level in range(STRIDES):
            channels = width // 2 if level == STRIDES - 1 else width
            self.convolutions.append(keras.layers.Conv1D(channels, 3, padding="same", dtype=policy))
            self.blocks.append(ResidualBlock(channels, conditioned=True, dtype=policy))
        self.to_envelopes = keras.layers.Conv1D(2 * self.audio.num_mel_bins, 3, padding="same", dtype="float32")
        self.template = harmonic_template(self.audio)

    def build(self, input_shape: object = None) -> None:
        """Build the layers."""
        width, frames = self.model.channels, self.start_frames
        inputs = self.model.latent_dim + _CONDITION_FEATURES
        self.condition.build((None, inputs))
        self.start.build((None, width))
        channels = width
        for convolution, block in zip(self.convolutions, self.blocks, strict=True):
            frames *= 2
            convolution.build((None, frames, channels))
            channels = convolution.filters
            block.build(((None, frames, channels), (None, width)))
        self.to_envelopes.build((None, frames, channels))
        super().build(input_shape)

    def call(self, z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
        """Return log-mel `[batch, frames, mel_bins]` of z `[batch, latent_dim]` at MIDI pitch, velocity `[batch]`."""
        features = tf.concat([tf.cast(z, tf.float32), condition_features(pitch, velocity)], axis=-1)
        condition = self.condition(features)
        x = tf.reshape(self.start(condition), [-1, self.start_frames, self.model.channels])
        for convolution, block in zip(self.convolutions, self.blocks, strict=True):
            x = tf.repeat(x, 2, axis=1)
            x = block([convolution(x), condition])
        envelopes = self.to_envelopes(tf.cast(tf.nn.silu(x), tf.float32))[:, : self.audio.num_frames]
        return self._mix(envelopes, pitch)

    def _mix(self, envelopes: tf.Tensor, pitch: tf.Tensor) -> tf.Tensor:
        """Add the combed harmonic and the noise envelope, both in ln(mel), and normalise as `features` does."""
        center, scale = self.audio.log_mel_center, self.audio.log_mel_scale
        harmonic, noise = tf.split(envelopes * scale + center, 2, axis=-1)
        template = tf.gather(tf.constant(self.template), pitch)[:, None, :]
        floor = np.log(self.audio.log_offset).astype(np.float32)
        mixed = _log_add_exp(_log_add_exp(harmonic + template, noise), floor)
        return (mixed - center) / scale


def _log_add_exp(a: tf.Tensor, b: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Return ln(exp(a) + exp(b)) without overflow, of operators that TFLite has."""
    return tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b)))


_OCTAVES = 4
_CONDITION_FEATURES = 1 + 2 * _OCTAVES + 2


def condition_features(pitch: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
    """Return the decoder's conditioning on pitch and velocity: smooth functions, for values that no note had.

    Pitch as (pitch - 64) / 32 and as sines and cosines with periods of 128, 64, 32 and 16 semitones; velocity as
    v = velocity / 127 * 2 - 1 and v^2.

    Args:
        pitch: int32 `[batch]`, MIDI.
        velocity: int32 `[batch]`, MIDI.

    Returns:
        float32 `[batch, 11]`.
    """
    pitch, velocity = tf.cast(pitch, tf.float32)[:, None], tf.cast(velocity, tf.float32)[:, None]
    angle = pitch * tf.constant([[2.0 * np.pi / (128 / 2**k) for k in range(_OCTAVES)]], tf.float32)
    v = velocity / 63.5 - 1.0
    return tf.concat([(pitch - 64.0) / 32.0, tf.sin(angle), tf.cos(angle), v, tf.square(v)], axis=-1)
