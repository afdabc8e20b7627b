"""Checkpoints: everything a run needs to go on, in one file that is whole or not there.

The file is NumPy's `.npz` (a ZIP of arrays, each with a CRC; nothing in it can run code) with the state as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import zipfile
import zlib
from typing import Any

import numpy as np

KEPT = 2
"""The newest checkpoint and the one before it, should the newest turn out to be damaged."""

_STATE = "state.json"


@dataclasses.dataclass
class Checkpoint:
    """One moment of a run: named arrays (weights, optimizer, averages, best weights) and the rest as JSON values."""

    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


def save(folder: pathlib.Path, checkpoint: Checkpoint, step: int) -> pathlib.Path:
    """Writes `folder/step-<step>.npz` aside, flushes it to disk, renames it, and only then removes older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.npz"
    aside = folder / f".{path.name}.tmp"
    state = np.frombuffer(json.dumps(checkpoint.state).encode(), np.uint8)
    with open(aside, "wb") as file:
        np.savez(file, **checkpoint.arrays, **{_STATE: state})
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    for old in _paths(folder)[:-KEPT]:
        old.unlink()
    return path


def load_newest(folder: pathlib.Path, log=print) -> Checkpoint | None:
    """Returns the newest checkpoint that is whole, or None; says so if a damaged one is passed over."""
    for path in reversed(_paths(folder)):
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as members:
                arrays = {name: members[name] for name in members.files}
            state = json.loads(arrays.pop(_STATE).tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            log(f"{path}: damaged ({error}), going back to the checkpoint before it")
            continue
        return Checkpoint(arrays, state)
    return None


def _paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folder's checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*.npz") if re.fullmatch(r"step-\d+\.npz", path.name))
