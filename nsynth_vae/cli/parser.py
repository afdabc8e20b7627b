"""Parser and exit codes of a command."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from nsynth_vae.cli.failures import guarded
from nsynth_vae.errors import InputError
from nsynth_vae.files import check_output, exclusive_lock

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DEBUG = "--debug"

TRAINING_PACKAGES = {
    "TensorFlow": "tensorflow",
    "Keras": "keras",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
}
"""Packages of the extra `train` that the commands which learn import, and their modules."""

LEAST_MEMORY = 4_000_000_000
"""Bytes of addresses that learning needs: the smallest training has 3.4e9 at its end, and TensorFlow's threads abort
the process if they get none."""


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

        self.add_argument(DEBUG, action="store_true", help="show the traceback of an error, which helps to report it")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; raise OSError where there is no room for it, which argparse drops."""
        print(self.format_help(), end="", file=file)
        sys.stdout.flush()

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(2, f"error: {message} ({self.prog} --help lists the options)\n")


def run(
    main: Callable[[argparse.Namespace], None],
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    *,
    needs_training_packages: bool = False,
    writes_folder: bool = False,
) -> int:
    """Parse the arguments, call the command's function, and return the exit code: see `failures.guarded`.

    Args:
        main: the function, given the options.
        parser: the command's.
        arguments: of the command line; those of the process by default.
        needs_training_packages: end with one line where they are missing.
        writes_folder: the option `--output` is a folder, which is locked until the command ends: of two runs, the
            second would replace a part of the first's files.
    """
    given = sys.argv[1:] if arguments is None else arguments

    def parse_and_call() -> None:
        options = parser.parse_args(given)
        # Scripts of docs/ and benchmarks/ come with a plain parser.
        vars(options).pop("debug", None)
        if needs_training_packages:
            prepare_tensorflow(parser.prog)
        silence_tensorflow()
        with contextlib.ExitStack() as stack:
            if writes_folder:
                check_output(options.output)
                stack.enter_context(exclusive_lock(options.output, parser.prog.rpartition(".")[2], wait=False))
            main(options)

    return guarded(parse_and_call, parser.prog, debug=DEBUG in given)


def prepare_tensorflow(what: str) -> None:
    """Check that the training packages are installed and may take enough memory, and silence TensorFlow.

    Args:
        what: needs them, for the message.

    Raises:
        InputError: if a package is missing, and says how to get it; if the process's memory is limited to too little.
    """
    if missing := missing_training_packages():
        raise InputError(f"{what}: found no {', '.join(missing)}, expected the training packages: {how_to_install()}")
    limit = memory_limit()
    if limit is not None and limit < LEAST_MEMORY:
        raise InputError(
            f"memory: found a limit of {limit / 1e9:.2g} GB for a process (ulimit -v), expected "
            f"{LEAST_MEMORY / 1e9:.0f} GB at least: TensorFlow aborts without them"
        )
    silence_tensorflow()


def memory_limit() -> int | None:
    """Return the bytes of addresses that this process may have; None where there is no limit."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def silence_tensorflow() -> None:
    """Set what TensorFlow reads when it is first imported; environment variables that are set stay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow's warnings are about its internals: the command itself prints what a user can act on.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def missing_training_packages() -> list[str]:
    """Return the names of the training packages that are not installed."""
    missing = []
    for name, module in TRAINING_PACKAGES.items():
        try:
            found = importlib.util.find_spec(module) is not None
        except ValueError:
            # What a test put in its place.
            found = False
        if not found:
            missing.append(name)
    return missing


def how_to_install() -> str:
    """Return the commands that install the training packages, by the platform and the Python that runs."""
    version = sys.version_info[:2]
    lock = "requirements-newest.txt" if version == (3, 13) else "requirements.txt"
    install = f"pip install 'nsynth-vae[train]', or in a clone pip install -r {lock}"
    if sys.platform == "win32":
        return (
            f"they are for Linux and macOS; in WSL2 (learn.microsoft.com/windows/wsl), Python 3.11 to 3.13, {install}"
        )
    if (3, 11) <= version <= (3, 13):
        return install
    return (
        f"they are for Python 3.11 to 3.13, this is {version[0]}.{version[1]}; "
        f"uv venv --python 3.12 (or pyenv install 3.12, or python.org), then there {install}"
    )
