"""Calibration of a direction's length by its effect on decoded held-out notes."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis.descriptors import DESCRIPTORS
from nsynth_vae.analysis.pitch import estimate_pitch
from nsynth_vae.directions.candidates import Attribute, Candidate
from nsynth_vae.directions.criteria import score, unmet
from nsynth_vae.directions.dataset import EncodedNotes
from nsynth_vae.directions.perturbations import DescribedSounds, decode_and_describe
from nsynth_vae.timbre_model import TimbreModel

TRIALS = 5
"""Most lengths tried in search of one standard deviation."""

SHORTER = (0.85, 0.7, 0.55, 0.4)
"""Fractions of a length that are tried where it leaves a target unmet: farther out, other things may change."""

TOLERANCE = 0.1
"""Largest distance from one standard deviation at which the search stops."""

PROMISING = 0.6
"""Fraction of the steepest candidate's slope below which one is not tried: for the same rise it would have to be as
much longer, and most of that changes something else."""

LONGEST = 2.0
"""Longest direction, in standard deviations of a dimension of z_mean within families."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Trial:
    """A length of a direction and its effect."""

    length: float
    sounds: DescribedSounds
    change: np.ndarray
    """Rise of the attribute, float `[notes]`."""
    reached: float
    """Median rise in standard deviations."""

    @property
    def error(self) -> float:
        """The distance from one standard deviation."""
        return abs(self.reached - 1.0)


