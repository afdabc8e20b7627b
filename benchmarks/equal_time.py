"""Training for a given processor time, for the comparisons of designs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from nsynth_vae.config import TrainConfig


def train(model: keras.Model, batches: Iterable[dict], config: TrainConfig, cpu_seconds: float) -> int:
    """Train a built model and give it the EMA of its weights, as `Trainer` does.

    Args:
        model: has its own `train_step`.
        batches: endless.
        config: gives the learning rate and the decay of the EMA.
        cpu_seconds: on all cores, without the tracing of graphs.

    Returns:
        The number of steps taken.
    """
    import tensorflow as tf

    from nsynth_vae.training.ema import WeightEma
    from nsynth_vae.training.trainer import make_optimizer

    model.compile(optimizer=make_optimizer(config, model.clip_norm))
    model.optimizer.build(model.trainable_variables)
    ema = WeightEma(model.trainable_variables, config.ema_decay)
    step = tf.function(model.train_step)
    started, steps = None, 0
    for batch in batches:
        step(batch)
        ema.update(steps)
        steps += 1
        started = started or time.process_time()  # Tracing, in the first step, is not counted.
        if time.process_time() - started > cpu_seconds:
            break
    for weight, average in zip(model.trainable_variables, ema.averages, strict=True):
        weight.assign(average)
    return steps
