"""Size and seed of the campaigns: short, in a minute in all, unless `CAMPAIGN=full` is in the environment."""

from __future__ import annotations

import os
import pathlib

FULL = os.environ.get("CAMPAIGN") == "full"
SEED = int(os.environ.get("CAMPAIGN_SEED", "1"))

REPORT = pathlib.Path(os.environ["CAMPAIGN_REPORT"]) if "CAMPAIGN_REPORT" in os.environ else None
"""The file that gets a line for each campaign, for docs/reliability.md."""


def size(full: int, short: int) -> int:
    """Return the number of trials."""
    return full if FULL else short


def report(line: str) -> None:
    """Print a campaign's result and, if asked for, add it to the report's file."""
    print(line)
    if REPORT is not None:
        with REPORT.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
