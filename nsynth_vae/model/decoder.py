"""Decoder of the VAE: z, pitch and velocity to log-mel."""

from __future__ import annotations

import functools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.analysis.spectra import mel_weight_matrix
from nsynth_vae.config import AudioConfig, ModelConfig
from nsynth_vae.model import level
from nsynth_vae.model.base import STRIDES, ConfiguredLayer, padded_frames
from nsynth_vae.model.conditioning import CONDITION_FEATURES, condition_features
from nsynth_vae.model.motion import MotionDecoder, mel_hertz
from nsynth_vae.nn.draws import PartialMotion
from nsynth_vae.nn.layers import ResidualBlock
from nsynth_vae.notes import pitch_to_hertz

RATIO_OCTAVES, RATIO_STEPS = (-1.5, 5.0), 24
"""Range and points an octave of the envelope over the ratio to the pitch."""

NOISE_MOTION = 0.4
"""Motion of the noise over that of the partials: bins between these scatter by 5.55 dB (0: 5.39; real notes: 5.79)."""

SMOOTHED_SECONDS = 0.16
"""Standard deviation of the kernel that smooths decoded notes over time."""

SMOOTHED_FROM = (0.16, 0.5, 2.98)
"""Seconds: nothing before the first is smoothed, as much as it will be from the second on, until the third."""

STILL_SMOOTHINGS = 3
"""Times that the partials of notes without motion are smoothed further, to a kernel of 0.32 s in all.

It makes the shimmer of 240 plucked notes 0.17 instead of 0.30 dB; real ones have 0.14. The median of all notes would
lose 0.02 nats by it."""


@functools.lru_cache(maxsize=8)
def template_slope(config: AudioConfig) -> np.ndarray:
    """Return the derivative of `harmonic_template` by the logarithm of f0, float32 `[128, mel_bins]`."""
    step = 0.1  # Semitones; a vibrato of a violin is 0.2 wide.
    up, down = (_harmonic_template(config, np.arange(128) + by) for by in (step, -step))
    return ((up - down) / (2.0 * step * np.log(2.0) / 12.0)).astype(np.float32)


@functools.lru_cache(maxsize=8)
def harmonic_template(config: AudioConfig) -> np.ndarray:
    """Return the log-mel pattern of a harmonic series with partials of amplitude 1, for every MIDI pitch.

    Each partial k * f0 below half the sample rate is a Hann window's main lobe in the magnitude spectrum (its
    transform, by the closed form sinc(x) / (1 - x^2), x in bins of 1 / frame_length), times the mel weights.

    Returns:
        float32 `[128, mel_bins]`: ln(mel + 1e-3), relative to a partial's own peak in the spectrum.
    """
    return _harmonic_template(config, np.arange(128)).astype(np.float32)


def _harmonic_template(config: AudioConfig, pitches: np.ndarray) -> np.ndarray:
    bins = np.arange(config.num_spectrogram_bins) * config.sample_rate / config.fft_length
    template = np.empty((len(pitches), config.num_mel_bins))
    for row, pitch in enumerate(pitches):
        partials = np.arange(1, config.sample_rate / 2 / pitch_to_hertz(pitch)) * pitch_to_hertz(pitch)
        distance = (bins[:, None] - partials[None, :]) * config.frame_length / config.sample_rate
        # At |x| = 1 the closed form is 0 / 0; its limit is 1 / 2.
        near_one = np.abs(np.abs(distance) - 1.0) < 1e-6
        lobe = np.where(near_one, 0.5, np.sinc(distance) / np.where(near_one, 1.0, 1.0 - distance**2))
        power = np.sum(np.square(lobe), axis=1)
        template[row] = np.log(np.sqrt(power) @ mel_weight_matrix(config).astype(np.float64) + 1e-3)
    return template


class Take(NamedTuple):
    """A note that moves."""

    median: tf.Tensor
    """log-mel `[batch, frames, mel_bins]` without motion, as the network has it."""
    log_mel: tf.Tensor
    """The same with motion, at the level of z."""
    partials: PartialMotion | None
    """Of f0 and phases, which a log-mel does not have; None for a model without motion."""


