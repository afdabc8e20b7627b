"""Files of the features of many notes: a line of JSON, padded to 64 bytes, then float32 log-mels of one size.

A file is written atomically, so a kill costs that file only. Reading one note reads only its bytes.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.files import atomic_write, parse_json

SHARD_NOTES = 256
"""Notes in a file at most: 33 MB of the default features."""


def feature_shape(audio: AudioConfig) -> tuple[int, int]:
    """Return the shape of a note's features: (frames, mel_bins)."""
    return audio.num_frames, audio.num_mel_bins


def file_size(offset: int, notes: int, audio: AudioConfig) -> int:
    """Return the bytes of a file, given the offset of the first note's features in bytes."""
    frames, mel_bins = feature_shape(audio)
    return offset + notes * frames * mel_bins * 4


def write_shard(path: pathlib.Path, features: Sequence[np.ndarray], problems: Mapping[str, str]) -> None:
    """Write a file of features.

    Args:
        path: the file.
        features: float32 `[frames, mel_bins]` of each valid note.
        problems: position among all notes of the file, valid or not -> what is wrong with the note.

    Raises:
        InputError: if it cannot be written.
    """
    header = json.dumps({"notes": len(features), "problems": dict(problems)})
    line = (header.ljust(-(-(len(header) + 1) // 64) * 64 - 1) + "\n").encode()
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.write(line)
        for log_mel in features:
            file.write(log_mel.tobytes())


def read_header(path: pathlib.Path, audio: AudioConfig, notes: int | None = None) -> tuple[dict, int] | None:
    """Return a file's header and the offset of its features in bytes; None unless the file is complete.

    Args:
        path: the file.
        audio: of its features.
        notes: how many it is of, valid or not; None for any number.
    """
    try:
        with path.open("rb") as file:
            line = file.readline()
        header = parse_json(line)
        problems = dict(header["problems"])
        count = header["notes"] + len(problems)
        whole = path.stat().st_size == file_size(len(line), header["notes"], audio) and notes in (None, count)
        whole = whole and problems.keys() <= set(map(str, range(count)))
        whole = whole and all(isinstance(problem, str) for problem in problems.values())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (header, len(line)) if whole else None


def read_note(path: pathlib.Path, offset: int, record: int, audio: AudioConfig) -> np.ndarray:
    """Return the features of one note, float32 `[frames, mel_bins]`, given the offset of the first one's in bytes."""
    shape = feature_shape(audio)
    size = shape[0] * shape[1]
    return np.fromfile(path, np.float32, size, offset=offset + record * size * 4).reshape(shape)
