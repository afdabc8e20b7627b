"""`python -m nsynth_vae.resynthesize`: notes to log-mels and back to sound, without the latent space between them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.resynthesize",
        "Turns notes into log-mels and these back into sound, to hear how much of them features and synthesizer keep. "
        "Sounds are folded to mono, resampled to 16 kHz, and padded to 4 s; longer ones are cut to 4 s from the onset.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="sound files, or patterns such as '*.wav'")
    parser.add_argument(
        "--output",
        "-o",
        metavar="DIR",
        required=True,
        type=cli.path,
        help="folder for the notes, each under its file's name as a WAV: 16 kHz, 16 bits, mono, 4 s",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=cli.midi_pitch,
        help="pitch to play every note at, a MIDI number or a name: C4 (default: its own, from the file's name, such "
        "as `A#3.wav` or `cello-058-100.wav`, or else estimated from the sound)",
    )
    cli.add_octave_shift_option(parser)
    parser.add_argument(
        "--method",
        choices=("synthesizer", "griffin-lim"),
        default="synthesizer",
        help="synthesizer: harmonics of the pitch, and noise; griffin-lim: without a pitch, slower, phasey "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="PATH",
        type=cli.path,
        help="the synthesizer's model folder (default: the shipped one)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def run(options: argparse.Namespace) -> None:
        from nsynth_vae.rendering.resynthesis import resynthesize

        resynthesize(**vars(options) | {"files": cli.find_files(options.files)})

    return cli.run(run, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