class Calibrator:
    """Compares candidates, and calibrates directions, on held-out notes decoded with and without them."""

    def __init__(
        self,
        model: TimbreModel,
        notes: EncodedNotes,
        covariance: np.ndarray,
        predict_families: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        """Decode the notes without a direction.

        Args:
            model: decodes.
            notes: none that a direction was learnt from.
            covariance: of z_mean within families, `[latent_dim, latent_dim]`.
            predict_families: audio float32 `[n, num_samples]` -> probabilities of the families, `[n, families]`; None
                where there is no classifier.
        """
        self.model, self.notes, self._predict_families = model, notes, predict_families
        self.longest = LONGEST * math.sqrt(np.mean(np.diag(covariance)))
        self.before = decode_and_describe(model, notes.z, notes.table)
        self._identities_before = self._identities(self.before)

    def choose(self, attribute: Attribute, candidates: Sequence[Candidate], slope: np.ndarray) -> Candidate:
        """Return the candidate that raises the attribute on the most notes.

        All `PROMISING` ones are tried at one length. Ties go to the one that raises it on the most notes at half that
        length, then to the one with the largest median rise.

        Args:
            attribute: the attribute to raise.
            candidates: at least one.
            slope: of the descriptor over z, `[latent_dim]`; see `Perturbations.slope`.
        """
        slopes = np.array([attribute.sign * slope @ unit(each.direction) for each in candidates])
        left = [each for each, one in zip(candidates, slopes, strict=True) if one >= PROMISING * slopes.max() > 0]
        if len(left) < 2:
            return candidates[int(slopes.argmax())]
        length = self._expected_length(slopes.max())

        def rises(candidate: Candidate) -> tuple[float, float, float]:
            direction = length * unit(candidate.direction)
            whole, half = (self._rise(attribute, strength * direction)[1] for strength in (1.0, 0.5))
            return float(np.mean(whole > 0)), float(np.mean(half > 0)), float(np.median(whole))

        return max(left, key=rises)

    def calibrate(
        self, attribute: Attribute, direction: np.ndarray, standard_deviation: float, slope: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Scale a direction so that strength 1 raises the attribute by one standard deviation, in the median.

        Where that leaves one of `TARGETS` unmet, shorter lengths are tried, and the best by `score` is taken.

        Args:
            attribute: the attribute to raise.
            direction: `[latent_dim]`, of any length.
            standard_deviation: the descriptor's within families.
            slope: as in `choose`.

        Returns:
            (the direction, its effect as in `attributes.json`).
        """
        along = unit(direction)
        # Pitch and family are estimated once a trial: that takes longer than decoding.
        effect = functools.cache(self._effect)

        def attempt(length: float) -> _Trial:
            sounds, change = self._rise(attribute, length * along)
            return _Trial(length, sounds, change, float(np.median(change)) / standard_deviation)

        tried = [attempt(self._expected_length(attribute.sign * slope @ along))]
        while len(tried) < TRIALS and tried[-1].error > TOLERANCE:
            if tried[-1].reached < 1.0 and tried[-1].length == self.longest:
                break
            tried.append(attempt(min(_next_length(tried), self.longest)))
        best = min(tried, key=lambda trial: trial.error)
        if unmet(effect(best)):
            for fraction in SHORTER:
                tried.append(attempt(best.length * fraction))
                if not unmet(effect(tried[-1])):
                    break
            best = max(tried, key=lambda trial: (*score(effect(trial))[:2], -trial.error))
        _, at_half = self._rise(attribute, best.length / 2 * along)
        return best.length * along, {
            **effect(best),
            **_at_half(at_half, best.change, attribute.sign),
            "unit": DESCRIPTORS[attribute.descriptor].unit,
            "within_family_standard_deviation": _number(standard_deviation),
            "length": _number(best.length),
            "at_longest": bool(best.length == self.longest),
        }

    def latent_effect(self, direction: np.ndarray) -> dict[str, Any]:
        """Return the effect of a direction without a descriptor, as in `attributes.json`.

        The change is measured along the direction, from the encoder's z of the decoded notes: 1 is the whole of it.
        """
        length = float(np.linalg.norm(direction))
        sounds, half = self._moved(direction), self._moved(direction / 2)
        before, at_half, after = (
            self.model.encode(each.audio) @ direction / length**2 for each in (self.before, half, sounds)
        )
        return {
            **self._rates(after - before, sounds),
            **_at_half(at_half - before, after - before),
            "unit": "of the direction, re-encoded",
            "length": _number(length),
        }

    def _effect(self, trial: _Trial) -> dict[str, Any]:
        """Return the part of a trial's effect that `TARGETS` apply to."""
        return {**self._rates(trial.change, trial.sounds), "standard_deviations": _number(trial.reached)}

    def _expected_length(self, slope: float) -> float:
        """Return the length at which a slope predicts a rise of one standard deviation, at most `longest`."""
        return min(1.0 / max(float(slope), 1e-6), self.longest)

    def _moved(self, direction: np.ndarray, *names: str) -> DescribedSounds:
        """Decode the notes moved along a direction, and measure the named descriptors."""
        z = latent.apply(self.notes.z, direction, 1.0)
        return decode_and_describe(self.model, z, self.notes.table, names)

    def _rise(self, attribute: Attribute, direction: np.ndarray) -> tuple[DescribedSounds, np.ndarray]:
        """Return the moved notes and the rise of the attribute, `[notes]`; 0 for a note that falls silent."""
        name = attribute.descriptor
        sounds = self._moved(direction, name)
        change = attribute.sign * (sounds.descriptors[name] - self.before.descriptors[name])
        return sounds, np.nan_to_num(change)

    def _rates(self, change: np.ndarray, sounds: DescribedSounds) -> dict[str, Any]:
        """Return the fractions of notes that rise, and that keep pitch and family; None where these are unknown."""
        after = self._identities(sounds)
        kept = {
            name: _fraction(after[name] == self._identities_before[name]) if name in after else None
            for name in ("pitch_kept", "family_kept")
        }
        return {"strength": 1, "notes": len(change), "effect_rate": _fraction(change > 0), **kept}

    def _identities(self, sounds: DescribedSounds) -> dict[str, np.ndarray]:
        """Return the estimated MIDI pitches, -1 for none, and the predicted families, int `[notes]`, if known."""
        found = {}
        if self.model.config.sample_rate == 16000:
            with ThreadPoolExecutor() as pool:
                pitches = pool.map(estimate_pitch, sounds.audio)
                found["pitch_kept"] = np.array([-1 if each is None else each[0] for each in pitches])
        if self._predict_families is not None:
            found["family_kept"] = self._predict_families(sounds.audio).argmax(axis=1)
        return found


def unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector scaled to length 1, float64; a zero vector stays zero."""
    return np.asarray(vector, np.float64) / max(float(np.linalg.norm(vector)), 1e-12)


def _next_length(tried: Sequence[_Trial]) -> float:
    """Return a length nearer to one standard deviation: interpolated if that is bracketed, else extrapolated."""
    below = [trial for trial in tried if trial.reached < 1.0]
    above = [trial for trial in tried if trial.reached >= 1.0]
    if below and above:
        low, high = max(below, key=lambda trial: trial.reached), min(above, key=lambda trial: trial.reached)
        return low.length + (1.0 - low.reached) / (high.reached - low.reached) * (high.length - low.length)
    return tried[-1].length * float(np.clip(1.0 / max(tried[-1].reached, 1e-6), 0.5, 2.0))


def _at_half(at_half: np.ndarray, change: np.ndarray, sign: int = 1) -> dict[str, float]:
    """Return the part of an effect that compares strength 1 with strength 0.5."""
    return {
        "effect_rate_half": _fraction(at_half > 0),
        "effect_rate_further": _fraction(change > at_half),
        "median_change": _number(sign * np.median(change)),
        "median_change_half": _number(sign * np.median(at_half)),
    }


def _fraction(found: np.ndarray) -> float:
    return round(float(np.mean(found)), 3)


def _number(value: float) -> float:
    """Return a number to four digits."""
    return float(f"{value:.4g}") if math.isfinite(value) else 0.0
