"""Tests of `folder_lock`: one run at a time, who holds the lock, and locks that are taken over."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import types

import pytest

from nsynth_vae.errors import InputError
from nsynth_vae.files import exclusive_lock, folder_lock

pytestmark = pytest.mark.player

HOLD = """
import sys
from nsynth_vae.files import exclusive_lock
with exclusive_lock(sys.argv[1], "train"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def hold(folder: pathlib.Path) -> subprocess.Popen:
    """Return a process that has a folder's lock until its input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "locked\n"
    return holder


def test_another_process_waits(tmp_path: pathlib.Path) -> None:
    """And gets the lock when the first ends; nothing is left in the folder."""
    holder = hold(tmp_path)
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


def test_another_process_is_named_until_it_is_killed(tmp_path: pathlib.Path) -> None:
    holder = hold(tmp_path)
    message = rf"another run \(train, process {holder.pid}, since \d{{4}}-.*\) is writing there, expected its end or"
    with pytest.raises(InputError, match=message), exclusive_lock(tmp_path, "export", wait=False):
        pass
    holder.kill()
    holder.communicate()
    assert json.loads((tmp_path / ".lock").read_text())["pid"] == holder.pid
    with exclusive_lock(tmp_path, "export", wait=False):
        assert json.loads((tmp_path / ".lock").read_text())["command"] == "export"


@pytest.mark.parametrize("text", ["", "half", "[]", "{}", '{"pid": "one"}', '{"pid": PID}'])
def test_a_lock_that_no_process_of_this_machine_has_is_taken_over(text: str, tmp_path: pathlib.Path) -> None:
    """Also if its process number is that of a running process: of this one's parent."""
    (tmp_path / ".lock").write_text(text.replace("PID", str(os.getppid())))
    with exclusive_lock(tmp_path, wait=False):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()


def test_a_lock_of_another_machine_is_taken_over_when_it_is_no_longer_renewed(tmp_path: pathlib.Path) -> None:
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"command": "train", "pid": 1, "host": "elsewhere", "since": "today"}))
    message = r"another run \(train, process 1 on elsewhere, seen in the last 60 s, since today\) is writing there"
    with pytest.raises(InputError, match=message), exclusive_lock(tmp_path, wait=False):
        pass
    assert "elsewhere" in lock.read_text()
    os.utime(lock, (time.time() - 61,) * 2)
    with exclusive_lock(tmp_path, wait=False):
        pass


def test_where_there_are_no_locks_the_process_and_the_time_count(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "_lock", lambda lock: None)
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"command": "train", "pid": os.getppid()}))
    with pytest.raises(InputError, match=f"process {os.getppid()}"), exclusive_lock(tmp_path, wait=False):
        pass
    lock.write_text(json.dumps({"command": "train", "pid": 999999999}))
    with exclusive_lock(tmp_path, wait=False):
        pass


def test_the_holder_renews_its_lock(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "RENEWED_SECONDS", 0.01)
    with exclusive_lock(tmp_path):
        os.utime(tmp_path / ".lock", (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / ".lock").stat().st_mtime < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - (tmp_path / ".lock").stat().st_mtime < 60


def test_a_process_may_lock_twice_and_leaves_no_folder(tmp_path: pathlib.Path) -> None:
    with exclusive_lock(tmp_path / "new" / "folder", wait=False):
        with exclusive_lock(tmp_path / "new" / "folder", wait=False):
            pass
        assert (tmp_path / "new" / "folder" / ".lock").exists()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    lock = exclusive_lock(tmp_path / "file" / "new")
    with pytest.raises(InputError, match="file/new: Not a directory, expected a folder that can be written"), lock:
        pass


def test_windows_locks_a_byte_behind_the_text(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def locking(place: int, mode: int, count: int) -> None:
        calls.append((os.lseek(place, 0, os.SEEK_CUR), mode, count))
        if len(calls) < 3:
            raise PermissionError

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(folder_lock.os, "name", "nt")
    with (tmp_path / ".lock").open("w+b") as file:
        assert [folder_lock._lock(file.fileno()) for _ in range(3)] == [False, False, True]
    assert calls == [(1 << 30, 2, 1)] * 3
