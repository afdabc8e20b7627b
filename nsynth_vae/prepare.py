"""`python -m nsynth_vae.prepare`: the features of notes, computed by Apache Beam, as files that training reads."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from typing import Any

from nsynth_vae import cli
from nsynth_vae.config import Config
from nsynth_vae.errors import InputError


class _Parser(cli.Parser):
    """A parser that keeps what it does not know for Apache Beam, as `beam`."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        options, options.beam = self.parse_known_args(args, namespace)
        return options


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = _Parser(
        "nsynth_vae.prepare",
        "Compute the features of notes by Apache Beam, on this machine or a cluster, as files that train --data reads. "
        "The same command resumes, keeps the files that are done, and takes Beam's own options too.",
    )
    cli.add_data_options(parser, cache=False)
    cli.add_feature_options(parser)
    group = parser.add_argument_group("this run")
    cli.add_folder_option(group, "the features and their index")
    group.add_argument(
        "--keep-audio",
        choices=("examples", "all"),
        default="examples",
        help="examples: the audio of 16 notes of each 256, of which training shows some; all: of every note, for the "
        "commands that need it, in twice the room (default: %(default)s)",
    )
    group.add_argument(
        "--runner",
        metavar="NAME",
        default="DirectRunner",
        help="Beam's runner: DirectRunner, FlinkRunner, SparkRunner, DataflowRunner, ... (default: %(default)s)",
    )
    group.add_argument(
        "--workers",
        metavar="N",
        type=cli.positive_int,
        help="processes of DirectRunner on this machine (default: one a core)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def run(parsed: argparse.Namespace) -> None:
        if importlib.util.find_spec("apache_beam") is None:
            raise InputError("nsynth_vae.prepare: found no Apache Beam, expected pip install 'nsynth-vae[train,beam]'")
        from nsynth_vae.data.preparation.run import PrepareOptions, prepare

        prepare(cli.config_from(parsed, Config), cli.options_from(parsed, PrepareOptions))

    return cli.run(run, make_parser(), arguments, needs_training_packages=True)


if __name__ == "__main__":
    sys.exit(main())
