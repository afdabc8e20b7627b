"""`python -m nsynth_vae.encode`: sound files as latent vectors, in a JSON file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.encode",
        "Encodes sound files of any rate and length, and writes their latent vectors with pitch, level, onset and the "
        "instruments and families that are nearest. nsynth_vae.decode plays such a file.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="sound files, or patterns such as '*.wav'")
    parser.add_argument("--output", "-o", metavar="FILE", required=True, type=cli.path, help="the JSON file")
    parser.add_argument(
        "--refine",
        metavar="N",
        type=cli.positive_int,
        default=0,
        help="come nearer to each sound in at most N steps from the encoder's answer, 0.1 s each (default: 0)",
    )
    cli.add_octave_shift_option(parser)
    cli.add_keep_level_option(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_encode, make_parser(), arguments)


def _encode(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_model
    from nsynth_vae.files import check_output_file
    from nsynth_vae.rendering.encoded_notes import encode_files

    check_output_file(options.output, "JSON file")
    files = cli.find_files(options.files)
    encoded = encode_files(open_model(options), files, octave_shift=options.octave_shift, refine=options.refine)
    encoded.save(options.output)
    for note in encoded.notes:
        near = ", ".join(f"{one['name']} ({one['distance']:.2f})" for one in note["nearest"][:3]) or "unknown"
        refined = [f"log-mel L1 {l1[0]:.3f} -> {l1[1]:.3f} nats"] if (l1 := note.get("log_mel_l1")) else []
        print("; ".join([f"{note['file']}: nearest {near}", *refined, *note["warnings"]]))
    print(f"{len(encoded.notes)} notes -> {options.output}")


if __name__ == "__main__":
    sys.exit(main())
