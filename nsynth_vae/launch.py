"""`python -m nsynth_vae.launch N -- train ...`: a training on N worker processes of this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nsynth_vae import cli


def make_parser() -> cli.Parser:
    """Return the command's parser."""
    parser = cli.Parser(
        "nsynth_vae.launch",
        "Train with --strategy multi-worker on N processes of this machine, to try what a cluster will do. The cores "
        "are divided among them. Ctrl-C ends all after the step; when one fails, all end.",
    )
    parser.add_argument("workers", metavar="N", type=cli.positive_int, help="number of worker processes")
    parser.add_argument(
        "--threads",
        metavar="N",
        type=cli.positive_int,
        help="threads of each worker's operators (default: the cores divided by the workers)",
    )
    parser.add_argument(
        "command",
        nargs="+",
        metavar="-- COMMAND",
        help="train, train_synthesizer or train_classifier, and its options",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or that of the first worker that failed."""
    code = 0

    def run(options: argparse.Namespace) -> None:
        nonlocal code
        from nsynth_vae.cli.workers import run_workers, worker_command

        command = worker_command(options.command)
        code = run_workers(command, options.workers, threads=options.threads)

    return cli.run(run, make_parser(), arguments, needs_training_packages=True) or code


if __name__ == "__main__":
    sys.exit(main())
