"""How exports are written: aside, then renamed, and without a library's chatter."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator

from nsynth_vae.config import InputError

_ASIDE = ".writing-"
_ABANDONED_SECONDS = 3600.0


@contextlib.contextmanager
def aside(exports_dir: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a folder to write in, outside of those that a server watches, and removes it in the end."""
    try:
        exports_dir.mkdir(parents=True, exist_ok=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_ASIDE, dir=exports_dir))
    except OSError as error:
        raise InputError(f"{exports_dir}: {error.strerror}, expected a folder that can be written") from error
    for other in exports_dir.glob(f"{_ASIDE}*"):
        # What a killed export has left; a younger one may belong to an export that is running.
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(source: pathlib.Path, path: pathlib.Path) -> None:
    """Renames what is whole to its place; never replaces a folder that has anything in it."""
    try:
        path.parent.mkdir(exist_ok=True)
        source.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected to write it new") from error


def publish_all(places: dict[pathlib.Path, pathlib.Path]) -> None:
    """Renames sources to their places in turn; if one fails, the folders before it are taken back."""
    done = []
    try:
        for source, path in places.items():
            publish(source, path)
            done.append((source, path))
    except InputError:
        for source, path in reversed(done):
            if path.is_dir():
                path.replace(source)
        raise


@contextlib.contextmanager
def alone(folder: pathlib.Path) -> Iterator[None]:
    """Waits until no other process is in this block with the same folder."""
    place = os.open(folder, os.O_RDONLY)
    try:
        # Some network disks have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what TensorFlow's C++ and Python write to stderr from the user, unless the body fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception as error:
            if not isinstance(error, InputError):
                sys.stderr.flush()
                log.seek(0)
                os.write(kept, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
