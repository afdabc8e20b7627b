"""The training loop: steps, validation, running mean of the weights, checkpoints, budgets and early stopping."""

from __future__ import annotations

import functools
import math
import pathlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import pretrained
from nsynth_vae.config import AnyConfig, Budget, TrainConfig
from nsynth_vae.data.batching.base import SplitNotes
from nsynth_vae.errors import InputError
from nsynth_vae.training import checkpoints

CHECKPOINT_SECONDS = 60.0
"""A checkpoint is written at every epoch, and at least this often."""


def make_optimizer(config: TrainConfig) -> keras.optimizers.Optimizer:
    """Returns Adam, with loss scaling where float16 needs it."""
    optimizer = keras.optimizers.Adam(config.learning_rate)
    if config.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


class Trainer:
    """Trains one model on one set of notes; goes on from the newest checkpoint in `folder/checkpoints`.

    A model has, beside Keras's `build`, `compile` and `reset_metrics`:
    - `train_step(batch)`, which takes a step of its optimizer and returns losses by name, `loss` among them;
    - `assess(batch)`, which returns the losses' running means since `reset_metrics`, of which the lowest `loss` is
      the best, and a tensor of one row a note;
    - if there is more to say of an evaluation, `summarize(assessed)`, which gets these rows of all notes and returns
      measures by name.
    """

    def __init__(
        self,
        make_model: Callable[[AnyConfig], keras.Model],
        config: AnyConfig,
        train: SplitNotes,
        valid: SplitNotes,
        folder: pathlib.Path,
        *,
        batch_options: Mapping[str, object] | None = None,
        strategy: tf.distribute.Strategy | None = None,
        jit_compile: bool | None = None,
        log: Callable[[str], None] = print,
    ) -> None:
        """Makes the model and restores the newest checkpoint; without one, the weights that training starts from.

        Args:
            make_model: makes the model of a configuration, in the strategy's scope.
            config: the whole configuration.
            train: the notes to learn from.
            valid: the notes that say when it is good.
            folder: the model folder.
            batch_options: what `train.training` is told beside batch size, seed and step.
            strategy: how replicas share a batch; None for one device.
            jit_compile: compile the step with XLA; None: on a GPU only.
            log: is told what happened, a line at a time.

        Raises:
            InputError: if the batch cannot be shared evenly by the strategy's replicas, or the weights to start from
                are missing, broken or another model's.
        """
        self.config, self.train, self.valid, self.folder, self.log = config, train, valid, folder, log
        self.batch_options = dict(batch_options or {})
        self.strategy = strategy or tf.distribute.get_strategy()
        replicas = self.strategy.num_replicas_in_sync
        if config.train.batch_size % replicas:
            raise InputError(f"--batch-size {config.train.batch_size}: expected a multiple of the {replicas} devices")
        checkpoint = checkpoints.load_newest(folder / "checkpoints", log)
        keras.utils.set_random_seed(config.train.seed)
        with self.strategy.scope():
            self.model = make_model(config)
            self.model.build()
            if config.train.start_from and checkpoint is None:
                pretrained.load_weights(self.model, config.train.start_from, of="these options describe")
            self.model.compile(optimizer=make_optimizer(config.train))
            self.model.optimizer.build(self.model.trainable_variables)
            self.averages = [tf.Variable(tf.convert_to_tensor(weight)) for weight in self.model.trainable_variables]
        self.best = [np.array(weight) for weight in self.model.trainable_variables]
        self.state = {
            "step": 0,
            "seed": config.train.seed,
            "best_valid_loss": None,
            "best_step": 0,
            "epochs_since_best": 0,
            "seconds": 0.0,
            "stopped": None,
            "converged": False,
            "history": [],
            "epoch_sums": None,
        }
        self.interrupted = False
        if checkpoint is not None:
            self._restore(checkpoint)
        if jit_compile is None:
            jit_compile = bool(tf.config.list_physical_devices("GPU"))
        # AutoGraph would take time and find nothing: control flow is TensorFlow's own.
        graph = functools.partial(tf.function, autograph=False)
        inner = graph(self.model.train_step, jit_compile=True) if jit_compile else self.model.train_step
        self._step = graph(lambda batch: self._distributed(inner, batch))
        self._average = graph(self._average_weights)
        self._assess = graph(self.model.assess, reduce_retracing=True)

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self.state["step"]

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch."""
        return self.train.steps_per_epoch(self.config.train.batch_size)

    def run(
        self,
        budget: Budget,
        *,
        on_step: Callable[[dict], None] = lambda losses: None,
        on_epoch: Callable[[dict], None] = lambda record: None,
    ) -> str:
        """Trains until the budget is used up, validation stops improving, or Ctrl-C.

        Args:
            budget: when to end.
            on_step: is given each step's losses, floats by name.
            on_epoch: is given each epoch's record, after its validation.

        Returns:
            Why it ended, in words.

        Raises:
            KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
        """
        total_steps = self._total_steps(budget)
        self.state["stopped"] = self._used_up(budget, total_steps)
        batches = self.train.checked(self._batches())
        previous = _catch_interrupt(self)
        saved = started = time.monotonic()
        before = self.state["seconds"]
        try:
            while self.state["stopped"] is None:
                losses = {name: float(value) for name, value in self._step(next(batches)).items()}
                self._average(self._decay())
                self.state["step"] += 1
                now = time.monotonic()
                self.state["seconds"] = before + now - started
                self._add_to_epoch(losses)
                if not math.isfinite(losses["loss"]):
                    raise InputError(f"step {self.step}: the loss is {losses['loss']}; try a lower --learning-rate")
                on_step(losses)
                self.state["stopped"] = self._used_up(budget, total_steps)
                if self.step % self.steps_per_epoch == 0 or self.state["stopped"]:
                    on_epoch(self._end_epoch())
                    self.state["stopped"] = self._used_up(budget, total_steps)
                    self.state["seconds"] = before + time.monotonic() - started
                    self.save()
                    saved = time.monotonic()
                elif now - saved >= CHECKPOINT_SECONDS or self.interrupted:
                    self.save()
                    saved = time.monotonic()
                if self.interrupted:
                    raise KeyboardInterrupt(f"Saved at step {self.step}; the same command goes on from there.")
        finally:
            if previous is not None:
                signal.signal(signal.SIGINT, previous)
        return self.state["stopped"]

    def fraction(self, budget: Budget) -> float:
        """Returns how much of the budget is used up, 0 to 1."""
        minutes = 60 * budget.minutes if budget.minutes else math.inf
        return min(1.0, max(self.step / self._total_steps(budget), self.state["seconds"] / minutes))

    def validate(self) -> dict[str, float]:
        """Returns the measures of the weights as they are on the validation notes."""
        return self.evaluate(self.valid)

    def evaluate(self, notes: SplitNotes) -> dict[str, float]:
        """Returns the mean losses over some notes with the weights as they are, and the model's summary of them."""
        self.model.reset_metrics()
        summarize = getattr(self.model, "summarize", None)
        rows, result = [], {}
        for batch in notes.checked(notes.batches(self.config.train.batch_size)):
            result, assessed = self._assess(batch)
            if summarize is not None:
                rows.append(assessed.numpy())
        summary = {} if summarize is None else summarize(np.concatenate(rows))
        return {name: float(value) for name, value in result.items()} | summary

    def use_best(self) -> None:
        """Gives the model the best weights: those of the lowest validation loss."""
        self._set_weights(self.best)

    def _set_weights(self, values: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self.model.trainable_variables, values, strict=True):
            variable.assign(value)

    def save(self) -> None:
        """Writes a checkpoint."""
        arrays = {f"weights/{i}": np.array(value) for i, value in enumerate(self.model.trainable_variables)}
        arrays |= {f"optimizer/{i}": np.array(value) for i, value in enumerate(self.model.optimizer.variables)}
        arrays |= {f"average/{i}": value.numpy() for i, value in enumerate(self.averages)}
        arrays |= {f"best/{i}": value for i, value in enumerate(self.best)}
        checkpoints.save(self.folder / "checkpoints", checkpoints.Checkpoint(arrays, self.state), self.step)

    def _restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        arrays = checkpoint.arrays
        for name, variables in (
            ("weights", self.model.trainable_variables),
            ("optimizer", self.model.optimizer.variables),
            ("average", self.averages),
        ):
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"{name}/{i}"])
        self.best = [arrays[f"best/{i}"] for i in range(len(self.best))]
        self.state = checkpoint.state

    def _batches(self) -> tf.data.Dataset:
        dataset = self.train.training(
            batch_size=self.config.train.batch_size,
            seed=self.config.train.seed,
            first_step=self.step,
            **self.batch_options,
        )
        if self.strategy.num_replicas_in_sync == 1:
            return dataset
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return self.strategy.experimental_distribute_dataset(dataset.with_options(options))

    def _distributed(self, inner: Callable, batch: dict) -> dict:
        if self.strategy.num_replicas_in_sync == 1:
            return inner(batch)
        losses = self.strategy.run(inner, args=(batch,))
        return {name: self.strategy.reduce("MEAN", value, axis=None) for name, value in losses.items()}

    def _decay(self) -> tf.Tensor:
        """Returns the running mean's decay, shorter at the start, where the weights still move far."""
        return tf.constant(min(self.config.train.weight_average, (1 + self.step) / (10 + self.step)), tf.float32)

    def _average_weights(self, decay: tf.Tensor) -> None:
        for average, weight in zip(self.averages, self.model.trainable_variables, strict=True):
            average.assign(decay * average + (1.0 - decay) * tf.convert_to_tensor(weight))

    def _add_to_epoch(self, losses: dict[str, float]) -> None:
        sums = self.state["epoch_sums"] or dict.fromkeys(losses, 0.0) | {"steps": 0}
        self.state["epoch_sums"] = {name: sums[name] + losses.get(name, 1) for name in sums}
        self.state["last_losses"] = losses

    def _end_epoch(self) -> dict:
        """Validates the averaged weights, keeps them if they are the best, and adds to the history."""
        sums = self.state["epoch_sums"]
        self.state["epoch_sums"] = None
        weights = [np.array(weight) for weight in self.model.trainable_variables]
        self._set_weights([average.numpy() for average in self.averages])
        valid = self.validate()
        if self.state["best_valid_loss"] is None or valid["loss"] < self.state["best_valid_loss"]:
            self.state |= {"best_valid_loss": valid["loss"], "best_step": self.step, "epochs_since_best": 0}
            self.best = [np.array(weight) for weight in self.model.trainable_variables]
        else:
            self.state["epochs_since_best"] += 1
        self._set_weights(weights)
        record = {
            "step": self.step,
            "seconds": round(self.state["seconds"], 1),
            "train": {name: sums[name] / sums["steps"] for name in sums if name != "steps"},
            "valid": valid,
        }
        self.state["history"].append(record)
        return record

    def _total_steps(self, budget: Budget) -> float:
        by_epochs = budget.epochs * self.steps_per_epoch if budget.epochs else math.inf
        return min(budget.steps or math.inf, by_epochs)

    def _used_up(self, budget: Budget, total_steps: float) -> str | None:
        if self.step >= total_steps:
            return f"{self.step} steps done"
        if budget.minutes and self.state["seconds"] >= 60 * budget.minutes:
            return f"{budget.minutes:g} minutes of training done"
        self.state["converged"] = self.state["epochs_since_best"] >= self.config.train.patience
        if self.state["converged"]:
            return f"no better validation loss for {self.config.train.patience} epochs"
        return None


def _catch_interrupt(trainer: Trainer):
    """Makes Ctrl-C end training after the step; a second one ends it at once. Returns the handler before."""

    def handle(number, frame) -> None:
        if trainer.interrupted:
            raise KeyboardInterrupt
        trainer.interrupted = True

    try:
        return signal.signal(signal.SIGINT, handle)
    except ValueError:  # Not in the main thread: there, Ctrl-C is not ours to catch.
        return None
