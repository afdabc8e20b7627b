"""Parser and exit codes of a command."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from nsynth_vae.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with exit code 2."""

    def __init__(self, module: str, description: str) -> None:
        """Make the parser of `python -m module`."""
        super().__init__(
            prog=f"python -m {module}",
            description=description,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=110),
        )

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(2, f"error: {message} ({self.prog} --help lists the options)\n")


def run(main: Callable[[argparse.Namespace], None], parser: Parser, arguments: Sequence[str] | None) -> int:
    """Parse the arguments, call the command's function, and return the exit code.

    Returns:
        0 when done, 2 for bad input (one line on standard error), 130 after Ctrl-C.
    """
    print_any_character()
    options = parser.parse_args(arguments)
    try:
        prepare_tensorflow()
        main(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"\nInterrupted. {interrupt}".rstrip(), file=sys.stderr)
        return 130
    return 0


def print_any_character() -> None:
    """Let characters that the console's encoding lacks, such as those of cp1252, be printed escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def prepare_tensorflow() -> None:
    """Check the platform and silence TensorFlow before it is first imported; environment variables that are set stay.

    Raises:
        InputError: on a Python version or platform without TensorFlow 2.17.
    """
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        raise InputError(f"TensorFlow 2.17: found Python {sys.version.split()[0]}, expected Python 3.11 or 3.12")
    if sys.platform == "win32":
        raise InputError(
            "TensorFlow 2.17: found Windows, expected Linux or macOS; on Windows use WSL2: "
            "https://learn.microsoft.com/windows/wsl"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow's warnings are about its internals: the command itself prints what a user can act on.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
