"""Interpolation between two timbres, or a grid of four."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe_all
from nsynth_vae.cli.types import check_midi
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import writing
from nsynth_vae.latent.expression import find
from nsynth_vae.rendering import brightness_equalizer
from nsynth_vae.rendering import sounds as renderings

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup


DEFAULT_PITCH = 60
SHOWN = {
    "spectral_centroid_hertz": "centroid, Hz",
    "spectral_spread": "spread, Hz",
    "attack_seconds": "attack, s",
}
"""The descriptors that are drawn under the spectrograms."""


@dataclasses.dataclass(frozen=True)
class Sounds:
    """The notes of a way, step by step, or of a grid, row by row."""

    audio: np.ndarray
    """float32 `[notes, num_samples]`, -1..1."""
    log_mel: np.ndarray
    """float32 `[notes, frames, mel_bins]`, of the audio."""
    descriptors: list[dict[str, float]]
    """What `descriptors.describe` gives of each."""


@dataclasses.dataclass(frozen=True)
class Morph:
    """A way between two timbres or a grid between four."""

    model: str
    config: AudioConfig
    timbres: tuple[Timbre, ...]
    """From, to; of four: top left, top right, bottom left, bottom right."""
    steps: int
    """Points of the way; of a grid: rows, and columns."""
    method: str
    pitch: int
    velocity: int
    weights: np.ndarray
    """float64 `[notes, timbres]`: how far each note is towards each timbre, of lerp its share; they add to 1."""
    z: np.ndarray
    """float32 `[notes, latent_dim]`."""
    sounds: Sounds
    equalizers: list[brightness_equalizer.Equalizer] | None
    """What each decoded note went through; None if nothing is evened."""
    cross_fade: Sounds | None
    """The decoded timbres mixed in audio by the weights; None if not asked for."""

    def write(self, output: str | os.PathLike) -> None:
        """Writes `step-00.wav`, ..., `morph.wav`, `morph.png`, `morph.json`, and the cross-fade's WAVs, to a folder.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        shape = [self.steps] * (len(self.timbres) // 2)
        parts = [("step", "morph", self.sounds)]
        if self.cross_fade:
            parts.append(("cross-fade", "cross-fade", self.cross_fade))
        record = {
            "format_version": 1,
            "model": self.model,
            "timbres": [{"name": point.name, "meaning": point.meaning} for point in self.timbres],
            "method": self.method,
            "steps": self.steps,
            "pitch": self.pitch,
            "velocity": self.velocity,
            "even": self.equalizers is not None,
            "units": {name: descriptor.unit for name, descriptor in DESCRIPTORS.items()},
        }
        names = {kind: renderings.numbered(stem, *shape) for stem, kind, _ in parts}
        for _, kind, sounds in parts:
            record[kind.replace("-", "_")] = [
                {"file": name, "weights": weights.tolist(), "z": z.tolist(), "descriptors": descriptors}
                for name, weights, z, descriptors in zip(
                    names[kind], self.weights, self.z, sounds.descriptors, strict=True
                )
            ]
        if self.equalizers:
            for step, equalizer in zip(record["morph"], self.equalizers, strict=True):
                step["equalizer"] = dataclasses.asdict(equalizer)
        # A mix of sounds is no point of the latent space.
        for step in record.get("cross_fade", ()):
            del step["z"]
        with writing(output, "morph.json", record) as folder:
            for _, kind, sounds in parts:
                renderings.write_wavs(folder, names[kind], sounds.audio, self.config)
                renderings.write_joined(folder / f"{kind}.wav", sounds.audio, self.config)
            self._draw(folder / "morph.png", [(kind, sounds) for _, kind, sounds in parts])

    def _draw(self, path: os.PathLike, rows: Sequence[tuple[str, Sounds]]) -> None:
        from nsynth_vae.rendering import plots

        names = [renderings.label(point.name) for point in self.timbres]
        if len(names) == 2:
            titles = [f"{100 * weight:.3g} %" for weight in self.weights[:, 1]]
            titles[0], titles[-1] = names
            lines = [
                (title, [np.array([one[name] for one in sounds.descriptors]) for _, sounds in rows])
                for name, title in SHOWN.items()
            ]
            pictures = [(kind, sounds.log_mel) for kind, sounds in rows]
            return plots.plot_morph(pictures, titles, lines, self.config, path)
        captions = []
        for kind, _ in rows:
            corners = dict(zip((0, self.steps - 1, -self.steps, -1), names, strict=True))
            cells = [f"{kind} {row}, {column}" for row, column in np.ndindex(self.steps, self.steps)]
            for place, name in corners.items():
                cells[place] = name
            captions += cells
        log_mels = np.concatenate([sounds.log_mel for _, sounds in rows])
        return plots.plot_contact_sheet(log_mels, captions, self.steps, self.config, path)


