"""Filters and splits of a source's notes."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable

import numpy as np

from nsynth_vae.config import DataConfig
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.source import SPLITS, NoteTable
from nsynth_vae.errors import InputError
from nsynth_vae.notes import FAMILIES, SOURCES, UNKNOWN

RANGES = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}
"""Own splits: split -> part of the hash's range, 0 to 1."""


def select(table: NoteTable, config: DataConfig, *, log: Callable[[str], None] = print) -> dict[str, np.ndarray]:
    """Apply the filters, then the splits, then `max_notes`.

    The source's own splits are kept, unless `split_by` is `instrument`. Notes without one are split about 80/10/10, by
    a stable hash of their group: an instrument and all that share its sample group. With fewer than three groups they
    are split by note, with a warning.

    Args:
        table: all notes.
        config: the filters.
        log: gets the warning.

    Returns:
        `train`, `valid`, `test` -> int64 `[n]`, rows of `table`, ascending. A source's own split can be empty.

    Raises:
        InputError: for an unknown name in a filter, for filters that leave nothing, and for fewer than three notes
            where a split must be made.
    """
    rows = np.flatnonzero(_filter(table, config))
    if not rows.size:
        raise InputError(f"no note is left of {len(table)} by {_describe(config)}, expected at least one")
    split = table.split[rows].astype(np.int64)
    if config.split_by == "instrument":
        split[:] = UNKNOWN
    own = np.flatnonzero(split == UNKNOWN)
    if own.size:
        split[own] = _own_split(table, rows, split, own, log)
    chosen = {}
    for index, name in enumerate(SPLITS):
        chosen[name] = at_most(table, rows[split == index], config.max_notes)
    return chosen


def select_for_training(
    table: NoteTable,
    rows_by_split: dict[str, np.ndarray],
    config: DataConfig,
    *,
    log: Callable[[str], None] = print,
) -> dict[str, np.ndarray]:
    """Return the selection of `select`; if it lacks notes to train on or to validate, all split anew by instrument."""
    empty = next((name for name in ("train", "valid") if not len(rows_by_split[name])), None)
    if not empty:
        return rows_by_split
    log(f"No note of these is in the split {empty}: all are split anew, by instrument")
    return select(table, dataclasses.replace(config, split_by="instrument"))


def shared_instruments(table: NoteTable, rows_by_split: dict[str, np.ndarray]) -> dict[str, int]:
    """Return the number of instruments that each pair of splits shares: `train/valid`, `train/test`, `valid/test`."""
    sets = {name: set(table.instrument_str[rows]) for name, rows in rows_by_split.items()}
    names = list(sets)
    pairs = [(first, second) for i, first in enumerate(names) for second in names[i + 1 :]]
    return {f"{first}/{second}": len(sets[first] & sets[second]) for first, second in pairs}


def _filter(table: NoteTable, config: DataConfig) -> np.ndarray:
    """Return bool `[notes]`: the notes that pass all filters."""
    keep = np.ones(len(table), bool)
    if config.families is not None:
        keep &= np.isin(table.instrument_family, _indices("families", config.families, FAMILIES))
    if config.sources is not None:
        keep &= np.isin(table.instrument_source, _indices("sources", config.sources, SOURCES))
    if config.instruments is not None:
        known = sorted(set(table.instrument_str))
        _indices("instruments", config.instruments, known)
        wanted = set(config.instruments)
        keep &= np.fromiter((name in wanted for name in table.instrument_str), bool, len(table))
    if config.pitches is not None:
        low, high = config.pitches
        keep &= (table.pitch >= low) & (table.pitch <= high)
    if config.velocities is not None:
        known = [str(value) for value in np.unique(table.velocity)]
        _indices("velocities", [str(value) for value in config.velocities], known)
        keep &= np.isin(table.velocity, [int(value) for value in config.velocities])
    return keep


def _indices(option: str, values: Iterable[str], known: list[str] | tuple[str, ...]) -> list[int]:
    """Return the values' indices in the known ones.

    Raises:
        InputError: for a value that is not known.
    """
    for value in values:
        if value not in known:
            close = difflib.get_close_matches(str(value), known, n=3, cutoff=0.5)
            listed = list(known) if len(known) <= 20 else [*(close or known[:10]), f"... ({len(known)} in all)"]
            raise InputError(f"--{option}: found {value!r}, expected {', '.join(listed)}")
    return [known.index(value) for value in values]


