"""`python -m nsynth_vae.train`: from notes to a trained, exported timbre model, in one command."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Sequence

from nsynth_vae import cli, model_folder
from nsynth_vae.config import Budget, Config, InputError, write_text

DEFAULT_MINUTES = 6.0
"""Training time where no budget is given: with all the rest, below ten minutes on two cores."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What a run needs besides the configuration; nothing here changes what the same steps would learn."""

    models: pathlib.Path = pathlib.Path("models")
    exports: pathlib.Path = pathlib.Path("exports")
    name: str | None = None
    data_dir: str | None = None
    cache_dir: str | None = None
    memory_cache_mb: float = 512.0
    on_bad_note: str = "error"
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    strategy: str = "none"
    jit_compile: bool | None = None
    resume: bool = True


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.train",
        "Trains a timbre model on notes, and exports it: spectrograms, a variational autoencoder, SavedModels, TFLite. "
        "The same command goes on where an interrupted one stopped.",
    )
    cli.add_data_options(parser)
    cli.add_config_options(parser)
    defaults = Options()
    group = parser.add_argument_group("this run")
    group.add_argument(
        "--models",
        metavar="DIR",
        type=pathlib.Path,
        default=defaults.models,
        help="where model folders are (default: %(default)s)",
    )
    group.add_argument("--name", help="name of the model's folder (default: made from --data)")
    group.add_argument(
        "--exports",
        metavar="DIR",
        type=pathlib.Path,
        default=defaults.exports,
        help="where SavedModels and TFLite files go (default: %(default)s)",
    )
    group.add_argument("--steps", metavar="N", type=cli.positive_int, help="end after N steps")
    group.add_argument(
        "--epochs", metavar="N", type=cli.positive_int, help="end after N passes over the training notes"
    )
    group.add_argument(
        "--minutes",
        metavar="X",
        type=cli.positive_float,
        help=f"end after X minutes of training (default: {DEFAULT_MINUTES:g} if neither --steps nor --epochs is given)",
    )
    group.add_argument(
        "--strategy",
        choices=("none", "mirrored"),
        default="none",
        help="mirrored: all GPUs of this machine share each batch (default: %(default)s)",
    )
    group.add_argument(
        "--jit-compile",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compile the step with XLA (default: on a GPU only; on CPUs it is slower)",
    )
    group.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the folder's last checkpoint; --no-resume starts anew (default: --resume)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser()

    def train_from(parsed: argparse.Namespace) -> None:
        names = [field.name for field in dataclasses.fields(Options)]
        train(cli.config_from(parsed), Options(**{name: getattr(parsed, name) for name in names}))

    return cli.run(train_from, parser, arguments)


def train(config: Config, options: Options) -> pathlib.Path:
    """Trains, evaluates and exports one model.

    Args:
        config: decides what is learnt.
        options: where from and where to, and for how long.

    Returns:
        The model folder.

    Raises:
        InputError: for bad input; nothing half-written is left.
        KeyboardInterrupt: after Ctrl-C, with what is to be done to go on.
    """
    started = time.monotonic()
    folder = options.models / (options.name or model_folder.default_name(config))
    asked = Budget(options.steps, options.epochs, options.minutes)
    if not model_folder.check(folder, config, resume=options.resume, budget=asked):
        return folder
    print(f"Training {folder} on {', '.join(config.data.data)} with {os.cpu_count()} CPU cores")
    run = _Run(config, options, folder)
    run.read_notes()
    new = not folder.exists()
    if not options.resume:
        model_folder.clear(folder)
    try:
        run.train()
    except InputError:
        # A bad note met while streaming, or a loss that is not finite: before the first checkpoint, nothing is kept.
        if new and not (folder / "checkpoints").exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    run.finish(started)
    return folder


