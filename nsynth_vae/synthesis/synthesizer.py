"""The synthesizer: from a log-mel and its pitch to audio, by sines and filtered noise that a network controls.

A harmonic series at the given pitch and white noise are each given the level that the mel spectrogram shows where they
would lie; a small convolutional network corrects those levels, and splits them between the two. The sum's spectrum is
then scaled so that its mel matches the asked one as far as the network trusts that. docs/synthesis.md has the whole
story and the measurements.

The graph is made of operators that TFLite has built in, and the one that is trained is the one that is exported.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import PEAK, SynthesisConfig
from nsynth_vae.nn.float16 import round_to_half
from nsynth_vae.nn.layers import ResidualBlock
from nsynth_vae.synthesis import harmonic_analysis, losses, spectral_ops
from nsynth_vae.synthesis.constants import NOISE_SCALES, make_tables
from nsynth_vae.synthesis.filtered_noise import NOISE_LENGTH, filtered_noise, flat_noise
from nsynth_vae.synthesis.harmonic_analysis import QUIET
from nsynth_vae.synthesis.losses import LOSS_NAMES

_LIMIT = 8.0


class Synthesizer(keras.Model):
    """(log-mel, pitch) -> audio. Trained on batches of {`audio` `[batch, num_samples]`, `pitch` `[batch]`}."""

    def __init__(self, config: SynthesisConfig | dict, *, make_noise: bool = True, **kwargs) -> None:
        """Makes the layers.

        Args:
            config: the whole configuration.
            make_noise: whether `build` makes the noise, which takes a second or two and is not needed before weights
                are loaded: it is one of them.
            **kwargs: Keras's.

        Raises:
            InputError: for an audio configuration that the synthesizer cannot be built for.
        """
        super().__init__(**kwargs)
        self.config = config if isinstance(config, SynthesisConfig) else SynthesisConfig.from_dict(config)
        self.audio = self.config.audio
        self.make_noise = make_noise
        spectral_ops.check_frames(self.audio)
        options = self.config.synthesizer
        self.tables = make_tables(self.audio, options.num_harmonics)
        self.sub_frames = self.audio.frame_step // spectral_ops.CONTROL_STEP
        self.condition = keras.layers.Dense(options.channels, activation="silu", name="condition")
        self.start = keras.layers.Conv1D(options.channels, 3, padding="same", name="start")
        self.blocks = [
            ResidualBlock(options.channels, conditioned=True, name=f"block_{i}") for i in range(options.blocks)
        ]
        # All zero: an untrained synthesizer already plays the levels that the mel shows.
        heads = {
            "harmonic": (options.num_harmonics, 0.0),
            "noise": (NOISE_SCALES, -1.5),
            "gate": (2 * self.sub_frames, 0.0),
            "stiffness": (1, 0.0),
            "trust": (self.audio.num_mel_bins, 1.0),
        }
        self.heads = {
            name: keras.layers.Dense(
                width, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(bias), name=name
            )
            for name, (width, bias) in heads.items()
        }
        self.step_losses = [keras.metrics.Mean(name=name) for name in LOSS_NAMES]

    def build(self, input_shape=None) -> None:
        """Makes all weights, and the noise, which is kept with them: every copy of a model plays the same."""
        options, mels = self.config.synthesizer, self.audio.num_mel_bins
        self.condition.build((None, 1 + 2 * self.tables["octaves"].size))
        self.start.build((None, None, mels + options.num_harmonics))
        shape = (None, None, options.channels)
        for block in self.blocks:
            block.build((shape, (None, options.channels)))
        for head in self.heads.values():
            head.build(shape)
        samples = (self.audio.num_frames - 1) * self.audio.frame_step + NOISE_LENGTH
        self.noise = self.add_weight(shape=(samples,), initializer="zeros", trainable=False, name="noise")
        if self.make_noise:
            self.noise.assign(round_to_half(flat_noise(samples)))
        self.built = True

    def call(self, log_mel, pitch):
        """Returns the sound of a log-mel at its pitch, each note by itself, always the same.

        Args:
            log_mel: float32 `[batch, num_frames, mel_bins]`, as `features.log_mel` returns it.
            pitch: int32 `[batch]`, MIDI, 0 to 127: where the log-mel's partials are.

        Returns:
            float32 `[batch, num_samples]`, within -`PEAK`..`PEAK`. Silence gives silence. A log-mel above what
            full-scale audio can have is taken as that limit.
        """
        mel = self.mel(log_mel)
        harmonic, noise, trust = self.parts(log_mel, mel, pitch, start=0)
        return self._finish(self.match(harmonic + noise, mel, trust))

    def transpose(self, log_mel, pitch, to_pitch):
        """Returns the sound of a log-mel with its partials moved from one pitch to another, formants kept.

        The levels of the partials over frequency are those of the original; nothing is matched to its mel.

        Args:
            log_mel: float32 `[batch, num_frames, mel_bins]`.
            pitch: int32 `[batch]`, MIDI, where the log-mel's partials are.
            to_pitch: int32 `[batch]`, MIDI, where they are to be.

        Returns:
            float32 `[batch, num_samples]`, within -`PEAK`..`PEAK`.
        """
        mel = self.mel(log_mel)
        harmonic, noise, _ = self.parts(log_mel, mel, pitch, start=0, to_pitch=to_pitch)
        return self._finish(harmonic + noise)

    def mel(self, log_mel):
        """Returns the linear mel of a log-mel, limited to what full-scale audio can have: the same shape."""
        limited = tf.minimum(log_mel, self.tables["loudest"])
        return features.log_mel_to_mel(limited, self.audio)

    def parts(self, log_mel, mel, pitch, *, start, to_pitch=None):
        """Returns the harmonic part, the noise, and the trust in the mel.

        The first two are float32 `[batch, (frames - 1) * frame_step]`, the trust `[batch, frames, mel_bins]`, 0 to 1.

        Args:
            log_mel: float32 `[batch, frames, mel_bins]`.
            mel: the linear mel of the same.
            pitch: int32 `[batch]`.
            start: the first frame's place in the note, an integer tensor or int.
            to_pitch: int32 `[batch]`, to play the levels found at another pitch.
        """
        tables, frames = self.tables, log_mel.shape[1]
        f0 = self._cycles(pitch)
        template, slope = harmonic_analysis.harmonic_templates(f0, tables, self.audio)
        level = harmonic_analysis.harmonic_levels(mel, template)
        drift = harmonic_analysis.pitch_drift(mel, level, template, slope)
        heard = (tf.math.log(level + QUIET) + 6.0) * 0.25
        outputs = self._network(tf.concat([log_mel, heard], axis=-1), pitch)
        amplitude = level * tf.exp(_limited(outputs["harmonic"]))
        band = tf.matmul(mel * tables["noise_share"], tables["mel_to_band"])
        band *= tf.exp(tf.matmul(_limited(outputs["noise"]), tables["scale_to_band"]))
        if to_pitch is not None:
            target = self._cycles(to_pitch)
            amplitude = harmonic_analysis.moved_levels(amplitude, target / f0)
            f0 = target
        gate = tf.reshape(tf.exp(_limited(outputs["gate"])), [-1, frames * self.sub_frames, 2])
        controls = (frames - 1) * self.sub_frames + 1
        gate = gate[:, :controls]
        amplitude = spectral_ops.upsample(amplitude, self.sub_frames) * gate[..., :1]
        band = spectral_ops.upsample(band, self.sub_frames) * gate[..., 1:]
        cycles, frequency = self._phases(f0, drift, outputs["stiffness"][..., 0], mel, controls)
        amplitude *= tf.cast(frequency < 0.5 - 1 / 256, tf.float32)[:, None]
        samples = (frames - 1) * self.audio.frame_step + NOISE_LENGTH
        noise = self.noise if samples == self.noise.shape[0] else self._noise_from(start, samples)
        harmonic = spectral_ops.harmonics(amplitude, cycles, tf.minimum(frequency, 0.5))
        return harmonic, filtered_noise(band, noise), tf.sigmoid(outputs["trust"])

    def _noise_from(self, start, samples):
        piece = tf.slice(self.noise, [start * self.audio.frame_step], [samples])
        return tf.ensure_shape(piece, [samples])

    def _network(self, x, pitch):
        """Returns the heads' outputs by name, `[batch, frames, n]` each."""
        p = tf.cast(pitch, tf.float32)[:, None]
        angle = p * self.tables["octaves"]
        condition = self.condition(tf.concat([(p - 64.0) * 0.03125, tf.sin(angle), tf.cos(angle)], axis=-1))
        x = self.start(x) + condition[:, None]
        for block in self.blocks:
            x = block((x, condition))
        x = tf.nn.silu(x)
        return {name: head(x) for name, head in self.heads.items()}

    def _cycles(self, pitch):
        """Returns the pitches' frequencies in cycles a sample, `[batch]`, exact in a float16 file too.

        Float constants are rounded to 11 bits there, half a cent; whole numbers are not.
        """
        high, low = (tf.cast(tf.gather(self.tables[part], pitch), tf.float32) for part in ("f0_high", "f0_low"))
        return (high + low * 2.0**-14) * 2.0**-14

    def _phases(self, f0, drift, stiffness, mel, controls):
        """Returns each harmonic's phase at the control points, in periods, and its frequency, cycles a sample.

        Partial k is at k f0 sqrt(1 + B k^2), as on a stiff string (Fletcher and Rossing, The Physics of Musical
        Instruments, equation 2.67), and all drift together.

        Returns:
            float32 `[batch, controls, harmonics]` and `[batch, harmonics]`.
        """
        tables = self.tables
        number, index = tables["number"], np.arange(controls, dtype=np.float32)
        loudness = tf.reduce_sum(mel, axis=-1)
        weight = loudness / (tf.reduce_sum(loudness, axis=1, keepdims=True) + QUIET)
        stiffness = tf.nn.softplus(tf.reduce_sum(weight * stiffness, axis=1) - 6.0)
        # A high partial has turned thousands of times in the end: a last bit of B that differs between TensorFlow and
        # LiteRT would be heard as another phase. Steps of 2^-20 are not: a cent at the 40th partial.
        stiffness = tf.grad_pass_through(tf.round)(stiffness * 2.0**9) * 2.0**-20
        stretch = tf.sqrt(1.0 + stiffness[:, None] * tf.square(number)) - 1.0
        step = f0 * float(spectral_ops.CONTROL_STEP)
        drift = spectral_ops.upsample(drift[..., None], self.sub_frames)[..., 0]
        # Whole periods are dropped before the number of the harmonic multiplies what is left of rounding.
        fundamental = (step - tf.floor(step))[:, None] * index + step[:, None] * tf.cumsum(drift, 1, exclusive=True)
        fundamental -= tf.floor(fundamental)
        stretched = (stretch * number * step[:, None])[:, None] * index[:, None]
        cycles = fundamental[:, :, None] * number + stretched + tables["phase"]
        return cycles, f0[:, None] * number * (1.0 + stretch)

    def match(self, audio, mel, trust):
        """Returns the audio with its spectrum scaled towards the asked mel, once.

        The gain of an FFT bin is the weighted geometric mean of asked / found over the mel bins that see it, each to
        the power of its trust.
        """
        tables = self.tables
        real, imaginary = spectral_ops.stft(audio, self.audio)
        magnitude = tf.sqrt(tf.square(real) + tf.square(imaginary) + QUIET**2)
        found = tf.matmul(magnitude, tables["mel_weights"])
        ratio = (mel + 16.0 * QUIET) / (found + 16.0 * QUIET)
        gain = tf.exp(tf.matmul(trust * tf.math.log(tf.clip_by_value(ratio, 2.0**-10, 2.0**10)), tables["mel_to_bin"]))
        return spectral_ops.inverse_stft(real * gain, imaginary * gain, self.audio)

    def _finish(self, audio):
        """Returns the audio faded in and out and within -`PEAK`..`PEAK`, `[batch, num_samples]`."""
        audio *= self.tables["fade"]
        peak = tf.reduce_max(tf.abs(audio), axis=1, keepdims=True)
        return audio * (PEAK / tf.maximum(peak, PEAK))

    def train_step(self, data: dict) -> dict:
        """Takes one optimizer step. Returns the means of `LOSS_NAMES` over this replica's notes of this batch."""
        step = tf.cast(self.optimizer.iterations, tf.int32)
        count = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            values = losses.distances(self, data, step)
            # The optimizer adds the replicas' gradients up: each replica gives its share of the global mean.
            loss = self.optimizer.scale_loss(tf.reduce_mean(values["loss"]) / count)
        variables = self.trainable_variables
        # Clipped is the sum over the replicas; the optimizer sums again, so each then gives its share.
        gradients = tape.gradient(loss, variables)
        if count > 1:
            gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self.optimizer.apply([gradient / count for gradient in gradients], variables)
        return {name: tf.reduce_mean(value) for name, value in values.items()}

    def assess(self, data: dict) -> tuple[dict, tf.Tensor]:
        """Adds the first second of notes to the running means of `LOSS_NAMES`; returns these, and each note's loss."""
        values = losses.distances(self, data, None)
        for metric in self.step_losses:
            metric.update_state(values[metric.name])
        return {metric.name: metric.result() for metric in self.step_losses}, values["loss"]

    def test_step(self, data: dict) -> dict:
        """Returns the running means of `LOSS_NAMES` over the notes' first second."""
        return self.assess(data)[0]

    @property
    def metrics(self) -> list:
        """Returns the running means that `evaluate` resets."""
        return self.step_losses

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {"config": self.config.to_dict()}


def _limited(x):
    """Returns x, bounded to -8..8 smoothly: no exponential of it can overflow."""
    return _LIMIT * tf.tanh(x * (1.0 / _LIMIT))
