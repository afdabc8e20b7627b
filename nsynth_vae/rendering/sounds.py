"""What the tools of the latent space share: how timbres and notes are asked for, and what is left in a folder.

That is WAVs, a PNG and one JSON file that lists them; all of them or none.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.files import AUDIO_EXTENSIONS

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    pass

MOST_NOTES = 1024
"""Notes that one command makes at most: half a gigabyte of audio and log-mels."""


def log_mels(audio: np.ndarray, config: AudioConfig) -> np.ndarray:
    """Returns the log-mels, float32 `[sounds, frames, mel_bins]`, of sounds, float32 `[sounds, num_samples]`."""
    from nsynth_vae import features

    parts = np.array_split(audio, -(-len(audio) // 32))
    return np.concatenate([features.log_mel(part, config).numpy() for part in parts])


def label(name: str, length: int = 32) -> str:
    """Returns a timbre's name as a figure can show it: of a file its own, one line, its middle left out if long."""
    if name.lower().endswith(AUDIO_EXTENSIONS) and '"' not in name:
        name = pathlib.PurePath(name).name
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= length else f"{name[: length // 2 - 1]}…{name[-(length // 2) :]}"


def numbered(stem: str, *counts: int) -> list[str]:
    """Returns the names of that many WAVs: `step-00.wav`, ...; of two counts `step-00-00.wav`, row by row."""
    widths = [max(2, len(str(count - 1))) for count in counts]
    numbers = (
        "-".join(f"{i:0{width}}" for i, width in zip(index, widths, strict=True)) for index in np.ndindex(counts)
    )
    return [f"{stem}-{number}.wav" for number in numbers]


def write_wavs(folder: pathlib.Path, names: Sequence[str], audio: np.ndarray, config: AudioConfig) -> None:
    """Writes sounds, float `[sounds, samples]`, -1..1, as 16-bit WAVs of these names."""
    from nsynth_vae.files import write_wav

    for name, sound in zip(names, audio, strict=True):
        write_wav(folder / name, sound, config.sample_rate)


def write_joined(path: pathlib.Path, audio: np.ndarray, config: AudioConfig) -> None:
    """Writes the beginnings of sounds, float32 `[sounds, samples]`, one after the other, as one WAV."""
    from nsynth_vae.files import write_wav

    pass

    write_wav(path, join_notes(audio, config), config.sample_rate)


def join_notes(audio: np.ndarray, config: AudioConfig, seconds: float = 1.5, fade: float = 0.05) -> np.ndarray:
    """Returns the beginnings of several notes, one after the other, each faded out.

    Args:
        audio: float32 `[notes, samples]`.
        config: gives the sample rate.
        seconds: of each note.
        fade: seconds of the linear fade at its end.

    Returns:
        float32 `[notes * seconds * sample_rate]`.
    """
    length, ramp = int(seconds * config.sample_rate), int(fade * config.sample_rate)
    cut = audio[:, :length].copy()
    cut[:, -ramp:] *= np.linspace(1.0, 0.0, ramp, dtype=np.float32)
    return cut.reshape(-1)
