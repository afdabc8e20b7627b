"""What the comparisons of designs share: training for a given processor time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from nsynth_vae.config import TrainConfig


def train(model: keras.Model, batches: Iterable[dict], config: TrainConfig, cpu_seconds: float) -> int:
    """Trains a built model, and gives it the running mean of its weights, as `Trainer` does.

    Args:
        model: with its own `train_step`; its variables are those that count already.
        batches: endless.
        config: gives learning rate and decay of the mean.
        cpu_seconds: on all cores, without the tracing of graphs.

    Returns:
        The number of steps taken.
    """
    import keras
    import tensorflow as tf

    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate))
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step)
    averages = [tf.Variable(tf.convert_to_tensor(weight)) for weight in model.trainable_variables]

    @tf.function
    def average(decay: tf.Tensor) -> None:
        for mean, weight in zip(averages, model.trainable_variables, strict=True):
            mean.assign(decay * mean + (1.0 - decay) * tf.convert_to_tensor(weight))

    started, steps = None, 0
    for batch in batches:
        step(batch)
        average(tf.constant(min(config.weight_average, (1 + steps) / (10 + steps)), tf.float32))
        steps += 1
        started = started or time.process_time()  # Tracing, in the first step, is not counted.
        if time.process_time() - started > cpu_seconds:
            break
    for weight, mean in zip(model.trainable_variables, averages, strict=True):
        weight.assign(mean)
    return steps
