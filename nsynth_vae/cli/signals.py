"""Ctrl-C, and the SIGTERM of a cluster's manager, handled for a while."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def handling(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Call `handler` for each SIGINT and SIGTERM of the block, with the signal's number and the frame."""
    previous = {}
    with contextlib.suppress(ValueError):  # Outside the main thread, signals cannot be handled.
        previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)
