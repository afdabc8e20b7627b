"""Time of a training step in several environments, by turns.

    python benchmarks/training_step.py PYTHON [PYTHON ...] [--steps N] [--rounds N]

Each PYTHON trains the default model on random notes, as `training_cost.py` does, in a process of its own. The processes
take turns for some rounds, so that other load on the machine meets all of them. Prints a table.
"""

from __future__ import annotations

import json
import pathlib
import statistics
import subprocess
import sys

from common import make_parser

MEASURE = """
import json, sys
import training_cost
from nsynth_vae.config import Config

speed = training_cost.notes_a_second(Config(), int(sys.argv[1]))
import numpy, tensorflow
versions = f"Python {sys.version.split()[0]}, TensorFlow {tensorflow.__version__}, NumPy {numpy.__version__}"
print(json.dumps({"versions": versions, "ms": 1000 * Config().train.batch_size / speed}))
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = make_parser(__doc__)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="interpreter of an environment")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    if min(options.steps, options.rounds) < 1:
        parser.error("--steps and --rounds: expected 1 or more")
    found: dict[str, list[dict]] = {python: [] for python in options.pythons}
    for _ in range(options.rounds):
        for python, runs in found.items():
            command = [python, "-c", MEASURE, str(options.steps)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, cwd=pathlib.Path(__file__).parent
            )
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    print("| environment | a step of 32 notes (ms): median of the rounds | quickest round |\n|---|---|---|")
    for runs in found.values():
        times = [run["ms"] for run in runs]
        print(f"| {runs[0]['versions']} | {statistics.median(times):.0f} | {min(times):.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
