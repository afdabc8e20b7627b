"""Index of prepared features: the labels of all notes, in the order of the files and of the notes in them.

It is an `.npz` (arrays, nothing in it can run code), a row a note, and the rest as JSON. It takes some 5 bytes a note
on disk, where it is compressed, and 60 in memory: 300,000 notes are 18 MB.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from nsynth_vae.data.packed_strings import PackedStrings
from nsynth_vae.data.source import NoteTable
from nsynth_vae.errors import InputError
from nsynth_vae.files import atomic_write, read_arrays

INDEX = "index.npz"
"""Name of the index in a prepared folder."""

FORMAT_VERSION = 1

_REST = "index.json"


def write_index(
    folder: pathlib.Path, table: NoteTable, copies: np.ndarray, copy_of: np.ndarray, rest: Mapping[str, Any]
) -> int:
    """Write a prepared folder's index atomically.

    Args:
        folder: the prepared folder.
        table: the labels of all stored notes, in their order.
        copies: int `[notes]`: which pitch-shifted copy of another note each is, from 1 on; 0 for a note that is none.
        copy_of: int `[notes]`: the stored note that a copy is of.
        rest: `audio`, `features_version`, `shards` (`[file, notes, notes with audio, offset]` each) and
            others, as JSON.

    Returns:
        The index's bytes.
    """
    arrays: dict[str, np.ndarray] = {}
    if copies.any():
        arrays |= {"copy": np.asarray(copies, np.int8), "copy_of": np.asarray(copy_of, np.int32)}
    for name in ("instrument_str", "sample_group"):
        number: dict[str, int] = {}
        codes = np.array([number.setdefault(each, len(number)) for each in getattr(table, name)], np.int32)
        arrays[f"{name}_names"], arrays[name] = PackedStrings.pack(number).values, codes
    arrays["note_str"] = PackedStrings.pack(table.note_str).values
    for name in ("pitch", "velocity", "instrument_family", "instrument_source", "qualities", "split"):
        arrays[name] = np.asarray(getattr(table, name), np.int8)
    text = json.dumps({"format_version": FORMAT_VERSION, **rest})
    content = io.BytesIO()
    np.savez_compressed(content, **arrays, **{_REST: np.frombuffer(text.encode(), np.uint8)})
    with atomic_write(folder / INDEX, "prepared index") as temporary, temporary.open("wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    return len(content.getbuffer())


def read_index(folder: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a prepared folder's index, and the rest; raise `InputError` if they cannot be read."""
    path = folder / INDEX
    try:
        arrays, rest = read_arrays(path, _REST)
        if rest["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {rest['format_version']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected what nsynth_vae.prepare writes") from error
    return arrays, rest


def to_table(arrays: dict[str, np.ndarray]) -> NoteTable:
    """Return the labels of all stored notes."""
    names = {}
    for name in ("instrument_str", "sample_group"):
        names[name] = np.array(PackedStrings(arrays[f"{name}_names"]), object)[arrays[name]]
    if np.array_equal(names["instrument_str"], names["sample_group"]):
        names["sample_group"] = names["instrument_str"]
    table = {name: arrays[name] for name in ("instrument_family", "instrument_source", "qualities", "split")}
    table |= {name: arrays[name].astype(np.int32) for name in ("pitch", "velocity")}
    fields = {"note_str": PackedStrings(arrays["note_str"]), **names, **table}
    return NoteTable(**{field.name: fields[field.name] for field in dataclasses.fields(NoteTable)})
