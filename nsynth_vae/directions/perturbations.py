"""Latent perturbations: random offsets of notes' latent vectors, and what they change in the decoded sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe
from nsynth_vae.cli.progress import Progress
from nsynth_vae.directions.dataset import EncodedNotes, local_standard_deviation, spread
from nsynth_vae.timbre_model import BATCH, TimbreModel

if TYPE_CHECKING:
    from nsynth_vae.data.source import NoteTable

SCALE = 2 / 3
"""Standard deviation of an offset, as a fraction of z_mean's within families: about the length of a direction."""

MAX_DECODED = 800
"""Most notes that are decoded unperturbed."""

CLIPPED_AT = 3.0
"""Standard deviations that changes are clipped at: a sound that breaks down says nothing about a direction."""

RIDGE = 0.02
"""Ridge of the least-squares slope, as a fraction of the Gram matrix's mean diagonal."""


@dataclasses.dataclass(frozen=True)
class DescribedSounds:
    """Decoded notes and their descriptors."""

    audio: np.ndarray
    """float32 `[notes, num_samples]`."""
    descriptors: dict[str, np.ndarray]
    """Name -> float `[notes]`; NaN for a silent one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Perturbations:
    """Offsets of notes' latent vectors, and the changes between half an offset back and half an offset on."""

    offsets: np.ndarray
    """float64 `[n, latent_dim]`."""
    changes: dict[str, np.ndarray]
    """Descriptor -> float `[n]`."""
    table: NoteTable
    """The perturbed notes."""
    standard_deviations: dict[str, float]
    """Descriptor -> `dataset.local_standard_deviation` of decoded notes."""

    def slope(self, descriptor: str) -> np.ndarray:
        """Return the least-squares slope of a descriptor over z, in its standard deviations: `[latent_dim]`."""
        changes = np.nan_to_num(self.changes[descriptor]) / self.standard_deviations[descriptor]
        changes = np.clip(changes, -CLIPPED_AT, CLIPPED_AT)
        gram = self.offsets.T @ self.offsets
        ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        return np.linalg.solve(gram + ridge, self.offsets.T @ changes)


def decode_and_describe(
    model: TimbreModel,
    z: np.ndarray,
    table: NoteTable,
    names: Sequence[str] = tuple(DESCRIPTORS),
    progress: Callable[[float], None] = lambda fraction: None,
) -> DescribedSounds:
    """Decode latent vectors, each at its note's pitch and velocity, and describe the sounds in parallel.

    Args:
        model: decodes.
        z: `[notes, latent_dim]`.
        table: the notes.
        names: of the descriptors.
        progress: called with the decoded fraction after each batch.
    """
    audio, waiting = [np.zeros([0, model.config.num_samples], np.float32)], []
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(z), BATCH):
            part = slice(start, start + BATCH)
            audio.append(model.decode(z[part], table.pitch[part], table.velocity[part]).audio)
            for sound, pitch in zip(audio[-1], table.pitch[part], strict=True):
                waiting.append(pool.submit(describe, sound, int(pitch), model.config.sample_rate, names))
            progress(min(1.0, part.stop / len(z)))
        found = [each.result() for each in waiting]
    return DescribedSounds(np.concatenate(audio), {name: np.array([one[name] for one in found]) for name in names})


def perturb(model: TimbreModel, notes: EncodedNotes, count: int, generator: np.random.Generator) -> Perturbations:
    """Decode notes of all families, and random perturbations of them, which leave the level alone.

    Args:
        model: decodes.
        notes: at most `MAX_DECODED` of them are decoded.
        count: of perturbations; at most one for each decoded note.
        generator: draws the offsets.
    """
    decoded = spread(notes.table, MAX_DECODED)
    perturbed = decoded[:count]
    scale = SCALE * np.sqrt(np.mean(np.diag(notes.covariance)))
    offsets = scale * generator.standard_normal([len(perturbed), notes.z.shape[1]])
    if model.level_coordinate:
        offsets[:, 0] = 0.0
    rows = np.concatenate([decoded, perturbed, perturbed])
    z = notes.z[rows] + np.concatenate([np.zeros([len(decoded), offsets.shape[1]]), offsets / 2, -offsets / 2])
    bar = Progress("Latent perturbations")
    found = decode_and_describe(model, z, notes.table.take(rows), progress=bar.to).descriptors
    bar.close()
    table, parts = notes.table.take(decoded), [len(decoded), len(decoded) + len(perturbed)]
    standard_deviations, changes = {}, {}
    for name, values in found.items():
        plain, on, back = np.split(values, parts)
        standard_deviations[name] = local_standard_deviation(plain, table)
        changes[name] = on - back
    return Perturbations(
        offsets=offsets,
        changes=changes,
        table=notes.table.take(perturbed),
        standard_deviations=standard_deviations,
    )