@keras.saving.register_keras_serializable("nsynth_vae")
class Decoder(ConfiguredLayer):
    """(z, pitch, velocity) -> log-mel: a harmonic and a noise envelope, the harmonic one combed at the given pitch.

    mel = exp(harmonic) * template[pitch] + exp(noise) + exp(inharmonic). The places of a pitch's partials on the mel
    axis are known and need not be learnt from notes, so what is learnt carries over to other pitches. The same holds
    for partials at no multiple of the pitch: of bars and bells, or an organ's stops. Their envelope is over the ratio
    to the pitch. Nearest-neighbour upsampling before the convolutions leaves no checkerboard.
    """

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Make the layers."""
        super().__init__(audio, model, **kwargs)
        width, policy = self.model.channels, self.dtype_policy
        self.start_frames = padded_frames(self.audio) // 2**STRIDES
        self.condition = keras.layers.Dense(width, activation="silu", dtype=policy)
        self.start = keras.layers.Dense(self.start_frames * width, dtype=policy)
        self.convolutions, self.blocks = [], []
        for stride in range(STRIDES):
            channels = width // 2 if stride == STRIDES - 1 else width
            self.convolutions.append(keras.layers.Conv1D(channels, 3, padding="same", dtype=policy))
            self.blocks.append(ResidualBlock(channels, conditioned=True, dtype=policy))
        self.to_envelopes = keras.layers.Conv1D(2 * self.audio.num_mel_bins, 3, padding="same", dtype="float32")
        self.to_ratios = None
        if self.model.inharmonic_partials:
            low, high = RATIO_OCTAVES
            points, quiet = round((high - low) * RATIO_STEPS) + 1, keras.initializers.Constant(-1.0)
            self.to_ratios = keras.layers.Conv1D(points, 3, padding="same", bias_initializer=quiet, dtype="float32")
        self.motion = MotionDecoder(self.audio, self.model) if self.model.motion else None
        self.template = harmonic_template(self.audio)

    def build(self, input_shape: object = None) -> None:
        """Build the layers."""
        width, frames = self.model.channels, self.start_frames
        inputs = self.model.timbre_dim + CONDITION_FEATURES
        self.condition.build((None, inputs))
        self.start.build((None, width))
        channels = width
        for convolution, block in zip(self.convolutions, self.blocks, strict=True):
            frames *= 2
            convolution.build((None, frames, channels))
            channels = convolution.filters
            block.build(((None, frames, channels), (None, width)))
        for envelopes in (self.to_envelopes, self.to_ratios):
            if envelopes is not None:
                envelopes.build((None, frames, channels))
        if self.motion is not None:
            self.motion.build()
        super().build(input_shape)

    def call(self, z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
        """Return log-mel `[batch, frames, mel_bins]` of z `[batch, latent_dim]` at MIDI pitch, velocity `[batch]`."""
        return self.mix(*self.envelopes(z, pitch, velocity))

    def take(self, z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, seed: tf.Tensor, motion: tf.Tensor) -> Take:
        """Return a note that moves: a draw from the distribution of log-mels, of which `call` returns the median.

        Args:
            z: as of `call`.
            pitch: likewise.
            velocity: likewise.
            seed: int32 `[batch]`, which decides the draw.
            motion: float32 `[batch]`, factor of the motion: 0 for none, 1 as learnt.
        """
        harmonic, noise = self.envelopes(z, pitch, velocity)
        median = self.mix(harmonic, noise)
        z, partials = tf.cast(z, tf.float32), None
        if self.motion is not None:
            coordinates = z[:, self.model.latent_dim - self.model.motion :]
            powers = self.motion(coordinates, z[:, self.model.timbre], pitch, velocity)
            gain, partials = self.motion.draw(powers, pitch, seed, motion)
            harmonic += self.motion.stillness(powers)[:, None, None] * (self._stilled(harmonic) - harmonic)
            slope = tf.gather(tf.constant(template_slope(self.audio)), pitch)[:, None, :]
            harmonic += gain + partials.deviation[..., None] * slope
            noise += NOISE_MOTION * gain
        if self.model.level:
            shift = level.level_shift(_log_add_exp(harmonic, noise), z[:, 0], self.audio)[:, None, None]
            harmonic, noise = harmonic + shift, noise + shift
        return Take(median, self.mix(harmonic, noise), partials)

    def envelopes(self, z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the harmonics, and the noise with other partials, each as ln(mel) `[batch, frames, mel_bins]`.

        Args: as of `call`.
        """
        z = tf.cast(z, tf.float32)
        features = tf.concat([z[:, self.model.timbre], condition_features(pitch, velocity)], axis=-1)
        condition = self.condition(features)
        x = tf.reshape(self.start(condition), [-1, self.start_frames, self.model.channels])
        for convolution, block in zip(self.convolutions, self.blocks, strict=True):
            x = tf.repeat(x, 2, axis=1)
            x = block([convolution(x), condition])
        x = tf.cast(tf.nn.silu(x), tf.float32)
        harmonic, noise = tf.split(self._nats(self.to_envelopes(x)), 2, axis=-1)
        harmonic += tf.gather(tf.constant(self.template), pitch)[:, None, :]
        if self.to_ratios is not None:
            noise = _log_add_exp(noise, tf.matmul(self._nats(self.to_ratios(x)), ratio_weights(pitch, self.audio)))
        if self.motion is not None:
            # What moves within a quarter of a second is motion, of which a median has none.
            smoothing = smoothing_matrix(self.audio)
            harmonic, noise = tf.matmul(smoothing, harmonic), tf.matmul(smoothing, noise)
        if self.model.level:
            gain = level.level_gain(z[:, 0])[:, None, None]
            harmonic, noise = harmonic + gain, noise + gain
        return harmonic, noise

    def _stilled(self, harmonic: tf.Tensor) -> tf.Tensor:
        """Return partials `[batch, frames, mel_bins]` without the ripples that a median has left."""
        for _ in range(STILL_SMOOTHINGS):
            harmonic = tf.matmul(smoothing_matrix(self.audio), harmonic)
        return harmonic

    def _nats(self, envelopes: tf.Tensor) -> tf.Tensor:
        """Return a network's output as ln(mel), for the frames of a note."""
        return envelopes[:, : self.audio.num_frames] * self.audio.log_mel_scale + self.audio.log_mel_center

    def mix(self, harmonic: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Add partials and noise, both in ln(mel), and normalise as `features` does."""
        floor = np.log(self.audio.log_offset).astype(np.float32)
        mixed = _log_add_exp(_log_add_exp(harmonic, noise), floor)
        return (mixed - self.audio.log_mel_center) / self.audio.log_mel_scale


def ratio_weights(pitch: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the linear interpolation from ratios to the pitch to mel bins.

    Args:
        pitch: int32 `[batch]`, MIDI.
        config: the audio configuration.

    Returns:
        float32 `[batch, points, mel_bins]`. The columns add up to 1; bins beyond the ratios have the last one's.
    """
    low, high = RATIO_OCTAVES
    last = round((high - low) * RATIO_STEPS)
    # To 1 / 16 of a point, 0.2 %: exact in float16.
    places = np.round((np.log2(mel_hertz(config) / 440.0) - low) * RATIO_STEPS * 16.0) / 16.0
    semitones = tf.cast(pitch - 69, tf.float32)[:, None] * (RATIO_STEPS / 12.0)
    place = tf.clip_by_value(places.astype(np.float32) - semitones, 0.0, float(last))
    return tf.nn.relu(1.0 - tf.abs(place[:, None, :] - np.arange(last + 1, dtype=np.float32)[:, None]))


@functools.lru_cache(maxsize=8)
def smoothing_matrix(config: AudioConfig) -> np.ndarray:
    """Return the matrix, `[frames, frames]`, of a local linear regression over a note's time.

    Its Gaussian kernel grows from nothing in the attack to `SMOOTHED_SECONDS`, and never reaches across NSynth's
    release. A steady decay, linear in ln(mel), stays as it is. It makes plucked notes as steady as real ones (shimmer
    of 0.16 instead of 0.40 dB) and log_mel_l1 a little smaller.
    """
    frames, rate = config.num_frames, config.sample_rate / config.frame_step
    first, whole, end = (round(seconds * rate) for seconds in SMOOTHED_FROM)
    end = min(end, frames)
    matrix = np.eye(frames)
    for frame in range(first, end):
        width = SMOOTHED_SECONDS * rate * min(1.0, (frame - first) / (whole - first))
        if width > 0.5:
            x = np.arange(first, end) - frame
            weight = np.exp(-0.5 * np.square(x / width))
            s0, s1, s2 = (np.sum(weight * x**power) for power in range(3))
            matrix[frame] = 0.0
            matrix[frame, first:end] = weight * (s2 - s1 * x) / (s0 * s2 - s1 * s1)
    return matrix.astype(np.float32)


def _log_add_exp(a: tf.Tensor, b: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Return ln(exp(a) + exp(b)) without overflow, of operators that TFLite has."""
    return tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b)))
