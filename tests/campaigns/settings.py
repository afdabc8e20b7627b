"""Size and seed of the campaigns.

They take a minute in all, unless `CAMPAIGN` in the environment is `full` or a fraction of that, such as 0.25.
"""

from __future__ import annotations

import os
import pathlib

_CAMPAIGN = os.environ.get("CAMPAIGN", "0")
FRACTION = 1.0 if _CAMPAIGN == "full" else float(_CAMPAIGN)
FULL = FRACTION > 0
"""All kinds of inputs and commands, and more than the fewest trials."""

SEED = int(os.environ.get("CAMPAIGN_SEED", "1"))

MINUTES = float(os.environ.get("CAMPAIGN_MINUTES", "inf"))
"""After these, a campaign of kills ends with those that it has done."""

REPORT = pathlib.Path(os.environ["CAMPAIGN_REPORT"]) if "CAMPAIGN_REPORT" in os.environ else None
"""The file that gets a line for each campaign, for docs/reliability.md."""


def size(full: int, short: int) -> int:
    """Return the number of trials."""
    return max(round(FRACTION * full), short)


def report(line: str) -> None:
    """Print a campaign's result and, if asked for, add it to the report's file."""
    print(line)
    if REPORT is not None:
        with REPORT.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
