"""`python -m nsynth_vae.play`: a MIDI file played with a timbre, or with a morph from one to another."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.errors import InputError


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = cli.Parser(
        "nsynth_vae.play",
        "Plays a MIDI file with a timbre, all channels but the drums' with the same one, and writes a WAV: 16 kHz, "
        "16 bits, mono. Tempo changes and the sustain pedal are followed. Notes released before 3 s get the release "
        "that the model gives them; longer ones are sustained, or decay on, by a loop.",
    )
    parser.add_argument("melody", metavar="MELODY.mid", type=pathlib.Path, help="a Standard MIDI File of type 0 or 1")
    parser.add_argument("--timbre", metavar="TIMBRE", required=True, help=cli.TIMBRE)
    parser.add_argument(
        "--morph-to",
        metavar="TIMBRE",
        help="the timbre of the last note: from the first one, which has --timbre, the notes are linearly interpolated "
        "by the times at which they begin (default: one timbre throughout)",
    )
    parser.add_argument(
        "--dynamics",
        metavar="X",
        type=float,
        default=1.0,
        help="a note's amplitude is multiplied by (velocity / 127) to the power of X, on top of the model's own "
        "response to velocities; 0: only the model (default: %(default)s)",
    )
    parser.add_argument("--output", "-o", metavar="FILE", required=True, type=pathlib.Path, help="the WAV")
    cli.add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_play, make_parser(), arguments)


def _play(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_lookup
    from nsynth_vae.instruments.midi import read_midi
    from nsynth_vae.instruments.performance import play

    _check_output(options.output, options.melody)
    melody = read_midi(options.melody)
    if melody.skipped:
        print(f"skipped: {', '.join(melody.skipped)}")
    done = play(open_lookup(options), melody, options.timbre, morph_to=options.morph_to, dynamics=options.dynamics)
    done.save(options.output)
    lowered = f", lowered by {done.lowered_db:.1f} dB to peak at -1 dB" if done.lowered_db else ""
    seconds = len(done.audio) / done.config.sample_rate
    counts = f"{done.notes} notes, {done.decoded} decoded, {seconds:.1f} s"
    print(f"{options.melody}: {counts}{lowered} -> {options.output}")


def _check_output(output: pathlib.Path, melody: pathlib.Path) -> None:
    """Raise InputError if the WAV cannot be written there, or would replace the melody."""
    from nsynth_vae.files import check_output_file

    check_output_file(output, "WAV")
    if output.exists() and melody.exists() and output.samefile(melody):
        raise InputError(f"{output}: is the melody, expected another file to write to")


if __name__ == "__main__":
    sys.exit(main())
