"""Suppression of what TensorFlow and LiteRT write to the standard error stream."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from nsynth_vae.errors import InputError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what C++ and Python write to stderr in the block, unless the block fails."""
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
