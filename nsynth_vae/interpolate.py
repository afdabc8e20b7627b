"""`python -m nsynth_vae.interpolate`: a morph between two timbres, or a grid between four, as sounds and a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.notes import MIDDLE_C


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.interpolate",
        "Plays the interpolation path from timbre A to timbre B in even steps, or a grid with A and B at the top and C "
        "and D at the bottom, and draws its spectrograms.",
    )
    parser.add_argument("timbres", metavar="TIMBRE", nargs="+", help=f"two, or four for a grid: {cli.TIMBRE}")
    parser.add_argument(
        "--steps",
        metavar="N",
        type=int,
        default=9,
        help="notes of the path, the ends among them; of a grid: rows, and columns (default: %(default)s)",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=cli.midi_pitch,
        help=f"MIDI pitch of all notes (default: that of the notes given, if they have one in common, else {MIDDLE_C})",
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
        choices=("lerp", "slerp"),
        default="lerp",
        help="lerp: linear interpolation; slerp: along the arc around the origin (default: %(default)s)",
    )
    parser.add_argument(
        "--equalize",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="equalise what is between the timbres, so that brightness changes monotonically; --no-equalize: as it is "
        "decoded (default: --equalize)",
    )
    parser.add_argument(
        "--compare", action="store_true", help="the cross-fade of the decoded timbres, mixed in audio, as well"
    )
    cli.add_take_options(parser)
    cli.add_folder_option(parser, "step-00.wav, ..., morph.wav, morph.png and morph.json", picture=True)
    cli.add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_interpolate, make_parser(), arguments, writes_folder=True)


def _interpolate(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_lookup
    from nsynth_vae.rendering.morph import check_arguments, interpolate

    check_arguments(len(options.timbres), options.steps, options.pitch, options.velocity, options.method)
    morph = interpolate(
        open_lookup(options),
        options.timbres,
        steps=options.steps,
        pitch=options.pitch,
        velocity=options.velocity,
        method=options.method,
        equalize=options.equalize,
        compare=options.compare,
    )
    morph.save(options.output, picture=options.picture)
    cli.warn_of_silence([morph.pitch] * len(morph.z), morph.config.sample_rate)
    cli.print_timbres(morph.timbres)
    print(f"{len(morph.z)} notes at pitch {morph.pitch}, velocity {morph.velocity} -> {options.output}")


if __name__ == "__main__":
    sys.exit(main())
