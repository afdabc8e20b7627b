"""Progress bar with elapsed and remaining time."""

from __future__ import annotations

import contextlib
import sys
import time
import weakref
from collections.abc import Callable, Iterator

import tqdm

_SHORT_SECONDS = 2.0

_OPEN: weakref.WeakSet[Progress] = weakref.WeakSet()


class Progress:
    """A progress bar over a fraction from 0 to 1; a line every ten seconds where the output is not a terminal."""

    def __init__(self, what: str, start: float = 0.0) -> None:
        """Start the bar.

        Args:
            what: title, a few words.
            start: the fraction that is done already; it does not count for the remaining time.
        """
        self._bar = tqdm.tqdm(
            total=1.0,
            initial=start,
            desc=what,
            file=sys.stdout,
            mininterval=0.5 if sys.stdout.isatty() else 10.0,
            bar_format="{desc} {percentage:3.0f}% |{bar:20}| {elapsed} so far{postfix}",
        )
        self._origin: tuple[float, float] | None = None
        _OPEN.add(self)

    def to(self, fraction: float, note: str = "") -> None:
        """Move the bar to a fraction, with a few words behind it."""
        words = [f"{self._left(fraction)} left", note]
        self._bar.set_postfix_str(", ".join(word for word in words if word), refresh=False)
        self._bar.update(min(1.0, fraction) - self._bar.n)

    def _left(self, fraction: float) -> str:
        """Return the remaining time at the rate since the first call: the time before it is start-up, not work."""
        now = time.monotonic()
        self._origin = self._origin or (now, fraction)
        gained = fraction - self._origin[1]
        if gained <= 0:
            return "?"
        return tqdm.tqdm.format_interval((now - self._origin[0]) / gained * (1.0 - min(1.0, fraction)))

    def close(self) -> None:
        """End the bar where it is."""
        self._bar.close()


def end_bars() -> None:
    """End all bars where they are: what is printed next, such as an error, has a line of its own."""
    for bar in list(_OPEN):
        bar.close()
    sys.stdout.flush()


@contextlib.contextmanager
def long_progress(what: str) -> Iterator[Callable[[float], None]]:
    """Give what takes the fraction that is done; there is no bar for work of less than two seconds."""
    start = time.monotonic()
    bars: list[Progress] = []

    def move(fraction: float) -> None:
        if not bars and time.monotonic() - start > _SHORT_SECONDS:
            bars.append(Progress(what))
        for bar in bars:
            bar.to(fraction)

    try:
        yield move
    finally:
        for bar in bars:
            bar.close()
