"""What a direction of the latent space does to the sound: held-out notes played as they are and moved, and measured."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis.descriptors import DESCRIPTORS
from nsynth_vae.analysis.pitch import estimate_pitch
from nsynth_vae.directions.candidates import Attribute, Candidate, unit
from nsynth_vae.directions.criteria import score, unmet
from nsynth_vae.directions.dataset import Notes
from nsynth_vae.directions.perturbations import Sounds, play
from nsynth_vae.timbre_model import TimbreModel

TRIALS = 5
"""Lengths of a direction that are tried."""

SHORTER = (0.85, 0.7, 0.55, 0.4)
"""Shares of a length that are tried where it does not do: further on, the sound may do something else."""

TOLERANCE = 0.1
"""How near to one standard deviation its effect is brought."""

PROMISING = 0.6
"""Share of the best candidate's slope below which one is not tried: for the same rise it would have to go as much
farther, and most of that way changes something else."""

LONGEST = 2.0
"""Most that a direction moves z, in standard deviations of a dimension of z_mean within families."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Trial:
    """What a length of a direction does."""

    length: float
    sounds: Sounds
    change: np.ndarray
    """By how much the attribute rises, float `[notes]`."""
    reached: float
    """The median of that, in deviations."""

    @property
    def off(self) -> float:
        return abs(self.reached - 1.0)


def _next_length(tried: Sequence[_Trial]) -> float:
    """Returns a length nearer to one deviation: between two that are on either side of it, else further, or back."""
    below = [trial for trial in tried if trial.reached < 1.0]
    above = [trial for trial in tried if trial.reached >= 1.0]
    if below and above:
        low, high = max(below, key=lambda trial: trial.reached), min(above, key=lambda trial: trial.reached)
        return low.length + (1.0 - low.reached) / (high.reached - low.reached) * (high.length - low.length)
    return tried[-1].length * float(np.clip(1.0 / max(tried[-1].reached, 1e-6), 0.5, 2.0))


