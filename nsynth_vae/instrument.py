"""`python -m nsynth_vae.instrument`: a timbre as a multi-sampled instrument that any sampler opens."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli
from nsynth_vae.api import open_points
from nsynth_vae.cli.options import TIMBRE, add_folder_option, add_lookup_options
from nsynth_vae.files import check_output
from nsynth_vae.instruments.sampled_instrument import _check, make_instrument

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.instrument",
        "Samples a timbre at every third semitone and several velocities, and writes it as an instrument for samplers: "
        "16 kHz WAVs, looped where they sustain, and the SFZ file that maps them to all keys.",
    )
    parser.add_argument("timbre", metavar="TIMBRE", help=TIMBRE)
    parser.add_argument(
        "--pitches",
        metavar="LOW-HIGH",
        type=cli.midi_range,
        default=(36, 84),
        help="MIDI pitches to sample; keys beyond are played by the nearest sample (default: 36-84)",
    )
    parser.add_argument(
        "--velocities",
        metavar="A,B",
        type=cli.midi_list,
        default=(50, 100, 127),
        help="MIDI velocities to sample; each is played for those nearest to it (default: 50,100,127)",
    )
    add_folder_option(parser, "NAME.sfz (NAME is the folder's), samples, instrument.json and keyboard.png")
    add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def instrument_from(parsed: argparse.Namespace) -> None:
        _check(parsed.pitches, parsed.velocities)
        check_output(parsed.output)
        instrument = make_instrument(
            open_points(parsed), parsed.timbre, pitches=parsed.pitches, velocities=parsed.velocities
        )
        path = instrument.write(parsed.output)
        looped = sum(sample.loop is not None for sample in instrument.samples)
        print(f"{instrument.timbre}: {len(instrument.samples)} samples, {looped} of them looped -> {path}")

    return cli.run(instrument_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
