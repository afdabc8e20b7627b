"""One run of a training command, whatever it trains: from options to a finished model folder."""

from __future__ import annotations

import abc
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from nsynth_vae.config import AnyConfig, Budget
from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text
from nsynth_vae.training.model_card import run_metrics
from nsynth_vae.training.options import Options
from nsynth_vae.training.resume import check, clear, default_name

if TYPE_CHECKING:
    import keras
    import numpy as np

    from nsynth_vae.data.batching.base import SplitNotes
    from nsynth_vae.training.examples import Examples, Media


class TrainingRun(abc.ABC):
    """One run of a training command, in three steps: `read_notes`, `train`, `finish`.

    A subclass says what is trained, on what, and what is written and shown of it.
    """

    default_minutes: ClassVar[float]
    """Training time where no budget is given."""
    reading: ClassVar[str]
    """What is done with the notes before training, for the progress."""
    watched: ClassVar[tuple[str, str]]
    """The loss that the progress shows, and its name in words."""
    loss_panels: ClassVar[Sequence[tuple[str, str]]]
    """What `figures/losses.png` shows: (loss, title)."""

    def __init__(self, config: AnyConfig, options: Options) -> None:
        """Takes what is to be trained and how; nothing is read or written yet."""
        from nsynth_vae.data.source import BadNotes

        self.config, self.options = config, options
        self.folder = options.models / (options.name or self.default_name())
        self.bad_notes = BadNotes(options.on_bad_note)

    def default_name(self) -> str:
        """Returns the name of the model's folder where none is given."""
        return default_name(self.config)

    @abc.abstractmethod
    def opener(self, count: int) -> Callable[..., SplitNotes]:
        """Returns what opens a split's notes, called with their rows and `progress`; `count` of all will be opened."""

    @abc.abstractmethod
    def make_model(self, config: AnyConfig) -> keras.Model:
        """Makes the model; see `Trainer`."""

    @abc.abstractmethod
    def show(self, model: keras.Model, examples: Examples) -> Media:
        """Returns what TensorBoard shows of the examples."""

    @abc.abstractmethod
    def write_results(self) -> None:
        """Writes what the trained model gives beside its weights: figures, sounds, exports."""

    @abc.abstractmethod
    def definitions(self) -> dict[str, str]:
        """Returns the measures' units and what they are."""

    @abc.abstractmethod
    def model_card(self, metrics: dict) -> str:
        """Returns the model folder's README."""

    @abc.abstractmethod
    def summary(self, metrics: dict) -> str:
        """Returns what is said at the end, after the time taken."""

    def rows_to_open(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the rows, of those in each split, that training and validation use."""
        return {name: rows[name] for name in ("train", "valid")}

    def batch_options(self) -> Mapping[str, object]:
        """Returns what training's batches depend on beside batch size, seed and step."""
        return {}

    def run(self) -> pathlib.Path:
        """Does all of it.

        Returns:
            The model folder.

        Raises:
            InputError: for bad input; nothing half-written is left.
            KeyboardInterrupt: after Ctrl-C, with what is to be done to go on.
        """
        started = time.monotonic()
        options, folder = self.options, self.folder
        asked = Budget(options.steps, options.epochs, options.minutes)
        if not check(folder, self.config, resume=options.resume, budget=asked):
            return folder
        print(f"Training {folder} on {', '.join(self.config.data.data)} with {os.cpu_count()} CPU cores")
        self.read_notes()
        new = not folder.exists()
        if not options.resume:
            clear(folder)
        try:
            self.train()
        except InputError:
            # A bad note met while streaming, or a loss that is not finite: before a checkpoint, nothing is kept.
            if new and not (folder / "checkpoints").exists():
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self.finish(started)
        return folder

    def read_notes(self) -> None:
        """Opens the notes, splits them, and reads them unless they are to be streamed."""
        import numpy as np

        from nsynth_vae.cli.progress import Progress
        from nsynth_vae.data.open_sources import open_sources
        from nsynth_vae.data.splits import select, shared_instruments

        config, options = self.config, self.options
        self.source = open_sources(
            config.data.data, audio=config.audio, bad_notes=self.bad_notes, data_dir=options.data_dir
        )
        table = self.source.table
        rows = select(table, config.data)
        if not (len(rows["train"]) and len(rows["valid"])):
            empty = "train" if not len(rows["train"]) else "valid"
            print(f"No note of these is in the split {empty}: all are split anew, by instrument")
            rows = select(table, dataclasses.replace(config.data, split_by="instrument"))
        for name, part in rows.items():
            instruments = len(set(table.instrument_str[part]))
            of = f"of {instruments} {_plural(instruments, 'instrument')}"
            print(f"  {name:5} {len(part):7,} {_plural(len(part), 'note')} {of}")
        self.shared = shared_instruments(table, rows)
        print("  instruments in common: " + ", ".join(f"{pair} {count}" for pair, count in self.shared.items()))
        to_open = self.rows_to_open(rows)
        used = sum(map(len, to_open.values()))
        opener = self.opener(used)
        progress, done = Progress(self.reading), 0

        def advance(notes: int) -> None:
            nonlocal done
            done += notes
            progress.to(done / used, f"{done:,} of {used:,} notes")

        self.notes = {name: opener(part, progress=advance) for name, part in to_open.items()}
        progress.close()
        self.rows = rows
        if self.bad_notes.skipped:
            self._report_skipped()
        train, valid = (self.notes[name].rows for name in ("train", "valid"))
        self.example_rows = valid if len(valid) > 1 else np.concatenate([train, valid])

    def _report_skipped(self) -> None:
        skipped = self.bad_notes.skipped
        print(f"Skipped {len(skipped):,} bad {_plural(len(skipped), 'note')}:")
        for name, problem in list(skipped.items())[:20]:
            print(f"  {name}: {problem}")
        if len(skipped) > 20:
            print(f"  ... and {len(skipped) - 20:,} more, all in metrics.json")

    def train(self) -> None:
        """Trains, with progress, checkpoints and TensorBoard logs."""
        import tensorflow as tf

        from nsynth_vae.cli.progress import Progress
        from nsynth_vae.training.examples import choose_examples
        from nsynth_vae.training.tensorboard import Board
        from nsynth_vae.training.trainer import Trainer

        options = self.options
        unlimited = not (options.steps or options.epochs or options.minutes)
        budget = Budget(options.steps, options.epochs, self.default_minutes if unlimited else options.minutes)
        strategy = None
        if options.strategy == "mirrored":
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
            print(f"Each batch is shared by {len(devices)} devices")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.save(self.folder / "config.json")
        self.trainer = trainer = Trainer(
            self.make_model,
            self.config,
            self.notes["train"],
            self.notes["valid"],
            self.folder,
            batch_options=self.batch_options(),
            strategy=strategy,
            jit_compile=options.jit_compile,
        )
        if trainer.step:
            print(f"Going on from step {trainer.step}, after {trainer.state['seconds'] / 60:.1f} minutes of training")
        self.examples = choose_examples(self.source, self.example_rows, self.config.audio)
        board = Board(self.folder / "logs", trainer, self.examples, self.show)
        progress = Progress("Training", start=trainer.fraction(budget))
        watched, in_words = self.watched
        latest = ""

        def on_step(losses: dict) -> None:
            epoch = trainer.step / trainer.steps_per_epoch
            progress.to(
                trainer.fraction(budget),
                f"step {trainer.step}, epoch {epoch:.1f}, {in_words} {losses[watched]:.2f}{latest}",
            )

        def on_epoch(record: dict) -> None:
            nonlocal latest
            latest = f", valid {record['valid'][watched]:.2f}"
            board.write(record)

        try:
            stopped = trainer.run(budget, on_step=on_step, on_epoch=on_epoch)
        finally:
            progress.close()
            board.close()
        print(f"Training ended: {stopped}; the best weights are those of step {trainer.state['best_step']}")

    def finish(self, started: float) -> None:
        """Writes the model folder, `metrics.json` last, and prints the summary."""
        from nsynth_vae.nn.float16 import round_weights
        from nsynth_vae.rendering import plots

        trainer, folder = self.trainer, self.folder
        trainer.use_best()
        round_weights(trainer.model)
        print("Writing figures and sounds")
        plots.plot_losses(trainer.state["history"], self.loss_panels, folder / "figures" / "losses.png")
        # A copy without the optimizer, whose state would make the file three times as large.
        model = self.make_model(self.config)
        model.build()
        model.set_weights(trainer.model.get_weights())
        aside = folder / ".model.weights.h5"
        model.save_weights(aside)
        aside.replace(folder / "model.weights.h5")
        self.write_results()
        metrics = run_metrics(
            definitions=self.definitions(),
            notes={name: len(rows) for name, rows in self.rows.items()},
            shared=self.shared,
            skipped=self.bad_notes.skipped,
            valid=trainer.evaluate(self.notes["valid"]),
            state=trainer.state,
            steps_per_epoch=trainer.steps_per_epoch,
        )
        write_text(folder / "README.md", self.model_card(metrics))
        write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        print(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes. {self.summary(metrics)}")


def python() -> str:
    """Returns how this Python was called, relative to the working directory where it lies below it."""
    path = pathlib.Path(sys.executable)
    return str(path.relative_to(pathlib.Path.cwd())) if path.is_relative_to(pathlib.Path.cwd()) else "python"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
