"""Processes that share a folder: this machine's name, and whether one of its processes is running."""

from __future__ import annotations

import os
import platform

HOST = platform.node()
"""This machine: process numbers mean nothing on others."""


def is_running(process: int) -> bool:
    """Return whether a process of this machine is running; True on Windows, where it cannot be asked harmlessly."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
