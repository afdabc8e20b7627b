"""Steps of a training run, from notes to a finished model folder, which the run of each kind of model composes."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae.cli.progress import Progress
from nsynth_vae.config import AnyConfig
from nsynth_vae.data.batching.audio_batches import LABELS, AudioNotes, audio_megabytes, open_audio
from nsynth_vae.data.batching.base import SplitNotes
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.data.splits import select, shared_instruments
from nsynth_vae.errors import InputError
from nsynth_vae.files import atomic_write, write_text
from nsynth_vae.nn.float16 import round_weights
from nsynth_vae.nn.trainable_model import TrainableModel
from nsynth_vae.rendering import plots
from nsynth_vae.training.examples import Examples, Rendering, choose_examples
from nsynth_vae.training.model_card import model_card
from nsynth_vae.training.options import Options
from nsynth_vae.training.resume import check_folder, clear_checkpoints, default_folder_name
from nsynth_vae.training.state import EpochRecord
from nsynth_vae.training.tensorboard import TensorBoardWriter
from nsynth_vae.training.trainer import Trainer

_Notes = TypeVar("_Notes", bound=SplitNotes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A run's subject: the model, the settings, and the measures that are reported."""

    kind: str
    """Kind of model, in words."""
    command: str
    """The module of `nsynth_vae` that trains it."""
    config: AnyConfig
    options: Options
    name_prefix: str = ""
    """Start of the default name of the folder."""
    make_model: Callable[[], TrainableModel]
    """Makes the model, not yet built; see `Trainer`."""
    render: Callable[[keras.Model, Examples], Rendering] | None = None
    """Renders examples for TensorBoard."""
    rendering: str = ""
    """Name of the renderings."""
    watched: tuple[str, str] = ("loss", "loss")
    """The loss that the progress shows, and its name in words."""
    loss_panels: Sequence[tuple[str, str]]
    """(loss, title) of each panel of `figures/losses.png`."""
    definitions: Mapping[str, str]
    """Measure -> its unit and definition."""
    started: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def folder(self) -> pathlib.Path:
        """The model folder."""
        return self.options.models / (self.options.name or self.name_prefix + default_folder_name(self.config))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """The notes of a run, by split."""

    source: Source
    rows: dict[str, np.ndarray]
    """Split -> int64 `[notes]`, rows of `source.table`."""
    shared: dict[str, int]
    """Pair of splits -> number of instruments in both."""
    bad_notes: BadNotes


def prepare_folder(task: Task) -> bool:
    """Check the folder as `check_folder` does; return False if the run is finished already."""
    options, folder = task.options, task.folder
    needed = check_folder(folder, task.config, resume=options.resume, budget=options.requested_budget)
    if needed:
        print(f"Training {folder} on {', '.join(task.config.data.data)} with {os.cpu_count()} CPU cores")
    return needed


def select_notes(task: Task) -> Selection:
    """Open the sources and split their notes, by instrument where the sources' own splits lack training or validation.

    Raises:
        InputError: if there are no such notes.
    """
    config, options = task.config, task.options
    bad_notes = BadNotes(options.on_bad_note)
    source, rows = open_splits(config.data, audio=config.audio, bad_notes=bad_notes, data_dir=options.data_dir)
    table = source.table
    empty = next((name for name in ("train", "valid") if not len(rows[name])), None)
    if empty:
        print(f"No note of these is in the split {empty}: all are split anew, by instrument")
        rows = select(table, dataclasses.replace(config.data, split_by="instrument"))
    for name, part in rows.items():
        instruments = len(set(table.instrument_str[part]))
        of = f"of {instruments} {_plural(instruments, 'instrument')}"
        print(f"  {name:5} {len(part):7,} {_plural(len(part), 'note')} {of}")
    shared = shared_instruments(table, rows)
    print("  instruments in common: " + ", ".join(f"{pair} {count}" for pair, count in shared.items()))
    return Selection(source=source, rows=rows, shared=shared, bad_notes=bad_notes)


