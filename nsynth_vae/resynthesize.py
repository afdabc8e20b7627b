"""`python -m nsynth_vae.resynthesize`: notes to log-mels and back to sound, without a timbre model between them.

What is lost here is lost whatever a model learns.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from nsynth_vae import cli
from nsynth_vae.synthesis.resynthesis import METHODS, resynthesize


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.resynthesize",
        "Turns notes into log-mels and these back into sound, to hear what features and synthesizer keep of them. "
        "Sounds are folded to mono, resampled to 16 kHz, and padded to 4 s; longer ones are cut to 4 s from the onset.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=pathlib.Path, help="WAV, FLAC, Ogg Vorbis or MP3")
    parser.add_argument(
        "--output",
        "-o",
        metavar="DIR",
        required=True,
        type=pathlib.Path,
        help="where the notes go, each under its file's name as a WAV: 16 kHz, 16 bits, mono, 4 s",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=_pitch,
        help="the MIDI pitch, 0 to 127, to play every note at (default: its own, from the file's name, such as "
        "`A#3.wav` or `cello-058-100.wav`, or else estimated from the sound)",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="synthesizer: harmonics of the pitch, and noise; griffin-lim: without a pitch, slower, phasey "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="PATH",
        type=pathlib.Path,
        help="the synthesizer's model folder (default: the shipped one)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def resynthesize_from(parsed: argparse.Namespace) -> None:
        resynthesize(parsed.files, parsed.output, pitch=parsed.pitch, method=parsed.method, model=parsed.model)

    return cli.run(resynthesize_from, make_parser(), arguments)


def _pitch(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a MIDI pitch, 0 to 127")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
