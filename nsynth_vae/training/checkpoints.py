"""Checkpoints: everything that resuming needs, in one file that is whole or missing.

The file is NumPy's `.npz` (a ZIP of arrays, each with a CRC; nothing in it can run code) with the state as JSON.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nsynth_vae.files import atomic_write, remove_abandoned

KEPT = 2
"""The newest checkpoint and the one before it, should the newest turn out to be damaged."""

_STATE = "state.json"


@dataclasses.dataclass
class Checkpoint:
    """State of a run: named arrays (weights, optimizer, EMA, best weights) and the rest as JSON values."""

    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


def save(folder: pathlib.Path, checkpoint: Checkpoint, step: int) -> pathlib.Path:
    """Write `folder/step-<step>.npz` atomically, and only then remove older ones; raises as `atomic_write`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.npz"
    remove_abandoned(folder)
    state = np.frombuffer(json.dumps(checkpoint.state).encode(), np.uint8)
    # In memory first: on a full disk, a ZIP of zipfile's fails once more, with a traceback, when it is freed.
    content = io.BytesIO()
    np.savez(content, **checkpoint.arrays, **{_STATE: state})
    with atomic_write(path, "checkpoint") as temporary, temporary.open("wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    for old in paths(folder)[:-KEPT]:
        old.unlink()
    return path


def load_newest(folder: pathlib.Path, log: Callable[[str], None] = print) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None; `log` gets a line for each damaged one."""
    for path in reversed(paths(folder)):
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
                arrays = {name: members[name] for name in members.files}
            state = json.loads(arrays.pop(_STATE).tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            log(f"{path}: damaged ({error}), going back to the checkpoint before it")
            continue
        return Checkpoint(arrays, state)
    return None


def paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the folder's checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*.npz") if re.fullmatch(r"step-\d+\.npz", path.name))
