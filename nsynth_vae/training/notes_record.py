"""Record of a run's notes, by which resuming finds out whether they are the same.

It is bounded, however many notes there are: of many, it has a line an instrument, and content is read of a sample.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
from collections.abc import Iterable, Mapping

import numpy as np

from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.readers.prepared import PreparedSource
from nsynth_vae.data.source import Source
from nsynth_vae.errors import InputError
from nsynth_vae.files import read_json, write_text
from nsynth_vae.training import checkpoints

Record = dict[str, dict[str, str]]
"""Split -> `note_str` -> hash of the note's file and, of a file of many, its record; of many notes, split -> instrument
-> number of its notes and the sum of all their hashes."""

MOST_NOTES = 20_000
"""Notes that are listed one by one: 1 MB of JSON. All of NSynth's would be 300 bytes of memory each."""

WHOLE_BYTES = 256 << 20
"""Files of this size together are read whole, in a second; of more, a part of each MB is."""

MOST_PARTS = 4096
"""Parts that are read at most, in 40 s of a disk of 100 reads a second: of all files together, one or more of each of
this many, chosen by the hash of their names."""

_SUM = re.compile(r"\d+-[0-9a-f]{16}")
"""A number of notes and the sum of their hashes; a file's own hash has 12 digits."""

_PART_BYTES = 4096
_EVERY_BYTES = 1 << 20


def describe(source: Source, rows: Mapping[str, np.ndarray]) -> Record:
    """Return the record of some splits' notes (split -> rows); it depends on no path, and on no time of a file."""
    files = {_place(source.location(int(row)))[0] for part in rows.values() for row in part}
    # The name of a prepared file has a hash of what its content was computed of; a worker may not have all files.
    prepared = isinstance(source, PreparedSource)
    hashes = {file: pathlib.Path(file).name for file in files} if prepared else _hash_files(files)
    by_instrument = sum(map(len, rows.values())) > MOST_NOTES
    return {name: (_sums if by_instrument else _listing)(source, part, hashes) for name, part in rows.items()}


def _listing(source: Source, rows: np.ndarray, hashes: Mapping[str, str]) -> dict[str, str]:
    notes: dict[str, str] = {}
    for row in rows:
        note_str, (file, number) = str(source.table.note_str[row]), _place(source.location(int(row)))
        # Of two notes of a name, both count.
        notes[note_str] = notes.get(note_str, "") + hashes[file] + number
    return notes


def _sums(source: Source, rows: np.ndarray, hashes: Mapping[str, str]) -> dict[str, str]:
    sums: dict[str, list[int]] = {}
    for row in rows:
        file, number = _place(source.location(int(row)))
        found = sums.setdefault(str(source.table.instrument_str[row]), [0, 0])
        found[0] += 1
        found[1] += stable_hash(str(source.table.note_str[row]), hashes[file], number)
    return {instrument: f"{count}-{total % 2**64:016x}" for instrument, (count, total) in sums.items()}


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
    before, now = (sum(map(_count, each.values())) for each in (former, record))
    text = f"{folder}: the notes have changed since ({before} then, {now} now: {_changes(former, record)})"
    if not allowed:
        raise InputError(
            f"{text}, so that validation losses are not comparable; expected the same notes, "
            "--resume-with-changed-data, or another --name"
        )
    print(f"{text}: the best validation loss is looked for anew")
    return True


def _count(notes: Mapping[str, str]) -> int:
    """Return the number of notes that a split's part of a record has."""
    return sum(int(by.partition("-")[0]) if _SUM.fullmatch(by) else 1 for by in notes.values())


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
    if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
        return None
    return found if all(isinstance(by, str) for part in found.values() for by in part.values()) else None


def _changes(former: Record, record: Record) -> str:
    """Return what has changed, in words, with the names of three notes of each kind."""
    before, now = (_by_name(each) for each in (former, record))
    both = before.keys() & now.keys()
    moved = {name for name in both if before[name].keys() != now[name].keys()}
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


def _by_name(record: Record) -> dict[str, dict[str, str]]:
    """Return name -> split -> hash; an instrument can be in several splits."""
    found: dict[str, dict[str, str]] = {}
    for split, part in record.items():
        for name, by in part.items():
            found.setdefault(name, {})[split] = by
    return found


def _listed(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    return ", ".join([first, *others[:2], *["..."] * (len(others) > 2)])


def _place(location: str) -> tuple[str, str]:
    """Return the file of a note's location, and the number of its record if there are many in the file."""
    file, separator, number = location.rpartition(": record ")
    return (file, f"-{number}") if separator else (location, "")


def _hash_files(files: set[str]) -> dict[str, str]:
    """Return a hash of each file's size and, of a sample of them, content."""
    sizes = {file: pathlib.Path(file).stat().st_size for file in files}
    total = sum(sizes.values())
    every = max(_EVERY_BYTES, total // MOST_PARTS)
    read = files
    if len(files) > MOST_PARTS:
        read = set(sorted(files, key=lambda file: stable_hash(pathlib.Path(file).name))[:MOST_PARTS])
    hashes = {}
    for file, size in sizes.items():
        digest = hashlib.blake2b(str(size).encode(), digest_size=6)
        if file in read:
            with pathlib.Path(file).open("rb") as content:
                if total <= WHOLE_BYTES:
                    digest.update(content.read())
                else:
                    # An eighth into each MB: the end of a note is silent.
                    for start in range(min(size, every) // 8, size, every):
                        content.seek(start)
                        digest.update(content.read(_PART_BYTES))
        hashes[file] = digest.hexdigest()
    return hashes
