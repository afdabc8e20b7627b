"""The directions between notes with and without an attribute: which candidate is taken, and how far strength 1 goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.directions.candidates import Attribute, Candidate, half_way, of_descriptor, of_label
from nsynth_vae.directions.criteria import score, unmet, weak
from nsynth_vae.directions.dataset import Notes, local_deviation
from nsynth_vae.latent.centroids import rounded

if TYPE_CHECKING:
    from nsynth_vae.directions.calibration import Judge
    from nsynth_vae.directions.perturbations import Perturbations


LEAST_RISES = 0.8
"""Share below which a direction is not worth having."""

LEAST_PLAYED = 0.02
"""Share of the real notes' deviation of a descriptor below which the model does not play it."""

TURNED = (2.0, 8.0)
"""How dear movement is along which the family changes that is heard, against other movement, to a direction that is
turned away from it."""


@dataclasses.dataclass(frozen=True)
class Learnt:
    """A candidate as far as strength 1 is to go, and what it does there."""

    candidate: Candidate
    direction: np.ndarray
    """`[latent_dim]`."""
    effect: dict
    """As `Judge.hear` gives it."""

    def entry(self, attribute: Attribute) -> dict:
        """Returns what `attributes.json` holds."""
        return {
            "direction": rounded(self.direction),
            "learnt_from": self.candidate.learnt_from,
            "descriptor": attribute.descriptor,
            "sign": attribute.sign if attribute.descriptor else None,
            "notes": dict(zip(("with", "without"), self.candidate.notes, strict=True)),
            "instruments": dict(zip(("with", "without"), self.candidate.instruments, strict=True)),
            "effect": self.effect,
        }


def learn_direction(attribute: Attribute, train: Notes, steps: Perturbations, judge: Judge) -> dict | str:
    """Returns a direction as `attributes.json` holds it, or why there is none.

    NSynth's flag is followed where enough notes have it; the attribute's descriptor where they do not, or where the
    flag's direction misses one of `TARGETS` or `STRONG` and the descriptor's, or that half-way between, has more
    `score`. One that costs too many notes their family is turned away from where families change, if that does better.

    Args:
        attribute: what is asked for.
        train: what is learnt from.
        steps: from these notes' z.
        judge: has the held-out notes.
    """
    name = attribute.descriptor
    by_label, missing = of_label(attribute, train)
    if name is None:
        one = by_label[0] if by_label else None
        return missing if one is None else Learnt(one, one.direction, judge.hear(one.direction)).entry(attribute)
    deviation, real = steps.deviations[name], local_deviation(train.descriptors[name], train.table)
    if not deviation > LEAST_PLAYED * real:
        return f"the model plays {name} with a deviation of {deviation:.2g}, real notes have {real:.2g}"
    by_descriptor, slope = of_descriptor(attribute, train, steps), steps.slope(name)
    if not (by_label or by_descriptor):
        return missing

    def choose(candidates: list[Candidate]) -> Candidate:
        return judge.choose(attribute, candidates, slope)

    def calibrate(candidate: Candidate) -> Learnt:
        return Learnt(candidate, *judge.calibrate(attribute, candidate.direction, deviation, slope))

    first = choose(by_label or by_descriptor)
    best = calibrate(first)
    short = weak(best.effect)
    if by_label and by_descriptor and short:
        words = f"{attribute.label}: {', '.join(f'{measure} {value:.2g}' for measure, value in short.items())}"
        other = choose(by_descriptor)
        for candidate in (other, half_way(first, other)):
            explained = dataclasses.replace(candidate, learnt_from=f"{candidate.learnt_from} ({words})")
            best = better(best, calibrate(explained))
    if steps.family_metric is not None:
        best = turned_away(best, steps, calibrate)
    if best.effect["rises"] < LEAST_RISES:
        rises, share = "rises" if attribute.sign > 0 else "falls", f"{best.effect['rises']:.0%}"
        return f"{name} {rises} on no more than {share} of the notes"
    return best.entry(attribute)


def turned_away(learnt: Learnt, steps: Perturbations, calibrate: Callable[[Candidate], Learnt]) -> Learnt:
    """Returns a direction turned away from where the family changes, if it needs that and does better so."""
    plain, best = learnt.candidate, learnt
    words = f"{plain.learnt_from}, turned away from where the family changes"
    for dearness in TURNED:
        if "family_kept" not in unmet(best.effect):
            break
        direction = steps.away_from_families(plain.direction, dearness)
        best = better(best, calibrate(dataclasses.replace(plain, direction=direction, learnt_from=words)))
    return best


def better(one: Learnt, other: Learnt) -> Learnt:
    """Returns the one with more `score`; the first of equals."""
    return other if score(other.effect) > score(one.effect) else one
