"""Notes of a rendering: audio, log-mels and descriptors, and their WAV files and names of these."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from nsynth_vae.analysis import spectra
from nsynth_vae.analysis.descriptors import describe_all
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import AUDIO_EXTENSIONS, write_wav

MOST_NOTES = 1024
"""Most notes of one rendering: half a gigabyte of audio and log-mels."""

_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
"""File names that Windows keeps for devices, with any extension."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sounds:
    """Notes with what figures and JSON files say of them."""

    audio: np.ndarray
    """float32 `[notes, num_samples]`, -1..1."""
    config: AudioConfig
    descriptors: list[dict[str, float]]
    """Descriptors of each note, see `analysis.descriptors.describe`."""

    @classmethod
    def of(cls, audio: np.ndarray, pitch: int, config: AudioConfig) -> Sounds:
        """Describe notes, float32 `[notes, num_samples]`, all of one MIDI pitch.

        Raises:
            InputError: for a model whose notes are shorter than the second that descriptors take.
        """
        if config.num_samples < config.sample_rate:
            found = f"num_samples {config.num_samples} at sample_rate {config.sample_rate}"
            raise InputError(f"the model's config.json: found {found}, expected notes of at least 1 s")
        return cls(audio=audio, config=config, descriptors=describe_all(audio, [pitch] * len(audio), config))

    @functools.cached_property
    def log_mel(self) -> np.ndarray:
        """Log-mels of the audio, float32 `[notes, frames, mel_bins]`, computed when a picture needs them."""
        return spectra.log_mel(self.audio, self.config)


def label(name: str, length: int = 32) -> str:
    """Return a timbre's name for a figure: a file without its folder, one line, its middle left out if it is long."""
    if name.lower().endswith(AUDIO_EXTENSIONS) and '"' not in name:
        name = pathlib.PurePath(name).name
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= length else f"{name[: length // 2 - 1]}…{name[-(length // 2) :]}"


def file_name(text: str, default: str) -> str:
    """Return a text as a file name without an extension, which Linux, macOS and Windows take.

    Args:
        text: of any characters; letters, digits, `_`, `.`, `#` and `-` stay.
        default: name for a text without any of them.
    """
    plain = re.sub(r"[^\w.#-]+", "_", text).strip("._")[:80].rstrip("._") or default
    return f"_{plain}" if _DEVICES.fullmatch(plain) else plain


def numbered(stem: str, *counts: int) -> list[str]:
    """Return the names of that many WAVs: `step-00.wav`, ...; of two counts `step-00-00.wav`, row by row."""
    names = []
    for index in np.ndindex(counts):
        numbers = [f"{i:0{max(2, len(str(count - 1)))}}" for i, count in zip(index, counts, strict=True)]
        names.append(f"{'-'.join([stem, *numbers])}.wav")
    return names


def write_wavs(folder: pathlib.Path, names: Sequence[str], audio: np.ndarray, config: AudioConfig) -> None:
    """Write sounds, float `[sounds, samples]`, -1..1, as 16-bit WAVs of these names."""
    for name, sound in zip(names, audio, strict=True):
        write_wav(folder / name, sound, config.sample_rate)


def write_joined(path: pathlib.Path, audio: np.ndarray, config: AudioConfig) -> None:
    """Write the beginnings of sounds, float32 `[sounds, samples]`, one after the other, as one WAV."""
    write_wav(path, join_notes(audio, config), config.sample_rate)


def join_notes(audio: np.ndarray, config: AudioConfig, seconds: float = 1.5, fade: float = 0.05) -> np.ndarray:
    """Return the beginnings of several notes, one after the other, each faded out.

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
