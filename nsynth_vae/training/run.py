"""Steps of a training run, from notes to a finished model folder, which the run of each kind of model composes."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from nsynth_vae.cli.progress import Progress
from nsynth_vae.data.batching.base import SplitNotes
from nsynth_vae.files import atomic_write, write_text
from nsynth_vae.nn.float16 import round_weights
from nsynth_vae.rendering import plots
from nsynth_vae.training import checkpoints, notes_record
from nsynth_vae.training.cluster import Cluster
from nsynth_vae.training.examples import Examples, choose_examples
from nsynth_vae.training.model_card import model_card
from nsynth_vae.training.notes import Selection
from nsynth_vae.training.resume import clear_checkpoints
from nsynth_vae.training.state import EpochRecord
from nsynth_vae.training.task import Task
from nsynth_vae.training.tensorboard import TensorBoardWriter
from nsynth_vae.training.trainer import Trainer


def train(
    task: Task,
    cluster: Cluster,
    selection: Selection,
    notes: Mapping[str, SplitNotes],
    batch_options: Mapping[str, Any] | None = None,
) -> tuple[Trainer, Examples] | None:
    """Train, with progress, checkpoints and TensorBoard logs.

    Args:
        task: what is trained.
        cluster: who trains it; only its chief writes.
        selection: the notes' source and record.
        notes: `train` and `valid`.
        batch_options: see `Trainer`.

    Returns:
        (the trainer, the notes that the model's figures and sounds show); None on the workers that are not the chief.

    Raises:
        InputError: for an invalid note in a stream, or a loss that is not finite.
        KeyboardInterrupt: after Ctrl-C; the message says how to resume.
    """
    if not cluster.is_chief:
        return _train(task, cluster, selection, notes, batch_options)
    config_file = task.folder / "config.json"
    new = not config_file.exists()
    if not task.options.resume:
        clear_checkpoints(task.folder)
    try:
        return _train(task, cluster, selection, notes, batch_options)
    except Exception:
        # Before the first checkpoint, nothing is worth keeping.
        if new and not checkpoints.paths(task.folder / "checkpoints"):
            clear_checkpoints(task.folder)
            config_file.unlink(missing_ok=True)
        raise


def _train(
    task: Task,
    cluster: Cluster,
    selection: Selection,
    notes: Mapping[str, SplitNotes],
    batch_options: Mapping[str, Any] | None,
) -> tuple[Trainer, Examples] | None:
    config, options, folder = task.config, task.options, task.folder
    cluster.check_same("options", [config.to_dict(), dataclasses.asdict(options.budget)])
    cluster.check_same("notes", selection.record)
    if cluster.is_chief:
        config.save(folder / "config.json")
    trainer = Trainer(
        task.make_model,
        config,
        notes["train"],
        notes["valid"],
        folder,
        batch_options=batch_options,
        cluster=cluster,
        jit_compile=options.jit_compile,
    )
    if cluster.share(selection.changed):
        trainer.state.forget_validation()
    if not cluster.is_chief:
        trainer.run(options.budget)
        return None
    notes_record.write(folder, selection.record)
    if trainer.step:
        print(f"Resuming from step {trainer.step}, after {trainer.state.seconds / 60:.1f} minutes of training")
    train_rows, valid_rows = notes["train"].rows, notes["valid"].rows
    example_rows = valid_rows if len(valid_rows) > 1 else np.concatenate([train_rows, valid_rows])
    examples = choose_examples(selection.source, example_rows, config.audio)
    writer = TensorBoardWriter(folder / "logs", trainer, examples, task.render, task.rendering)
    progress = Progress("Training", start=trainer.fraction(options.budget))
    watched, in_words = task.watched
    latest = ""

    def on_step(losses: dict[str, float]) -> None:
        epoch = trainer.step / trainer.steps_per_epoch
        note = f"step {trainer.step}, epoch {epoch:.1f}, {in_words} {losses[watched]:.2f}{latest}"
        progress.to(trainer.fraction(options.budget), note)

    def on_epoch(record: EpochRecord) -> None:
        nonlocal latest
        latest = f", valid {record['valid'][watched]:.2f}"
        writer.write(record)

    try:
        stopped = trainer.run(options.budget, on_step=on_step, on_epoch=on_epoch)
    finally:
        progress.close()
        writer.close()
    print(f"Training ended: {stopped}; the best weights are those of step {trainer.state.best_step}")
    return trainer, examples


def write_model(task: Task, trainer: Trainer, complete: Callable[[keras.Model], None] = lambda model: None) -> None:
    """Write the best weights, rounded to float16 precision, and the losses; `trainer.model` keeps these weights.

    `complete` is called with the model of the best weights, to fit what is fitted after the training.
    """
    trainer.use_best()
    complete(trainer.model)
    round_weights(trainer.model)
    print("Writing figures and sounds")
    plots.plot_losses(trainer.state.history, task.loss_panels, task.folder / "figures" / "losses.png")
    # A copy without the optimizer, whose state would make the file three times as large.
    model = task.make_model()
    model.build()
    model.set_weights(trainer.model.get_weights())
    with atomic_write(task.folder / "model.weights.h5", "file of weights") as temporary:
        model.save_weights(temporary)


def complete_folder(
    task: Task,
    metrics: dict[str, Any],
    *,
    on: str,
    results: str,
    pictures: str,
    next_step: tuple[str, str],
    exports: str | None = None,
) -> None:
    """Write the model card and, last of all, `metrics.json`; print a summary.

    Args:
        task: what was trained.
        metrics: what `run_metrics` returned.
        on: the notes of the results, in words.
        results: the results, in words.
        pictures: see `model_card`.
        next_step: what can be done next, in words, and its command without `python -m nsynth_vae.`.
        exports: where the exports are, if there are any.
    """
    folder = task.folder
    write_text(folder / "README.md", model_card(task, metrics, results=f"{on}\n{results}.", pictures=pictures))
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    print(f"\nDone in {(time.monotonic() - task.started) / 60:.1f} minutes. {on} {results}.")
    sounds = folder / "sounds" if (folder / "sounds").exists() else None
    places = {"model": folder, "figures": folder / "figures", "sounds": sounds, "exports": exports}
    print("\n".join(f"  {name:8} {place}" for name, place in places.items() if place))
    path = pathlib.Path(sys.executable)
    python = str(path.relative_to(pathlib.Path.cwd())) if path.is_relative_to(pathlib.Path.cwd()) else "python"
    listen = f"listen to {sounds}, " if sounds else ""
    print(f"Next: {listen}look at the training with\n  {python} -m tensorboard.main --logdir {folder / 'logs'}")
    print(f"or {next_step[0]}\n  {python} -m nsynth_vae.{next_step[1]}")
