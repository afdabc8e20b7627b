"""The progress bar's estimate."""

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
