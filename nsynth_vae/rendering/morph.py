"""Interpolation between two timbres, or a grid of four."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis.descriptors import DESCRIPTORS
from nsynth_vae.cli.types import check_midi
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import writing
from nsynth_vae.latent.expression import find_timbres
from nsynth_vae.notes import MIDDLE_C
from nsynth_vae.rendering import brightness_equalizer
from nsynth_vae.rendering.notebook import NotebookDisplay
from nsynth_vae.rendering.sounds import MOST_NOTES, Sounds, label, numbered, write_joined, write_wavs

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup
    from nsynth_vae.rendering.plots import Target

PLOTTED = {"spectral_centroid_hertz": "centroid, Hz", "spectral_spread": "spread, Hz", "attack_seconds": "attack, s"}
"""The descriptors that are plotted under the spectrograms."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Morph(NotebookDisplay):
    """An interpolation path between two timbres or a grid between four."""

    model: str
    config: AudioConfig
    timbres: tuple[Timbre, ...]
    """From, to; of four: top left, top right, bottom left, bottom right."""
    steps: int
    """Notes of the path; of a grid: rows, and columns."""
    method: str
    pitch: int
    velocity: int
    weights: np.ndarray
    """float64 `[notes, timbres]`: how far each note is towards each timbre, for lerp its weight; they add to 1."""
    z: np.ndarray
    """float32 `[notes, latent_dim]`."""
    sounds: Sounds
    """The notes, step by step; of a grid, row by row."""
    equalizers: list[brightness_equalizer.Equalizer] | None
    """The equaliser of each decoded note; None if nothing is equalised."""
    cross_fade: Sounds | None
    """The decoded timbres mixed in audio by the weights; None if not requested."""

    @property
    def audio(self) -> np.ndarray:
        """The notes' audio, float32 `[notes, num_samples]`, -1..1."""
        return self.sounds.audio

    def save(self, output: str | os.PathLike, *, picture: bool = True) -> None:
        """Write `step-00.wav`, ..., `morph.wav`, the cross-fade's WAVs, `morph.json` and the picture `morph.png`.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        shape = [self.steps] * (len(self.timbres) // 2)
        names = {"morph": numbered("step", *shape), "cross-fade": numbered("cross-fade", *shape)}
        record: dict[str, Any] = {
            "format_version": 1,
            "model": self.model,
            "timbres": [{"name": timbre.name, "description": timbre.description} for timbre in self.timbres],
            "method": self.method,
            "steps": self.steps,
            "pitch": self.pitch,
            "velocity": self.velocity,
            "equalized": self.equalizers is not None,
            "units": {name: descriptor.unit for name, descriptor in DESCRIPTORS.items()},
        }
        for kind, sounds in self._rows():
            record[kind.replace("-", "_")] = [
                {"file": name, "weights": weights.tolist(), "z": z.tolist(), "descriptors": descriptors}
                for name, weights, z, descriptors in zip(
                    names[kind], self.weights, self.z, sounds.descriptors, strict=True
                )
            ]
        if self.equalizers:
            for step, equalizer in zip(record["morph"], self.equalizers, strict=True):
                step["equalizer"] = dataclasses.asdict(equalizer)
        # A mix of sounds has no latent vector.
        for step in record.get("cross_fade", ()):
            del step["z"]
        with writing(output, "morph.json", record) as folder:
            for kind, sounds in self._rows():
                write_wavs(folder, names[kind], sounds.audio, self.config)
                write_joined(folder / f"{kind}.wav", sounds.audio, self.config)
            if picture:
                self.plot(folder / "morph.png")

    def plot(self, target: Target) -> None:
        """Write the spectrograms, and of a path the descriptors under them, as PNG to a path or a binary file."""
        from nsynth_vae.rendering import plots

        rows = self._rows()
        names = [label(timbre.name) for timbre in self.timbres]
        if len(names) == 2:
            titles = [names[0], *(f"{100 * weight:.3g} %" for weight in self.weights[1:-1, 1]), names[1]]
            lines = [
                (title, [np.array([one[name] for one in sounds.descriptors]) for _, sounds in rows])
                for name, title in PLOTTED.items()
            ]
            return plots.plot_morph(
                [(kind, sounds.log_mel) for kind, sounds in rows], titles, lines, self.config, target
            )
        captions = []
        for kind, _ in rows:
            cells = [f"{kind} {row}, {column}" for row, column in np.ndindex(self.steps, self.steps)]
            for corner, name in zip((0, self.steps - 1, -self.steps, -1), names, strict=True):
                cells[corner] = name
            captions += cells
        log_mels = np.concatenate([sounds.log_mel for _, sounds in rows])
        return plots.plot_contact_sheet(log_mels, captions, self.steps, self.config, target)

    def _rows(self) -> list[tuple[str, Sounds]]:
        return [("morph", self.sounds)] + ([] if self.cross_fade is None else [("cross-fade", self.cross_fade)])


def interpolate(
    lookup: TimbreLookup,
    timbres: Sequence[str | Timbre],
    *,
    steps: int = 9,
    pitch: int | None = None,
    velocity: int = 100,
    method: str = "lerp",
    equalize: bool = True,
    compare: bool = False,
) -> Morph:
    """Decode evenly spaced latent vectors between timbres, all at one pitch and velocity.

    Arguments and errors are those of `rendering.model.RenderingModel.interpolate`.
    """
    check_arguments(len(timbres), steps, pitch, velocity, method)
    model, ends = lookup.model, tuple(find_timbres(timbres, lookup))
    if pitch is None:
        known = {end.pitch for end in ends if end.pitch is not None}
        pitch = known.pop() if len(known) == 1 else MIDDLE_C
    corners = np.stack([end.z for end in ends]).astype(np.float32)
    if len(ends) == 2:
        z = latent.interpolate(corners[0], corners[1], steps, method)
        weights = latent.interpolate(np.array([1.0, 0.0]), np.array([0.0, 1.0]), steps)
    else:
        z = latent.grid(corners, steps, steps).reshape(-1, corners.shape[1])
        weights = latent.grid(np.eye(4), steps, steps).reshape(-1, 4)
    z = z.astype(np.float32)
    audio, equalizers, cross_fade = model.decode(z, pitch, velocity).audio, None, None
    if equalize:
        audio, equalizers = brightness_equalizer.equalize(audio, weights, model.config.sample_rate)
    if compare:
        decoded_ends = audio[np.argmax(weights, axis=0)]
        cross_fade = Sounds.of((weights @ decoded_ends).astype(np.float32), pitch, model.config)
    return Morph(
        model=model.name,
        config=model.config,
        timbres=ends,
        steps=steps,
        method=method,
        pitch=pitch,
        velocity=velocity,
        weights=weights,
        z=z,
        sounds=Sounds.of(audio, pitch, model.config),
        equalizers=equalizers,
        cross_fade=cross_fade,
    )


def check_arguments(timbres: int, steps: int, pitch: int | None, velocity: int, method: str) -> None:
    """Raise InputError for arguments that `interpolate` does not take; `timbres` is their number."""
    if timbres not in (2, 4):
        raise InputError(f"timbres: found {timbres}, expected two, or four for a grid")
    most = MOST_NOTES if timbres == 2 else int(MOST_NOTES**0.5)
    if not 2 <= steps <= most:
        raise InputError(f"--steps: found {steps}, expected 2 to {most}{' for a grid' * (timbres == 4)}")
    check_midi("--pitch", MIDDLE_C if pitch is None else pitch)
    check_midi("--velocity", velocity)
    if method not in latent.METHODS:
        raise InputError(f"--method: found {method!r}, expected {' or '.join(latent.METHODS)}")
    if timbres == 4 and method != "lerp":
        raise InputError(f"--method: found {method} with four timbres, expected lerp: a grid is bilinear")
