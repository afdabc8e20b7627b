"""General MIDI's programs as NSynth's instrument families."""

from __future__ import annotations

_GROUPS = (
    ("keyboard", "mallet", "organ", "guitar", "bass", "string", "string", "brass")
    + ("reed", "flute", "synth_lead", "synth_lead", "synth_lead", "guitar", "mallet", "synth_lead")
)  # fmt: skip
"""Families of General MIDI's sixteen groups of eight programs: pianos, chromatic percussion, organs, guitars, ..."""

_OTHERS = {
    21: "reed",  # Accordion.
    22: "reed",  # Harmonica.
    23: "reed",  # Bandoneon.
    47: "mallet",  # Timpani.
    52: "vocal",
    53: "vocal",
    54: "vocal",
    85: "vocal",
    91: "vocal",
    108: "mallet",  # Kalimba.
    109: "reed",  # Bagpipe.
    110: "string",  # Fiddle.
    111: "reed",  # Shanai.
    120: "guitar",  # Fret noise.
    121: "flute",  # Breath noise.
}
"""Programs, from 0, of another family than their group's."""


def family_of(program: int) -> str:
    """Return the family of a General MIDI program, 0 to 127."""
    return _OTHERS.get(program, _GROUPS[program // 8])
