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
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nsynth_vae.errors import InputError
from nsynth_vae.files import atomic_write, read_arrays, remove_abandoned

KEPT = 2
"""The newest checkpoint and the one before it, should the newest turn out to be damaged."""

_STATE = "state.json"


@dataclasses.dataclass
class Checkpoint:
    """State of a run: named arrays (weights, optimizer, EMA, best weights) and the rest as JSON values."""

    arrays: dict[str, np.ndarray]
    state: dict[str, Any]

    def check_part(self, name: str, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise ValueError unless there are numbers of these shapes as `name/0`, `name/1`, ...."""
        for i, shape in enumerate(shapes):
            value = self.arrays.get(f"{name}/{i}")
            if not isinstance(value, np.ndarray) or value.shape != shape or value.dtype.kind not in "biuf":
                raise ValueError(f"{name}/{i} is not that of this model")


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
    # Those of later steps are damaged: the run has gone back to one before them.
    kept = [each for each in paths(folder) if each <= path][-KEPT:]
    for old in set(paths(folder)) - set(kept):
        old.unlink()
    return path


def load_newest(
    folder: pathlib.Path,
    log: Callable[[str], None] = print,
    check: Callable[[Checkpoint], None] = lambda checkpoint: None,
) -> Checkpoint | None:
    """Return the newest checkpoint that is whole; None if there are no checkpoints.

    Args:
        folder: that of the checkpoints.
        log: gets a line for each damaged one.
        check: raises ValueError for what is no checkpoint of the run.

    Raises:
        InputError: if there are checkpoints, all of them damaged.
    """
    found = paths(folder)
    for path in reversed(found):
        try:
            checkpoint = Checkpoint(*read_arrays(path, _STATE))
            check(checkpoint)
        except (OSError, ValueError) as error:
            log(f"{path}: damaged ({error}), going back to the checkpoint before it")
            continue
        return checkpoint
    if found:
        raise InputError(
            f"{folder}: all checkpoints are damaged, expected another --name, or --no-resume to start anew"
        )
    return None


def paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the folder's checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*.npz") if re.fullmatch(r"step-\d+\.npz", path.name))
