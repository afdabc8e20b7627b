"""Sound files as latent vectors, with labels, levels and nearest names, and the JSON file of these."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nsynth_vae.analysis.sound_files import Sound, read_sounds
from nsynth_vae.analysis.sound_labels import NO_PITCH, OctaveShift, label_sounds
from nsynth_vae.config import LARGEST_Z
from nsynth_vae.errors import InputError
from nsynth_vae.files import read_json, save_json
from nsynth_vae.latent.refinement import refine_note
from nsynth_vae.latent.summary import nearest
from nsynth_vae.notes import MIDDLE_C
from nsynth_vae.rendering.sounds import MOST_NOTES
from nsynth_vae.timbre_model import BATCH, TimbreModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodedNotes:
    """Latent vectors of sound files."""

    model: str
    notes: list[dict[str, Any]]
    """For each file `file`; `z`, z_mean; `pitch` and `velocity`, MIDI or None; `instrument`, by the file's name;
    `level_db`, the peak in dB of full scale; `onset_seconds`; `nearest`, see `latent.summary.nearest`; `warnings`;
    and, if it was refined, `log_mel_l1` before and after, nats."""

    def save(self, path: str | os.PathLike) -> None:
        """Write the notes as JSON.

        Raises:
            InputError: if it cannot be written.
        """
        save_json(path, {"format_version": 1, "model": self.model, "notes": self.notes})


def encode_files(
    model: TimbreModel, files: Iterable[pathlib.Path], *, octave_shift: OctaveShift = None, refine: int = 0
) -> EncodedNotes:
    """Encode sound files of any rate and length.

    Args:
        model: the model.
        files: the files.
        octave_shift: of their names; see `sound_labels.OctaveShift`.
        refine: steps at most from the encoder's answers to nearer ones, for notes of a known pitch.

    Raises:
        InputError: for the first file that cannot be used, and if most sound octaves off their names.
    """
    notes, examined, audio, files = [], [], [], list(files)
    sounds = zip(files, read_sounds(files, model.config, keep_level=model.keep_level), strict=True)
    while batch := list(itertools.islice(sounds, BATCH)):
        for file, sound in batch:
            if sound.problem:
                raise InputError(f"{file}: {sound.problem}")
        z = model.encode(np.stack([sound.audio for _, sound in batch]))
        notes += [_describe(file, sound, row, model) for (file, sound), row in zip(batch, z, strict=True)]
        examined += [sound.examine(model.config) for _, sound in batch]
        audio += [sound.audio for _, sound in batch] if refine else []
    where = str(files[0].parent) if files else ""
    for note, label in zip(notes, label_sounds(examined, octave_shift=octave_shift, where=where), strict=True):
        note |= {"pitch": label.pitch, "velocity": label.velocity, "instrument": label.instrument}
        note["warnings"] += label.remarks() if label.pitch is not None else (NO_PITCH,)
    for note, samples in zip(notes, audio, strict=False):
        if note["pitch"] is not None:
            at = {"pitch": note["pitch"], "velocity": 100 if note["velocity"] is None else note["velocity"]}
            z, errors = refine_note(model, np.array(note["z"], np.float32), samples, steps=refine, **at)
            note |= {"z": z.tolist(), "log_mel_l1": errors[[0, -1]].tolist(), "nearest": nearest(z, model.attributes)}
    return EncodedNotes(model=model.name, notes=notes)


def _describe(file: pathlib.Path, sound: Sound, z: np.ndarray, model: TimbreModel) -> dict[str, Any]:
    config, warnings = model.config, list(sound.remarks(model.config))
    if sound.peak_db >= -0.001:
        warnings.append("peaks at full scale: may be clipped")
    return {
        "file": file.as_posix(),
        "z": z.tolist(),
        "pitch": None,
        "velocity": None,
        "instrument": "",
        "level_db": sound.peak_db,
        "onset_seconds": sound.onset / config.sample_rate,
        "nearest": nearest(z, model.attributes),
        "warnings": warnings,
    }


def read_notes(
    path: str | os.PathLike, latent_dim: int, *, pitch: int | None = None, velocity: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read latent vectors from the JSON file of `EncodedNotes.save` or `DecodedNotes.save`.

    Args:
        path: the file.
        latent_dim: dimensions of the model.
        pitch: MIDI, of all notes; None for the file's.
        velocity: MIDI, of all notes; None for the file's, or 100.

    Returns:
        (z: float32 `[notes, latent_dim]`, pitch: int32 `[notes]`, velocity: int32 `[notes]`).

    Raises:
        InputError: for a file that cannot be used, and a note without a pitch if none is given.
    """
    try:
        record = read_json(path)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({problem}), expected JSON as nsynth_vae.encode writes it") from error
    notes = record.get("notes") if isinstance(record, dict) else None
    if not isinstance(notes, list) or not 1 <= len(notes) <= MOST_NOTES or not all(isinstance(n, dict) for n in notes):
        raise InputError(f"{path}: expected `notes`, 1 to {MOST_NOTES} objects, as nsynth_vae.encode writes them")
    z = [_vector(note.get("z"), latent_dim, f"{path}: notes[{number}]") for number, note in enumerate(notes)]
    return (
        np.stack(z),
        _numbers(path, notes, "pitch", pitch, None),
        _numbers(path, notes, "velocity", velocity, 100),
    )


def _vector(value: object, latent_dim: int, where: str) -> np.ndarray:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != latent_dim or not all(isinstance(one, int | float) for one in numbers):
        raise InputError(f"{where}: found a z of {len(numbers)} numbers, expected {latent_dim} as the model has")
    for number in numbers:
        if not abs(number) <= LARGEST_Z:
            raise InputError(f"{where}: found {str(number)[:20]} in z, expected -{LARGEST_Z:g} to {LARGEST_Z:g}")
    return np.array(numbers, np.float32)


def _numbers(
    path: str | os.PathLike, notes: Sequence[dict[str, Any]], name: str, given: int | None, default: int | None
) -> np.ndarray:
    """Return the MIDI numbers of a name, int32 `[notes]`: the given one, or each note's own, or the default."""
    values = []
    for number, note in enumerate(notes):
        own = note.get(name) if given is None else given
        value = default if own is None else own
        if value is None:
            raise InputError(f"{path}: notes[{number}] has no {name}, expected --{name}, such as --{name} {MIDDLE_C}")
        if not isinstance(value, int) or not 0 <= value <= 127:
            raise InputError(f"{path}: notes[{number}] has the {name} {value!r}, expected a MIDI number, 0 to 127")
        values.append(value)
    return np.array(values, np.int32)
