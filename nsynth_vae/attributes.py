"""`python -m nsynth_vae.attributes`: what is where in a model's space of timbres, learnt from notes.

Centroids of instruments, families and sources, directions that stand for attributes, and a mixture to sample from: the
model's `attributes.json`.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli
from nsynth_vae.directions.learn import Options, attributes

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    from nsynth_vae.data.source import SPLITS

    parser = cli.Parser(
        "nsynth_vae.attributes",
        "Learns from notes where a model has their instruments, families and sources, which directions make a note "
        "brighter, darker, noisier, ..., and what its timbres are like as a whole; measures what the directions do to "
        "notes they were not learnt from; writes it to the model's attributes.json and to its exports. What these "
        "notes do not tell stays as it was there.",
    )
    cli.add_data_options(parser, features=False, cache=False)
    cli.add_model_options(parser)
    group = parser.add_argument_group("learning")
    group.add_argument(
        "--split",
        choices=SPLITS,
        default="train",
        help="notes that are learnt from; effects are measured on those of valid (of test, if it is valid that is "
        "learnt from), or else on instruments held out (default: %(default)s)",
    )
    group.add_argument(
        "--classifier",
        metavar="DIR",
        type=pathlib.Path,
        help="the folder of the classifier that tells whether the family is heard as before (default: the shipped one)",
    )
    group.add_argument("--seed", metavar="N", type=int, default=0, help="decides every choice (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def learn_from(parsed: argparse.Namespace) -> None:
        names = {field.name for field in dataclasses.fields(Options)} - {"data"}
        attributes(Options(data=cli.data_config_from(parsed), **{name: getattr(parsed, name) for name in names}))

    return cli.run(learn_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
