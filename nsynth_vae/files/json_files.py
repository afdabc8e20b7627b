"""JSON as it is read and written: strict, with rounded numbers, and a line an item."""

from __future__ import annotations

import json
import math
import os
import pathlib
from typing import Any

LINE = 120
"""Characters of a line of JSON with more than one item, at most."""


def read_json(path: str | os.PathLike) -> Any:
    """Return the content of a JSON file, with Windows' line ends and byte order mark or without.

    Raises:
        OSError, ValueError: if it cannot be read.
    """
    return parse_json(pathlib.Path(path).read_text(encoding="utf-8-sig"))


def parse_json(text: str | bytes, **options: Any) -> Any:
    """Return the value of a JSON text, parsed with options of `json.loads`; raises ValueError for any other."""
    try:
        return json.loads(text, **options)
    except RecursionError as error:
        # Some 1000 brackets in each other: Python's parser has no other limit.
        raise ValueError("nested too deeply") from error


def to_json(value: object, indent: str = "") -> str:
    """Return JSON with one line for each item of values that do not fit in one; numbers stand side by side."""
    line = json.dumps(value)
    inside = indent + "  "
    if isinstance(value, dict) and len(indent + line) > LINE:
        parts = [f"{json.dumps(name)}: {to_json(one, inside)}" for name, one in value.items()]
        return "{\n" + ",\n".join(inside + part for part in parts) + f"\n{indent}}}"
    if isinstance(value, list) and len(indent + line) > LINE and not all(isinstance(one, float) for one in value):
        return "[\n" + ",\n".join(inside + to_json(one, inside) for one in value) + f"\n{indent}]"
    return line


def rounded(value: Any) -> Any:
    """Return JSON-ready values, floats with six significant digits; non-finite ones become None."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
