"""Progress of something long: how far it is, how long it has taken, how long it will still take."""

from __future__ import annotations

import sys

import tqdm


class Progress:
    """A progress bar over a fraction from 0 to 1; a line every ten seconds where the output is not a terminal."""

    def __init__(self, what: str, start: float = 0.0) -> None:
        """Starts the bar.

        Args:
            what: what is being done, a few words.
            start: the fraction that is done already, which the estimate of the time left leaves out.
        """
        self._bar = tqdm.tqdm(
            total=1.0,
            initial=start,
            desc=what,
            file=sys.stdout,
            mininterval=0.5 if sys.stdout.isatty() else 10.0,
            bar_format="{desc} {percentage:3.0f}% |{bar:20}| {elapsed} so far, {remaining} left{postfix}",
        )

    def to(self, fraction: float, note: str = "") -> None:
        """Moves the bar to a fraction, with a few words behind it."""
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(min(1.0, fraction) - self._bar.n)

    def line(self, text: str) -> None:
        """Prints a line above the bar."""
        tqdm.tqdm.write(text, file=sys.stdout)

    def close(self) -> None:
        """Ends the bar where it is."""
        self._bar.close()
