"""Folders that are made once in a test run, whichever files and workers need them."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable

from nsynth_vae.files import exclusive_lock

root = pathlib.Path()
"""The folder of all of them: conftest.py sets it to one of the whole run, not of a worker."""


def made_once(name: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Return a folder that `make` has filled, in the process that asked for the name first; not to be written to.

    Other processes wait until it is whole.
    """
    lock, folder = root / f"{name}.lock", root / name
    lock.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(lock):
        if not folder.exists():
            unfinished = root / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder
