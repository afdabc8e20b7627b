"""Latent arithmetic: the sound of an expression of timbres."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe_all
from nsynth_vae.cli.types import check_midi
from nsynth_vae.config import AudioConfig
from nsynth_vae.files import AUDIO_EXTENSIONS, writing
from nsynth_vae.rendering import sounds as renderings

if TYPE_CHECKING:
    from nsynth_vae.latent.expression import Sum
    from nsynth_vae.latent.lookup import TimbreLookup

RECORD, PICTURE = "result.json", "result.png"


DEFAULT_PITCH = 60


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """A sum of timbres, and the notes that it and its terms are decoded to."""

    model: str
    config: AudioConfig
    expression: str
    """As it was written."""
    sum: Sum
    pitch: int
    velocity: int
    names: tuple[str, ...]
    """Of the notes: the points of the sum; `before`, their blend without the directions, where it is none of them;
    `result`. Each can be a file's name."""
    z: np.ndarray
    """float32 `[notes, latent_dim]`."""
    audio: np.ndarray
    """float32 `[notes, num_samples]`, -1..1."""
    log_mel: np.ndarray
    """float32 `[notes, frames, mel_bins]`, of the audio."""
    descriptors: list[dict[str, float]]
    """What `descriptors.describe` gives of each note."""
    learnt_to_raise: dict[str, str]
    """Direction -> descriptor, of those of the sum's directions that were learnt by one."""

    @property
    def effect(self) -> dict[str, tuple[float, float]]:
        """The descriptors that the directions were learnt by: (without the directions, with them)."""
        before, after = self.descriptors[-2:]
        return {name: (before[name], after[name]) for name in self.learnt_to_raise.values() if name in after}

    def summary(self) -> str:
        """Returns, a line each, what the terms stand for, what the directions do, and the sum."""
        terms = [term for _, term in (*self.sum.points, *self.sum.directions)]
        lines = [f"{term.name}: {term.meaning}" for term in terms]
        for descriptor, (before, after) in self.effect.items():
            by = ", ".join(name for name, raised in self.learnt_to_raise.items() if raised == descriptor)
            lines.append(f"{descriptor} ({by}): {before:.4g} -> {after:.4g} {DESCRIPTORS[descriptor].unit}")
        return "\n".join([*lines, f"{self.sum} at pitch {self.pitch}, velocity {self.velocity}"])

    def write(self, output: str | os.PathLike) -> None:
        """Writes `result.wav`, a WAV for each point, `before.wav`, `result.png` and `result.json` to a folder.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        notes = {
            name: {"file": f"{name}.wav", "z": z.tolist(), "descriptors": descriptors}
            for name, z, descriptors in zip(self.names, self.z, self.descriptors, strict=True)
        }
        record = {
            "format_version": 1,
            "model": self.model,
            "expression": self.expression,
            "normalised": str(self.sum),
            "pitch": self.pitch,
            "velocity": self.velocity,
            "points": [
                {"name": point.name, "weight": weight, "meaning": point.meaning, **note}
                for (weight, point), note in zip(self.sum.points, notes.values(), strict=False)
            ],
            "directions": [
                {
                    "name": direction.name,
                    "weight": weight,
                    "meaning": direction.meaning,
                    "descriptor": self.learnt_to_raise.get(direction.name),
                    "direction": direction.z.tolist(),
                }
                for weight, direction in self.sum.directions
            ],
            **{name: note for name, note in notes.items() if name in ("before", "result")},
            "units": {name: descriptor.unit for name, descriptor in DESCRIPTORS.items()},
        }
        with writing(output, RECORD, record) as folder:
            from nsynth_vae.rendering import plots

            renderings.write_wavs(folder, [f"{name}.wav" for name in self.names], self.audio, self.config)
            titles = [renderings.label(point.name) for _, point in self.sum.points]
            titles += [*self.names[len(titles) : -1], renderings.label(str(self.sum))]
            row = f"pitch {self.pitch}, velocity {self.velocity}"
            plots.plot_spectrograms([(row, self.log_mel)], titles, self.config, folder / PICTURE)


def arithmetic(points: TimbreLookup, expression: str, *, pitch: int | None = None, velocity: int = 100) -> Result:
    """Adds up an expression, and decodes the sum and each of its points at one pitch and velocity.

    Args:
        points: the model, and what names and files stand for.
        expression: such as `violin + bright - dark`; see `nsynth_vae.latent.expression`.
        pitch: MIDI; None for the pitch of the notes in the expression, if they have one in common, else 60.
        velocity: MIDI.

    Raises:
        InputError: for what is no expression or has unknown names, and for a pitch or velocity outside 0 to 127.
    """
    from nsynth_vae.latent import expression as expressions

    check_midi("--velocity", velocity)
    check_midi("--pitch", DEFAULT_PITCH if pitch is None else pitch)
    total = expressions.parse(expression, points)
    result = total.point
    if pitch is None:
        pitch = DEFAULT_PITCH if result.pitch is None else result.pitch
    z = [point.z for _, point in total.points]
    names = _file_names([point.name for _, point in total.points])
    if len(z) > 1 and total.directions:
        z, names = [*z, total.base], [*names, "before"]
    z, names = np.stack([*z, result.z]), (*names, "result")
    model = points.model
    audio = model.decode(z, pitch, velocity).audio
    raised = {direction.name: points.descriptor(direction.name) for _, direction in total.directions}
    return Result(
        model.name,
        model.config,
        expression,
        total,
        pitch,
        velocity,
        names,
        z,
        audio,
        renderings.log_mels(audio, model.config),
        describe_all(audio, [pitch] * len(z), model.config),
        {name: descriptor for name, descriptor in raised.items() if descriptor is not None},
    )


def _file_names(names: Sequence[str]) -> list[str]:
    """Returns a file name without extension for each name, all different and none of the command's own."""
    found: list[str] = []
    taken = {"before", "result"}
    for name in names:
        path = pathlib.PurePath(name)
        stem = path.stem if path.suffix.lower() in AUDIO_EXTENSIONS else path.name
        plain = re.sub(r"[^\w.#-]+", "_", stem).strip("._")[:80] or "point"
        numbers = (f"{plain}-{number}" if number > 1 else plain for number in range(1, len(names) + len(taken) + 2))
        # Disks of macOS take names that differ in case for the same.
        chosen = next(number for number in numbers if number.casefold() not in taken)
        taken.add(chosen.casefold())
        found.append(chosen)
    return found
