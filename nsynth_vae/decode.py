"""`python -m nsynth_vae.decode`: latent vectors from a JSON file as sounds, at any pitch and velocity."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.decode",
        "Decodes the latent vectors of a JSON file that nsynth_vae.encode has written, or a program: "
        '{"notes": [{"z": [...], "pitch": 60, "velocity": 100}, ...]}.',
    )
    parser.add_argument("notes", metavar="Z.json", type=cli.path, help="the JSON file")
    parser.add_argument(
        "--pitch", metavar="P", type=cli.midi_pitch, help="MIDI pitch of all notes (default: each note's in the file)"
    )
    parser.add_argument(
        "--velocity",
        metavar="V",
        type=cli.midi_number,
        help="MIDI velocity of all notes (default: each note's in the file, or 100)",
    )
    cli.add_take_options(parser)
    cli.add_folder_option(parser, "note-00.wav, ..., notes.json and the picture notes.png", picture=True)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_decode, make_parser(), arguments, writes_folder=True)


def _decode(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_model
    from nsynth_vae.rendering.encoded_notes import read_notes

    model = open_model(options)
    z, pitch, velocity = read_notes(options.notes, model.latent_dim, pitch=options.pitch, velocity=options.velocity)
    decoded = model.decode(z, pitch, velocity)
    decoded.save(options.output, picture=options.picture)
    cli.warn_of_silence(decoded.pitch, decoded.config.sample_rate)
    print(f"{len(z)} notes -> {options.output}")


if __name__ == "__main__":
    sys.exit(main())
