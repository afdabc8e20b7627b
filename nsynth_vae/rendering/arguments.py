"""Arguments of the model that renders: takes, motion, and sounds to refine."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from nsynth_vae.analysis.single_pitch import find_single_pitch
from nsynth_vae.analysis.sound_files import read_sound
from nsynth_vae.config import LARGEST_MOTION, AudioConfig
from nsynth_vae.errors import InputError


def check_take(take: np.ndarray | int, motion: np.ndarray | float) -> dict[str, np.ndarray]:
    """Return `take` and `motion` as arrays; raise InputError for what is no integer of 32 bits, or not 0 to 2."""
    takes, motions = np.asarray(take), np.asarray(motion)
    limits = np.iinfo(np.int32)
    if takes.dtype.kind not in "iu" or takes.ndim > 1 or np.any((takes < limits.min) | (takes > limits.max)):
        raise InputError(f"take: found {take}, expected integers of 32 bits")
    if motions.dtype.kind not in "iuf" or motions.ndim > 1 or not np.all((motions >= 0) & (motions <= LARGEST_MOTION)):
        raise InputError(f"motion: found {motion}, expected 0 to {LARGEST_MOTION:g}")
    return {"take": takes, "motion": motions}


def sound_of(timbre: object, config: AudioConfig, *, keep_level: bool) -> np.ndarray:
    """Return the audio of a sound file, `[num_samples]`.

    Raises:
        InputError: for what is no sound file, or one that cannot be used.
    """
    if not isinstance(timbre, str | os.PathLike) or not pathlib.Path(timbre).is_file():
        raise InputError(f"refine: found the timbre {timbre!s:.60}, expected a sound file or audio")
    sound = read_sound(pathlib.Path(timbre), config, keep_level=keep_level)
    if sound.problem:
        raise InputError(f"{timbre}: {sound.problem}")
    return sound.audio


def pitch_of(audio: np.ndarray, pitch: int | None) -> int:
    """Return the given pitch, or that of 16 kHz audio.

    Raises:
        InputError: if none is given, and there is no single one.
    """
    if pitch is not None:
        return pitch
    found = find_single_pitch(audio)
    if found is None:
        raise InputError("refine: found no single pitch in the sound, expected one, or `pitch`")
    return found[0]
