"""Record of a run's notes, by which resuming finds out whether they are the same."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping

import numpy as np

from nsynth_vae.data.source import Source
from nsynth_vae.errors import InputError
from nsynth_vae.files import read_json, write_text
from nsynth_vae.training import checkpoints

Record = dict[str, dict[str, str]]
"""Split -> `note_str` -> hash of the note's file and, of a file of many, its record."""

WHOLE_BYTES = 256 << 20
"""Files of this size together are read whole, in a second; of more, a part of each MB is."""

_PART_BYTES = 4096
_EVERY_BYTES = 1 << 20


def describe(source: Source, rows: Mapping[str, np.ndarray]) -> Record:
    """Return the record of some splits' notes (split -> rows); it depends on no path, and on no time of a file."""
    places = {name: [_place(source.location(int(row))) for row in part] for name, part in rows.items()}
    hashes = _hash_files({file for part in places.values() for file, _ in part})
    record: Record = {}
    for name, part in rows.items():
        notes = record[name] = {}
        for row, (file, number) in zip(part, places[name], strict=True):
            note_str = str(source.table.note_str[row])
            # Of two notes of a name, both count.
            notes[note_str] = notes.get(note_str, "") + hashes[file] + number
    return record


def check(folder: pathlib.Path, record: Record, *, allowed: bool, resume: bool) -> bool:
    """Compare a run's notes with those of the run in its folder, if that is to be resumed.

    Args:
        folder: the model folder.
        record: that of `describe`.
        allowed: only print that the notes have changed.
        resume: whether the run in the folder is resumed.

    Returns:
        Whether a run is resumed with other notes.

    Raises:
        InputError: if it is, and that is not allowed.
    """
    former = _read(folder) if resume and checkpoints.paths(folder / "checkpoints") else None
    if former is None or former == record:
        return False
    before, now = (sum(map(len, each.values())) for each in (former, record))
    text = f"{folder}: the notes have changed since ({before} then, {now} now: {_changes(former, record)})"
    if not allowed:
        raise InputError(
            f"{text}, so that validation losses are not comparable; expected the same notes, "
            "--resume-with-changed-data, or another --name"
        )
    print(f"{text}: the best validation loss is looked for anew")
    return True


def write(folder: pathlib.Path, record: Record) -> None:
    """Write the record to the folder of a run's checkpoints."""
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(record) + "\n")


def _path(folder: pathlib.Path) -> pathlib.Path:
    return folder / "checkpoints" / "notes.json"


def _read(folder: pathlib.Path) -> Record | None:
    """Return the record in a folder; None if there is none, as of runs of earlier versions."""
    try:
        found = read_json(_path(folder))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and all(isinstance(part, dict) for part in found.values()) else None


def _changes(former: Record, record: Record) -> str:
    """Return what has changed, in words, with the names of three notes of each kind."""
    before, now = (
        {name: (split, by) for split, part in each.items() for name, by in part.items()} for each in (former, record)
    )
    both = before.keys() & now.keys()
    moved = {name for name in both if before[name][0] != now[name][0]}
    kinds = {
        "added": now.keys() - both,
        "removed": before.keys() - both,
        "moved to another split": moved,
        "with another content": {name for name in both - moved if before[name] != now[name]},
    }
    return (
        "; ".join(f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names)
        or "notes of a name"
    )


def _listed(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    return ", ".join([first, *others[:2], *["..."] * (len(others) > 2)])


def _place(location: str) -> tuple[str, str]:
    """Return the file of a note's location, and the number of its record if there are many in the file."""
    file, separator, number = location.rpartition(": record ")
    return (file, f"-{number}") if separator else (location, "")


def _hash_files(files: set[str]) -> dict[str, str]:
    """Return a hash of each file's content."""
    sizes = {file: pathlib.Path(file).stat().st_size for file in files}
    whole = sum(sizes.values()) <= WHOLE_BYTES
    hashes = {}
    for file, size in sizes.items():
        digest = hashlib.blake2b(str(size).encode(), digest_size=6)
        with pathlib.Path(file).open("rb") as content:
            if whole:
                digest.update(content.read())
            else:
                # An eighth into each MB: the end of a note is silent.
                for start in range(min(size, _EVERY_BYTES) // 8, size, _EVERY_BYTES):
                    content.seek(start)
                    digest.update(content.read(_PART_BYTES))
        hashes[file] = digest.hexdigest()
    return hashes
