"""Training loop: steps, validation, EMA of the weights, checkpoints, budgets and early stopping."""

from __future__ import annotations

import contextlib
import functools
import math
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import pretrained
from nsynth_vae.cli import signals
from nsynth_vae.config import AnyConfig, Budget, TrainConfig
from nsynth_vae.data.batching.base import Shard, SplitNotes
from nsynth_vae.errors import InputError
from nsynth_vae.nn.clipped_adam import ClippedAdam
from nsynth_vae.nn.trainable_model import TrainableModel
from nsynth_vae.training import checkpoints
from nsynth_vae.training.cluster import Cluster
from nsynth_vae.training.ema import WeightEma
from nsynth_vae.training.state import EpochRecord, TrainerState

CHECKPOINT_SECONDS = 60.0
"""A checkpoint is written at every epoch, and at least this often."""


def make_optimizer(config: TrainConfig, clip_norm: float | None) -> keras.optimizers.Optimizer:
    """Return Adam, which limits the gradients' global norm, with loss scaling where float16 needs it."""
    optimizer = ClippedAdam(config.learning_rate, global_clipnorm=clip_norm)
    if config.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


class Trainer:
    """Training of one model on one set of notes, resumed from the newest checkpoint in `folder/checkpoints`.

    The best weights are those of the lowest validation `loss`. A model with `summarize` adds measures, by name, of what
    its `assess` returned for all notes.
    """

    def __init__(
        self,
        make_model: Callable[[], TrainableModel],
        config: AnyConfig,
        train: SplitNotes,
        valid: SplitNotes,
        folder: pathlib.Path,
        *,
        batch_options: Mapping[str, Any] | None = None,
        cluster: Cluster | None = None,
        jit_compile: bool | None = None,
        log: Callable[[str], None] = print,
    ) -> None:
        """Make the model and restore the newest checkpoint; without one, the weights that training starts from.

        Args:
            make_model: makes the model, not yet built; called in the strategy's scope.
            config: the model's whole configuration.
            train: the training notes.
            valid: the validation notes.
            folder: the model folder.
            batch_options: arguments of `train.training` besides batch size, seed and step.
            cluster: shares each batch; None for one device.
            jit_compile: compile the step with XLA; None: on the GPUs of one machine only.
            log: called with each line of the log.

        Raises:
            InputError: if the batch is no multiple of the cluster's devices, all checkpoints are damaged, or the
                weights to start from are missing, broken or another model's.
        """
        self.config, self.train, self.valid, self.folder = config, train, valid, folder
        self.batch_options = dict(batch_options or {})
        self.cluster = cluster or Cluster()
        self.strategy = self.cluster.strategy
        self.steps_per_epoch = train.steps_per_epoch(config.train.batch_size)
        self.interrupted = False
        replicas = self.strategy.num_replicas_in_sync
        if config.train.batch_size % replicas:
            raise InputError(f"--batch-size {config.train.batch_size}: expected a multiple of the {replicas} devices")
        keras.utils.set_random_seed(config.train.seed)
        with self.strategy.scope():
            self.model: keras.Model = make_model()
            self.model.build()
            self.model.compile(optimizer=make_optimizer(config.train, self.model.clip_norm))
            self.model.optimizer.build(self.model.trainable_variables)
            checkpoint = None
            # A cluster's other workers get the chief's variables, below.
            if self.cluster.is_chief:
                checkpoint = checkpoints.load_newest(folder / "checkpoints", log, self._check)
                if config.train.start_from and checkpoint is None:
                    pretrained.load_weights(self.model, config.train.start_from, of="these options describe")
            self.ema = WeightEma(self.model.trainable_variables, config.train.ema_decay)
        self.best = _values(self.model.trainable_variables)
        self.state = TrainerState(seed=config.train.seed)
        if checkpoint is not None:
            self._restore(checkpoint)
        self.state = TrainerState.from_dict(self.cluster.share(self.state.to_dict()))
        for variables in self._saved_variables().values():
            self.cluster.share_variables(variables)
        if jit_compile is None:
            jit_compile = self.cluster.workers == 1 and bool(tf.config.list_physical_devices("GPU"))
        # AutoGraph would take time and find nothing: control flow is TensorFlow's own.
        graph = functools.partial(tf.function, autograph=False)
        inner = graph(self.model.train_step, jit_compile=True) if jit_compile else self.model.train_step
        self._step = graph(lambda batch: self._distributed(inner, batch))
        self._assess = graph(self.model.assess, reduce_retracing=True)

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self.state.step

    def run(
        self,
        budget: Budget,
        *,
        on_step: Callable[[dict[str, float]], None] = lambda losses: None,
        on_epoch: Callable[[EpochRecord], None] = lambda record: None,
    ) -> str:
        """Train until the budget is used up, validation stops improving, or Ctrl-C.

        Args:
            budget: when to end.
            on_step: called with each step's losses.
            on_epoch: called with each epoch's record, after its validation.

        Returns:
            The reason of the end, in words.

        Raises:
            InputError: if the loss is not finite.
            KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
        """
        state = self.state
        state.stopped = self._end_reason(budget)
        batches = self.train.checked(self._batches())
        before, saved = state.seconds, time.monotonic()
        started = saved
        with self._interrupt_deferred():
            while state.stopped is None:
                losses = {name: float(value) for name, value in self._step(next(batches)).items()}
                self.ema.update(state.step)
                state.add_step(losses)
                now = time.monotonic()
                state.seconds, interrupted = self.cluster.agree(before + now - started, interrupted=self.interrupted)
                if not math.isfinite(losses["loss"]):
                    raise InputError(f"step {state.step}: the loss is {losses['loss']}; try a lower --learning-rate")
                on_step(losses)
                state.stopped = self._end_reason(budget)
                epoch_ended = state.step % self.steps_per_epoch == 0 or state.stopped is not None
                if epoch_ended:
                    on_epoch(self._end_epoch())
                    state.stopped = self._end_reason(budget)
                    state.seconds = before + time.monotonic() - started
                if self.cluster.workers == 1:
                    # Also in the callbacks and the validation: there is nobody to agree with.
                    interrupted = self.interrupted
                if epoch_ended or now - saved >= CHECKPOINT_SECONDS or interrupted:
                    self.save()
                    saved = time.monotonic()
                if interrupted:
                    self.cluster.barrier()
                    raise KeyboardInterrupt(f"Saved at step {state.step}; the same command resumes from there.")
        return state.stopped

    def fraction(self, budget: Budget) -> float:
        """Return the fraction of the budget that is used up, 0 to 1."""
        minutes = 60 * budget.minutes if budget.minutes else math.inf
        return min(1.0, max(self.step / self._total_steps(budget), self.state.seconds / minutes))

    def evaluate(self, notes: SplitNotes) -> dict[str, float]:
        """Return the mean losses over some notes with the weights as they are, and the model's summary of them."""
        summarize = getattr(self.model, "summarize", None)
        rows, totals = [], {name: np.zeros(2) for name in self.model.loss_names}
        for batch in notes.checked(notes.batches(self.config.train.batch_size)):
            sums, assessed = self._assess(batch)
            for name, total in totals.items():
                total += sums[name].numpy()
            if summarize is not None:
                rows.append(assessed.numpy())
        summary = {} if summarize is None else summarize(np.concatenate(rows))
        return {name: float(total / weight) if weight else 0.0 for name, (total, weight) in totals.items()} | summary

    def use_best(self) -> None:
        """Set the model's weights to the best: those of the lowest validation loss."""
        _assign(self.model.trainable_variables, self.best)

    def save(self) -> None:
        """Write a checkpoint, if this process is the chief."""
        if not self.cluster.is_chief:
            return
        parts = {name: _values(variables) for name, variables in self._saved_variables().items()} | {"best": self.best}
        arrays = {f"{name}/{i}": value for name, values in parts.items() for i, value in enumerate(values)}
        checkpoint = checkpoints.Checkpoint(arrays, self.state.to_dict())
        checkpoints.save(self.folder / "checkpoints", checkpoint, self.step)

    def _check(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Raise ValueError for a checkpoint that is not of this model."""
        parts = dict.fromkeys(("weights", "average", "best"), self.model.trainable_variables)
        for name, variables in {**parts, "optimizer": self.model.optimizer.variables}.items():
            checkpoint.check_part(name, [tuple(variable.shape) for variable in variables])
        TrainerState.from_dict(checkpoint.state)

    def _restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        arrays = checkpoint.arrays
        for name, variables in self._saved_variables().items():
            _assign(variables, [arrays[f"{name}/{i}"] for i in range(len(variables))])
        self.best = [arrays[f"best/{i}"] for i in range(len(self.best))]
        self.state = TrainerState.from_dict(checkpoint.state)

    def _saved_variables(self) -> dict[str, Sequence[tf.Variable]]:
        model = self.model
        return {
            "weights": model.trainable_variables,
            "optimizer": model.optimizer.variables,
            "average": self.ema.averages,
        }

    def _batches(self) -> tf.data.Dataset:
        train = self.config.train

        def of_worker(shard: Shard) -> tf.data.Dataset:
            return self.train.training(
                batch_size=train.batch_size, seed=train.seed, first_step=self.step, shard=shard, **self.batch_options
            )

        return self.cluster.batches(of_worker)

    def _distributed(self, train_step: Callable[[dict], dict], batch: dict) -> dict:
        if self.strategy.num_replicas_in_sync == 1:
            return train_step(batch)
        names = self.model.loss_names

        def stacked(part: dict) -> tf.Tensor:
            losses = train_step(part)
            return tf.stack([losses[name] for name in names])

        # One collective for all of them.
        means = self.strategy.reduce("MEAN", self.strategy.run(stacked, args=(batch,)), axis=None)
        return dict(zip(names, tf.unstack(means, len(names)), strict=True))

    def _end_epoch(self) -> EpochRecord:
        """Validate the averaged weights, keep them if they are the best, and return the epoch's record."""
        variables, averages = self.model.trainable_variables, _values(self.ema.averages)
        measures: dict[str, float] = {}
        if self.cluster.is_chief:
            weights = _values(variables)
            _assign(variables, averages)
            measures = self.evaluate(self.valid)
            _assign(variables, weights)
        record = self.state.end_epoch(self.cluster.share(measures))
        if self.state.best_step == self.step:
            self.best = averages
        return record

    def _total_steps(self, budget: Budget) -> float:
        by_epochs = budget.epochs * self.steps_per_epoch if budget.epochs else math.inf
        return min(budget.steps or math.inf, by_epochs)

    def _end_reason(self, budget: Budget) -> str | None:
        state, patience = self.state, self.config.train.patience
        if state.step >= self._total_steps(budget):
            return f"{state.step} steps done"
        if budget.minutes and state.seconds >= 60 * budget.minutes:
            return f"{budget.minutes:g} minutes of training done"
        state.converged = state.epochs_since_best >= patience
        return f"no better validation loss for {patience} epochs" if state.converged else None

    def _interrupt_deferred(self) -> contextlib.AbstractContextManager[None]:
        """Make Ctrl-C, and the SIGTERM of a cluster's manager, end training after the step; a second one, at once."""

        def handle(number: int, frame: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        return signals.handling(handle)


def _values(variables: Sequence[tf.Variable]) -> list[np.ndarray]:
    # NumPy 2 warns of the `__array__` of Keras variables.
    return [np.array(tf.convert_to_tensor(variable).numpy()) for variable in variables]


def _assign(variables: Sequence[tf.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