def open_notes(
    opener: Callable[..., _Notes], rows: Mapping[str, np.ndarray], bad_notes: BadNotes, reading: str
) -> dict[str, _Notes]:
    """Open the notes of some splits, with progress, and report the invalid ones.

    Args:
        opener: opens notes, called with their rows and `progress`, which takes a number of notes.
        rows: split -> rows.
        bad_notes: has the invalid notes.
        reading: title of the progress.
    """
    total, done, progress = sum(map(len, rows.values())), 0, Progress(reading)

    def advance(notes: int) -> None:
        nonlocal done
        done += notes
        progress.to(done / total, f"{done:,} of {total:,} notes")

    notes = {name: opener(part, progress=advance) for name, part in rows.items()}
    progress.close()
    skipped = bad_notes.skipped
    if skipped:
        print(f"Skipped {len(skipped):,} invalid {_plural(len(skipped), 'note')}:")
        for name, problem in list(skipped.items())[:20]:
            print(f"  {name}: {problem}")
        if len(skipped) > 20:
            print(f"  ... and {len(skipped) - 20:,} more, all in metrics.json")
    return notes


def open_audio_notes(
    task: Task, selection: Selection, rows: Mapping[str, np.ndarray], labels: Sequence[str] = LABELS
) -> dict[str, AudioNotes]:
    """Open the audio and labels of some splits' notes: in memory if they fit, else streamed."""
    audio, bad_notes = task.config.audio, selection.bad_notes
    megabytes = audio_megabytes(sum(map(len, rows.values())), audio)
    memory = megabytes <= task.options.memory_cache_mb
    if not memory:
        needed = f"--memory-cache-mb {megabytes:.0f}"
        print(f"Audio of {megabytes:,.0f} MB is read anew every epoch; {needed} would keep it in memory")
    opener = functools.partial(
        open_audio, selection.source, config=audio, bad_notes=bad_notes, memory=memory, labels=labels
    )
    return open_notes(opener, rows, bad_notes, "Reading notes")


def train(
    task: Task, source: Source, notes: Mapping[str, SplitNotes], batch_options: Mapping[str, object] | None = None
) -> tuple[Trainer, Examples]:
    """Train, with progress, checkpoints and TensorBoard logs.

    Args:
        task: what is trained.
        source: the source of the notes.
        notes: `train` and `valid`.
        batch_options: see `Trainer`.

    Returns:
        (the trainer, the notes that the model's figures and sounds show).

    Raises:
        InputError: for an invalid note in a stream, or a loss that is not finite.
        KeyboardInterrupt: after Ctrl-C; the message says how to resume.
    """
    new = not task.folder.exists()
    if not task.options.resume:
        clear_checkpoints(task.folder)
    try:
        return _train(task, source, notes, batch_options)
    except InputError:
        # Before the first checkpoint, nothing is worth keeping.
        if new and not (task.folder / "checkpoints").exists():
            shutil.rmtree(task.folder, ignore_errors=True)
        raise


def _train(
    task: Task, source: Source, notes: Mapping[str, SplitNotes], batch_options: Mapping[str, object] | None
) -> tuple[Trainer, Examples]:
    config, options, folder = task.config, task.options, task.folder
    strategy = None
    if options.strategy == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        print(f"Each batch is shared by {len(devices)} devices")
    folder.mkdir(parents=True, exist_ok=True)
    config.save(folder / "config.json")
    trainer = Trainer(
        task.make_model,
        config,
        notes["train"],
        notes["valid"],
        folder,
        batch_options=batch_options,
        strategy=strategy,
        jit_compile=options.jit_compile,
    )
    if trainer.step:
        print(f"Resuming from step {trainer.step}, after {trainer.state.seconds / 60:.1f} minutes of training")
    train_rows, valid_rows = notes["train"].rows, notes["valid"].rows
    example_rows = valid_rows if len(valid_rows) > 1 else np.concatenate([train_rows, valid_rows])
    examples = choose_examples(source, example_rows, config.audio)
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


def write_model(task: Task, trainer: Trainer) -> None:
    """Write the best weights, rounded to float16 precision, and the losses; `trainer.model` keeps these weights."""
    trainer.use_best()
    round_weights(trainer.model)
    print("Writing figures and sounds")
    plots.plot_losses(trainer.state.history, task.loss_panels, task.folder / "figures" / "losses.png")
    # A copy without the optimizer, whose state would make the file three times as large.
    model = task.make_model()
    model.build()
    model.set_weights(trainer.model.get_weights())
    with atomic_write(task.folder / "model.weights.h5") as temporary:
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


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
