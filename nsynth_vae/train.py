"""`python -m nsynth_vae.train`: from notes to a trained, exported timbre model, in one command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli
from nsynth_vae.training import options as training_options
from nsynth_vae.training.vae_run import DEFAULT_MINUTES, Options, train

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.train",
        "Trains a timbre model on notes, and exports it: spectrograms, a variational autoencoder, SavedModels, TFLite. "
        "The same command goes on where an interrupted one stopped.",
    )
    cli.add_data_options(parser)
    cli.add_config_options(parser)
    training_options.add_options(parser, Options(), minutes=DEFAULT_MINUTES, name="made from --data")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def train_from(parsed: argparse.Namespace) -> None:
        train(cli.config_from(parsed), cli.options_from(parsed, Options))

    return cli.run(train_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
