"""Parser of a command, and how a command ends."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from nsynth_vae.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with exit code 2."""

    def __init__(self, module: str, description: str) -> None:
        """Makes the parser of `python -m module`."""
        super().__init__(
            prog=f"python -m {module}",
            description=description,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=110),
        )

    def error(self, message: str) -> None:
        """Prints one line and exits with 2."""
        self.exit(2, f"error: {message} ({self.prog} --help lists the options)\n")


def run(main: Callable[[argparse.Namespace], None], parser: Parser, arguments: Sequence[str] | None) -> int:
    """Parses, calls the command's function, and turns how it ends into an exit code.

    Returns:
        0 when done, 2 for bad input (one line on standard error), 130 after Ctrl-C.
    """
    options = parser.parse_args(arguments)
    # TensorFlow's warnings are about its inside: what a user can do something about is said by the command itself.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        main(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"\nInterrupted. {interrupt}".rstrip(), file=sys.stderr)
        return 130
    return 0
