"""Timbre expressions: affine combinations of files, notes, instruments and families, moved along directions.

`violin + bright - dark`, `0.7*flute + 0.3*"my guitar.wav"`, `piano - 0.5*(acoustic - synth)`; `expression_parser` has
the grammar. Instruments, families, notes and files are timbres; attributes and sources are directions, and `+ bright`
is `+ 1*bright`. Both are multiplied by numbers only. The weights of the timbres must add to 1: then the sum does not
depend on the origin of the latent space.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np

from nsynth_vae.config import LARGEST_Z
from nsynth_vae.errors import InputError
from nsynth_vae.files import AUDIO_EXTENSIONS
from nsynth_vae.latent.expression_parser import format_expression, parse_weights, quoted
from nsynth_vae.latent.lookup import Timbre, TimbreLookup
from nsynth_vae.latent.operations import SUM_TOLERANCE, affine_combination, apply


@dataclasses.dataclass(frozen=True, eq=False)
class Sum:
    """An affine combination of timbres plus weighted directions, in the order in which they were first written."""

    timbres: tuple[tuple[float, Timbre], ...]
    """Their weights add to 1."""
    directions: tuple[tuple[float, Timbre], ...]

    @property
    def base(self) -> np.ndarray:
        """The affine combination of the timbres, without the directions: float32 `[latent_dim]`."""
        weights, timbres = zip(*self.timbres, strict=True)
        return affine_combination(np.stack([timbre.z for timbre in timbres]), np.array(weights))

    @property
    def timbre(self) -> Timbre:
        """The sum as a timbre; its pitch and velocity are those that its timbres have in common.

        Raises:
            InputError: if it lies outside the decoder's input range.
        """
        z, name = self.base.astype(np.float64), str(self)
        for weight, direction in self.directions:
            z = apply(z, direction.z, weight)
        if not np.max(np.abs(z)) <= LARGEST_Z:
            raise InputError(
                f"{name}: lies {np.max(np.abs(z)):.3g} from the middle of the space, expected smaller weights"
            )
        pitch, velocity = (self._in_common(key) for key in ("pitch", "velocity"))
        description = "; ".join(timbre.description for _, timbre in self.timbres)
        return Timbre(name, z.astype(np.float32), pitch, velocity, description)

    def _in_common(self, key: str) -> int | None:
        values = {getattr(timbre, key) for _, timbre in self.timbres} - {None}
        return values.pop() if len(values) == 1 else None

    def __str__(self) -> str:
        """Return the sum as an expression, the timbres first."""
        return format_expression({one.name: weight for weight, one in (*self.timbres, *self.directions)})


def find_timbres(timbres: Sequence[str | Timbre], lookup: TimbreLookup) -> list[Timbre]:
    """Return the timbres of files, names and expressions; a `Timbre` is itself."""
    return [evaluate(one, lookup) if isinstance(one, str) else one for one in timbres]


def evaluate(text: str, lookup: TimbreLookup) -> Timbre:
    """Return the timbre of a file, a note, a name or an expression.

    Args:
        text: parsed as an expression if it is not a file, a note or a name as a whole.
        lookup: finds the names.

    Raises:
        InputError: for other texts, in one line with the position of the problem.
    """
    text = text.strip()
    return lookup.timbre(text) if lookup.is_timbre(text) else parse(text, lookup).timbre


def parse(text: str, lookup: TimbreLookup) -> Sum:
    """Return the terms of a timbre expression; arguments and errors as in `evaluate`."""
    text = text.strip()
    if lookup.is_timbre(text):
        return Sum(((1.0, lookup.timbre(text)),), ())
    try:
        weights = parse_weights(text, lookup)
    except InputError:
        # What is meant as a file gets the error of a file that is missing.
        if text.lower().endswith(AUDIO_EXTENSIONS) and not re.search(r"[\"'*]|\s[-+]\s", text):
            lookup.timbre(text)
        raise
    timbres = {name: weight for name, weight in weights.items() if not lookup.is_direction(name)}
    total = math.fsum(timbres.values())
    if abs(total - 1.0) > SUM_TOLERANCE:
        advice = ", as in flute + bright - dark and piano - violin + flute"
        if abs(total) > SUM_TOLERANCE:
            advice = f": write {format_expression(weights | {name: timbres[name] / total for name in timbres})}"
        raise InputError(f"{quoted(text)}: the weights of the timbres add to {total:.10g}, expected 1{advice}")
    return Sum(
        tuple((weight, lookup.timbre(name)) for name, weight in timbres.items()),
        tuple((weight, lookup.direction(name)) for name, weight in weights.items() if name not in timbres),
    )
