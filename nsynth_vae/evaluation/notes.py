"""The notes that an evaluation is made with: those that are judged, and those that probes learn from."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.samples import read_sounds
from nsynth_vae.data.source import NoteTable
from nsynth_vae.errors import InputError
from nsynth_vae.notes import FAMILIES, UNKNOWN


def read_folder(folder: pathlib.Path, audio: AudioConfig, *, log: Callable[[str], None] = print) -> dict:
    """Reads a folder of a system's notes.

    Args:
        folder: with `NOTE_STR.wav`, any rate and number of channels; they are folded to mono, resampled, padded.
        audio: the sample rate and length that are asked for.
        log: gets a line for each sound that is cut.

    Returns:
        {note_str: audio float32 `[num_samples]`}.

    Raises:
        InputError: if there is no WAV in it, or one cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected one of WAV files named like notes")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav" and path.name[0] != ".")
    if not paths:
        raise InputError(f"{folder}: found no WAV file, expected files named like notes, INSTRUMENT-PPP-VVV.wav")
    found = {}
    for path, sound in zip(paths, read_sounds(paths, audio, whole=True), strict=True):
        if sound.problem:
            raise InputError(f"{path}: {sound.problem}")
        if sound.cut(audio):
            log(f"{path}: {sound.cut(audio)}")
        found[path.stem] = sound.audio
    return found


def family_names(table: NoteTable) -> np.ndarray:
    """Returns the notes' family names, `other` where it is not known: str `[notes]`."""
    assert UNKNOWN == -1
    return np.array([*FAMILIES, "other"])[table.instrument_family]
