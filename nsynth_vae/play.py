"""`python -m nsynth_vae.play`: a MIDI file played with a timbre, or with a morph from one to another."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli
from nsynth_vae.api import open_points
from nsynth_vae.cli.options import TIMBRE, add_lookup_options
from nsynth_vae.errors import InputError
from nsynth_vae.files import check_output
from nsynth_vae.instruments.midi import read_midi
from nsynth_vae.instruments.performance import play

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.play",
        "Plays a MIDI file with a timbre, all channels but the drums' with the same one, and writes a WAV: 16 kHz, "
        "16 bits, mono. Tempo changes and the sustain pedal are followed. Notes let go before 3 s get the release "
        "that the model gives them; longer ones sound on, or decay on, by a loop.",
    )
    parser.add_argument("melody", metavar="MELODY.mid", type=pathlib.Path, help="a Standard MIDI File of type 0 or 1")
    parser.add_argument("--timbre", metavar="TIMBRE", required=True, help=TIMBRE)
    parser.add_argument(
        "--morph-to",
        metavar="TIMBRE",
        help="the timbre of the last note: from the first one, which has --timbre, the notes move there in a straight "
        "line by the times at which they begin (default: one timbre throughout)",
    )
    parser.add_argument(
        "--dynamics",
        metavar="X",
        type=float,
        default=1.0,
        help="a note's amplitude is multiplied by (velocity / 127) to the power of X, besides what the model makes of "
        "velocities; 0: only the model (default: %(default)s)",
    )
    parser.add_argument("--output", "-o", metavar="FILE", required=True, type=pathlib.Path, help="the WAV")
    add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def play_from(parsed: argparse.Namespace) -> None:
        _check_output(parsed.output, parsed.melody)
        melody = read_midi(parsed.melody)
        if melody.skipped:
            print(f"skipped: {', '.join(melody.skipped)}")
        points = open_points(parsed)
        done = play(points, melody, parsed.timbre, morph_to=parsed.morph_to, dynamics=parsed.dynamics)
        done.write(parsed.output)
        lowered = f", lowered by {done.lowered_db:.1f} dB to peak at -1 dB" if done.lowered_db else ""
        seconds = len(done.audio) / done.config.sample_rate
        print(
            f"{parsed.melody}: {done.notes} notes, {done.decoded} decoded, {seconds:.1f} s{lowered} -> {parsed.output}"
        )

    return cli.run(play_from, make_parser(), arguments)


def _check_output(output: pathlib.Path, melody: pathlib.Path) -> None:
    """Raises InputError if the WAV has no place, or would replace the melody."""
    check_output(output.parent)
    if output.is_dir():
        raise InputError(f"{output}: is a folder, expected the name of a WAV to write")
    if output.exists() and melody.exists() and output.samefile(melody):
        raise InputError(f"{output}: is the melody, expected another file to write to")


if __name__ == "__main__":
    sys.exit(main())
