"""`python -m nsynth_vae.train_classifier`: from notes to a classifier of pitch, family and source for evaluations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.config import ClassificationConfig
from nsynth_vae.training.options import ClassifierOptions, add_options


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = cli.Parser(
        "nsynth_vae.train_classifier",
        "Train a classifier to predict notes' pitch, instrument family and source. Evaluations measure with it. The "
        "same command resumes an interrupted run.",
    )
    cli.add_data_options(parser, features=False)
    cli.add_config_options(parser, ClassificationConfig)
    add_options(parser, ClassifierOptions, name="classifier- and a name made from --data")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def run(parsed: argparse.Namespace) -> None:
        config, options = cli.config_from(parsed, ClassificationConfig), cli.options_from(parsed, ClassifierOptions)
        from nsynth_vae.training.classifier_run import train_classifier

        train_classifier(config, options)

    return cli.run(run, make_parser(), arguments, needs_training_packages=True)


if __name__ == "__main__":
    sys.exit(main())
