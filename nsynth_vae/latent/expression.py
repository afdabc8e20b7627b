"""What a timbre is, to every tool: a file, a note, a name, or an expression of these.

`violin + bright - dark`, `0.7*flute + 0.3*"my guitar.wav"`, `piano - 0.5*(acoustic - synth)`; `expression_grammar` has
the grammar. Instruments, families, notes and files are points; attributes and sources are directions, and `+ bright`
is `+ 1*bright`. Both are multiplied by numbers only. The weights of the points must add to 1: then the sum lies among
timbres, and does not depend on where the space has its origin.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.errors import InputError
from nsynth_vae.files import AUDIO_EXTENSIONS
from nsynth_vae.latent.expression_parser import shown, weights_of, write
from nsynth_vae.latent.lookup import Timbre, TimbreLookup

if TYPE_CHECKING:
    pass
if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup


@dataclasses.dataclass(frozen=True, eq=False)
class Sum:
    """Points and directions, each with its weight, in the order in which they were first written."""

    points: tuple[tuple[float, Timbre], ...]
    """Their weights add to 1."""
    directions: tuple[tuple[float, Timbre], ...]

    @property
    def base(self) -> np.ndarray:
        """The blend of the points, without the directions: float32 `[latent_dim]`."""
        weights, points = zip(*self.points, strict=True)
        return latent.blend(np.stack([point.z for point in points]), np.array(weights))

    @property
    def point(self) -> Timbre:
        """Where the sum lies; pitch and velocity are what those of its points that have one have in common.

        Raises:
            InputError: if it lies further out than a decoder takes.
        """
        z, name = self.base.astype(np.float64), str(self)
        for weight, direction in self.directions:
            z = latent.apply(z, direction.z, weight)
        from nsynth_vae.config import LARGEST_Z

        if not np.max(np.abs(z)) <= LARGEST_Z:
            raise InputError(
                f"{name}: lies {np.max(np.abs(z)):.3g} from the middle of the space, expected smaller weights"
            )
        pitch, velocity = (self._in_common(key) for key in ("pitch", "velocity"))
        return Timbre(name, z.astype(np.float32), pitch, velocity, "; ".join(point.meaning for _, point in self.points))

    def _in_common(self, key: str) -> int | None:
        values = {getattr(point, key) for _, point in self.points} - {None}
        return values.pop() if len(values) == 1 else None

    def __str__(self) -> str:
        """Returns the sum as an expression, the points first."""
        return write({point.name: weight for weight, point in (*self.points, *self.directions)})


def timbre(text: str, points: TimbreLookup) -> Timbre:
    """Returns the point that a file, a note, a name or an expression stands for.

    Args:
        text: if it is not a file, a note or a name as a whole, it is read as an expression.
        points: knows the names.

    Raises:
        InputError: in one line, for what is neither; says at which character.
    """
    text = text.strip()
    return points.point(text) if points.is_point(text) else parse(text, points).point


def parse(text: str, points: TimbreLookup) -> Sum:
    """Returns what `timbre` adds up; arguments and errors are the same."""
    text = text.strip()
    if points.is_point(text):
        return Sum(((1.0, points.point(text)),), ())
    try:
        weights = weights_of(text, points)
    except InputError:
        if _is_meant_as_file(text) and not points.is_direction(text):
            points.point(text)
        raise
    directions = {name: weight for name, weight in weights.items() if points.is_direction(name)}
    total = math.fsum(weight for name, weight in weights.items() if name not in directions)
    if abs(total - 1.0) > latent.SUM_TOLERANCE:
        scaled = {name: weight if name in directions else weight / (total or 1.0) for name, weight in weights.items()}
        if abs(total) > latent.SUM_TOLERANCE:
            advice = f": write {write(scaled)}"
        else:
            advice = ", as in flute + bright - dark and piano - violin + flute"
        raise InputError(f"{shown(text)}: the weights of the points add to {total:.10g}, expected 1{advice}")
    return Sum(
        tuple((weight, points.point(name)) for name, weight in weights.items() if name not in directions),
        tuple((weight, points.direction(name)) for name, weight in directions.items()),
    )


def _is_meant_as_file(text: str) -> bool:
    return text.lower().endswith(AUDIO_EXTENSIONS) and not re.search(r"[\"'*]|\s[-+]\s", text)


def find(timbres: Sequence[str | Timbre], points: TimbreLookup) -> list[Timbre]:
    """Returns the points that files, names and expressions stand for; a point is itself."""
    from nsynth_vae.latent.expression import timbre

    return [timbre(one, points) if isinstance(one, str) else one for one in timbres]
