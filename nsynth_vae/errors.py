"""Exceptions that every layer raises."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator


class InputError(ValueError):
    """Invalid input from a user: one line that names the file or argument, what was found and what is expected.

    Commands print it without a traceback and exit with 2.
    """


class BadNoteError(InputError):
    """An invalid note: unreadable, truncated, silent, not finite, of a wrong rate or misnamed."""


@contextlib.contextmanager
def tflite_errors(file: pathlib.Path) -> Iterator[None]:
    """Raise InputError for what LiteRT raises in the block: for files that are damaged, or of another model."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).strip().split("\n")[0]
        if not reason or "failed to create XNNPACK runtime" in reason:
            # What LiteRT says if it gets no memory.
            raise InputError(f"{file}: cannot be run, expected more memory, or a file that is not damaged") from error
        raise InputError(f"{file}: cannot be run ({reason}), expected a TFLite file of this package") from error
