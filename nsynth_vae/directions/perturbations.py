"""Random steps of z, and what they change in the sound: how the decoder answers, whatever notes it has learnt from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe
from nsynth_vae.data.source import NoteTable
from nsynth_vae.directions.candidates import Attribute, Candidate
from nsynth_vae.directions.dataset import Notes, local_deviation, spread
from nsynth_vae.timbre_model import BATCH, TimbreModel

STEP = 2 / 3
"""Standard deviation of a step, in shares of z_mean's own within families: about as long as a direction."""

PLAYED = 800
"""Notes that are played as they are."""

CLIPPED_AT = 3.0
"""Changes count up to so many standard deviations: a sound that breaks down is no measure of a direction."""


@dataclasses.dataclass(frozen=True)
class Sounds:
    """Notes as the model plays them."""

    audio: np.ndarray
    """float32 `[notes, num_samples]`."""
    descriptors: dict[str, np.ndarray]
    """Name -> float `[notes]`; NaN for a silent one."""


@dataclasses.dataclass(frozen=True)
class Perturbations:
    """Steps from notes' z and what they change: the sound half a step on, less the sound half a step back."""

    steps: np.ndarray
    """float64 `[n, latent_dim]`."""
    changes: dict[str, np.ndarray]
    """Descriptor -> float `[n]`."""
    table: NoteTable
    """The notes from whose z they are."""
    deviations: dict[str, float]
    """Descriptor -> `attribute_notes.local_deviation` of notes as the model plays them."""
    family_metric: np.ndarray | None = None
    """See `family_metric`; None where nothing tells families."""

    def candidates(self, attribute: Attribute) -> list[Candidate]:
        """Returns the directions along which the decoder, on average around notes, raises an attribute's descriptor.

        A direction between notes also tells apart the instruments that happen to have more and less of the attribute;
        with some hundred of them in 16 dimensions that is most of it. Steps from one note do not leave the instrument.

        Returns:
            The normal of a linear classifier that tells the steps that raise it from those that lower it, and the slope
            by least squares; nothing if no step changes anything.
        """
        raises = np.sign(attribute.sign * np.nan_to_num(self.changes[attribute.descriptor]))
        moved = (self.steps * raises[:, None])[raises != 0]
        if not len(moved):
            return []
        more, less = ("raise", "lower")[:: attribute.sign]
        words = f"random steps from notes' z, those that {more} {attribute.descriptor} against those that {less} it"
        directions = {
            f"{words}: normal of a linear classifier": latent.direction(moved, -moved, method="classifier"),
            f"random steps from notes' z: least-squares slope of {'-' * (attribute.sign < 0)}{attribute.descriptor}": (
                attribute.sign * self.slope(attribute.descriptor)
            ),
        }
        sides = raises > 0, raises < 0
        notes = tuple(int(side.sum()) for side in sides)
        instruments = tuple(len(set(self.table.instrument_str[side])) for side in sides)
        return [Candidate(direction, learnt, notes, instruments) for learnt, direction in directions.items()]

    def away_from_families(self, direction: np.ndarray, dearness: float) -> np.ndarray:
        """Returns a direction turned away from where the family that is heard changes.

        It minimises |turned - direction|^2 + dearness * turned^T M turned; M is the family metric, scaled so that a
        random movement costs `dearness` times its square in the mean.

        Args:
            direction: `[latent_dim]`.
            dearness: 0 or more.

        Raises:
            ValueError: without a family metric.
        """
        if self.family_metric is None:
            raise ValueError("family_metric: found None, expected steps that were heard")
        size = len(direction)
        metric = self.family_metric * size / max(float(np.trace(self.family_metric)), 1e-12)
        return np.linalg.solve(np.eye(size) + dearness * metric, direction)

    def slope(self, descriptor: str) -> np.ndarray:
        """Returns how a descriptor changes with z, in its deviations: the least-squares slope, `[latent_dim]`."""
        changes = np.nan_to_num(self.changes[descriptor]) / self.deviations[descriptor]
        changes = np.clip(changes, -CLIPPED_AT, CLIPPED_AT)
        gram = self.steps.T @ self.steps
        return np.linalg.solve(gram + 0.02 * np.trace(gram) / len(gram) * np.eye(len(gram)), self.steps.T @ changes)


