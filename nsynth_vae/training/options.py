"""The options of the commands that train, whatever they train."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

from nsynth_vae import cli


@dataclasses.dataclass(frozen=True)
class Options:
    """What a run needs besides the configuration; nothing here changes what the same steps would learn."""

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


def add_options(parser: argparse.ArgumentParser, defaults: Options, *, minutes: float, name: str) -> None:
    """Adds what a training run needs besides notes and configuration.

    Args:
        parser: gets the options.
        defaults: has `exports` beside the rest if the command exports.
        minutes: the budget where none is given.
        name: what the folder's name is by default, in words.
    """
    group = parser.add_argument_group("this run")
    group.add_argument(
        "--models",
        metavar="DIR",
        type=pathlib.Path,
        default=defaults.models,
        help="where model folders are (default: %(default)s)",
    )
    group.add_argument("--name", help=f"name of the model's folder (default: {name})")
    if hasattr(defaults, "exports"):
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
        help=f"end after X minutes of training (default: {minutes:g} if neither --steps nor --epochs is given)",
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
