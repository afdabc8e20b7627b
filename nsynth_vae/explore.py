"""`python -m nsynth_vae.explore`: a map of notes by their timbre, as pictures and as a page that plays them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli

if TYPE_CHECKING:
    import numpy as np

MAX_NOTES = 1000
"""Notes of a map without --max-notes: a page of some 9 MB."""


def make_parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(
        "nsynth_vae.explore",
        "Draws where notes are in the latent space, coloured by family, source, pitch and descriptors, and makes a "
        f"page of it that plays them. Without --max-notes at most {MAX_NOTES} notes, of all instruments.",
    )
    cli.add_data_options(parser, features=False, cache=False)
    parser.add_argument(
        "--split",
        choices=("all", "train", "valid", "test"),
        default="all",
        help="notes that are drawn (default: %(default)s)",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of t-SNE (default: %(default)s)")
    cli.add_take_options(parser)
    cli.add_folder_option(parser, "map-pca.png, map-tsne.png, map.html and map.json", picture=True)
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(_explore, make_parser(), arguments, writes_folder=True)


def _explore(options: argparse.Namespace) -> None:
    from nsynth_vae.api import open_model
    from nsynth_vae.cli.progress import Progress
    from nsynth_vae.data.load_notes import open_splits
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.data.streaming import read_notes
    from nsynth_vae.rendering.timbre_map import make_map

    cli.check_seed(options.seed)
    model, bad_notes = open_model(options), BadNotes(options.on_bad_note)
    source, by_split = open_splits(
        cli.data_config_from(options),
        audio=model.config,
        bad_notes=bad_notes,
        split=options.split,
        most=MAX_NOTES,
        data_dir=options.data_dir,
    )
    rows, bar = by_split[options.split], Progress("Encoding")

    def read() -> Iterator[tuple[int, np.ndarray]]:
        for number, note in enumerate(read_notes(source, rows, bad_notes), 1):
            bar.to(number / len(rows))
            yield note

    found = make_map(model, source.table, read(), data=source.name, seed=options.seed)
    bar.close()
    found.save(options.output, picture=options.picture)
    print(f"{len(found.table)} notes -> {options.output / 'map.html'}")


if __name__ == "__main__":
    sys.exit(main())
