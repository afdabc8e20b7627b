"""Exceptions that every layer raises."""

from __future__ import annotations


class InputError(ValueError):
    """Invalid input from a user: one line that names the file or argument, what was found and what is expected.

    Commands print it without a traceback and exit with 2.
    """


class BadNoteError(InputError):
    """An invalid note: unreadable, truncated, silent, not finite, of a wrong rate or misnamed."""