class Judge:
    """Plays held-out notes as they are and moved, and tells what changed."""

    def __init__(
        self,
        model: TimbreModel,
        notes: Notes,
        covariance: np.ndarray,
        hear: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        """Plays the notes as they are.

        Args:
            model: plays.
            notes: none that a direction was learnt from.
            covariance: of z_mean within families, `[latent_dim, latent_dim]`.
            hear: audio float32 `[n, num_samples]` -> probabilities of the families, `[n, families]`; None if nothing
                can.
        """
        self.model, self.notes, self._hear = model, notes, hear
        self.longest = LONGEST * math.sqrt(np.mean(np.diag(covariance)))
        self.before = play(model, notes.z, notes.table)

    def choose(self, attribute: Attribute, candidates: Sequence[Candidate], slope: np.ndarray) -> Candidate:
        """Returns the candidate that raises the attribute on the most notes.

        All that are `PROMISING` are tried at one length; of those that tie, the one that raises it on the most notes at
        half of that, and then the one that raises it most.

        Args:
            attribute: what is to rise.
            candidates: at least one.
            slope: of the descriptor over z, `[latent_dim]`; see `attribute_steps.Steps.slope`.
        """
        promised = np.array([attribute.sign * slope @ unit(each.direction) for each in candidates])
        left = [each for each, one in zip(candidates, promised, strict=True) if one >= PROMISING * promised.max() > 0]
        if len(left) < 2:
            return candidates[int(promised.argmax())]
        length = self._expected(attribute, candidates[int(promised.argmax())].direction, slope)

        def raised(candidate: Candidate) -> tuple[float, float, float]:
            direction = length * unit(candidate.direction)
            whole, half = (self._changes(attribute, self._moved(k * direction, attribute)) for k in (1.0, 0.5))
            return float(np.mean(whole > 0)), float(np.mean(half > 0)), float(np.median(whole))

        return max(left, key=raised)

    def calibrate(
        self, attribute: Attribute, direction: np.ndarray, deviation: float, slope: np.ndarray
    ) -> tuple[np.ndarray, dict]:
        """Brings a direction to the length at which the attribute rises by one standard deviation, in the median.

        Where that is out of reach or misses one of `TARGETS`, to the one that misses them by the least in all; of those
        that reach `deviations`, if there are any.

        Args:
            attribute: what is to rise.
            direction: `[latent_dim]`, of any length.
            deviation: the descriptor's within families.
            slope: as in `choose`.

        Returns:
            (the direction, its effect as in `attributes.json`).
        """
        along = unit(direction)
        # Pitch and family are heard once a trial: that takes longer than playing it.
        effect = functools.cache(self._effect)

        def attempt(length: float) -> _Trial:
            sounds = self._moved(length * along, attribute)
            change = self._changes(attribute, sounds)
            return _Trial(length, sounds, change, float(np.median(change)) / deviation)

        tried = [attempt(self._expected(attribute, direction, slope))]
        while len(tried) < TRIALS and tried[-1].off > TOLERANCE:
            if tried[-1].reached < 1.0 and tried[-1].length == self.longest:
                break
            tried.append(attempt(min(_next_length(tried), self.longest)))
        best = min(tried, key=lambda trial: trial.off)
        if unmet(effect(best)):
            for share in SHORTER:
                tried.append(attempt(best.length * share))
                if not unmet(effect(tried[-1])):
                    break
            best = max(tried, key=lambda trial: (*score(effect(trial))[:2], -trial.off))
        at_half = self._changes(attribute, self._moved(best.length / 2 * along, attribute))
        return best.length * along, {
            **effect(best),
            "rises_half": _share(at_half > 0),
            "rises_further": _share(best.change > at_half),
            "median_change": _number(attribute.sign * np.median(best.change)),
            "median_change_half": _number(attribute.sign * np.median(at_half)),
            "unit": DESCRIPTORS[attribute.descriptor].unit,
            "within_family_standard_deviation": _number(deviation),
            "length": _number(best.length),
            "at_longest": bool(best.length == self.longest),
        }

    def hear(self, direction: np.ndarray) -> dict:
        """Returns the effect of a direction that has no descriptor, as in `attributes.json`.

        What changes is how far along the direction the encoder finds the note that was played: 1 is the whole of it.
        """
        length = float(np.linalg.norm(direction))
        sounds, half = self._moved(direction), self._moved(direction / 2)
        places = [self.model.encode(each.audio) @ direction / length**2 for each in (self.before, half, sounds)]
        at_half, change = places[1] - places[0], places[2] - places[0]
        return {
            "strength": 1,
            "notes": len(change),
            "rises": _share(change > 0),
            **self._kept(sounds),
            "rises_half": _share(at_half > 0),
            "rises_further": _share(change > at_half),
            "median_change": _number(np.median(change)),
            "median_change_half": _number(np.median(at_half)),
            "unit": "of the direction, as the encoder hears it",
            "length": _number(length),
        }

    def _effect(self, trial: _Trial) -> dict:
        """Returns the part of a trial's effect that `TARGETS` are set for."""
        return {
            "strength": 1,
            "notes": len(trial.change),
            "rises": _share(trial.change > 0),
            **self._kept(trial.sounds),
            "deviations": _number(trial.reached),
        }

    def _expected(self, attribute: Attribute, direction: np.ndarray, slope: np.ndarray) -> float:
        """Returns the length at which a direction should raise the attribute by one standard deviation."""
        return min(1.0 / max(attribute.sign * float(slope @ unit(direction)), 1e-6), self.longest)

    def _moved(self, direction: np.ndarray, attribute: Attribute | None = None) -> Sounds:
        """Plays the notes moved along a direction; what is measured of them is the attribute's descriptor."""
        names = () if attribute is None else (attribute.descriptor,)
        return play(self.model, latent.apply(self.notes.z, direction, 1.0), self.notes.table, names=names)

    def _changes(self, attribute: Attribute, sounds: Sounds) -> np.ndarray:
        """Returns by how much the attribute rises; a note that falls silent is no rise."""
        name = attribute.descriptor
        return np.nan_to_num(attribute.sign * (sounds.descriptors[name] - self.before.descriptors[name]))

    def _kept(self, sounds: Sounds) -> dict:
        """Returns on which shares of the notes pitch and family are heard as before; None where nothing can tell."""
        kept = {"pitch_kept": None, "family_kept": None}
        if self.model.config.sample_rate == 16000:
            kept["pitch_kept"] = _share(self._pitches(sounds) == self._pitches_before)
        if self._hear is not None:
            kept["family_kept"] = _share(self._families(sounds) == self._families_before)
        return kept

    @functools.cached_property
    def _pitches_before(self) -> np.ndarray:
        return self._pitches(self.before)

    @functools.cached_property
    def _families_before(self) -> np.ndarray:
        return self._families(self.before)

    def _families(self, sounds: Sounds) -> np.ndarray:
        """Returns the family that is heard, int `[notes]`."""
        return self._hear(sounds.audio).argmax(axis=1)

    def _pitches(self, sounds: Sounds) -> np.ndarray:
        """Returns the MIDI pitch that the tracker hears, int `[notes]`; -1 for none."""
        with ThreadPoolExecutor() as pool:
            found = pool.map(estimate_pitch, sounds.audio)
            return np.array([-1 if each is None else each[0] for each in found])


def _share(found: np.ndarray) -> float:
    return round(float(np.mean(found)), 3)


def _number(value: float) -> float:
    """Returns a number to four digits."""
    return float(f"{value:.4g}") if math.isfinite(value) else 0.0
