"""Tables of motion, level and velocity, the real notes' figures beside a system's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsynth_vae.evaluation.motion_summary import BELLS, WITHIN_DB
from nsynth_vae.evaluation.tables import table

MEASURES = ("shimmer_db", "phase_wobble_cents", "wobble_cents", "flux", "grain_db", "off_harmonic_db")

_DIGITS = {"wobble_cents": 1, "phase_wobble_cents": 2, "shimmer_db": 2, "grain_db": 2, "flux": 3, "off_harmonic_db": 1}


def systems_table(motion: Mapping[str, dict[str, Any]], titles: Mapping[str, str]) -> str:
    """Return a row of the sustained families' motion for each system, and one for the real notes.

    Args:
        motion: system -> what `motion_summary.summarize_motion` returns.
        titles: system -> its name in tables.
    """
    rows: list[list[str]] = []
    for name, found in motion.items():
        group = found["groups"].get("sustained") or found["groups"]["all"]
        level = found["level"]
        told = found["told_apart"].get("sustained" if "sustained" in found["groups"] else "all")
        if not rows:
            rows.append([titles["real"], *(_number(m, group[m]["real"]) for m in MEASURES), "", "", ""])
        cells = [_number(measure, group[measure]["made"]) for measure in MEASURES]
        levels = [f"{level[key]:.1f}" if level else "" for key in ("bias_db", "error_db")]
        rows.append([titles[name], *cells, "" if told is None else f"{told:.2f}", *levels])
    return table(["", *MEASURES, "told_apart", "level bias_db", "level error_db"], rows)


def model_tables(motion: dict[str, Any]) -> list[str]:
    """Return a table of motion by family, real / made, and one of the other figures of a system.

    Args:
        motion: what `motion_summary.summarize_motion` returns, and, of a model, `model_motion.measure_model_motion`.
    """
    rows = []
    for name, group in motion["groups"].items():
        cells = [" / ".join(_number(each, group[each][key]) or "-" for key in ("real", "made")) for each in MEASURES]
        rows.append([name, group["notes"], *cells])
    lines = []
    for key, title in (
        ("told_apart", "told apart by five numbers"),
        ("told_apart_by_network", "told apart by a network"),
    ):
        if motion.get(key):
            lines.append([title, ", ".join(f"{name} {value:.2f}" for name, value in motion[key].items())])
    if motion["non_harmonic"]:
        fractions = ", ".join(f"{name} {value:.1%}" for name, value in motion["non_harmonic"].items())
        lines.append([f"non-harmonic energy of {' and '.join(BELLS)} within {WITHIN_DB:g} dB", fractions])
    if motion["level"]:
        lines.append(["level", "bias {bias_db:.1f} dB, error {error_db:.1f} dB".format(**motion["level"])])
    velocity = motion.get("velocity", {})
    if "gain_nats" in velocity:
        lines.append(["velocity: pairs of notes that differ", "{distinct_pairs} of {pairs}".format(**velocity)])
        nats = "at the target velocity {target_nats:.3f}, at its own {own_nats:.3f}, gain {gain_nats:+.3f} nats"
        lines.append(["velocity: distance from the other note", nats.format(**velocity)])
        lines.append(["velocity: brightness moves as in the real pair", f"{velocity['brightness']:.1%}"])
    parts = [table(["real / made", "notes", *MEASURES], rows)]
    return [*parts, table(["", ""], lines)] if lines else parts


def _number(measure: str, value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS[measure]}f}"
