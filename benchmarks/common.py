"""Preamble of the benchmarks: the package of this clone on the path, a quiet TensorFlow, a parser, and progress."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nsynth_vae.timbre_model import TimbreModel

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help begins with a module's docstring, as it is."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def add_data_option(parser: argparse.ArgumentParser, notes: str = "notes") -> None:
    """Add `--data`, the sources of a benchmark's notes."""
    parser.add_argument("--data", action="append", help=f"sources of {notes} (default: starter)")


def add_json_option(parser: argparse.ArgumentParser, figures: str = "figures") -> None:
    """Add `--json`, which `write_figures` takes."""
    parser.add_argument("--json", type=pathlib.Path, help=f"write the {figures} to this file too")


def write_figures(found: object, file: pathlib.Path | None) -> None:
    """Write a benchmark's figures as JSON, if a file is given."""
    if file:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def say(line: str) -> None:
    """Print a line of progress to standard error."""
    print(line, file=sys.stderr, flush=True)


def open_player(path: pathlib.Path | None) -> TimbreModel:
    """Open a model by the TFLite files in its folder, be they of a former version and with a former synthesizer.

    The tools would export such a folder anew, and it would sound otherwise than it did.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
    """
    from nsynth_vae import pretrained, timbre_model
    from nsynth_vae.config import Config

    path = pretrained.TIMBRE_MODEL if path is None else path
    files = pretrained.player_files(path)
    if timbre_model.is_exports(path) or not pretrained.are_there(files):
        return timbre_model.open_model(path)
    config = Config.load(path / "config.json")
    return timbre_model.TimbreModel(
        name=path.resolve().name,
        config=config.audio,
        latent_dim=config.model.latent_dim,
        attributes=pretrained.read_attributes(path),
        backend=timbre_model.LiteRTBackend(files, config.audio),
        level_coordinate=config.model.level,
    )
