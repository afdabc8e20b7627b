"""Decoded notes that can be played, plotted and saved."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import timbre_model
from nsynth_vae.config import AudioConfig
from nsynth_vae.files import writing
from nsynth_vae.notes import note_name
from nsynth_vae.rendering.notebook import NotebookDisplay
from nsynth_vae.rendering.sounds import numbered, write_wavs

if TYPE_CHECKING:
    from nsynth_vae.rendering.plots import Target


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodedNotes(NotebookDisplay, timbre_model.DecodedNotes):
    """Notes of latent vectors: `audio` float32 `[notes, num_samples]`, -1..1, `log_mel` `[notes, frames, mel_bins]`.

    The leading axis is missing for a single note: a `z` of `[latent_dim]` at one pitch and velocity.
    """

    model: str
    config: AudioConfig
    z: np.ndarray
    """float32 `[notes, latent_dim]`."""
    pitch: np.ndarray
    """int32 `[notes]`, MIDI."""
    velocity: np.ndarray
    """int32 `[notes]`, MIDI."""

    def save(self, output: str | os.PathLike, *, picture: bool = True) -> None:
        """Write `note-00.wav`, ..., `notes.json` and the picture `notes.png` to a folder.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        names = numbered("note", len(self.z))
        notes = zip(names, self.pitch.tolist(), self.velocity.tolist(), self.z.tolist(), strict=True)
        record = {
            "format_version": 1,
            "model": self.model,
            "notes": [{"file": name, "pitch": p, "velocity": v, "z": z} for name, p, v, z in notes],
        }
        with writing(output, "notes.json", record) as folder:
            write_wavs(pathlib.Path(folder), names, self.audio.reshape(len(names), -1), self.config)
            if picture:
                self.plot(folder / "notes.png")

    def plot(self, target: Target) -> None:
        """Write a contact sheet of spectrograms, as PNG to a path or a binary file."""
        from nsynth_vae.rendering import plots

        captions = [f"{note_name(int(p))}, velocity {v}" for p, v in zip(self.pitch, self.velocity, strict=True)]
        log_mels = self.log_mel.reshape(len(captions), *self.log_mel.shape[-2:])
        plots.plot_contact_sheet(log_mels, captions, math.ceil(math.sqrt(len(captions))), self.config, target)
