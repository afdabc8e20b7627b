"""Options of what is heard: takes, motion, and the level of sound files."""

from __future__ import annotations

import argparse

from nsynth_vae.cli.types import int32, motion


def add_take_options(parser: argparse._ActionsContainer) -> None:
    """Add `--take` and `--motion`, of commands that decode; `api.open_model` and `open_lookup` heed them."""
    text = "another take of each note, as players repeat one: any integer (default: %(default)s)"
    parser.add_argument("--take", metavar="N", type=int32, default=0, help=text)
    parser.add_argument(
        "--motion",
        metavar="X",
        type=motion,
        default=1.0,
        help="how much notes move: 0 steady, 1 as learnt, 2 twice as far (default: 1)",
    )


def add_keep_level_option(parser: argparse._ActionsContainer) -> None:
    """Add `--keep-level`, of commands that encode sound files; `api.open_model` and `open_lookup` heed it."""
    parser.add_argument(
        "--keep-level", action="store_true", help="encode sound files at their own level, not at that of NSynth's notes"
    )
