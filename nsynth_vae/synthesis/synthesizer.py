"""Harmonic-plus-noise synthesizer: log-mel and pitch to audio, by sines and filtered noise that a network controls.

The levels of a harmonic series at the given pitch and of white noise are estimated from the mel spectrogram. A small
convolutional network corrects those levels, and splits them between the two. The sum's spectrum is then scaled so that
its mel matches the given one, as far as the network's confidence mask admits. docs/synthesis.md has the measurements.

The graph is made of operators that TFLite has built in, and the one that is trained is the one that is exported.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import PEAK, SynthesisConfig
from nsynth_vae.nn.draws import PartialMotion, draw_offsets, draw_strides
from nsynth_vae.nn.float16 import round_to_half
from nsynth_vae.nn.layers import ResidualBlock
from nsynth_vae.nn.trainable_model import BatchLosses, TrainableModel
from nsynth_vae.synthesis import harmonic_analysis, losses, spectral_ops
from nsynth_vae.synthesis.constants import NOISE_SCALES, make_constants
from nsynth_vae.synthesis.filtered_noise import NOISE_LENGTH, filtered_noise
from nsynth_vae.synthesis.harmonic_analysis import QUIET
from nsynth_vae.synthesis.losses import LOSS_NAMES


class Synthesizer(TrainableModel):
    """(log-mel, pitch) -> audio. Trained on batches of {`audio` `[batch, num_samples]`, `pitch` `[batch]`}."""

    config: SynthesisConfig
    config_type = SynthesisConfig
    loss_names = LOSS_NAMES
    clip_norm = 1.0

    def __init__(self, config: SynthesisConfig | dict, *, make_noise: bool = True, **kwargs) -> None:
        """Make the layers.

        Args:
            config: the whole configuration.
            make_noise: whether `build` makes the noise. It takes a second or two, and is not needed before weights are
                loaded: the noise is one of them.
            **kwargs: Keras's.

        Raises:
            InputError: for an audio configuration that the synthesizer cannot be built for.
        """
        super().__init__(config, **kwargs)
        self.audio = self.config.audio
        self.make_noise = make_noise
        spectral_ops.check_frames(self.audio)
        options = self.config.synthesizer
        self.constants = make_constants(self.audio, options.num_harmonics)
        self.sub_frames = self.audio.frame_step // spectral_ops.CONTROL_STEP
        self.condition = keras.layers.Dense(options.channels, activation="silu", name="condition")
        self.start = keras.layers.Conv1D(options.channels, 3, padding="same", name="start")
        self.blocks = [
            ResidualBlock(options.channels, conditioned=True, name=f"block_{i}") for i in range(options.blocks)
        ]
        # All zero: an untrained synthesizer already plays the levels that are estimated from the mel.
        heads = {
            "harmonic": (options.num_harmonics, 0.0),
            "noise": (NOISE_SCALES, -1.5),
            "gate": (2 * self.sub_frames, 0.0),
            "stiffness": (1, 0.0),
            "trust": (self.audio.num_mel_bins, 1.0),  # The confidence mask, by its name in the weight files.
        }
        self.heads = {
            name: keras.layers.Dense(
                width, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(bias), name=name
            )
            for name, (width, bias) in heads.items()
        }

    def build(self, input_shape: object = None) -> None:
        """Make all weights, and the noise, which is kept with them: every copy of a model plays the same."""
        options, mels = self.config.synthesizer, self.audio.num_mel_bins
        self.condition.build((None, 1 + 2 * self.constants["octaves"].size))
        self.start.build((None, None, mels + options.num_harmonics))
        shape = (None, None, options.channels)
        for block in self.blocks:
            block.build((shape, (None, options.channels)))
        for head in self.heads.values():
            head.build(shape)
        samples = (self.audio.num_frames - 1) * self.audio.frame_step + NOISE_LENGTH
        self.noise = self.add_weight(shape=(2, samples), initializer="zeros", trainable=False, name="noise")
        if self.make_noise:
            self.noise.assign(round_to_half(np.random.default_rng(0).standard_normal([2, samples])))
        self.built = True

    def call(
        self,
        log_mel: tf.Tensor,
        pitch: tf.Tensor,
        seed: tf.Tensor | None = None,
        motion: PartialMotion | None = None,
    ) -> tf.Tensor:
        """Return the sound of a log-mel at its pitch, each note by itself, the same for the same arguments.

        Args:
            log_mel: float32 `[batch, num_frames, mel_bins]`, as `features.log_mel` returns it.
            pitch: int32 `[batch]`, MIDI, 0 to 127: where the log-mel's partials are.
            seed: int32 `[batch]`, of the noise; None for 0.
            motion: of the partials; None to estimate the f0's from the log-mel, without any of their own.

        Returns:
            float32 `[batch, num_samples]`, within -`PEAK`..`PEAK`. Silence gives silence. The log-mel is limited to
            what full-scale audio can have.
        """
        mel = self.mel(log_mel)
        noise = self.draw_noise(tf.zeros_like(pitch) if seed is None else seed, pitch)
        harmonic, noise, confidence = self.parts(log_mel, mel, pitch, noise, motion=motion)
        return self._finish(self.match(harmonic + noise, mel, confidence))

    def draw_noise(self, seed: tf.Tensor, pitch: tf.Tensor) -> tf.Tensor:
        """Return white Gaussian noise of variance 1, `[batch, samples]`, of seeds and pitches, int32 `[batch]`.

        The sum of two tables, each read from a place and by steps that seed and pitch decide: the noises of two notes
        are independent at all delays.
        """
        samples = self.noise.shape[1]
        places, strides = (draw(seed, pitch, 2, samples) for draw in (draw_offsets, draw_strides))
        steps = strides[:, :, None] * np.arange(samples, dtype=np.int32)
        place = tf.math.floormod(places[:, :, None] + steps, samples)
        first, second = (tf.gather(self.noise[table], place[:, table]) for table in (0, 1))
        return (first + second) * np.float32(np.sqrt(0.5))

    def transpose(self, log_mel: tf.Tensor, pitch: tf.Tensor, to_pitch: tf.Tensor) -> tf.Tensor:
        """Return the sound of a log-mel with its partials moved from one pitch to another, formants kept.

        The levels of the partials over frequency are those of the original. Its mel is not matched.

        Args:
            log_mel: float32 `[batch, num_frames, mel_bins]`.
            pitch: int32 `[batch]`, MIDI, where the log-mel's partials are.
            to_pitch: int32 `[batch]`, MIDI, where they are to be.

        Returns:
            float32 `[batch, num_samples]`, within -`PEAK`..`PEAK`.
        """
        mel = self.mel(log_mel)
        noise = self.draw_noise(tf.zeros_like(pitch), pitch)
        harmonic, noise, _ = self.parts(log_mel, mel, pitch, noise, to_pitch=to_pitch)
        return self._finish(harmonic + noise)

    def mel(self, log_mel: tf.Tensor) -> tf.Tensor:
        """Return the linear mel of a log-mel, limited to what full-scale audio can have: the same shape."""
        limited = tf.minimum(log_mel, self.constants["loudest"])
        return features.log_mel_to_mel(limited, self.audio)

    def parts(
        self,
        log_mel: tf.Tensor,
        mel: tf.Tensor,
        pitch: tf.Tensor,
        noise: tf.Tensor,
        *,
        to_pitch: tf.Tensor | None = None,
        motion: PartialMotion | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the harmonic part, the noise, and the confidence mask of the mel.

        Args:
            log_mel: float32 `[batch, frames, mel_bins]`.
            mel: the linear mel of the same.
            pitch: int32 `[batch]`.
            noise: white, of variance 1, float32 `[batch or 1, (frames - 1) * frame_step + NOISE_LENGTH]`.
            to_pitch: int32 `[batch]`, to play the levels found at another pitch.
            motion: as of `call`.

        Returns:
            Two of float32 `[batch, (frames - 1) * frame_step]`, and `[batch, frames, mel_bins]`, 0 to 1.
        """
        constants, frames = self.constants, log_mel.shape[1]
        f0 = self._cycles(pitch)
        template, slope = harmonic_analysis.harmonic_templates(f0, constants, self.audio)
        level = harmonic_analysis.harmonic_levels(mel, template)
        deviation = harmonic_analysis.f0_deviation(mel, level, template, slope) if motion is None else motion.deviation
        log_level = (tf.math.log(level + QUIET) + 6.0) * 0.25
        outputs = self._network(tf.concat([log_mel, log_level], axis=-1), pitch)
        amplitude = level * tf.exp(_limited(outputs["harmonic"]))
        band = tf.matmul(mel * constants["noise_gain"], constants["mel_to_band"])
        band *= tf.exp(tf.matmul(_limited(outputs["noise"]), constants["scale_to_band"]))
        if to_pitch is not None:
            target = self._cycles(to_pitch)
            amplitude = harmonic_analysis.transposed_levels(amplitude, target / f0)
            f0 = target
        controls = (frames - 1) * self.sub_frames + 1
        gate = tf.reshape(tf.exp(_limited(outputs["gate"])), [-1, frames * self.sub_frames, 2])[:, :controls]
        amplitude = spectral_ops.upsample(amplitude, self.sub_frames) * gate[..., :1]
        band = spectral_ops.upsample(band, self.sub_frames) * gate[..., 1:]
        cycles, frequency = self._phases(f0, deviation, outputs["stiffness"][..., 0], mel, controls)
        if motion is not None:
            missing = self.config.synthesizer.num_harmonics - motion.phase.shape[2]
            own = tf.pad(motion.phase, [[0, 0], [0, 0], [0, max(0, missing)]])[..., : cycles.shape[2]]
            cycles += spectral_ops.upsample(own * (0.5 / np.pi), self.sub_frames)
        amplitude *= tf.cast(frequency < 0.5 - 1 / 256, tf.float32)[:, None]
        harmonic = spectral_ops.harmonics(amplitude, cycles, tf.minimum(frequency, 0.5))
        return harmonic, filtered_noise(band, noise), tf.sigmoid(outputs["trust"])

    def noise_from(self, start: int | tf.Tensor, frames: int) -> tf.Tensor:
        """Return the noise of some frames of a note from frame `start` on, `[1, samples]`: a piece of one table."""
        samples = (frames - 1) * self.audio.frame_step + NOISE_LENGTH
        piece = tf.slice(self.noise[:1], [0, start * self.audio.frame_step], [1, samples])
        return tf.ensure_shape(piece, [1, samples])

    def _network(self, x: tf.Tensor, pitch: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the heads' outputs by name, `[batch, frames, n]` each."""
        p = tf.cast(pitch, tf.float32)[:, None]
        angle = p * self.constants["octaves"]
        condition = self.condition(tf.concat([(p - 64.0) * 0.03125, tf.sin(angle), tf.cos(angle)], axis=-1))
        x = self.start(x) + condition[:, None]
        for block in self.blocks:
            x = block((x, condition))
        x = tf.nn.silu(x)
        return {name: head(x) for name, head in self.heads.items()}

    def _cycles(self, pitch: tf.Tensor) -> tf.Tensor:
        """Return the pitches' frequencies in cycles a sample, `[batch]`, exact in a float16 file too.

        Float constants are rounded to 11 bits there, half a cent; whole numbers are not.
        """
        high, low = (tf.cast(tf.gather(self.constants[part], pitch), tf.float32) for part in ("f0_high", "f0_low"))
        return (high + low * 2.0**-14) * 2.0**-14

    def _phases(
        self, f0: tf.Tensor, deviation: tf.Tensor, stiffness: tf.Tensor, mel: tf.Tensor, controls: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return each harmonic's phase at the control points, in periods, and its frequency, cycles a sample.

        Partial k is at k f0 sqrt(1 + B k^2), as on a stiff string (Fletcher and Rossing, The Physics of Musical
        Instruments, equation 2.67). All have the same relative deviation.

        Returns:
            float32 `[batch, controls, harmonics]` and `[batch, harmonics]`.
        """
        number, index = self.constants["number"], np.arange(controls, dtype=np.float32)
        loudness = tf.reduce_sum(mel, axis=-1)
        weight = loudness / (tf.reduce_sum(loudness, axis=1, keepdims=True) + QUIET)
        stiffness = tf.nn.softplus(tf.reduce_sum(weight * stiffness, axis=1) - 6.0)
        # A high partial has turned thousands of times in the end: a last bit of B that differs between TensorFlow and
        # LiteRT would be audible as another phase. Steps of 2^-20 are not: a cent at the 40th partial.
        stiffness = tf.grad_pass_through(tf.round)(stiffness * 2.0**9) * 2.0**-20
        # sqrt(1 + x) - 1 without the difference, of which a last bit of the root would be half a degree in a second.
        bend = stiffness[:, None] * tf.square(number)
        stretch = bend / (tf.sqrt(1.0 + bend) + 1.0)
        step = f0 * float(spectral_ops.CONTROL_STEP)
        deviation = spectral_ops.upsample(deviation[..., None], self.sub_frames)[..., 0]
        # Whole periods are dropped from each term before it is added to another: the larger a sum, the more a last bit
        # that differs between two machines weighs. The number of the harmonic multiplies it.
        turns = tf.cumsum(deviation, 1, exclusive=True)
        fundamental = _fraction(_fraction(step)[:, None] * index) + step[:, None] * turns
        stretched = (stretch * number * step[:, None])[:, None] * index[:, None]
        cycles = _fraction(_fraction(fundamental)[:, :, None] * number) + _fraction(stretched)
        cycles += self.constants["phase"]
        return cycles, f0[:, None] * number * (1.0 + stretch)

    def match(self, audio: tf.Tensor, mel: tf.Tensor, confidence: tf.Tensor) -> tf.Tensor:
        """Return the audio with its spectrum scaled towards the target mel, once.

        The gain of an FFT bin is the weighted geometric mean of target / found over the mel bins that it contributes
        to, each to the power of its confidence.
        """
        real, imaginary = spectral_ops.stft(audio, self.audio)
        magnitude = tf.sqrt(tf.square(real) + tf.square(imaginary) + QUIET**2)
        found = tf.matmul(magnitude, self.constants["mel_weights"])
        ratio = tf.clip_by_value((mel + 16.0 * QUIET) / (found + 16.0 * QUIET), 2.0**-10, 2.0**10)
        gain = tf.exp(tf.matmul(confidence * tf.math.log(ratio), self.constants["mel_to_bin"]))
        return spectral_ops.inverse_stft(real * gain, imaginary * gain, self.audio)

    def _finish(self, audio: tf.Tensor) -> tf.Tensor:
        """Return the audio faded in and out and within -`PEAK`..`PEAK`, `[batch, num_samples]`."""
        start, end = (self.constants[name] for name in ("fade_in", "fade_out"))
        first, last = audio[:, : len(start)] * start, audio[:, -len(end) :] * end
        audio = tf.concat([first, audio[:, len(start) : -len(end)], last], axis=1)
        peak = tf.reduce_max(tf.abs(audio), axis=1, keepdims=True)
        return audio * (PEAK / tf.maximum(peak, PEAK))

    def compute_losses(self, batch: dict, step: tf.Tensor | None) -> BatchLosses:
        """Return `LOSS_NAMES` of a random second of each note, in validation of the first one."""
        values = losses.distances(self, batch, step)
        return BatchLosses(values["loss"], values, values["loss"])


def _fraction(x: tf.Tensor) -> tf.Tensor:
    """Return x without its whole part."""
    return x - tf.floor(x)


def _limited(x: tf.Tensor) -> tf.Tensor:
    """Return x, bounded to -8..8 smoothly: no exponential of it can overflow."""
    return 8.0 * tf.tanh(x * 0.125)
