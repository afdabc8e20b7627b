"""The progress bar: its estimate, and its end where a command fails."""

import subprocess
import sys

import pytest

from nsynth_vae.cli import progress

pytestmark = pytest.mark.player


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_the_time_left_leaves_out_the_start_up(monkeypatch, capsys, start):
    clock = iter([1000.0, 1010.0, 1020.0])
    bar = progress.Progress("Working", start)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert bar._left(start + 0.1) == "?"
    assert bar._left(start + 0.2) == {0.0: "01:20", 0.5: "00:30"}[start]
    assert bar._left(1.0) == "00:00"
    bar.close()
    assert "Working" in capsys.readouterr().out


def test_an_error_has_a_line_of_its_own_after_a_bar():
    code = """
from nsynth_vae import cli
from nsynth_vae.cli.progress import Progress
from nsynth_vae.errors import InputError

def main(options):
    bar = Progress("Working")
    bar.to(0.5)
    raise InputError("a.wav: is silent")

raise SystemExit(cli.run(main, cli.Parser("nsynth_vae.play", "A test."), []))
"""
    found = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert found.returncode == 2
    bars, error = found.stdout.splitlines()[:-1], found.stdout.splitlines()[-1]
    assert bars[-1].startswith("Working  50%")
    assert error == "error: a.wav: is silent"
