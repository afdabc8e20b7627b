"""Command `python -m nsynth_vae.evaluate`: real notes, round trips of their mel and a model's notes, by one measure."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.evaluation.run import REPORTS, Options, evaluate


def make_parser() -> cli.Parser:
    """Return the command's options."""
    from nsynth_vae.data.source import SPLITS

    parser = cli.Parser(
        "nsynth_vae.evaluate",
        "Measures real notes, their round trips through the true mel by Griffin-Lim and by the synthesizer, and a "
        "model's notes, all by the same code; writes the figures, a report, and a page to look at and to listen to.",
    )
    cli.add_data_options(parser, features=False, cache=False)
    group = parser.add_argument_group("this evaluation")
    group.add_argument("--split", choices=SPLITS, default="test", help="notes to evaluate (default: %(default)s)")
    group.add_argument(
        "--model",
        metavar="PATH",
        type=cli.path,
        help="a model folder, or an exports folder (default: the shipped model; with --audio-dir: none)",
    )
    group.add_argument(
        "--audio-dir",
        metavar="DIR",
        type=cli.path,
        help="measure these sounds, of any system, too: WAV files named like notes, each compared with its note",
    )
    group.add_argument(
        "--classifier", metavar="DIR", type=cli.path, help="the classifier's folder (default: the shipped one)"
    )
    group.add_argument(
        "--output",
        "-o",
        metavar="DIR",
        type=cli.path,
        help=f"where the report goes (default: {REPORTS}/ and the model's name)",
    )
    group.add_argument("--seed", metavar="N", type=int, default=0, help="of all random choices (default: %(default)s)")
    group.add_argument(
        "--pairs",
        metavar="N",
        type=cli.positive_int,
        default=Options.pairs,
        help="interpolations between notes of different families (default: %(default)s)",
    )
    group.add_argument(
        "--told-apart",
        metavar="N",
        type=cli.positive_int,
        default=Options.told_apart,
        help="train a network on N real and decoded training notes, the starter set's among them, that tells the "
        "evaluated ones apart; 1200 take two minutes (default: no network)",
    )
    group.add_argument(
        "--jobs",
        metavar="N",
        type=cli.positive_int,
        default=os.cpu_count() or 1,
        help="processes that measure (default: the number of cores, %(default)s here)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def evaluate_from(parsed: argparse.Namespace) -> None:
        names = {field.name for field in dataclasses.fields(Options)} - {"data"}
        evaluate(Options(data=cli.data_config_from(parsed), **{name: getattr(parsed, name) for name in names}))

    return cli.run(evaluate_from, make_parser(), arguments, needs_training_packages=True)


if __name__ == "__main__":
    sys.exit(main())
