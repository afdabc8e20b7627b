"""Latent arithmetic: the sound of an expression of timbres."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.descriptors import DESCRIPTORS
from nsynth_vae.cli.types import check_midi
from nsynth_vae.config import AudioConfig
from nsynth_vae.files import AUDIO_EXTENSIONS, writing
from nsynth_vae.latent import expression as expressions
from nsynth_vae.notes import MIDDLE_C
from nsynth_vae.rendering.notebook import NotebookDisplay
from nsynth_vae.rendering.sounds import Sounds, file_name, label, write_wavs

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import TimbreLookup
    from nsynth_vae.rendering.plots import Target

RECORD, PICTURE = "result.json", "result.png"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Result(NotebookDisplay):
    """A sum of timbres, and the decoded notes of it and of its terms."""

    model: str
    config: AudioConfig
    expression: str
    """As it was written."""
    sum: expressions.Sum
    pitch: int
    velocity: int
    names: tuple[str, ...]
    """Names of the notes: the timbres of the sum; `before`, their blend without the directions, where it is none of
    them; `result`. Each is valid as a file name."""
    z: np.ndarray
    """float32 `[notes, latent_dim]`."""
    sounds: Sounds
    """The notes."""
    learnt_to_raise: dict[str, str]
    """Direction -> the descriptor that it was learnt to raise, of those of the sum's directions that have one."""

    @property
    def audio(self) -> np.ndarray:
        """The notes' audio, float32 `[notes, num_samples]`, -1..1; the last one is the result."""
        return self.sounds.audio

    @property
    def effect(self) -> dict[str, tuple[float, float]]:
        """The descriptors that the directions were learnt to raise: (without the directions, with them)."""
        before, after = self.sounds.descriptors[-2:]
        return {name: (before[name], after[name]) for name in self.learnt_to_raise.values() if name in after}

    def summary(self) -> str:
        """Return a line for each term and each effect of a direction, and one for the sum."""
        terms = [term for _, term in (*self.sum.timbres, *self.sum.directions)]
        lines = [f"{term.name}: {term.description}" for term in terms]
        for descriptor, (before, after) in self.effect.items():
            by = ", ".join(name for name, raised in self.learnt_to_raise.items() if raised == descriptor)
            lines.append(f"{descriptor} ({by}): {before:.4g} -> {after:.4g} {DESCRIPTORS[descriptor].unit}")
        return "\n".join([*lines, f"{self.sum} at pitch {self.pitch}, velocity {self.velocity}"])

    def save(self, output: str | os.PathLike, *, picture: bool = True) -> None:
        """Write `result.wav`, a WAV for each timbre, `before.wav`, `result.json` and the picture `result.png`.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        notes = {
            name: {"file": f"{name}.wav", "z": z.tolist(), "descriptors": descriptors}
            for name, z, descriptors in zip(self.names, self.z, self.sounds.descriptors, strict=True)
        }
        record = {
            "format_version": 1,
            "model": self.model,
            "expression": self.expression,
            "normalised": str(self.sum),
            "pitch": self.pitch,
            "velocity": self.velocity,
            "timbres": [
                {"name": timbre.name, "weight": weight, "description": timbre.description, **note}
                for (weight, timbre), note in zip(self.sum.timbres, notes.values(), strict=False)
            ],
            "directions": [
                {
                    "name": direction.name,
                    "weight": weight,
                    "description": direction.description,
                    "descriptor": self.learnt_to_raise.get(direction.name),
                    "direction": direction.z.tolist(),
                }
                for weight, direction in self.sum.directions
            ],
            **{name: note for name, note in notes.items() if name in ("before", "result")},
            "units": {name: descriptor.unit for name, descriptor in DESCRIPTORS.items()},
        }
        with writing(output, RECORD, record) as folder:
            write_wavs(folder, [f"{name}.wav" for name in self.names], self.audio, self.config)
            if picture:
                self.plot(folder / PICTURE)

    def plot(self, target: Target) -> None:
        """Write the spectrograms of the notes, as PNG to a path or a binary file."""
        from nsynth_vae.rendering import plots

        titles = [label(timbre.name) for _, timbre in self.sum.timbres]
        titles += [*self.names[len(titles) : -1], label(str(self.sum))]
        row = f"pitch {self.pitch}, velocity {self.velocity}", self.sounds.log_mel
        plots.plot_spectrograms([row], titles, self.config, target)


def arithmetic(lookup: TimbreLookup, expression: str, *, pitch: int | None = None, velocity: int = 100) -> Result:
    """Evaluate an expression, and decode the sum and each of its timbres at one pitch and velocity.

    Arguments and errors are those of `rendering.model.RenderingModel.arithmetic`.
    """
    check_midi("--velocity", velocity)
    check_midi("--pitch", MIDDLE_C if pitch is None else pitch)
    total = expressions.parse(expression, lookup)
    result = total.timbre
    if pitch is None:
        pitch = MIDDLE_C if result.pitch is None else result.pitch
    z = [timbre.z for _, timbre in total.timbres]
    names = _file_names([timbre.name for _, timbre in total.timbres])
    if len(z) > 1 and total.directions:
        z, names = [*z, total.base], [*names, "before"]
    latents, model = np.stack([*z, result.z]), lookup.model
    raised = {direction.name: lookup.descriptor(direction.name) for _, direction in total.directions}
    return Result(
        model=model.name,
        config=model.config,
        expression=expression,
        sum=total,
        pitch=pitch,
        velocity=velocity,
        names=(*names, "result"),
        z=latents,
        sounds=Sounds.of(model.decode(latents, pitch, velocity).audio, pitch, model.config),
        learnt_to_raise={name: descriptor for name, descriptor in raised.items() if descriptor is not None},
    )


def _file_names(names: Sequence[str]) -> list[str]:
    """Return a file name without extension for each name, all different and none of the command's own."""
    found: list[str] = []
    taken = {"before", "result"}
    for name in names:
        path = pathlib.PurePath(re.split(r"[/\\]", name)[-1])
        plain = file_name(path.stem if path.suffix.lower() in AUDIO_EXTENSIONS else path.name, "timbre")
        chosen, number = plain, 1
        # File systems of macOS and Windows ignore case.
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{plain}-{number}"
        taken.add(chosen.casefold())
        found.append(chosen)
    return found
