"""The variational autoencoder: `Encoder`, `Sampling`, `Decoder`, and `VAE` with its own `train_step` and `test_step`.

The encoder sees a note's log-mel and nothing else; the decoder is told pitch and velocity, so that z need not hold
them. docs/model.md says why the parts are as they are, and what the alternatives measured.
"""

from __future__ import annotations

import os

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import pretrained
from nsynth_vae.config import Config
from nsynth_vae.features.augmentation import recolored
from nsynth_vae.model.decoder import Decoder
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.nn import losses

ADVERSARY_WIDTH = 256
"""Units of the two hidden layers of the classifier that tries to tell the pitch from z."""

ACTIVE_VARIANCE = 0.01
"""A latent dimension is active if z_mean's variance over the notes is above this (Burda et al. 2015)."""


@keras.saving.register_keras_serializable("nsynth_vae")
class Sampling(keras.layers.Layer):
    """The reparameterisation of Kingma and Welling 2013: z = z_mean + exp(z_log_var / 2) * noise has a gradient."""

    def call(self, z_mean, z_log_var, noise):
        """Returns z `[batch, latent_dim]`; `noise` is standard normal, of the same shape, and given."""
        return z_mean + tf.exp(0.5 * z_log_var) * noise


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


def load_model(folder: str | os.PathLike) -> tuple[VAE, Config]:
    """Rebuilds the model of a model folder from its `config.json` and `model.weights.h5`.

    Raises:
        InputError: if the folder or a file is missing or broken, or the weights are another model's.
    """
    from nsynth_vae.model.vae import VAE

    expected = "a model folder, such as `python -m nsynth_vae.train` makes,"
    return pretrained.load(folder, Config.load, VAE, expected=expected)
