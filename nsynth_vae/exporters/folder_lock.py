"""Exclusive lock on a folder, on Linux, macOS and Windows."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def exclusive_lock(folder: pathlib.Path) -> Iterator[None]:
    """Wait until no other process is in this block with the same folder; a killed process leaves no lock."""
    place = _lock_file(folder) if os.name == "nt" else _lock_folder(folder)
    try:
        yield
    finally:
        os.close(place)


def _lock_folder(folder: pathlib.Path) -> int:
    import fcntl

    place = os.open(folder, os.O_RDONLY)
    # Some network disks have no locks.
    with contextlib.suppress(OSError):
        fcntl.flock(place, fcntl.LOCK_EX)
    return place


def _lock_file(folder: pathlib.Path) -> int:
    """Lock a file in the folder: Windows opens no folders."""
    import msvcrt

    place = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    while True:
        # It gives up after ten seconds.
        with contextlib.suppress(OSError):
            msvcrt.locking(place, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
            return place
