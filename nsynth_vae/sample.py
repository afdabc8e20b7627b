"""`python -m nsynth_vae.sample`: random timbres, drawn from the latent space, as sounds and a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser("nsynth_vae.sample", "Draws new sounds from the latent space, and plays them.")
    parser.add_argument("--count", metavar="N", type=int, default=16, help="new sounds (default: %(default)s)")
    parser.add_argument(
        "--method",
        choices=("mixture", "prior", "near"),
        help="mixture: the distribution of the training notes; prior: anything within the space, N(0, I); near: around "
        "one timbre (default: mixture; with --near: near)",
    )
    parser.add_argument("--family", metavar="FAMILY", help="the distribution of one family's training notes: guitar")
    parser.add_argument("--near", metavar="TIMBRE", help=f"sounds around this: {cli.TIMBRE}")
    parser.add_argument(
        "--spread",
        metavar="X",
        type=cli.positive_float,
        help="standard deviation around --near, as a fraction of that of the training notes (default: 0.5)",
    )
    parser.add_argument(
        "--pitch",
        metavar="P",
        type=cli.midi_range,
        default=(60, 60),
        help="MIDI pitch, or a range to draw from: 48-72 (default: 60)",
    )
    parser.add_argument(
        "--velocity", metavar="V", type=cli.midi_number, default=100, help="MIDI velocity (default: %(default)s)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="decides every draw (default: %(default)s)")
    cli.add_take_options(parser)
    cli.add_folder_option(parser, "sample-00.wav, ..., contact-sheet.png and samples.json", picture=True)
    cli.add_lookup_options(parser)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_sample, make_parser(), arguments, writes_folder=True)


def _sample(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_lookup
    from nsynth_vae.rendering.random_samples import check_arguments, sample

    names = ("count", "method", "family", "near", "spread", "pitch", "velocity", "seed")
    given = {name: getattr(options, name) for name in names}
    check_arguments(**given)
    lookup = open_lookup(options)
    samples = sample(lookup, **given)
    cli.print_timbres(lookup.files.values())
    samples.save(options.output, picture=options.picture)
    cli.warn_of_silence(samples.pitch, samples.config.sample_rate)
    print(f"{len(samples.z)} new sounds by {samples.drawn['method']} -> {options.output}")


if __name__ == "__main__":
    sys.exit(main())
