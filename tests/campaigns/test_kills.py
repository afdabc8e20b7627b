"""Killed commands: nothing is lost past the last checkpoint, no half file is read, the same command goes on.

CAMPAIGN=full CAMPAIGN_SEED=2 python -m pytest -n0 -m campaign tests/campaigns/test_kills.py
"""

from __future__ import annotations

import pathlib
import random
import shutil
import sys
import time

import pytest
from campaigns.forks import Forks
from campaigns.outputs import COMMANDS, make_inputs
from campaigns.settings import FULL, MINUTES, SEED, report, size

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="forks processes"),
]


@pytest.mark.parametrize("name", COMMANDS if FULL else ("play",))
def test_killed_at_random_moments(name: str, tmp_path: pathlib.Path) -> None:
    command, number, kills, runs = COMMANDS[name], random.Random(f"{SEED} {name}"), 0, 0
    forks, log = Forks(learner=command.learner), tmp_path / "log.txt"
    inputs = make_inputs(tmp_path / "inputs", learner=command.learner)
    output, started = tmp_path / "out", time.monotonic()
    arguments = command.arguments(inputs, output)
    code, seconds = forks.run(arguments, log)
    assert code == 0, log.read_text()[-3000:]
    while kills < size(100, 2) and time.monotonic() - started < 60 * MINUTES:
        shutil.rmtree(output)
        there, done = 0, False
        while not done:
            runs += 1
            code, _ = forks.run(arguments, log, kill_after=number.uniform(0.0, 1.1 * seconds))
            assert code in (0, -9), log.read_text()[-3000:]
            kills += code == -9
            done = code == 0 or kills >= size(100, 2) or time.monotonic() - started > 60 * MINUTES
            now = command.check(output)
            assert now >= there, f"{there} before the kill, {now} after it"
            there = now
        if code != 0:
            code, _ = forks.run(arguments, log)
            assert code == 0, log.read_text()[-3000:]
            assert command.check(output) >= there
        left = [path for path in output.rglob("*") if path.name.startswith(".")]
        assert not left, left
    forks.close()
    took = time.monotonic() - started
    report(
        f"kills | {name} | {kills} | {SEED} | {runs} runs, each to be {seconds:.1f} s long; none lost | {took:.0f} s"
    )
