"""Full disks: one line and exit code 2, nothing half-written, and the same command succeeds once there is room.

    CAMPAIGN=full CAMPAIGN_SEED=2 python -m pytest -n0 -m campaign tests/campaigns/test_full_disk.py

The disk is a small tmpfs where it can be mounted, as by root; elsewhere files of more than some size cannot be written.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from campaigns.forks import Forks
from campaigns.outputs import COMMANDS, make_inputs
from campaigns.settings import FULL, SEED, report, size

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs, or limits the size of files"),
]


@contextlib.contextmanager
def disk(folder: pathlib.Path, kilobytes: int) -> Iterator[Callable[[], None]]:
    """Mount a small disk in the block; give what makes it large."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=1g", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def can_mount(folder: pathlib.Path) -> bool:
    with contextlib.suppress(subprocess.CalledProcessError, OSError), disk(folder, 64):
        return True
    return False


def limit_files(limit: int) -> None:
    """Let no file of this process become larger than so many bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.parametrize("name", COMMANDS if FULL else ("instrument",))
def test_a_disk_that_fills(name: str, tmp_path: pathlib.Path) -> None:
    command, number = COMMANDS[name], random.Random(f"{SEED} {name}")
    forks, log, started = Forks(learner=command.learner), tmp_path / "log.txt", time.monotonic()
    inputs = make_inputs(tmp_path / "inputs", learner=command.learner)
    output = tmp_path / "disk" / "out"
    mounts = can_mount(tmp_path / "disk")
    arguments = command.arguments(inputs, output)
    code, _ = forks.run(arguments, log)
    assert code == 0, log.read_text()[-3000:]
    needed = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    largest = max(path.stat().st_size for path in output.rglob("*") if path.is_file())
    shutil.rmtree(tmp_path / "disk")
    full = 0
    for _ in range(size(4, 1)):
        log.write_text("")
        if mounts:
            with disk(tmp_path / "disk", max(4, int(number.uniform(0.0, 0.9) * needed) >> 10)) as enlarge:
                code, _ = forks.run(arguments, log)
                full += _check(command, output, code, log)
                enlarge()
                code, _ = forks.run(arguments, log)
                assert code == 0, log.read_text()[-3000:]
                command.check(output)
        else:
            limit = functools.partial(limit_files, int(number.uniform(0.0, 0.9) * largest))
            code, _ = forks.run(arguments, log, setup=limit)
            full += _check(command, output, code, log)
            code, _ = forks.run(arguments, log)
            assert code == 0, log.read_text()[-3000:]
            shutil.rmtree(output.parent)
    forks.close()
    way = "a tmpfs" if mounts else "RLIMIT_FSIZE"
    took = time.monotonic() - started
    words = f"{way} of 0 to 90 % of {needed >> 10} KB; all in one line"
    report(f"full disk | {name} | {full} | {SEED} | {words} | {took:.0f} s")


def _check(command: object, output: pathlib.Path, code: int, log: pathlib.Path) -> bool:
    """Check how a command ended on a full disk, and what it left there."""
    text = log.read_text()
    assert code == 2, f"exit code {code}: {text[-3000:]}"
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text[-3000:]
    assert "No space left" in lines[0] or "File too large" in lines[0] or "space" in lines[0], lines
    assert "Traceback" not in text, text[-3000:]
    if output.exists():
        command.check(output)
        left = [path for path in output.rglob("*") if path.name.startswith(".")]
        assert not left, left
    return True