def interpolate(
    points: TimbreLookup,
    timbres: Sequence[str | Timbre],
    *,
    steps: int = 9,
    pitch: int | None = None,
    velocity: int = 100,
    method: str = "lerp",
    even: bool = True,
    compare: bool = False,
) -> Morph:
    """Decodes evenly spaced points between timbres, all at one pitch and velocity.

    Args:
        points: the model, and what names and files stand for.
        timbres: two, or the four corners of a grid: files, notes, names, expressions, or points.
        steps: points of the way, the ends among them; of a grid: rows, and columns.
        pitch: MIDI; None for the pitch of the notes among the timbres, if they have one in common, else 60.
        velocity: MIDI.
        method: `lerp`, the straight way, or `slerp`, along the arc; a grid is bilinear.
        even: equalise what is decoded between the timbres, so that spectral centroid and spread lie between theirs, as
            far as the weights that lerp has say; see `evening.even`.
        compare: mix the decoded timbres in audio too, with the weights that lerp has.

    Raises:
        InputError: for another number of timbres or steps, a timbre that is not known, a pitch or velocity outside
            0 to 127, another method, and for slerp in a grid.
    """
    _check(len(timbres), steps, pitch, velocity, method)
    model = points.model
    ends = find(timbres, points)
    if pitch is None:
        known = {end.pitch for end in ends if end.pitch is not None}
        pitch = known.pop() if len(known) == 1 else DEFAULT_PITCH
    corners = np.stack([end.z for end in ends]).astype(np.float32)
    if len(ends) == 2:
        z = latent.interpolate(*corners, steps, method)
        weights = latent.interpolate(*np.eye(2), steps)
    else:
        z = latent.grid(corners, steps, steps).reshape(-1, corners.shape[1])
        weights = latent.grid(np.eye(4), steps, steps).reshape(-1, 4)
    z = z.astype(np.float32)
    audio, equalizers, cross_fade = model.decode(z, pitch, velocity).audio, None, None
    if even:
        audio, equalizers = brightness_equalizer.equalize(audio, weights, model.config.sample_rate)
    if compare:
        at_ends = audio[np.argmax(weights, axis=0)]
        cross_fade = _sounds((weights @ at_ends).astype(np.float32), pitch, model.config)
    sounds = _sounds(audio, pitch, model.config)
    timbres = tuple(ends)
    return Morph(
        model.name, model.config, timbres, steps, method, pitch, velocity, weights, z, sounds, equalizers, cross_fade
    )


def _check(timbres: int, steps: int, pitch: int | None, velocity: int, method: str) -> None:
    if timbres not in (2, 4):
        raise InputError(f"timbres: found {timbres}, expected two, or four for a grid")
    most = renderings.MOST_NOTES if timbres == 2 else int(renderings.MOST_NOTES**0.5)
    if not 2 <= steps <= most:
        raise InputError(f"--steps: found {steps}, expected 2 to {most}{' for a grid' * (timbres == 4)}")
    check_midi("--pitch", DEFAULT_PITCH if pitch is None else pitch)
    check_midi("--velocity", velocity)
    if method not in latent.METHODS:
        raise InputError(f"--method: found {method!r}, expected {' or '.join(latent.METHODS)}")
    if timbres == 4 and method != "lerp":
        raise InputError(f"--method: found {method} with four timbres, expected lerp: a grid is bilinear")


def _sounds(audio: np.ndarray, pitch: int, config: AudioConfig) -> Sounds:
    log_mel = renderings.log_mels(audio, config)
    return Sounds(audio, log_mel, describe_all(audio, [pitch] * len(audio), config))