def _describe(config: DataConfig) -> str:
    """Return the filters as options of the command line."""
    filters = {
        "families": config.families,
        "sources": config.sources,
        "instruments": config.instruments,
        "pitches": config.pitches and (f"{config.pitches[0]}-{config.pitches[1]}",),
        "velocities": config.velocities,
    }
    given = [f"--{name} {','.join(map(str, values))}" for name, values in filters.items() if values]
    return " ".join(given) or "the source"


def _own_split(
    table: NoteTable, rows: np.ndarray, split: np.ndarray, own: np.ndarray, log: Callable[[str], None]
) -> np.ndarray:
    """Return the splits (index in `SPLITS`) of the notes `rows[own]`, which have none of their own."""
    groups = _groups(table, rows)
    given: dict[str, int] = {}
    for group, index in zip(groups, split, strict=True):
        if index != UNKNOWN:
            given.setdefault(group, int(index))
    # Notes of a group that has a split go there.
    result = np.array([given.get(group, UNKNOWN) for group in groups[own]], np.int64)
    left = np.flatnonzero(result == UNKNOWN)
    keys = groups[own[left]]
    names = sorted(set(keys))
    if left.size and len(names) < 3:
        covered = set(split.tolist()) >= {0, 1, 2}
        if left.size < 3 and not covered:
            raise InputError(f"{left.size} notes without a split, expected at least 3: to train, validate and test")
        log(
            f"warning: {len(names)} instrument{'s' * (len(names) > 1)} to split, expected at least 3: "
            "the split is by note, so valid and test hold instruments that were trained on"
        )
        if left.size < 3:
            result[left] = 0
            return result
        keys = np.array([f"{table.note_str[row]} {row}" for row in rows[own[left]]], dtype=object)
        names = sorted(set(keys))
    assigned = _by_hash(names) if names else {}
    result[left] = [assigned[key] for key in keys]
    return result


def _groups(table: NoteTable, rows: np.ndarray) -> np.ndarray:
    """Return object `[n]`: each note's group: instruments joined by common sample groups."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    pairs = list(zip(table.instrument_str[rows], table.sample_group[rows], strict=True))
    for instrument, group in set(pairs):
        # The smaller name is the root, so that the result does not depend on the order.
        low, high = sorted((root(("group", group)), root(("instrument", instrument))))
        parent[high] = low
    result = np.empty(len(pairs), dtype=object)
    result[:] = [root(("group", group))[1] for _, group in pairs]
    return result


def _by_hash(names: list[str]) -> dict[str, int]:
    """Return name -> split (index in `SPLITS`), by the hash; none is left empty if there are three names."""
    place = {name: stable_hash("split", name) / 2**63 for name in names}
    bounds = [RANGES[split] for split in SPLITS]
    result = {
        name: next(i for i, (_, high) in enumerate(bounds) if place[name] < high or high == 1.0) for name in names
    }
    for index in (1, 2, 0):
        if index in result.values() or len(names) < 3:
            continue
        low, high = bounds[index]
        counts = np.bincount(list(result.values()), minlength=3)
        free = [name for name in names if counts[result[name]] > 1]
        nearest = min(free, key=lambda name: (max(low - place[name], place[name] - high), name))
        result[nearest] = index
    return result


def at_most(table: NoteTable, rows: np.ndarray, max_notes: int | None) -> np.ndarray:
    """Return at most `max_notes` of the rows, spread evenly over instruments; the choice is by a stable hash."""
    if max_notes is None or rows.size <= max_notes:
        return rows
    place = np.array([stable_hash("choice", table.note_str[row]) for row in rows], np.int64)
    _, instrument = np.unique(table.instrument_str[rows].astype(str), return_inverse=True)
    order = np.lexsort((place, instrument))
    starts = np.flatnonzero(np.r_[True, np.diff(instrument[order]) != 0])
    rank = np.arange(rows.size) - np.repeat(starts, np.diff(np.r_[starts, rows.size]))
    # First every instrument's first note, then the second ones and so on; within a round by the hash.
    taken = order[np.lexsort((place[order], rank))][:max_notes]
    return np.sort(rows[taken])
