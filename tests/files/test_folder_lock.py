"""Tests of `folder_lock`: one run at a time, who holds the lock, and locks that are taken over."""

from __future__ import annotations

import argparse
import errno
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import types

import pytest

from nsynth_vae import __main__, cli
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


@pytest.mark.parametrize("text", ["", "half", "[]", "{}", "[" * 4000, '{"pid": "one"}', '{"pid": PID}'])
def test_a_lock_that_no_process_of_this_machine_has_is_taken_over(text: str, tmp_path: pathlib.Path) -> None:
    """Also if its process number is that of a running process: of this one's parent."""
    (tmp_path / ".lock").write_text(text.replace("PID", str(os.getppid())))
    with exclusive_lock(tmp_path, wait=False):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among its files")
@pytest.mark.parametrize("kind", ["link", "broken link", "loop", "folder", "pipe"])
def test_what_is_no_file_in_the_locks_place_is_named_and_left(kind: str, tmp_path: pathlib.Path) -> None:
    lock, target = tmp_path / "folder" / ".lock", tmp_path / "mine.txt"
    lock.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(lock if kind == "loop" else target)
    if kind == "link":
        target.write_text("precious")
    before = os.lstat(lock).st_mode
    message = r"folder/.lock: is a link, folder, device or pipe, expected a lock's file or none"
    with pytest.raises(InputError, match=message), exclusive_lock(lock.parent):
        pass
    assert os.lstat(lock).st_mode == before
    assert {path.name for path in tmp_path.iterdir()} == {"folder", *["mine.txt"] * (kind == "link")}
    assert kind != "link" or target.read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="the system opens links only as their targets")
def test_a_link_that_others_make_just_then_is_not_written(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    (tmp_path / ".lock").symlink_to("mine.txt")
    monkeypatch.setattr(folder_lock, "is_no_file", lambda path: False)
    with pytest.raises(InputError, match="expected a folder that can be written"), exclusive_lock(tmp_path):
        pass
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_folder_that_cannot_be_made_leaves_none_above(tmp_path: pathlib.Path) -> None:
    lock = exclusive_lock(tmp_path / "models" / ("a" * 300))
    with pytest.raises(InputError, match="File name too long, expected a folder that can be written"), lock:
        pass
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("interpolate", "flute", "organ"),
        ("arithmetic", "flute"),
        ("sample",),
        ("instrument", "flute"),
        ("explore",),
        ("decode", "z.json"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_takes_the_files_of_one_command_at_a_time(
    arguments: tuple[str, ...], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    """The second says who is there before it computes anything, and leaves what is there."""
    holder = hold(tmp_path)
    code = __main__.main([*arguments, "--output", str(tmp_path)])
    holder.communicate("")
    text = capsys.readouterr().err
    assert code == 2
    assert text.count("\n") == 1
    assert f"{tmp_path}: another run (train, process {holder.pid}, since " in text
    assert list(tmp_path.iterdir()) == []


def test_a_command_names_itself_in_its_lock_and_removes_it(tmp_path: pathlib.Path) -> None:
    """Also the folder, if the command fails."""
    parser, found = argparse.ArgumentParser("python -m nsynth_vae.morph"), []
    parser.add_argument("--output", type=pathlib.Path)

    def fail(options: argparse.Namespace) -> None:
        found.append(json.loads((options.output / ".lock").read_text()))
        raise InputError("something")

    folder = tmp_path / "new" / "output"
    assert cli.run(fail, parser, ["--output", str(folder)], writes_folder=True) == 2
    assert (found[0]["command"], found[0]["pid"]) == ("morph", os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_a_lock_for_which_there_is_no_room_is_not_left(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(lock: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder_lock.os, "write", write)
    with pytest.raises(InputError, match="No space left on device, expected"), exclusive_lock(tmp_path / "new"):
        pass
    assert list(tmp_path.iterdir()) == []
