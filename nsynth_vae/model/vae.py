"""The variational autoencoder: `Encoder`, `Sampling`, `Decoder`, and `VAE` with its own `train_step` and `test_step`.

The encoder sees a note's log-mel and nothing else; the decoder is told pitch and velocity, so that z need not hold
them. docs/model.md says why the parts are as they are, and what the alternatives measured.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.config import AudioConfig, Config, ModelConfig
from nsynth_vae.features.augmentation import recolored
from nsynth_vae.features.mel import mel_weight_matrix
from nsynth_vae.nn import losses
from nsynth_vae.nn.layers import ResidualBlock
from nsynth_vae.notes import pitch_to_hertz

STRIDES = 5
"""The encoder halves the frames this many times, the decoder doubles them again."""

ADVERSARY_WIDTH = 256
"""Units of the two hidden layers of the classifier that tries to tell the pitch from z."""

ACTIVE_VARIANCE = 0.01
"""A latent dimension is active if z_mean's variance over the notes is above this (Burda et al. 2015)."""


def _padded_frames(audio: AudioConfig) -> int:
    return -(-audio.num_frames // 2**STRIDES) * 2**STRIDES


@functools.lru_cache(maxsize=8)
def harmonic_template(config: AudioConfig) -> np.ndarray:
    """Returns the log-mel pattern of a harmonic series with partials of amplitude 1, for every MIDI pitch.

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


class _Configured(keras.layers.Layer):
    """A layer made from the audio and the model configuration, which its `get_config` gives back."""

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.audio = audio if isinstance(audio, AudioConfig) else AudioConfig.from_dict(audio)
        self.model = model if isinstance(model, ModelConfig) else ModelConfig.from_dict(model)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "audio": self.audio.to_dict(), "model": self.model.to_dict()}


@keras.saving.register_keras_serializable("nsynth_vae")
class Encoder(_Configured):
    """log-mel -> (z_mean, z_log_var): strided convolutions over time with the mel bins as channels."""

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Makes the layers."""
        super().__init__(audio, model, **kwargs)
        width, policy = self.model.channels, self.dtype_policy
        self.blocks = []
        for level in range(STRIDES):
            channels = width // 2 if level == 0 else width
            self.blocks.append(keras.layers.Conv1D(channels, 4, strides=2, padding="same", dtype=policy))
            self.blocks.append(ResidualBlock(channels, dtype=policy))
        self.to_posterior = keras.layers.Dense(2 * self.model.latent_dim, dtype="float32")

    def build(self, input_shape) -> None:
        """Builds the layers for `[batch, frames, mel_bins]`."""
        shape = (None, _padded_frames(self.audio), self.audio.num_mel_bins)
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.to_posterior.build((None, shape[1] * shape[2]))
        super().build(input_shape)

    def call(self, log_mel):
        """Maps float32 `[batch, frames, mel_bins]` to z_mean and z_log_var, float32 `[batch, latent_dim]`."""
        missing = _padded_frames(self.audio) - self.audio.num_frames
        x = tf.cast(tf.pad(log_mel, [[0, 0], [0, missing], [0, 0]], mode="SYMMETRIC"), self.compute_dtype)
        for block in self.blocks:
            x = block(x)
        x = tf.reshape(tf.nn.silu(x), [-1, x.shape[1] * x.shape[2]])
        z_mean, raw = tf.split(self.to_posterior(tf.cast(x, tf.float32)), 2, axis=-1)
        # Bounded, so that neither exp(z_log_var) nor the KL can overflow.
        return z_mean, 6.0 * tf.tanh(raw / 6.0)

    def compute_output_shape(self, input_shape):
        """Returns the shapes of z_mean and z_log_var."""
        return ((input_shape[0], self.model.latent_dim),) * 2


@keras.saving.register_keras_serializable("nsynth_vae")
class Sampling(keras.layers.Layer):
    """The reparameterisation of Kingma and Welling 2013: z = z_mean + exp(z_log_var / 2) * noise has a gradient."""

    def call(self, z_mean, z_log_var, noise):
        """Returns z `[batch, latent_dim]`; `noise` is standard normal, of the same shape, and given."""
        return z_mean + tf.exp(0.5 * z_log_var) * noise


@keras.saving.register_keras_serializable("nsynth_vae")
class Decoder(_Configured):
    """(z, pitch, velocity) -> log-mel: a harmonic and a noise envelope, the harmonic one combed at the given pitch.

    mel = exp(harmonic) * template[pitch] + exp(noise): where the partials of a pitch lie on the mel axis is known and
    need not be learnt from notes, so what is learnt carries over to other pitches. Each envelope is its own path of
    upsampled convolutions' head; nearest-neighbour upsampling leaves no checkerboard.
    """

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Makes the layers."""
        super().__init__(audio, model, **kwargs)
        width, policy = self.model.channels, self.dtype_policy
        self.start_frames = _padded_frames(self.audio) // 2**STRIDES
        self.condition = keras.layers.Dense(width, activation="silu", dtype=policy)
        self.start = keras.layers.Dense(self.start_frames * width, dtype=policy)
        self.convolutions, self.blocks = [], []
        for level in range(STRIDES):
            channels = width // 2 if level == STRIDES - 1 else width
            self.convolutions.append(keras.layers.Conv1D(channels, 3, padding="same", dtype=policy))
            self.blocks.append(ResidualBlock(channels, conditioned=True, dtype=policy))
        self.to_envelopes = keras.layers.Conv1D(2 * self.audio.num_mel_bins, 3, padding="same", dtype="float32")
        self.template = harmonic_template(self.audio)

    def build(self, input_shape=None) -> None:
        """Builds the layers."""
        width, frames = self.model.channels, self.start_frames
        inputs = self.model.latent_dim + _CONDITION_FEATURES
        self.condition.build((None, inputs))
        self.start.build((None, width))
        channels = width
        for convolution, block in zip(self.convolutions, self.blocks, strict=True):
            frames *= 2
            convolution.build((None, frames, channels))
            channels = convolution.filters
            block.build([(None, frames, channels), (None, width)])
        self.to_envelopes.build((None, frames, channels))
        super().build(input_shape)

    def call(self, z, pitch, velocity):
        """Returns log-mel `[batch, frames, mel_bins]` of z `[batch, latent_dim]` at MIDI pitch, velocity `[batch]`."""
        features = tf.concat([tf.cast(z, tf.float32), condition_features(pitch, velocity)], axis=-1)
        condition = self.condition(features)
        x = tf.reshape(self.start(condition), [-1, self.start_frames, self.model.channels])
        for convolution, block in zip(self.convolutions, self.blocks, strict=True):
            x = tf.repeat(x, 2, axis=1)
            x = block([convolution(x), condition])
        envelopes = self.to_envelopes(tf.cast(tf.nn.silu(x), tf.float32))[:, : self.audio.num_frames]
        return self._mix(envelopes, pitch)

    def _mix(self, envelopes, pitch):
        """Adds the combed harmonic and the noise envelope, both in ln(mel), and normalises as `features` does."""
        center, scale = self.audio.log_mel_center, self.audio.log_mel_scale
        harmonic, noise = tf.split(envelopes * scale + center, 2, axis=-1)
        template = tf.gather(tf.constant(self.template), pitch)[:, None, :]
        floor = np.log(self.audio.log_offset).astype(np.float32)
        mixed = _log_add_exp(_log_add_exp(harmonic + template, noise), floor)
        return (mixed - center) / scale

    def compute_output_shape(self, z_shape, pitch_shape=None, velocity_shape=None):
        """Returns `[batch, frames, mel_bins]`."""
        return (z_shape[0], self.audio.num_frames, self.audio.num_mel_bins)


def _log_add_exp(a, b):
    """Returns ln(exp(a) + exp(b)) without overflow, of operators that TFLite has."""
    return tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b)))


_OCTAVES = 4
_CONDITION_FEATURES = 1 + 2 * _OCTAVES + 2


def condition_features(pitch, velocity):
    """Returns what the decoder is told of pitch and velocity: smooth functions, so unseen values lie between seen ones.

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


@keras.saving.register_keras_serializable("nsynth_vae")
class VAE(keras.Model):
    """The variational autoencoder.

    Trained on batches of notes: a dictionary of `log_mel`, `pitch`, `velocity` and, for cross-note reconstruction,
    `target_log_mel`, `target_pitch`, `target_velocity`: another note of each note's instrument, or the note itself.
    Without targets a note is reconstructed from itself.
    """

    def __init__(self, config: Config | dict, **kwargs) -> None:
        """Makes encoder, sampling and decoder."""
        super().__init__(**kwargs)
        self.config = config if isinstance(config, Config) else Config.from_dict(config)
        audio, model = self.config.audio, self.config.model
        policy = keras.DTypePolicy(self.config.train.precision)
        self.encoder = Encoder(audio, model, dtype=policy, name="encoder")
        self.sampling = Sampling(name="sampling")
        self.decoder = Decoder(audio, model, dtype=policy, name="decoder")
        self.adversary = None
        if model.adversary_weight > 0:
            hidden = [keras.layers.Dense(ADVERSARY_WIDTH, activation="relu") for _ in range(2)]
            self.adversary = keras.Sequential([*hidden, keras.layers.Dense(128)], name="adversary")
        self.step_losses = [keras.metrics.Mean(name=name) for name in LOSS_NAMES]

    def build(self, input_shape=None) -> None:
        """Makes all weights."""
        audio, model = self.config.audio, self.config.model
        self.encoder.build((None, audio.num_frames, audio.num_mel_bins))
        self.decoder.build((None, model.latent_dim))
        if self.adversary is not None:
            self.adversary.build((None, model.latent_dim))
        self.log_scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(-1.5), name="log_scale")
        self.built = True

    def call(self, inputs, training=None):
        """Returns `log_mel`, decoded from its z_mean at `pitch` and `velocity`: `[batch, frames, mel_bins]`."""
        z_mean, _ = self.encoder(inputs["log_mel"])
        return self.decoder(z_mean, inputs["pitch"], inputs["velocity"])

    def noise(self, batch: int | tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns this replica's rows of the global batch's noise, a pure function of (seed, step, row).

        `MirroredStrategy`'s replicas draw the same numbers from a stateful generator; this way sharding, resuming and
        repeating all give the same noise to the same note.
        """
        replica = tf.distribute.get_replica_context()
        count = replica.num_replicas_in_sync
        seed = tf.stack([tf.constant(self.config.train.seed, tf.int32), tf.cast(step, tf.int32)])
        rows = tf.random.stateless_normal([batch * count, self.config.model.latent_dim], seed)
        index = tf.cast(replica.replica_id_in_sync_group, tf.int32)
        return rows[index * batch : (index + 1) * batch]

    def losses_of(self, batch: dict, *, noise: tf.Tensor | None, kl_weight) -> tuple[tf.Tensor, dict, tf.Tensor]:
        """Returns every term of the loss, one value a note.

        Args:
            batch: as in the class's description.
            noise: standard normal `[batch, latent_dim]`, or None to decode z_mean.
            kl_weight: weight of the KL divergence, beta times the warm-up.

        Returns:
            (objective `[batch]`, the mean nats an element that training minimises; {name: `[batch]`} of `LOSS_NAMES`;
            z_mean).
        """
        log_mel = batch["log_mel"]
        target = batch.get("target_log_mel", log_mel)
        pitch = batch.get("target_pitch", batch["pitch"])
        velocity = batch.get("target_velocity", batch["velocity"])
        z_mean, z_log_var = self.encoder(log_mel)
        z = z_mean if noise is None else self.sampling(z_mean, z_log_var, noise)
        prediction = self.decoder(z, pitch, velocity)
        reconstruction = losses.laplace_nll(target, prediction, self.log_scale)
        free_nats = self.config.model.free_nats if noise is not None else 0.0
        kl = losses.kl_loss(z_mean, z_log_var, free_nats=free_nats)
        elements = float(self.config.audio.num_frames * self.config.audio.num_mel_bins)
        objective = (reconstruction + kl_weight * kl) / elements
        if noise is not None and self.adversary is not None:
            logits = self.adversary(_reverse_gradient(z, self.config.model.adversary_weight / elements))
            objective += losses.pitch_cross_entropy(logits, batch["pitch"])
        log_mel_l1 = tf.reduce_mean(tf.abs(target - prediction), axis=[1, 2]) * self.config.audio.log_mel_scale
        values = {
            "loss": reconstruction + kl_weight * kl,
            "reconstruction_loss": reconstruction,
            "kl_loss": kl,
            "log_mel_l1": log_mel_l1,
        }
        return objective, values, z_mean

    def train_step(self, data: dict) -> dict:
        """Takes one optimizer step. Returns the means of `LOSS_NAMES` over this replica's notes of this batch."""
        step = tf.cast(self.optimizer.iterations, tf.int32)
        # Weights that are trained already have a posterior, which a weight of 0 would let go.
        warmup = 1 if self.config.train.start_from else max(1, self.config.model.kl_warmup_steps)
        kl_weight = self.config.model.beta * tf.minimum(1.0, tf.cast(step + 1, tf.float32) / warmup)
        data = self._recolored(data, step)
        noise = self.noise(tf.shape(data["log_mel"])[0], step)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            objective, values, _ = self.losses_of(data, noise=noise, kl_weight=kl_weight)
            # The optimizer adds the replicas' gradients up: each replica gives its share of the global mean.
            loss = self.optimizer.scale_loss(tf.reduce_mean(objective) / replicas)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {name: tf.reduce_mean(value) for name, value in values.items()}

    def _recolored(self, data: dict, step: tf.Tensor) -> dict:
        """Returns a batch of which `recolored_share` has a timbre of its own."""
        if not self.config.model.recolored_share:
            return data
        log_mel = data["log_mel"]
        # Without cross-note reconstruction every note is its own target.
        target = data.get("target_log_mel", log_mel) if self.config.model.cross_note_share else log_mel
        seed = tf.stack([tf.constant(self.config.train.seed, tf.int32), step])
        share = self.config.model.recolored_share
        log_mel, target = recolored(log_mel, target, seed, self.config.audio, share=share)
        return {**data, "log_mel": log_mel, "target_log_mel": target}

    def test_step(self, data: dict) -> dict:
        """Adds a batch, reconstructed from z_mean, to the running means of `LOSS_NAMES`, and returns these."""
        return self.assess(data)[0]

    def assess(self, data: dict) -> tuple[dict, tf.Tensor]:
        """Returns what `test_step` does, and the batch's z_mean, which need not be encoded again."""
        _, values, z_mean = self.losses_of(data, noise=None, kl_weight=self.config.model.beta)
        for metric in self.step_losses:
            metric.update_state(values[metric.name])
        return {metric.name: metric.result() for metric in self.step_losses}, z_mean

    def summarize(self, z_mean: np.ndarray) -> dict[str, int]:
        """Returns `active_dimensions` of some notes' z_mean, `[notes, latent_dim]`: those that vary over the notes."""
        return {"active_dimensions": int(np.sum(z_mean.var(axis=0) > ACTIVE_VARIANCE))}

    @property
    def metrics(self) -> list:
        """Returns the running means that `evaluate` resets."""
        return self.step_losses

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {"config": self.config.to_dict()}


LOSS_NAMES = ("loss", "reconstruction_loss", "kl_loss", "log_mel_l1")
"""What a step reports: nats a note, and `log_mel_l1` in nats an element (the design's measure of reconstruction)."""


def _reverse_gradient(x: tf.Tensor, weight: float) -> tf.Tensor:
    """Returns x; its gradient comes back multiplied by -weight (Ganin and Lempitsky 2015)."""
    return tf.stop_gradient(x * (1.0 + weight)) - x * weight
