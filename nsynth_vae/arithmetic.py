"""`python -m nsynth_vae.arithmetic`: a sum of timbres and attributes, beside its terms, to hear and to see."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.api import open_points
from nsynth_vae.cli.options import add_folder_option, add_lookup_options
from nsynth_vae.files import check_output
from nsynth_vae.rendering.timbre_sum import DEFAULT_PITCH, PICTURE, RECORD, arithmetic


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.arithmetic",
        'Adds up timbres and attributes, such as "violin + bright - dark", and plays the sum, and each of its timbres '
        "to compare it with.",
    )
    parser.add_argument(
        "expression",
        metavar="EXPRESSION",
        help="numbers, + - *, parentheses, and names: instruments, families, notes of --data and files (in quotes) are "
        "points, whose weights must add to 1; attributes and sources (bright, acoustic, ...) are directions",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=cli.midi_number,
        help="MIDI pitch of all notes (default: that of the notes in the expression, if they have one in common, else "
        f"{DEFAULT_PITCH})",
    )
    parser.add_argument(
        "--velocity",
        metavar="V",
        type=cli.midi_number,
        default=100,
        help="MIDI velocity of all notes (default: %(default)s)",
    )
    add_folder_option(parser, "result.wav, a WAV for each timbre in it, result.png and result.json")
    add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def arithmetic_from(parsed: argparse.Namespace) -> None:
        check_output(parsed.output)
        result = arithmetic(open_points(parsed), parsed.expression, pitch=parsed.pitch, velocity=parsed.velocity)
        result.write(parsed.output)
        sounds = ", ".join(f"{name}.wav" for name in result.names)
        print(f"{result.summary()} -> {parsed.output}: {sounds}, {PICTURE}, {RECORD}")

    return cli.run(arithmetic_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
