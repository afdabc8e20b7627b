"""Notebook display of results: an audio player above a picture, as HTML."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.rendering.sounds import join_notes

if TYPE_CHECKING:
    from nsynth_vae.rendering.plots import Target

MOST_PLAYED = 40
"""Notes in a player: a minute, 2.6 MB of HTML."""


class Playable(Protocol):
    """A result with audio, `[samples]` or `[notes, samples]`, -1..1, and a picture."""

    @property
    def config(self) -> AudioConfig:
        """Configuration with the sample rate."""
        ...

    @property
    def audio(self) -> np.ndarray:
        """Audio, float32 `[samples]` or `[notes, samples]`, -1..1."""
        ...

    def plot(self, target: Target) -> None:
        """Write the picture, as PNG."""
        ...


class NotebookDisplay:
    """Mixin of a `Playable` that lets notebooks play and show it."""

    def _repr_html_(self: Playable) -> str:
        picture = io.BytesIO()
        self.plot(picture)
        audio = self.audio
        if audio.ndim > 1:
            audio = audio[0] if len(audio) == 1 else join_notes(audio[:MOST_PLAYED], self.config)
        return (
            f'<div><audio controls src="{_data("audio/wav", wav_bytes(audio, self.config.sample_rate))}"></audio></div>'
            f'<img alt="spectrogram" style="max-width: 100%" src="{_data("image/png", picture.getvalue())}">'
        )


def wav_bytes(audio: np.ndarray, sample_rate: int) -> bytes:
    """Return audio, float `[samples]`, -1..1, as a 16-bit mono WAV file."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio, -1.0, 1.0), sample_rate, subtype="PCM_16", format="WAV")
    return buffer.getvalue()


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
