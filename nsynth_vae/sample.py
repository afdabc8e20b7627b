"""`python -m nsynth_vae.sample`: new sounds, drawn from the latent space."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli
from nsynth_vae.api import open_points
from nsynth_vae.cli.options import TIMBRE, add_folder_option, add_lookup_options
from nsynth_vae.files import check_output
from nsynth_vae.rendering.random_samples import DEFAULT_SPREAD, METHODS, _check, sample

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser("nsynth_vae.sample", "Draws new sounds from the space of timbres, and plays them.")
    parser.add_argument("--count", metavar="N", type=int, default=16, help="new sounds (default: %(default)s)")
    parser.add_argument(
        "--method",
        choices=METHODS,
        help="mixture: what the training notes are like; prior: anything within the space, N(0, I); near: like one "
        "timbre (default: mixture; with --near: near)",
    )
    parser.add_argument("--family", metavar="FAMILY", help="only what the training notes of a family are like: guitar")
    parser.add_argument("--near", metavar="TIMBRE", help=f"sounds like this: {TIMBRE}")
    parser.add_argument(
        "--spread",
        metavar="X",
        type=cli.positive_float,
        help="how far from --near: 1 is as far as the training notes spread around their mean "
        f"(default: {DEFAULT_SPREAD})",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=cli.midi_range,
        default=(60, 60),
        help="MIDI pitch, or a range to draw from: 48-72 (default: 60)",
    )
    parser.add_argument(
        "--velocity", metavar="V", type=cli.midi_number, default=100, help="MIDI velocity (default: %(default)s)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="decides every draw (default: %(default)s)")
    add_folder_option(parser, "sample-00.wav, ..., contact-sheet.png and samples.json")
    add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def sample_from(parsed: argparse.Namespace) -> None:
        names = ("count", "method", "family", "near", "spread", "pitch", "velocity", "seed")
        asked = {name: getattr(parsed, name) for name in names}
        _check(*asked.values())
        check_output(parsed.output)
        samples = sample(open_points(parsed), **asked)
        samples.write(parsed.output)
        print(f"{len(samples.z)} new sounds by {samples.how['method']} -> {parsed.output}")

    return cli.run(sample_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
