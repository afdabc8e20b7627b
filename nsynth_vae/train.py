"""`python -m nsynth_vae.train`: from notes to a trained, exported timbre model, in one command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.config import Config
from nsynth_vae.training.options import VaeOptions, add_options


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = cli.Parser(
        "nsynth_vae.train",
        "Train a timbre model on notes and export it: spectrograms, a variational autoencoder, SavedModels, TFLite. "
        "The same command resumes an interrupted run.",
    )
    cli.add_data_options(parser)
    cli.add_config_options(parser, Config)
    add_options(parser, VaeOptions, name="made from --data")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def run(parsed: argparse.Namespace) -> None:
        config, options = cli.config_from(parsed, Config), cli.options_from(parsed, VaeOptions)
        from nsynth_vae.training.vae_run import train_vae

        train_vae(config, options)

    return cli.run(run, make_parser(), arguments, needs_training_packages=True)


if __name__ == "__main__":
    sys.exit(main())
