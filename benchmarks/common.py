"""Preamble of the benchmarks: the package of this clone on the path, a quiet TensorFlow, a parser, and progress."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys

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
