"""`python -m nsynth_vae.arithmetic`: a sum of timbres and attributes, and its terms, as sounds and a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.notes import MIDDLE_C


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.arithmetic",
        'Adds up timbres and attributes, such as "violin + bright - dark", and plays the sum, and each of its timbres '
        "to compare it with.",
    )
    parser.add_argument(
        "expression",
        metavar="EXPRESSION",
        help="numbers, + - *, parentheses, and names: instruments, families, notes of --data and files (in quotes) are "
        "timbres, whose weights must add to 1; attributes and sources (bright, acoustic, ...) are directions",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=cli.midi_pitch,
        help="MIDI pitch of all notes (default: that of the notes in the expression, if they have one in common, else "
        f"{MIDDLE_C})",
    )
    parser.add_argument(
        "--velocity",
        metavar="V",
        type=cli.midi_number,
        default=100,
        help="MIDI velocity of all notes (default: %(default)s)",
    )
    cli.add_take_options(parser)
    cli.add_folder_option(parser, "result.wav, a WAV for each timbre in it, result.png and result.json", picture=True)
    cli.add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_arithmetic, make_parser(), arguments, writes_folder=True)


def _arithmetic(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_lookup
    from nsynth_vae.rendering.timbre_sum import PICTURE, RECORD, arithmetic

    result = arithmetic(open_lookup(options), options.expression, pitch=options.pitch, velocity=options.velocity)
    result.save(options.output, picture=options.picture)
    cli.warn_of_silence([result.pitch], result.config.sample_rate)
    files = [*(f"{name}.wav" for name in result.names), *[PICTURE] * options.picture, RECORD]
    print(f"{result.summary()} -> {options.output}: {', '.join(files)}")


if __name__ == "__main__":
    sys.exit(main())