class _Run:
    """One run of the command, in three steps: `read_notes`, `train`, `finish`."""

    def __init__(self, config: Config, options: Options, folder: pathlib.Path) -> None:
        from nsynth_vae.data.source import BadNotes

        self.config, self.options, self.folder = config, options, folder
        self.bad_notes = BadNotes(options.on_bad_note)

    def read_notes(self) -> None:
        """Opens the notes, splits them, and computes their features unless these are to be streamed."""
        import numpy as np

        from nsynth_vae.data.open import open_sources
        from nsynth_vae.data.pipeline import feature_megabytes, open_features
        from nsynth_vae.data.select import select, shared_instruments
        from nsynth_vae.progress import Progress

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
        used = len(rows["train"]) + len(rows["valid"])
        megabytes = feature_megabytes(used, config.audio)
        memory = megabytes <= options.memory_cache_mb
        if options.cache_dir is None and not memory:
            print(f"Features of {megabytes:,.0f} MB are computed anew every epoch; --cache-dir DIR would keep them")
        progress, done = Progress("Computing features"), 0

        def advance(notes: int) -> None:
            nonlocal done
            done += notes
            progress.to(done / used, f"{done:,} of {used:,} notes")

        self.features = {
            name: open_features(
                self.source,
                rows[name],
                config.audio,
                self.bad_notes,
                memory=memory,
                cache_dir=options.cache_dir,
                progress=advance,
            )
            for name in ("train", "valid")
        }
        progress.close()
        self.rows = rows
        if self.bad_notes.skipped:
            self._report_skipped()
        self.example_rows = (
            self.features["valid"].rows
            if len(self.features["valid"].rows) > 1
            else np.concatenate([self.features["train"].rows, self.features["valid"].rows])
        )

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

        from nsynth_vae.board import Board
        from nsynth_vae.progress import Progress
        from nsynth_vae.showcase import choose_examples
        from nsynth_vae.trainer import Trainer

        options = self.options
        unlimited = not (options.steps or options.epochs or options.minutes)
        budget = Budget(options.steps, options.epochs, DEFAULT_MINUTES if unlimited else options.minutes)
        strategy = None
        if options.strategy == "mirrored":
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
            print(f"Each batch is shared by {len(devices)} devices")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.save(self.folder / "config.json")
        self.trainer = trainer = Trainer(
            self.config,
            self.features["train"],
            self.features["valid"],
            self.folder,
            strategy=strategy,
            jit_compile=options.jit_compile,
        )
        if trainer.step:
            print(f"Going on from step {trainer.step}, after {trainer.state['seconds'] / 60:.1f} minutes of training")
        self.examples = choose_examples(self.source, self.example_rows, self.config.audio)
        board = Board(self.folder / "logs", trainer, self.examples)
        progress = Progress("Training", start=trainer.fraction(budget))
        latest = ""

        def on_step(losses: dict) -> None:
            epoch = trainer.step / trainer.steps_per_epoch
            progress.to(
                trainer.fraction(budget),
                f"step {trainer.step}, epoch {epoch:.1f}, log-mel L1 {losses['log_mel_l1']:.2f}{latest}",
            )

        def on_epoch(record: dict) -> None:
            nonlocal latest
            latest = f", valid {record['valid']['log_mel_l1']:.2f}"
            board.write(record)

        try:
            stopped = trainer.run(budget, on_step=on_step, on_epoch=on_epoch)
        finally:
            progress.close()
            board.close()
        print(f"Training ended: {stopped}; the best weights are those of step {trainer.state['best_step']}")

    def finish(self, started: float) -> None:
        """Writes the model folder and the exports, `metrics.json` last, and prints the summary."""
        from nsynth_vae import figures, showcase
        from nsynth_vae.export import export_model

        trainer, folder = self.trainer, self.folder
        trainer.use_best()
        vae = trainer.vae
        print("Writing figures and sounds")
        figures.plot_losses(trainer.state["history"], folder / "figures" / "losses.png")
        showcase.write_reconstructions(vae, self.examples, folder)
        showcase.write_morph(vae, self.examples, folder)
        centroids = showcase.latent_centroids(vae, self.features["train"], self.config.train.batch_size)
        write_text(folder / "attributes.json", json.dumps(centroids, separators=(",", ":")) + "\n")
        aside = folder / ".model.weights.h5"
        vae.save_weights(aside)
        aside.replace(folder / "model.weights.h5")
        print("Exporting")
        exported = export_model(vae, self.config, self.options.exports, report=lambda line: print(f"  {line}"))
        metrics = model_folder.run_metrics(
            notes={name: len(rows) for name, rows in self.rows.items()},
            shared=self.shared,
            skipped=self.bad_notes.skipped,
            valid=trainer.evaluate(self.features["valid"]),
            state=trainer.state,
            steps_per_epoch=trainer.steps_per_epoch,
        )
        write_text(folder / "README.md", model_folder.model_card(self.config, metrics))
        write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        minutes = (time.monotonic() - started) / 60
        valid = metrics["valid"]
        print(
            f"\nDone in {minutes:.1f} minutes. On {metrics['notes']['valid']} validation notes: log-mel L1 "
            f"{valid['log_mel_l1']:.2f} nats, KL {valid['kl_loss']:.0f} nats, {valid['active_dimensions']} of "
            f"{self.config.model.latent_dim} latent dimensions active.\n"
            f"  model    {folder}\n"
            f"  figures  {folder / 'figures'}\n"
            f"  sounds   {folder / 'sounds'}\n"
            f"  exports  {exported['encoder']}, {exported['decoder']}, {exported['tflite_float32'].parent}\n"
            f"Next: listen to {folder / 'sounds' / 'morph.wav'}, look at the training with\n"
            f"  {_python()} -m tensorboard.main --logdir {folder / 'logs'}\n"
            f"or train on your own samples with\n"
            f"  {_python()} -m nsynth_vae.train --data FOLDER"
        )


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _python() -> str:
    """Returns how this Python was called, relative to the working directory where it lies below it."""
    path = pathlib.Path(sys.executable)
    return str(path.relative_to(pathlib.Path.cwd())) if path.is_relative_to(pathlib.Path.cwd()) else "python"


if __name__ == "__main__":
    sys.exit(main())
