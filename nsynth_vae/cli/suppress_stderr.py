"""Suppression of what TensorFlow and LiteRT write to the standard error stream."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from typing import IO


def _log() -> IO[bytes]:
    """Return a temporary file; where there can be none, as on a full or read-only disk, what keeps nothing."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return pathlib.Path(os.devnull).open("r+b")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what C++ and Python write to stderr in the block; if it fails, add that to the error as a note."""
    sys.stderr.flush()
    kept = os.dup(2)
    with _log() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception as error:
            sys.stderr.flush()
            log.seek(0)
            if written := log.read().decode(errors="backslashreplace").strip():
                error.add_note(written)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
