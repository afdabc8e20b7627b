"""`python -m nsynth_vae.train_classifier`: from notes to a classifier of pitch, family and source, to measure with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli
from nsynth_vae.config import ClassificationConfig
from nsynth_vae.training import options as training_options
from nsynth_vae.training.classifier_run import DEFAULT_MINUTES, Options, train_classifier

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.train_classifier",
        "Trains a classifier to tell notes' pitch, instrument family and source. Evaluations measure with it. The same "
        "command goes on where an interrupted one stopped.",
    )
    cli.add_data_options(parser, features=False)
    cli.add_config_options(parser, ClassificationConfig)
    name = "classifier- and a name made from --data"
    training_options.add_options(parser, Options(), minutes=DEFAULT_MINUTES, name=name)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def train_from(parsed: argparse.Namespace) -> None:
        train_classifier(cli.config_from(parsed, ClassificationConfig), cli.options_from(parsed, Options))

    return cli.run(train_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
