"""`python -m nsynth_vae.train_synthesizer`: from notes to a synthesizer that turns log-mels and pitches into sound."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.config import SynthesisConfig
from nsynth_vae.training.options import SynthesizerOptions, add_options


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = cli.Parser(
        "nsynth_vae.train_synthesizer",
        "Train a synthesizer, harmonics and noise that a network controls, to turn notes' own log-mels and pitches "
        "into their sound. The same command resumes an interrupted run.",
    )
    cli.add_data_options(parser, features=False)
    cli.add_config_options(parser, SynthesisConfig)
    add_options(parser, SynthesizerOptions, name="synthesizer- and a name made from --data")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def run(parsed: argparse.Namespace) -> None:
        config, options = cli.config_from(parsed, SynthesisConfig), cli.options_from(parsed, SynthesizerOptions)
        from nsynth_vae.training.synthesizer_run import train_synthesizer

        train_synthesizer(config, options)

    return cli.run(run, make_parser(), arguments, needs_training_packages=True)


if __name__ == "__main__":
    sys.exit(main())
