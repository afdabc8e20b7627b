"""`python -m nsynth_vae.explore`: a map of notes by their timbre, as pictures and as a page that plays them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsynth_vae import cli
from nsynth_vae.cli.options import add_folder_option
from nsynth_vae.cli.types import check_seed
from nsynth_vae.data.source import SPLITS, BadNotes
from nsynth_vae.files import check_output
from nsynth_vae.rendering.timbre_map import MAX_NOTES, explore, open_rows

if TYPE_CHECKING:
    pass


def make_parser() -> cli.Parser:
    """Returns the command's options."""
    parser = cli.Parser(
        "nsynth_vae.explore",
        "Draws where notes are in the latent space, coloured by family, source, pitch and descriptors, and makes a "
        f"page of it that plays them. Without --max-notes at most {MAX_NOTES} notes, of all instruments.",
    )
    cli.add_data_options(parser, features=False, cache=False)
    parser.add_argument(
        "--split", choices=("all", *SPLITS), default="all", help="notes that are drawn (default: %(default)s)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of t-SNE (default: %(default)s)")
    add_folder_option(parser, "map-pca.png, map-tsne.png, map.html and map.json")
    cli.add_model_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""

    def explore_from(parsed: argparse.Namespace) -> None:
        from nsynth_vae.cli.progress import Progress
        from nsynth_vae.exporters.model_export import export_folder
        from nsynth_vae.timbre_model import open_model

        check_seed(parsed.seed)
        check_output(parsed.output)
        model = open_model(parsed.model, parsed.exports, export=export_folder)
        bad_notes = BadNotes(parsed.on_bad_note)
        source, rows = open_rows(
            cli.data_config_from(parsed), parsed.split, model.config, bad_notes=bad_notes, data_dir=parsed.data_dir
        )
        bar = Progress("Listening")
        found = explore(model, source, rows, bad_notes=bad_notes, seed=parsed.seed, progress=bar.to)
        bar.close()
        found.write(parsed.output)
        print(f"{len(found.table)} notes -> {parsed.output / 'map.html'}")

    return cli.run(explore_from, make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
