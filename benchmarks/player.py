"""Time and memory of the commands that play, as whole processes.

    python benchmarks/player.py
    python benchmarks/player.py --python OTHER/bin/python --repository OTHER --only interpolate

Runs each command several times in a folder of its own, and prints the medians of its seconds, by the clock and of the
processor, and its peak memory. With --repository the commands of another checkout take turns with those of this one,
in its own --python, so that other load on the machine meets both; options that the other checkout lacks fail there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from common import make_parser, say

HERE = pathlib.Path(__file__).resolve().parents[1]

COMMANDS = {
    "interpolate": ["interpolate", "flute", "guitar"],
    "interpolate, no picture": ["interpolate", "flute", "guitar", "--no-picture"],
    "arithmetic, no picture": ["arithmetic", "violin + bright - dark", "--no-picture"],
    "sample": ["sample", "--count", "16"],
    "sample, no picture": ["sample", "--count", "16", "--no-picture"],
    "instrument": ["instrument", "flute", "--pitches", "24-112"],
}
"""What is measured; an instrument of 90 notes."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A process that has ended."""

    seconds: float
    processor_seconds: float
    peak_megabytes: float


def run(python: str, repository: pathlib.Path, arguments: list[str]) -> Run | None:
    """Run a command in a new folder; return None if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", f"nsynth_vae.{arguments[0]}", *arguments[1:], "-o", "out"]
        # Exports, which older versions need, are written once and kept.
        if (repository / "exports" / "decoder").is_dir():
            command += ["--exports", str(repository / "exports")]
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(repository)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Its peak is at least the memory of this process, which imports no numpy.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return None
    kilobytes = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(seconds, used.ru_utime + used.ru_stime, kilobytes / 1024)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, Run | None]]:
    """Print a table, and return the medians: command -> checkout -> run, None for one that failed."""
    parser = make_parser(__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each command (default: %(default)s)")
    parser.add_argument("--only", metavar="TEXT", default="", help="commands whose name begins with this")
    parser.add_argument("--repository", type=pathlib.Path, help="another checkout (default: none)")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the other one (default: this one)")
    parser.add_argument("--json", type=pathlib.Path, help="write the medians to this file too")
    options = parser.parse_args(arguments)
    checkouts = {"here": (sys.executable, HERE)}
    if options.repository:
        checkouts["other"] = (options.python, options.repository.resolve())
    medians: dict[str, dict[str, Run | None]] = {}
    for name, command in COMMANDS.items():
        if not name.startswith(options.only):
            continue
        runs: dict[str, list[Run | None]] = {checkout: [] for checkout in checkouts}
        for number in range(options.runs):
            say(f"{name}: run {number + 1} of {options.runs}")
            for checkout, (python, repository) in checkouts.items():
                runs[checkout].append(run(python, repository, command))
        medians[name] = {checkout: _median(found) for checkout, found in runs.items()}
    print("| command | checkout | seconds | processor seconds | peak memory, MB |\n|---|---|---|---|---|")
    for name, found in medians.items():
        for checkout, one in found.items():
            cells = ["failed"] * 3 if one is None else [f"{value:.2f}" for value in dataclasses.astuple(one)[:2]]
            cells += [] if one is None else [f"{one.peak_megabytes:.0f}"]
            print(f"| {name} | {checkout} | {' | '.join(cells)} |")
    if options.json:
        record = {
            name: {checkout: one and dataclasses.asdict(one) for checkout, one in found.items()}
            for name, found in medians.items()
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return medians


def _median(runs: list[Run | None]) -> Run | None:
    done = [dataclasses.astuple(one) for one in runs if one is not None]
    return Run(*map(statistics.median, zip(*done, strict=True))) if len(done) == len(runs) else None


if __name__ == "__main__":
    main()
