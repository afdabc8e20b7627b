"""Files of records: compression, and the sets that files named `NAME-00001-of-00003` belong to."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
import zlib
from collections.abc import Callable, Sequence

from nsynth_vae.errors import InputError

_NAME = re.compile(r"(?P<before>.+)-(?P<index>\d+)-of-(?P<count>\d+)(?P<after>.*)")
_COPY = re.compile(r"\..*|.*(~|\.(bak|old|orig|tmp|part|crdownload))")
_ANY_HEADER = 32 + zlib.MAX_WBITS
"""For zlib: the header is GZIP's or its own."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records."""

    path: str
    split: int
    """Index in `source.SPLITS` or `UNKNOWN`."""
    first: int = 0
    """The record that reading begins with, ..."""
    offset: int = 0
    """... and where it begins, in bytes."""

    @functools.cached_property
    def compression(self) -> str:
        """`GZIP`, `ZLIB`, or empty: by the file's first bytes, as no name tells.

        An uncompressed file begins with a record's length in eight bytes, of which the last four are 0.
        """
        head = self.head
        if head[:3] == b"\x1f\x8b\x08":
            return "GZIP"
        is_zlib = head[:1] == b"\x78" and int.from_bytes(head[:2], "big") % 31 == 0 and any(head[4:8])
        return "ZLIB" if is_zlib else ""

    @functools.cached_property
    def head(self) -> bytes:
        """The file's first bytes."""
        with pathlib.Path(self.path).open("rb") as file:
            return file.read(4096)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in the file, decompressed."""
        return not (zlib.decompressobj(_ANY_HEADER).decompress(self.head, 1) if self.compression else self.head)

    @property
    def kind(self) -> str:
        """What the file should be, in words."""
        return f"{self.compression}-compressed TFRecord file" if self.compression else "TFRecord file"


def leave_out_copies(files: Sequence[str], log: Callable[[str], None]) -> list[str]:
    """Return the files less hidden ones and copies such as `NAME.bak`, which are logged."""
    copies = [file for file in files if _COPY.fullmatch(pathlib.Path(file).name)]
    for file in copies:
        log(f"{file}: is a copy or no whole file by its name, and is not read")
    return [file for file in files if file not in copies]


def check_shards(files: Sequence[str], log: Callable[[str], None], *, alone: bool = False) -> None:
    """Check that of each file of several, as `NAME-00001-of-00003`, the others are there, and nothing else.

    Args:
        files: the files that are read; of those that are not, a line is logged.
        log: called with each line for the user.
        alone: whether the files are meant to be read without the others, which may be missing then.

    Raises:
        InputError: if one is missing or is not of the set, or if the same notes are there as another set too.
    """
    sets: dict[pathlib.Path, list[re.Match | None]] = {}
    for path in map(pathlib.Path, files):
        match = _NAME.fullmatch(path.name)
        whole = path.with_name(match["before"] + match["after"]) if match else path
        sets.setdefault(whole, []).append(match)
    for whole, found in sets.items():
        kinds = sorted({int(match["count"]) if match else 0 for match in found})
        if len(kinds) > 1:
            words = [f"{count} shards" if count else "one file" for count in kinds]
            raise InputError(f"{whole}: found {' and '.join(words)}, expected one of them: they hold the same notes")
        if matches := [match for match in found if match]:
            _check_set(whole, matches, log, alone)


def _check_set(whole: pathlib.Path, matches: Sequence[re.Match], log: Callable[[str], None], alone: bool) -> None:
    """Check the files of one set; see `check_shards`."""
    any_one, count = matches[0], int(matches[0]["count"])
    there: dict[int, str] = {}
    for path in whole.parent.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and all(match[group] == any_one[group] for group in ("before", "count", "after")):
            there[int(match["index"])] = path.name
    # Some people number from 1.
    first = int(0 not in there and count in there)
    expected = range(first, first + count)
    given = {int(match["index"]): match for match in matches}
    for index, match in given.items():
        if index not in expected:
            expectation = f"expected {count} files, numbered from {first} on"
            raise InputError(f"{whole.with_name(match[0])}: is number {index} of {count} by its name, {expectation}")
    missing = [index for index in expected if index not in there]
    if missing and not alone:
        digits = min(len(match["index"]) for match in matches)
        name = f"{any_one['before']}-{missing[0]:0{digits}}-of-{any_one['count']}{any_one['after']}"
        raise InputError(f"{whole.with_name(name)}: is not there, expected all {count} shards of {any_one[0]}")
    if len(given) < count:
        log(f"{whole.with_name(any_one[0])}: {len(given)} of {count} shards, the others are not read")
