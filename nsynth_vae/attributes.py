"""`python -m nsynth_vae.attributes`: learn a model's `attributes.json` from notes.

It holds centroids of instruments, families and sources, directions of attributes, and a mixture to sample from.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.directions.learn import Options, learn_attributes


def make_parser() -> cli.Parser:
    """Return the command's options."""
    from nsynth_vae.data.source import SPLITS

    parser = cli.Parser(
        "nsynth_vae.attributes",
        "Learns from notes the centroids of a model's instruments, families and sources, the directions that make a "
        "note brighter, darker, noisier, ..., and a mixture of its timbres; measures the directions' effects on other "
        "notes; writes the model's attributes.json, in its folder and in its exports. Names that these notes do not "
        "have are kept from the former file.",
    )
    cli.add_data_options(parser, features=False, cache=False)
    cli.add_model_options(parser, backend=False)
    group = parser.add_argument_group("learning")
    group.add_argument(
        "--split",
        choices=SPLITS,
        default="train",
        help="the notes to learn from; effects are measured on those of valid (of test, if --split is valid), or on "
        "held-out instruments (default: %(default)s)",
    )
    group.add_argument(
        "--classifier",
        metavar="DIR",
        type=cli.path,
        help="the folder of the classifier that predicts whether the family is kept (default: the shipped one)",
    )
    group.add_argument("--seed", metavar="N", type=int, default=0, help="random seed (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def learn_from(parsed: argparse.Namespace) -> None:
        names = {field.name for field in dataclasses.fields(Options)} - {"data"}
        options = {name: getattr(parsed, name) for name in names}
        learn_attributes(Options(data=cli.data_config_from(parsed), **options))

    return cli.run(learn_from, make_parser(), arguments, needs_training_packages=True)


if __name__ == "__main__":
    sys.exit(main())
