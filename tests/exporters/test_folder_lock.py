"""Tests of `folder_lock`: one process at a time, by flock and by Windows' locks of files."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import threading
import types

import pytest

from nsynth_vae.exporters import folder_lock
from nsynth_vae.exporters.folder_lock import exclusive_lock

HOLD = """
import pathlib, sys
from nsynth_vae.exporters.folder_lock import exclusive_lock
with exclusive_lock(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_another_process_waits(tmp_path: pathlib.Path) -> None:
    """And gets the lock when the first ends, however it ends; nothing is left in the folder."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "locked\n"
    entered = threading.Event()

    def enter() -> None:
        with exclusive_lock(tmp_path):
            entered.set()

    waiting = threading.Thread(target=enter)
    waiting.start()
    assert not entered.wait(0.3)
    holder.kill()
    assert entered.wait(10)
    waiting.join()
    holder.communicate()
    assert list(tmp_path.iterdir()) == []


def test_windows_locks_a_file_until_it_has_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`msvcrt.locking` gives up after ten seconds, which is not the end here."""
    calls = []

    def locking(place: int, mode: int, count: int) -> None:
        calls.append((mode, count))
        if len(calls) < 3:
            raise OSError

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_LOCK=1))
    monkeypatch.setattr(folder_lock, "_lock_folder", folder_lock._lock_file)
    with exclusive_lock(tmp_path):
        assert calls == [(1, 1)] * 3
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
