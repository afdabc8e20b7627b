"""Motion of sustained notes: a small VAE of the modulation spectrum, and takes that are drawn from it.

The decoder's log-mel is the median of what a z can sound like, and a median does not move. Here a few coordinates of z
describe how a note moves: `MotionEncoder` finds them in its log-mel, and `MotionDecoder` predicts the powers of the
motion (`analysis.modulation`) from them, from the timbre, the pitch and the velocity. A take is a draw of filtered
noise with these powers: one for all partials, one for each partial in level and in phase, and one for the f0.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.modulation import F0_EDGES, LEVEL_EDGES
from nsynth_vae.analysis.spectra import mel_weight_matrix
from nsynth_vae.config import AudioConfig, ModelConfig
from nsynth_vae.features.modulation import FEATURES, modulation_energies
from nsynth_vae.model.base import ConfiguredLayer
from nsynth_vae.model.conditioning import CONDITION_FEATURES, condition_features
from nsynth_vae.nn.draws import PartialMotion, draw_offsets

LEVEL_BANDS, F0_BANDS = len(LEVEL_EDGES) - 1, len(F0_EDGES) - 1

HIDDEN = 64
"""Units of the hidden layers."""

STEADY = -12.0
"""The least logarithm of a power: 0.0025 dB or cents, which nobody hears."""

SKEW = 0.35
"""Curvature a of the gains, 1 / nat: real partials dip deeper than they rise. In 400 training notes those that move by
1.5, 3 and 5 dB have a skewness of -0.4, -0.9 and -1.2; these have -0.4, -0.7 and -1.2."""

OWN_GAIN = 1.25
"""Factor of the partials' own levels: mel bins share partials, and show less than what is drawn."""

AUDIBLE_LEVEL, AUDIBLE_F0 = 0.4, 4.0
"""dB^2 and cents^2: of motion with less power little is drawn, for nobody hears 0.6 dB or 2 cents. Plucked notes are
predicted to have 0.2 dB, mostly what measuring them in noise adds: drawn, their shimmer is 0.45 instead of 0.30 dB."""

PARTIALS = 128
"""Partials whose phases are drawn."""

VOICES = 32
"""Partials, or groups of partials above the 20th, that each have a motion of their own."""

_SINGLE = 20
_TABLE_FRAMES = 2048
_NATS = math.log(10.0) / 20.0
_CENTS = math.log(2.0) / 1200.0
_RAMP_FRAMES = 8
_LOUDEST_POWER = math.log(3600.0)


