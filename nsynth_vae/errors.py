"""Exceptions that every layer raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class InputError(ValueError):
    """Bad input from a user: one line that names the file or argument, what was found and what is expected.

    Commands print it without a traceback and exit with 2.
    """


class BadNoteError(InputError):
    """A note that cannot be used: unreadable, truncated, silent, not finite, of a wrong rate or misnamed."""
