"""Variational autoencoder: `Encoder`, `Sampling`, `Decoder`, and the losses that it is trained with.

The encoder's input is a note's log-mel and nothing else. The decoder is conditioned on pitch and velocity, so that z
need not hold them. docs/model.md gives the reasons for the parts, docs/experiments.md the alternatives measured.
"""

from __future__ import annotations

import functools
import math
import os

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import pretrained
from nsynth_vae.config import Config
from nsynth_vae.features.augmentation import augment_eq, augment_floor
from nsynth_vae.model.decoder import Decoder
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.model.level import normalize_level
from nsynth_vae.nn import losses
from nsynth_vae.nn.replicas import replica_rows
from nsynth_vae.nn.trainable_model import BatchLosses, TrainableModel

ADVERSARY_WIDTH = 256
"""Units of the two hidden layers of the adversary, a classifier that predicts the pitch from z."""

ACTIVE_VARIANCE = 0.01
"""A latent dimension is active if z_mean's variance over the notes is above this (Burda et al. 2015)."""

LOSS_NAMES = ("loss", "reconstruction_loss", "kl_loss", "log_mel_l1")
"""Reported losses: nats a note, and `log_mel_l1` in nats an element."""


@keras.saving.register_keras_serializable("nsynth_vae")
class Sampling(keras.layers.Layer):
    """The reparameterisation of Kingma and Welling 2013: z = z_mean + exp(z_log_var / 2) * noise has a gradient."""

    def call(self, z_mean: tf.Tensor, z_log_var: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Return z `[batch, latent_dim]`; `noise` is standard normal, of the same shape."""
        return z_mean + tf.exp(0.5 * z_log_var) * noise


@keras.saving.register_keras_serializable("nsynth_vae")
class VAE(TrainableModel):
    """The variational autoencoder, trained on batches of `log_mel`, `pitch` and `velocity`."""

    config: Config
    config_type = Config
    loss_names = LOSS_NAMES
    clip_norm = 5.0

    def __init__(self, config: Config | dict, **kwargs) -> None:
        """Make encoder, sampling, decoder and, with an `adversary_weight`, the adversary."""
        super().__init__(config, **kwargs)
        audio, model = self.config.audio, self.config.model
        policy = keras.DTypePolicy(self.config.train.precision)
        self.encoder = Encoder(audio, model, dtype=policy, name="encoder")
        self.sampling = Sampling(name="sampling")
        self.decoder = Decoder(audio, model, dtype=policy, name="decoder")
        self.adversary = None
        if model.adversary_weight > 0:
            hidden = [keras.layers.Dense(ADVERSARY_WIDTH, activation="relu") for _ in range(2)]
            self.adversary = keras.Sequential([*hidden, keras.layers.Dense(128)], name="adversary")

    def build(self, input_shape: object = None) -> None:
        """Make all weights."""
        audio, model = self.config.audio, self.config.model
        self.encoder.build((None, audio.num_frames, audio.num_mel_bins))
        self.decoder.build((None, model.latent_dim))
        if self.adversary is not None:
            self.adversary.build((None, model.timbre_dim))
        for part in (self.encoder.motion, self.decoder.motion):
            if part is not None:  # Fitted afterwards, to notes' audio: see `training.motion_fit`.
                part.trainable = False
        self.log_scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(-1.5), name="log_scale")
        self.built = True

    def call(self, inputs: dict, training: bool | None = None) -> tf.Tensor:
        """Return `log_mel`, decoded from its z_mean at `pitch` and `velocity`: `[batch, frames, mel_bins]`."""
        z_mean, _ = self.encoder(inputs["log_mel"])
        return self.decoder(z_mean, inputs["pitch"], inputs["velocity"])

    def noise(self, batch: int | tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Return this replica's rows of the global batch's noise, a pure function of (seed, step, row)."""
        rows, own = replica_rows(batch)
        return tf.random.stateless_normal([rows, self.config.model.latent_dim], self.step_seed(step))[own]

    def compute_losses(self, batch: dict, step: tf.Tensor | None) -> BatchLosses:
        """Return `LOSS_NAMES` of a batch, in training with EQ augmentation, noise and the warm-up of the KL."""
        model = self.config.model
        if step is None:
            return self.note_losses(batch, noise=None, kl_weight=model.beta)
        # Weights that are trained already have a posterior, which a weight of 0 would let go.
        warmup = 1 if self.config.train.start_from else max(1, model.kl_warmup_steps)
        kl_weight = model.beta * tf.minimum(1.0, tf.cast(step + 1, tf.float32) / warmup)
        log_mel, probability = batch["log_mel"], model.eq_augmentation_probability
        notes = {name: batch[name] for name in ("log_mel", "target_log_mel") if name in batch}
        if probability:
            # The same equaliser for a note and its target: both are of one instrument.
            augment = functools.partial(
                augment_eq, seed=self.step_seed(step), config=self.config.audio, probability=probability
            )
            notes = {name: augment(log_mel) for name, log_mel in notes.items()}
        if probability := model.floor_augmentation_probability:
            # What is encoded lies in noise, what is to be decoded does not.
            notes.setdefault("target_log_mel", notes["log_mel"])
            notes["log_mel"] = augment_floor(
                notes["log_mel"], self.step_seed(step), self.config.audio, probability=probability
            )
        noise = self.noise(tf.shape(log_mel)[0], step)
        return self.note_losses({**batch, **notes}, noise=noise, kl_weight=kl_weight)

    def note_losses(self, batch: dict, *, noise: tf.Tensor | None, kl_weight: float | tf.Tensor) -> BatchLosses:
        """Return every term of the loss, one value a note.

        Args:
            batch: `log_mel` `[batch, frames, mel_bins]`, `pitch` and `velocity` `[batch]`; and `target_log_mel`, the
                notes to decode, of that pitch and velocity, where they are not the encoded ones.
            noise: standard normal `[batch, latent_dim]`, or None to decode z_mean.
            kl_weight: weight of the KL divergence, beta times the warm-up.

        Returns:
            The objective in mean nats an element; `LOSS_NAMES`; and z_mean, one row a note, for `summarize`.
        """
        log_mel, config = batch["log_mel"], self.config
        z_mean, z_log_var = self.encoder(log_mel)
        z = z_mean if noise is None else self.sampling(z_mean, z_log_var, noise)
        timbre = config.model.timbre
        target = batch.get("target_log_mel", log_mel)
        if config.model.level and noise is not None:
            # A target of another velocity has another level, which only chance decides: there is nothing to learn.
            z = tf.concat([normalize_level(target, config.audio)[1][:, None], z[:, 1:]], axis=1)
        prediction = self.decoder(z, batch["pitch"], batch["velocity"])
        reconstruction = losses.laplace_nll(target, prediction, self.log_scale)
        free_nats = config.model.free_nats if noise is not None else 0.0
        kl = losses.kl_loss(z_mean[:, timbre], z_log_var[:, timbre], free_nats=free_nats)
        elements = float(config.audio.num_frames * config.audio.num_mel_bins)
        objective = (reconstruction + kl_weight * kl) / elements
        if noise is not None and config.model.band_weight:
            # The median of ln(mel), bin by bin, lacks the energy of the loudest bins.
            bands = (losses.band_levels(part, config.audio.log_mel_scale) for part in (target, prediction))
            error = tf.abs(tf.subtract(*bands)) * tf.exp(-tf.stop_gradient(self.log_scale))
            objective += config.model.band_weight * tf.reduce_mean(error, axis=[1, 2])
        if noise is not None and self.adversary is not None:
            weight = config.model.adversary_weight / elements
            objective += _pitch_entropy(self.adversary, z_mean[:, timbre], batch["pitch"], weight)
        reported = {
            "loss": reconstruction + kl_weight * kl,
            "reconstruction_loss": reconstruction,
            "kl_loss": kl,
            "log_mel_l1": tf.reduce_mean(tf.abs(target - prediction), axis=[1, 2]) * config.audio.log_mel_scale,
        }
        return BatchLosses(objective, reported, z_mean)

    def summarize(self, z_mean: np.ndarray) -> dict[str, int]:
        """Return `active_dimensions` of notes' z_mean, `[notes, latent_dim]`."""
        return {"active_dimensions": int(np.sum(z_mean.var(axis=0) > ACTIVE_VARIANCE))}


def _pitch_entropy(adversary: keras.Model, timbre: tf.Tensor, pitch: tf.Tensor, weight: float) -> tf.Tensor:
    """Return an adversary's cross entropy, nats a note, whose gradient the encoder gets times -weight.

    Where the adversary does worse than a guess, ln(128), the encoder gets none: it hides the pitch, and gains
    nothing from misleading the adversary, which has no bound.
    """

    def entropy(x: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(adversary(x), tf.float32)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=pitch, logits=logits)

    hidden = entropy(tf.stop_gradient(timbre)) > math.log(128.0)
    return entropy(_reverse_gradient(timbre, weight * tf.cast(~hidden, tf.float32)[:, None]))


def _reverse_gradient(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Return x, whose gradient is multiplied by -weight (Ganin and Lempitsky 2015)."""
    return tf.stop_gradient(x * (1.0 + weight)) - x * weight


def load_model(folder: str | os.PathLike) -> tuple[VAE, Config]:
    """Rebuild the VAE of a model folder from its `config.json` and `model.weights.h5`.

    Raises:
        InputError: if the folder or a file is missing or broken, or the weights are another model's.
    """
    expected = "a model folder, such as `python -m nsynth_vae.train` makes,"
    return pretrained.load(folder, Config.load, VAE, expected=expected)
