"""Checks of the figures of `benchmarks/synthesis.py --json` against those of docs/synthesis.md.

    python .ci/check_synthesis.py FILE

Exits with 1 if one is worse.
"""

from __future__ import annotations

import json
import pathlib
import sys

REAL, FAST, OURS = "real note", "non-negative, fast Griffin-Lim 60", "synthesizer"


def main() -> int:
    """Run the checks; return 0 if all pass."""
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    failed = 0

    def mean(part: str, system: str, name: str) -> float:
        values = [r[name] for r in records if (r["part"], r["system"]) == (part, system) and r[name] is not None]
        return sum(values) / len(values)

    def check(passed: bool, text: str) -> None:
        nonlocal failed
        failed += not passed
        print(f"  {'ok  ' if passed else 'FAIL'} {text}")

    for name in ("lsd_db", "mss"):
        ours, theirs = mean("true", OURS, name), mean("true", FAST, name)
        check(ours < theirs, f"{name} {ours:.2f}, below Griffin-Lim's {theirs:.2f}")
    real = {name: mean("true", REAL, name) for name in ("off_harmonic_db", "wobble_cents", "in_tune")}
    wobble = mean("true", OURS, "wobble_cents")
    check(abs(wobble - real["wobble_cents"]) < 1, f"wobble {wobble:.1f} cents, real notes' {real['wobble_cents']:.1f}")
    # One of 66 notes is a point and a half, and the tracker misses some notes of every system: the docs' figures are
    # of all 330 notes.
    for part, slack in (("true", 0.016), ("own pitch", 0.02), ("between", 0.02)):
        off, tuned = mean(part, OURS, "off_harmonic_db"), mean(part, OURS, "in_tune")
        check(
            off < real["off_harmonic_db"] + 3,
            f"{part}: off_harmonic_db {off:.1f}, real notes' {real['off_harmonic_db']:.1f}",
        )
        tracked = min(real["in_tune"], mean(part, FAST, "in_tune"))
        check(
            tuned > tracked - slack,
            f"{part}: in tune {tuned:.1%}, the worse of real notes and Griffin-Lim {tracked:.1%}",
        )
    peaks = [r["peak"] for r in records if r["system"] == OURS and "peak" in r]
    check(None not in peaks and max(peaks) <= 1, "nothing clips or is not finite")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
