"""Mutated inputs: no crash, no hang over 10 s, no more than 1 GB, and no half-written output.

CAMPAIGN=full CAMPAIGN_SEED=2 python -m pytest -n0 -m campaign tests/campaigns/test_inputs.py
"""

from __future__ import annotations

import json
import os
import pathlib
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from campaigns.settings import FULL, SEED, report, size

pytestmark = [pytest.mark.campaign, pytest.mark.slow]

TESTS = pathlib.Path(__file__).parents[1]

KINDS = (
    *("wav", "flac", "ogg", "mp3", "aiff", "z.json", "examples.json", "tfrecord", "midi", "config.json"),
    *("attributes.json", "tflite", "weights", "expressions"),
)

SECONDS = 10.0
"""Of computation; more is a hang. So is waiting for `BLOCKED_SECONDS`, on a machine that may have other work."""

BLOCKED_SECONDS = 180.0

BYTES = 1 << 30
"""More than this above the process's memory before the first mutant is too much."""

MUTANTS = 10_000

GROUPS = [(kind,) for kind in KINDS] if FULL else [KINDS]
"""Kinds that take turns in a process."""


class Worker:
    """A process that uses mutants of a kind, watched."""

    def __init__(self, kinds: Sequence[str], folder: pathlib.Path, first: int, end: int) -> None:
        """Start with mutant `first`."""
        arguments = [",".join(kinds), str(folder), str(SEED), str(first), str(end)]
        environment = os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "campaigns.worker", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.rest = b""

    def lines(self, seconds: float) -> list[str] | None:
        """Return the lines written by now; wait for some at most so long. None at the end."""
        if not self.selector.select(seconds):
            return []
        read = os.read(self.process.stdout.fileno(), 1 << 16)
        *lines, self.rest = (self.rest + read).split(b"\n")
        return None if not read else [line.decode() for line in lines]

    def computed(self) -> float:
        """Return the seconds of computation so far; 0 if the process has ended or the system does not say."""
        try:
            # After the name, which may have any characters: utime and stime are the 14th and 15th field.
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return 0.0

    def memory(self) -> int:
        """Return the bytes of memory in use; 0 if the process has ended or the system does not say."""
        try:
            pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")


def use_mutants(kinds: Sequence[str], folder: pathlib.Path, count: int) -> dict[str, list]:
    """Use `count` mutants of kinds in turn; return how each ended.

    Returns:
        `ok` and `error`: numbers of mutants; `failed`: (number, what happened); `seconds`: of computation, of each.
    """
    ended: dict[str, list] = {"ok": [], "error": [], "failed": [], "seconds": [0.0]}
    first = 0
    while first < count:
        worker, current, before, problem = Worker(kinds, folder, first, count), None, 0, None
        started, computed = time.monotonic(), 0.0
        while (lines := worker.lines(0.1)) is not None:
            for line in lines:
                word, number, *rest = line.split(" ", 2)
                if word == "start":
                    current, started, computed = int(number), time.monotonic(), worker.computed()
                    before = before or worker.memory()
                    continue
                ended["seconds"].append(worker.computed() - computed)
                ended[word].append((int(number), json.loads(rest[0])) if rest else int(number))
                first, current = int(number) + 1, None
            if current is None:
                continue
            used = worker.memory() - before
            if worker.computed() - computed > SECONDS or time.monotonic() - started > BLOCKED_SECONDS:
                problem = f"hangs: {worker.computed() - computed:.0f} s computed in {time.monotonic() - started:.0f} s"
            elif used > BYTES:
                problem = f"takes {used / 2**20:.0f} MB"
            if problem:
                worker.process.kill()
                break
        code = worker.process.wait()
        if current is not None:
            ended["failed"].append((current, problem or f"crashes: exit code {code}"))
            first = current + 1
        elif code != 0 or first < count:
            raise AssertionError(f"{kinds}: the process ended with {code} before mutant {first}")
    return ended


@pytest.mark.parametrize("kinds", GROUPS, ids=lambda kinds: kinds[0] if FULL else "all")
def test_mutants_end_in_an_answer_or_a_line(kinds: Sequence[str], tmp_path: pathlib.Path) -> None:
    count = size(-(-MUTANTS // len(KINDS)), 5 * len(KINDS))
    started, name = time.monotonic(), ", ".join(kinds)
    ended = use_mutants(kinds, tmp_path, count)
    words = f"{len(ended['ok'])} read, {len(ended['error'])} refused, {len(ended['failed'])} failed"
    longest, took = max(ended["seconds"]), time.monotonic() - started
    report(f"inputs | {name} | {count} | {SEED} | {words} | at most {longest:.1f} s of computation | {took:.0f} s")
    text = "\n\n".join(f"mutant {number}: {what}" for number, what in ended["failed"][:20])
    assert not ended["failed"], f"{name}, seed {SEED}: {len(ended['failed'])} failed\n{text}"
