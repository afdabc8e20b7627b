"""From log-mel (and pitch) to audio."""

PEAK = 2027 / 2048
"""A louder note is scaled to this peak as a whole: just below 0.99, and exact in float16."""
