"""Selection of an attribute's direction from its candidates."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae.directions.candidates import Attribute, Candidate, of_descriptor, of_label
from nsynth_vae.directions.criteria import score, weak
from nsynth_vae.directions.dataset import EncodedNotes, local_standard_deviation
from nsynth_vae.latent.centroids import to_list

if TYPE_CHECKING:
    from nsynth_vae.directions.calibration import Calibrator
    from nsynth_vae.directions.perturbations import Perturbations

MIN_EFFECT_RATE = 0.8
"""Effect rate below which a direction is not kept."""

MIN_VARIATION = 0.02
"""Least standard deviation of a descriptor in decoded notes, as a fraction of the real notes'."""


def learn_direction(
    attribute: Attribute, train: EncodedNotes, perturbations: Perturbations, calibrator: Calibrator
) -> dict[str, Any] | str:
    """Return a direction as `attributes.json` holds it, or the reason why there is none.

    Candidates come from NSynth's flag where enough notes have it, else from the attribute's descriptor. Where the
    flag's direction is below `TARGETS` or `STRONG`, the descriptor's best is calibrated too; the higher `score` wins.

    Args:
        attribute: the attribute to learn.
        train: notes that candidates are learnt from.
        perturbations: of these notes' latent vectors.
        calibrator: chooses and measures on held-out notes.
    """
    name = attribute.descriptor
    by_label, missing = of_label(attribute, train)
    if not name:
        if not by_label:
            return missing
        direction = by_label[0].direction
        return _entry(attribute, by_label[0], direction, calibrator.latent_effect(direction))
    decoded, real = (
        perturbations.standard_deviations[name],
        local_standard_deviation(train.descriptors[name], train.table),
    )
    if not decoded > MIN_VARIATION * real:
        return f"{name} of decoded notes has a standard deviation of {decoded:.2g}, of real notes {real:.2g}"
    by_descriptor, slope = of_descriptor(attribute, train, perturbations), perturbations.slope(name)
    if not (by_label or by_descriptor):
        return missing

    def calibrate(candidate: Candidate) -> dict[str, Any]:
        return _entry(attribute, candidate, *calibrator.calibrate(attribute, candidate.direction, decoded, slope))

    best = calibrate(calibrator.choose(attribute, by_label or by_descriptor, slope))
    short = weak(best["effect"])
    if by_label and by_descriptor and short:
        other = calibrator.choose(attribute, by_descriptor, slope)
        measures = ", ".join(f"{measure} {value:.2g}" for measure, value in short.items())
        other = dataclasses.replace(other, learnt_from=f"{other.learnt_from} ({attribute.label}: {measures})")
        best = max(best, calibrate(other), key=lambda entry: score(entry["effect"]))
    rate = best["effect"]["effect_rate"]
    if rate < MIN_EFFECT_RATE:
        return f"{'-' * (attribute.sign < 0)}{name}: effect rate {rate:.0%}, expected at least {MIN_EFFECT_RATE:.0%}"
    return best


def _entry(attribute: Attribute, candidate: Candidate, direction: np.ndarray, effect: dict[str, Any]) -> dict[str, Any]:
    return {
        "direction": to_list(direction),
        "learnt_from": candidate.learnt_from,
        "descriptor": attribute.descriptor or None,
        "sign": attribute.sign if attribute.descriptor else None,
        "notes": dict(zip(("with", "without"), candidate.notes, strict=True)),
        "instruments": dict(zip(("with", "without"), candidate.instruments, strict=True)),
        "effect": effect,
    }
