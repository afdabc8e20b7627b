"""Command-line options of the training commands."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from typing import ClassVar

from nsynth_vae import cli
from nsynth_vae.config import Budget


@dataclasses.dataclass(frozen=True)
class Options:
    """A training run's settings besides the configuration; none of them changes the result of the same steps."""

    default_minutes: ClassVar[float]
    """Training time if no limit is given."""

    models: pathlib.Path = pathlib.Path("models")
    name: str | None = None
    data_dir: str | None = None
    memory_cache_mb: float = 1024.0
    on_bad_note: str = "error"
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    strategy: str = "none"
    jit_compile: bool | None = None
    resume: bool = True
    resume_with_changed_data: bool = False

    @property
    def requested_budget(self) -> Budget:
        """The limits that were given."""
        return Budget(self.steps, self.epochs, self.minutes)

    @property
    def budget(self) -> Budget:
        """The limits that were given, or the default where none was."""
        requested = self.requested_budget
        return Budget(minutes=self.default_minutes) if requested == Budget() else requested


@dataclasses.dataclass(frozen=True)
class VaeOptions(Options):
    """Settings of `train`."""

    default_minutes = 6.0  # With all the rest, a run takes less than ten minutes on two cores.
    exports: pathlib.Path = pathlib.Path("exports")
    cache_dir: pathlib.Path | None = None


class SynthesizerOptions(Options):
    """Settings of `train_synthesizer`."""

    default_minutes = 20.0


class ClassifierOptions(Options):
    """Settings of `train_classifier`."""

    default_minutes = 10.0


def add_options(parser: argparse.ArgumentParser, kind: type[Options], *, name: str) -> None:
    """Add the options of a training run besides notes and configuration.

    Args:
        parser: gets the options.
        kind: the dataclass that they fill; one with `exports` gets `--exports` too.
        name: the default of `--name`, in words.
    """
    group = parser.add_argument_group("this run")

    def add_folder(flag: str, text: str, default: pathlib.Path) -> None:
        text = f"{text} (default: %(default)s)"
        group.add_argument(flag, metavar="DIR", type=cli.path, default=default, help=text)

    add_folder("--models", "where model folders are", kind.models)
    group.add_argument("--name", help=f"name of the model's folder (default: {name})")
    if issubclass(kind, VaeOptions):
        add_folder("--exports", "where SavedModels and TFLite files go", kind.exports)
    group.add_argument("--steps", metavar="N", type=cli.positive_int, help="end after N steps")
    text = "end after N passes over the training notes"
    group.add_argument("--epochs", metavar="N", type=cli.positive_int, help=text)
    group.add_argument(
        "--minutes",
        metavar="X",
        type=cli.positive_float,
        help=f"end after X minutes of training (default: {kind.default_minutes:g} if neither --steps nor --epochs is "
        "given)",
    )
    group.add_argument(
        "--strategy",
        choices=("none", "mirrored", "multi-worker"),
        default=kind.strategy,
        help="mirrored: all GPUs of this machine share each batch; multi-worker: all workers of a cluster do, which "
        "TF_CONFIG or SLURM names (default: %(default)s)",
    )
    group.add_argument(
        "--jit-compile",
        action=argparse.BooleanOptionalAction,
        default=kind.jit_compile,
        help="compile the step with XLA (default: on a GPU only; on CPUs it is slower)",
    )
    group.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=kind.resume,
        help="resume from the folder's last checkpoint; --no-resume starts anew (default: --resume)",
    )
    group.add_argument(
        "--resume-with-changed-data",
        action="store_true",
        help="resume although the notes have changed; the best validation loss is then looked for anew",
    )
