"""Targets for the effect of a direction, and the score that ranks candidates."""

from __future__ import annotations

from typing import Any

TARGETS = {"effect_rate": 0.9, "pitch_kept": 0.98, "family_kept": 0.85, "standard_deviations": 0.5}
"""Minimum of each measure of an effect.

These are fractions of the held-out notes (the attribute rises, pitch and family stay) and the rise in standard
deviations. The aim for `family_kept` is 0.8; 0.85 leaves room for what a choice by some notes loses on others."""

STRONG = 0.75
"""Standard deviations below which a flag's direction is compared with the descriptor's: strength 1 means one."""


def unmet(effect: dict[str, Any]) -> dict[str, float]:
    """Return the measures of an effect that are below `TARGETS`; None is unknown, and not unmet."""
    return {name: effect[name] for name in TARGETS if effect[name] is not None and effect[name] < TARGETS[name]}


def weak(effect: dict[str, Any]) -> dict[str, float]:
    """Return the unmet measures, and `standard_deviations` where it is below `STRONG`."""
    rise = effect["standard_deviations"]
    return unmet(effect) | ({"standard_deviations": rise} if rise < STRONG else {})


def score(effect: dict[str, Any]) -> tuple[bool, float, float, float]:
    """Return a sort key, larger is better: strong enough, total shortfall, capped strength, effect rate."""
    short = unmet(effect)
    shortfall = sum(TARGETS[name] - value for name, value in short.items())
    capped = min(effect["standard_deviations"], STRONG)
    return "standard_deviations" not in short, -shortfall, capped, effect["effect_rate"]
