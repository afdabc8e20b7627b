"""NumPy's `.npz` files with a JSON value beside the arrays: nothing in them can run code."""

from __future__ import annotations

import pathlib
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from nsynth_vae.files.json_files import parse_json

if TYPE_CHECKING:
    import numpy as np


def read_arrays(path: pathlib.Path, json_name: str) -> tuple[dict[str, np.ndarray], Any]:
    """Return the arrays of a `.npz` file, and the JSON value whose text one of them, uint8, has.

    Raises:
        OSError, ValueError: if the file cannot be read, or is damaged.
    """
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        return arrays, parse_json(arrays.pop(json_name).tobytes())
    except (AttributeError, EOFError, KeyError, RuntimeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError: zipfile finds an encryption, or a version to come.
        raise ValueError(str(error) or "it ends too early") from error
