"""Lock of a folder: one run at a time writes there, and the next learns which one.

The lock is the operating system's, on the file `.lock`: it ends with its process, however that ends, so that a killed
run leaves no lock, and a new process with its number holds none. The file says who holds it. Some network disks have no
such locks, or not for other machines: there, the file's time counts, which the holder renews.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from nsynth_vae.errors import InputError
from nsynth_vae.files.json_files import parse_json
from nsynth_vae.files.places import expand, is_no_file, made
from nsynth_vae.files.processes import HOST, is_running

LOCK = ".lock"

RENEWED_SECONDS = 15.0
"""The holder sets the file's time anew this often."""

STALE_SECONDS = 60.0
"""A lock of another machine that is older than this is taken over."""

_held: set[tuple[pathlib.Path, int]] = set()
"""(folder, thread) of the locks of this process: a run may export to the folder that it has locked."""


@contextlib.contextmanager
def exclusive_lock(folder: str | os.PathLike, command: str = "", *, wait: bool = True) -> Iterator[None]:
    """Make a folder if it is missing, and hold its lock in the block.

    Args:
        folder: the folder. If the block leaves it empty, what was made of it is removed.
        command: what the process does, for the message to others.
        wait: until no other process holds the lock; else raise.

    Raises:
        InputError: if another process holds the lock; if the folder cannot be made or written.
    """
    folder = expand(folder)
    place = folder.resolve()
    held = place, threading.get_ident()
    with contextlib.ExitStack() as stack:
        if held not in _held:
            try:
                stack.enter_context(made(folder))
                lock = _acquire(place / LOCK, command, folder, wait=wait)
            except OSError as error:
                raise InputError(f"{folder}: {error.strerror}, expected a folder that can be written") from error
            stack.callback(_release, lock, place / LOCK)
            _held.add(held)
            stack.callback(_held.discard, held)
            ended = threading.Event()
            stack.callback(ended.set)
            threading.Thread(target=_renew, args=(place / LOCK, ended), daemon=True).start()
        yield


def _acquire(path: pathlib.Path, command: str, folder: pathlib.Path, *, wait: bool) -> int:
    """Return the locked file, opened, with this process's name in it."""
    while True:
        if is_no_file(path):
            raise InputError(f"{folder / LOCK}: is a link, folder, device or pipe, expected a lock's file or none")
        # What others made a link since then is not written either.
        lock = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            locked = _lock(lock)
            # Its holder may have ended, and removed it, since it was opened here.
            whole = locked is False or (path.exists() and os.path.samestat(os.fstat(lock), path.stat()))
            holder = _holder(lock, locked) if whole else None
            if whole and holder is None:
                _sign(lock, path, command)
                return lock
            if holder is not None and not wait:
                raise InputError(f"{folder}: {_words(holder)} is writing there, expected its end or another folder")
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        time.sleep(0.05)


def _sign(lock: int, path: pathlib.Path, command: str) -> None:
    """Write this process's name to the locked file; remove that if there is no room."""
    me = {"command": command, "pid": os.getpid(), "host": HOST, "since": time.strftime("%F %T")}
    try:
        os.ftruncate(lock, 0)
        os.lseek(lock, 0, os.SEEK_SET)
        os.write(lock, json.dumps(me).encode())
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _holder(lock: int, locked: bool | None) -> dict[str, Any] | None:
    """Return what a lock's file says of another process that has it, or None if no other has.

    Args:
        lock: the open file.
        locked: see `_lock`.
    """
    os.lseek(lock, 0, os.SEEK_SET)
    try:
        found = parse_json(os.read(lock, 4096))
    except ValueError:
        found = {}
    holder = found if isinstance(found, dict) else {}
    if locked is False:
        return holder
    here = holder.get("host", HOST) == HOST
    process = holder.get("pid")
    ended = not isinstance(process, int) or (here and (bool(locked) or not is_running(process)))
    return None if ended or time.time() - os.fstat(lock).st_mtime > STALE_SECONDS else holder


def _words(holder: dict[str, Any]) -> str:
    """Return who holds a lock, for the message."""
    host = holder.get("host", HOST)
    where = "" if host == HOST else f" on {host}, seen in the last {STALE_SECONDS:.0f} s"
    process = f"process {holder.get('pid', 'unknown')}{where}"
    return f"another run ({holder.get('command') or 'unknown'}, {process}, since {holder.get('since', 'a moment ago')})"


def _lock(lock: int) -> bool | None:
    """Lock an open file; return False if another process has it, None where there are no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            # A byte far behind the text, which others are to read.
            os.lseek(lock, 1 << 30, os.SEEK_SET)
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _renew(path: pathlib.Path, ended: threading.Event) -> None:
    while not ended.wait(RENEWED_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(path)


def _release(lock: int, path: pathlib.Path) -> None:
    """Remove the file, then unlock it: who has opened it meanwhile finds that it is gone."""
    if os.name == "nt":
        # No open file can be removed there.
        os.close(lock)
    with contextlib.suppress(OSError):
        path.unlink()
    if os.name != "nt":
        os.close(lock)
