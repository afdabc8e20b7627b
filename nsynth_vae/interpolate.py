"""`python -m nsynth_vae.interpolate`: a way between two timbres, or a grid between four, to hear and to see."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli, latent
from nsynth_vae.api import open_points
from nsynth_vae.cli.options import TIMBRE, add_folder_option, add_lookup_options
from nsynth_vae.files import check_output
from nsynth_vae.rendering.morph import DEFAULT_PITCH, _check, interpolate

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.interpolate",
        "Plays the way from timbre A to timbre B in even steps, or a grid with A and B at the top and C and D at the "
        "bottom, and draws its spectrograms.",
    )
    parser.add_argument("timbres", metavar="TIMBRE", nargs="+", help=f"two, or four for a grid: {TIMBRE}")
    parser.add_argument(
        "--steps",
        metavar="N",
        type=int,
        default=9,
        help="points of the way, the ends among them; of a grid: rows, and columns (default: %(default)s)",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=cli.midi_number,
        help="MIDI pitch of all notes (default: that of the notes given, if they have one in common, else "
        f"{DEFAULT_PITCH})",
    )
    parser.add_argument(
        "--velocity",
        metavar="V",
        type=cli.midi_number,
        default=100,
        help="MIDI velocity of all notes (default: %(default)s)",
    )
    parser.add_argument(
        "--method",
        choices=tuple(latent.METHODS),
        default="lerp",
        help="lerp: the straight way; slerp: along the arc around the middle of the space (default: %(default)s)",
    )
    parser.add_argument(
        "--even",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="equalise what is between the timbres, so that its brightness goes straight from one to the other; "
        "--no-even: as it is decoded (default: --even)",
    )
    parser.add_argument(
        "--compare", action="store_true", help="the cross-fade of the decoded timbres, mixed in audio, as well"
    )
    add_folder_option(parser, "step-00.wav, ..., morph.wav, morph.png and morph.json")
    add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def interpolate_from(parsed: argparse.Namespace) -> None:
        _check(len(parsed.timbres), parsed.steps, parsed.pitch, parsed.velocity, parsed.method)
        check_output(parsed.output)
        morph = interpolate(
            open_points(parsed),
            parsed.timbres,
            steps=parsed.steps,
            pitch=parsed.pitch,
            velocity=parsed.velocity,
            method=parsed.method,
            even=parsed.even,
            compare=parsed.compare,
        )
        morph.write(parsed.output)
        for point in morph.timbres:
            print(f"{point.name}: {point.meaning}")
        print(f"{len(morph.z)} notes at pitch {morph.pitch}, velocity {morph.velocity} -> {parsed.output}")

    return cli.run(interpolate_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
