"""Limits of sound and of latent vectors that all of the package shares."""

from __future__ import annotations

LARGEST_SAMPLE = 32.0
"""Limit of a sample's absolute value: no decoder or resampler overshoots -1..1 by that much, so what is beyond are
integers written as float."""

LARGEST_MOTION = 2.0
"""Largest factor of a note's motion: 0 for a steady note, 1 as learnt."""

LARGEST_Z = 100.0
"""Limit of a latent vector's coordinates: the prior is N(0, 1), no path between timbres leads this far out."""

MOVING_SAMPLES = 46400
"""Samples of a note that its motion is measured in: 2.9 s."""

PEAK = 2027 / 2048
"""A louder note is scaled to this peak as a whole: just below 0.99, and exact in float16."""
