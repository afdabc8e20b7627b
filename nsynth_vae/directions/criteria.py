"""Targets that a direction has to reach, and the score that ranks candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


TARGETS = {"rises": 0.9, "pitch_kept": 0.98, "family_kept": 0.85, "deviations": 0.5}
"""What an effect is to be at least: the shares of the notes on which the attribute rises, and on which pitch and family
are heard as before; and how far it rises, in its standard deviations. The family's is above the 0.8 that are aimed at:
of what is chosen by some notes, some is lost on others."""
STRONG = 0.75
"""How far a flag's direction is to rise, in the attribute's standard deviations, not to be compared with the
descriptor's: strength 1 is to be one of them."""


def unmet(effect: dict) -> dict[str, float]:
    """Returns what of an effect is below `TARGETS`; what is None is not known, and no miss."""
    return {name: effect[name] for name in TARGETS if effect[name] is not None and effect[name] < TARGETS[name]}


def weak(effect: dict) -> dict[str, float]:
    """Returns what of an effect is `unmet`, and how far it rises where that is less than `STRONG`."""
    return unmet(effect) | ({"deviations": effect["deviations"]} if effect["deviations"] < STRONG else {})


def score(effect: dict) -> tuple[bool, float, float, float]:
    """Returns what is to be large: it is heard at all, misses `TARGETS` by little, is strong, rises on many."""
    short = unmet(effect)
    by = sum(TARGETS[name] - value for name, value in short.items())
    return "deviations" not in short, -by, min(effect["deviations"], STRONG), effect["rises"]