@keras.saving.register_keras_serializable("nsynth_vae")
class MotionEncoder(ConfiguredLayer):
    """log-mel -> mean and log variance of the coordinates of z that describe motion, from its modulation energies."""

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Make the layers."""
        super().__init__(audio, model, **kwargs)
        self.hidden = keras.layers.Dense(HIDDEN, activation="silu", dtype="float32")
        self.to_posterior = keras.layers.Dense(2 * self.model.motion, dtype="float32")

    def build(self, input_shape: object = None) -> None:
        """Build the layers."""
        self.hidden.build((None, FEATURES))
        self.to_posterior.build((None, HIDDEN))
        super().build(input_shape)

    def call(self, log_mel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Map float32 `[batch, frames, mel_bins]` to mean and log variance, float32 `[batch, motion_dim]`."""
        return self.posterior(modulation_energies(log_mel, self.audio))

    def posterior(self, energies: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Map `modulation_energies` `[batch, FEATURES]` likewise."""
        mean, raw = tf.split(self.to_posterior(self.hidden(energies)), 2, axis=-1)
        return mean, 6.0 * tf.tanh(raw / 6.0)


class Motion(NamedTuple):
    """A draw of a note's motion."""

    gain: tf.Tensor
    """Of the partials at each mel bin, nats, float32 `[batch, frames, mel_bins]`."""
    partials: PartialMotion
    """Of the f0, and of the phases of `PARTIALS` partials."""


@keras.saving.register_keras_serializable("nsynth_vae")
class MotionDecoder(ConfiguredLayer):
    """(motion and timbre of z, pitch, velocity) -> powers of the motion, and draws of it."""

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Make the layers."""
        super().__init__(audio, model, **kwargs)
        self.hidden = [keras.layers.Dense(HIDDEN, activation="silu", dtype="float32") for _ in range(2)]
        # Until it is fitted, notes are steady.
        steady = keras.initializers.Constant(STEADY)
        self.to_powers = keras.layers.Dense(
            2 * (LEVEL_BANDS + F0_BANDS), kernel_initializer="zeros", bias_initializer=steady, dtype="float32"
        )

    def build(self, input_shape: object = None) -> None:
        """Build the layers."""
        width = self.model.motion + self.model.timbre_dim + CONDITION_FEATURES
        for layer in (*self.hidden, self.to_powers):
            layer.build((None, width))
            width = layer.units
        super().build(input_shape)

    def call(self, motion: tf.Tensor, timbre: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tuple:
        """Return the logarithms of the powers of the motion.

        Args:
            motion: float32 `[batch, motion_dim]`, coordinates of z.
            timbre: float32 `[batch, timbre_dim]`, likewise.
            pitch: int32 `[batch]`, MIDI.
            velocity: int32 `[batch]`, MIDI.

        Returns:
            ln(dB^2) of what all partials have in common and of what each has of its own, float32
            `[batch, LEVEL_BANDS]`, and ln(cents^2) of the f0, and of each partial's own frequency, as much of the f0,
            `[batch, F0_BANDS]`.
        """
        x = tf.concat([motion, timbre, condition_features(pitch, velocity)], axis=-1)
        for layer in self.hidden:
            x = layer(x)
        powers = tf.clip_by_value(self.to_powers(x), STEADY, _LOUDEST_POWER)
        return tuple(tf.split(powers, [LEVEL_BANDS, LEVEL_BANDS, F0_BANDS, F0_BANDS], axis=-1))

    def stillness(self, powers: tuple) -> tf.Tensor:
        """Return how far notes of these powers, of `call`, are from moving in level: 0 to 1, float32 `[batch]`."""
        common, own, *_ = powers
        return AUDIBLE_LEVEL / (AUDIBLE_LEVEL + tf.reduce_sum(tf.exp(common) + tf.exp(own), axis=1))

    def draw(self, powers: tuple, pitch: tf.Tensor, seed: tf.Tensor, amount: tf.Tensor) -> Motion:
        """Return motion that has the given powers.

        Args:
            powers: of `call`.
            pitch: int32 `[batch]`, MIDI.
            seed: int32 `[batch]`, of which the result is a pure function.
            amount: float32 `[batch]`, factor of the motion: 0 for none, 1 as learnt.

        Returns:
            The gain's mean energy is 1.
        """
        least = AUDIBLE_LEVEL, AUDIBLE_LEVEL, AUDIBLE_F0, AUDIBLE_F0
        common, own, f0, own_f0 = (
            amount[:, None] * _audible(tf.exp(power), limit) for power, limit in zip(powers, least, strict=True)
        )
        own *= OWN_GAIN
        frames = self.audio.num_frames
        places = draw_offsets(seed, pitch, (VOICES + 1) * (LEVEL_BANDS + F0_BANDS), _TABLE_FRAMES)
        ramp = np.minimum(1.0, np.arange(frames, dtype=np.float32) / _RAMP_FRAMES)
        levels = _filtered(LEVEL_EDGES, self.audio, places[:, : (VOICES + 1) * LEVEL_BANDS], VOICES + 1)
        frequencies = _filtered(F0_EDGES, self.audio, places[:, (VOICES + 1) * LEVEL_BANDS :], VOICES + 1)
        shared = tf.reduce_sum(levels[:, :1] * common[:, None, :, None], axis=2)
        each = tf.reduce_sum(levels[:, 1:] * own[:, None, :, None], axis=2) + shared
        weights = self._voices(pitch)
        gain = tf.matmul(each, weights, transpose_a=True)
        part = tf.reduce_sum(tf.square(weights), axis=1)[:, None]
        variance = (
            tf.reduce_sum(tf.square(common), axis=1)[:, None, None]
            + part * tf.reduce_sum(tf.square(own), axis=1)[:, None, None]
        )
        gain = _skewed(gain * _NATS, variance * _NATS**2) * ramp[:, None]
        deviation = tf.reduce_sum(frequencies[:, 0] * f0[:, :, None], axis=1) * (ramp * _CENTS)
        radians = tf.exp((tf.cast(pitch, tf.float32) - 69.0) * (math.log(2.0) / 12.0))[:, None, None]
        radians *= 440.0 * 2.0 * math.pi * self.audio.frame_step / self.audio.sample_rate * _CENTS
        own_f0 = tf.reduce_sum(frequencies[:, 1:] * own_f0[:, None, :, None], axis=2) * ramp
        turned = tf.cumsum(own_f0 * radians, axis=2)
        partials = np.arange(1, PARTIALS + 1, dtype=np.float32)[None]
        phase = tf.matmul(turned, _voice_weights(tf.constant(partials)), transpose_a=True)
        return Motion(gain, PartialMotion(deviation, phase))

    def _voices(self, pitch: tf.Tensor) -> tf.Tensor:
        """Return the weight of each voice at each mel bin, `[batch, VOICES, mel_bins]`; they add up to 1."""
        partial = mel_hertz(self.audio) * tf.exp((69.0 - tf.cast(pitch, tf.float32)) * (math.log(2.0) / 12.0))[:, None]
        return _voice_weights(tf.maximum(partial * (1.0 / 440.0), 1.0))


def _audible(powers: tf.Tensor, least: float) -> tf.Tensor:
    """Return the amplitudes of a motion's bands, `[batch, bands]`, of which little is left if their sum is below least.

    The power S of the sum becomes S^2 / (S + least).
    """
    total = tf.reduce_sum(powers, axis=1, keepdims=True)
    return tf.sqrt(powers * total / (total + least))


def _voice_weights(partial: tf.Tensor) -> tf.Tensor:
    """Return the weight of each voice, `[batch, VOICES, n]`, at partials `[batch, n]`, 1 or more; they add up to 1."""
    high = _SINGLE + (VOICES - _SINGLE) / math.log(8.0) * tf.math.log(tf.maximum(partial / _SINGLE, 1.0))
    voice = tf.minimum(tf.where(partial <= _SINGLE, partial, high), float(VOICES))
    distance = (voice[:, None] - np.arange(1, VOICES + 1, dtype=np.float32)[:, None]) * (1.0 / 0.3)
    weights = tf.exp(-0.5 * tf.square(distance))
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def _skewed(gain: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """Return Gaussian gains, nats, with the skewness of partials that beat, and a mean energy of 1.

    y = x - a (x^2 - s^2) has a skewness of about -6 a s. E[exp(2 y)] is a Gaussian integral, in closed form.
    """
    spread = 1.0 + 4.0 * SKEW * variance
    log_energy = 2.0 * (SKEW + 1.0 / spread) * variance - 0.5 * tf.math.log(spread)
    # Beyond the vertex of the parabola, more would be less.
    x = tf.minimum(gain, 0.5 / SKEW)
    return x - SKEW * (tf.square(x) - variance) - 0.5 * log_energy


def _filtered(edges: tuple[float, ...], config: AudioConfig, offsets: tf.Tensor, voices: int) -> tf.Tensor:
    """Return independent noises of variance 1 in each band, `[batch, voices, bands, frames]`."""
    bands, frames = len(edges) - 1, config.num_frames
    first = tf.reshape(offsets, [-1, voices, bands, 1]) + np.arange(frames, dtype=np.int32)
    first = tf.math.floormod(first, _TABLE_FRAMES) + np.arange(bands, dtype=np.int32)[:, None] * _TABLE_FRAMES
    return tf.gather(tf.constant(_noise_table(edges, config)), first)


@functools.lru_cache(maxsize=8)
def _noise_table(edges: tuple[float, ...], config: AudioConfig) -> np.ndarray:
    """Return noise of variance 1 in each band, `[bands * _TABLE_FRAMES]`, periodic, exact in float16."""
    spectrum = np.fft.rfft(np.random.default_rng(len(edges)).standard_normal([len(edges) - 1, _TABLE_FRAMES]))
    hertz = np.arange(spectrum.shape[1]) * (config.sample_rate / config.frame_step / _TABLE_FRAMES)
    inside = (hertz >= np.array(edges[:-1])[:, None]) & (hertz < np.array(edges[1:])[:, None])
    noise = np.fft.irfft(spectrum * inside, _TABLE_FRAMES)
    noise /= noise.std(axis=1, keepdims=True)
    return noise.astype(np.float16).astype(np.float32).reshape(-1)


@functools.lru_cache(maxsize=8)
def mel_hertz(config: AudioConfig) -> np.ndarray:
    """Return the frequency of the centre of gravity of each mel bin, `[mel_bins]`."""
    weights = mel_weight_matrix(config).astype(np.float64)
    hertz = np.arange(config.num_spectrogram_bins) * config.sample_rate / config.fft_length
    return (hertz @ weights / weights.sum(axis=0)).astype(np.float32)