def play(
    model: TimbreModel,
    z: np.ndarray,
    table: NoteTable,
    progress: Callable[[int], None] = lambda notes: None,
    names: Sequence[str] = tuple(DESCRIPTORS),
) -> Sounds:
    """Plays points, each at its note's pitch and velocity; sounds are measured while the next are made.

    Args:
        model: plays.
        z: `[notes, latent_dim]`.
        table: the notes.
        progress: is told of each number of notes played.
        names: of the descriptors that are measured.
    """
    audio, waiting = [np.zeros([0, model.config.num_samples], np.float32)], []
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(z), BATCH):
            part = slice(start, start + BATCH)
            audio.append(model.decode(z[part], table.pitch[part], table.velocity[part]).audio)
            for sound, pitch in zip(audio[-1], table.pitch[part], strict=True):
                waiting.append(pool.submit(describe, sound, int(pitch), model.config.sample_rate, names))
            progress(len(audio[-1]))
        found = [each.result() for each in waiting]
    return Sounds(np.concatenate(audio), {name: np.array([one[name] for one in found]) for name in names})


def family_metric(steps: np.ndarray, scale: float, on: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Returns how far apart families are heard along a step of z: M, of which d^T M d is the mean squared distance.

    The distance of two distributions p and q over the families is twice Hellinger's, d^2 = 4 sum (sqrt p - sqrt q)^2;
    for short steps M is Fisher's information (Amari and Nagaoka 2000, Methods of Information Geometry). For steps s of
    independent normal components of deviation `scale`, E[s^T M s s s^T] = scale^4 (2 M + tr(M) I) (Isserlis 1918),
    which is solved for M; what noise leaves of negative eigenvalues is taken out.

    Args:
        steps: `[n, latent_dim]`.
        scale: the deviation of their components.
        on: `[n, families]`, probabilities of what is heard half a step on.
        back: likewise, half a step back.

    Returns:
        float64 `[latent_dim, latent_dim]`, symmetric, without negative eigenvalues.
    """
    squared = 4.0 * np.square(np.sqrt(on) - np.sqrt(back)).sum(axis=1)
    units = steps / scale
    moment = np.einsum("n,ni,nj->ij", squared, units, units) / len(units)
    values, vectors = np.linalg.eigh((moment - squared.mean() * np.eye(len(moment))) / (2.0 * scale**2))
    return vectors * np.maximum(values, 0.0) @ vectors.T


def perturb(
    model: TimbreModel,
    notes: Notes,
    count: int,
    generator: np.random.Generator,
    hear: Callable[[np.ndarray], np.ndarray] | None = None,
    progress: Callable[[int], None] = lambda notes: None,
) -> Perturbations:
    """Plays notes of all families, and takes random steps from them.

    Args:
        model: plays them.
        notes: at most `PLAYED` of them are played.
        count: of steps; no more than one a note played.
        generator: draws them.
        hear: audio float32 `[n, num_samples]` -> probabilities of the families, `[n, families]`; None if nothing can.
        progress: is told of each number of sounds made; a note is one, a step two.
    """
    rows = spread(notes.table, PLAYED)
    played = play(model, notes.z[rows], notes.table.take(rows), progress).descriptors
    deviations = {name: local_deviation(values, notes.table.take(rows)) for name, values in played.items()}
    rows = rows[:count]
    scale = STEP * np.sqrt(np.mean(np.diag(notes.covariance)))
    steps = scale * generator.standard_normal([len(rows), notes.z.shape[1]])
    table = notes.table.take(rows)
    on, back = (play(model, notes.z[rows] + side * steps, table, progress) for side in (0.5, -0.5))
    changes = {name: on.descriptors[name] - back.descriptors[name] for name in on.descriptors}
    metric = None if hear is None else family_metric(steps, scale, hear(on.audio), hear(back.audio))
    return Perturbations(steps, changes, table, deviations, metric)
