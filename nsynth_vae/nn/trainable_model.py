"""Base class of the trained models: one optimizer step, and validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import keras
import tensorflow as tf

from nsynth_vae.config import AnyConfig


class BatchLosses(NamedTuple):
    """Losses of a batch's notes, float32 `[batch]` each."""

    objective: tf.Tensor
    """Minimised by training."""
    reported: Mapping[str, tf.Tensor]
    """Reported losses and measures by name."""
    assessed: tf.Tensor
    """One row a note, of any shape, which `assess` hands on."""
    weights: Mapping[str, tf.Tensor] = {}
    """Weights of the notes in the means of some of `reported`; 1 where there are none."""


class TrainableModel(keras.Model):
    """Model that `training.Trainer` and Keras's `fit` can train.

    A subclass sets `config_type` and `loss_names`, and defines `compute_losses`.
    """

    config: AnyConfig
    config_type: type[AnyConfig]
    loss_names: tuple[str, ...]
    """Names of what steps and validation report; `loss` is among them."""
    clip_norm: float | None = None
    """Largest global norm of the gradients that it is to be trained with; None for no limit."""

    def __init__(self, config: AnyConfig | dict, **kwargs) -> None:
        """Read the configuration, from its dictionary if need be, and make the running means."""
        super().__init__(**kwargs)
        self.config = self.config_type.from_dict(config) if isinstance(config, dict) else config
        self.step_losses = [keras.metrics.Mean(name=name) for name in self.loss_names]

    def compute_losses(self, batch: dict, step: tf.Tensor | None) -> BatchLosses:
        """Return the losses of a batch; `step`, int32 [], decides a training step's random numbers, None validates."""
        raise NotImplementedError

    def step_seed(self, step: tf.Tensor) -> tf.Tensor:
        """Return the seed, int32 `[2]`, of a training step's stateless random numbers."""
        return tf.stack([tf.constant(self.config.train.seed, tf.int32), tf.cast(step, tf.int32)])

    def train_step(self, data: dict) -> dict[str, tf.Tensor]:
        """Take one optimizer step and return `loss_names`, whose means over the replicas are those over the batch."""
        step = tf.cast(self.optimizer.iterations, tf.int32)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            losses = self.compute_losses(data, step)
            # The optimizer adds up the replicas' gradients: each replica contributes its part of the global mean.
            loss = self.optimizer.scale_loss(tf.reduce_mean(losses.objective) / replicas)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {name: _mean(value, losses.weights.get(name), replicas) for name, value in losses.reported.items()}

    def assess(self, data: dict) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Validate a batch without any state, which the replicas of a cluster would share.

        Returns:
            (for each of `loss_names`, float32 `[2]`: the weighted sum over the notes, and the sum of the weights;
            `BatchLosses.assessed`).
        """
        losses, sums = self.compute_losses(data, None), {}
        for name in self.loss_names:
            value = losses.reported[name]
            weight = losses.weights.get(name, tf.ones_like(value))
            sums[name] = tf.stack([tf.reduce_sum(value * weight), tf.reduce_sum(weight)])
        return sums, losses.assessed

    def test_step(self, data: dict) -> dict[str, tf.Tensor]:
        """Add a batch to the running means of `loss_names`, and return these."""
        losses = self.compute_losses(data, None)
        for metric in self.step_losses:
            metric.update_state(losses.reported[metric.name], sample_weight=losses.weights.get(metric.name))
        return {metric.name: metric.result() for metric in self.step_losses}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means that `evaluate` resets."""
        return self.step_losses

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {"config": self.config.to_dict()}


def _mean(value: tf.Tensor, weight: tf.Tensor | None, replicas: int) -> tf.Tensor:
    """Return this replica's mean; of weighted notes, what it adds to the mean of the replicas' means."""
    if weight is None:
        return tf.reduce_mean(value)
    total = tf.reduce_sum(weight)
    if replicas > 1:
        total = tf.distribute.get_replica_context().all_reduce("SUM", total) / replicas
    return tf.math.divide_no_nan(tf.reduce_sum(value * weight), total)
