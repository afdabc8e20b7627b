"""Loading of a split of notes: selection from the sources, and audio in memory."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator

import numpy as np

from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.batching.audio_batches import MemoryAudio
from nsynth_vae.data.open_sources import open_sources
from nsynth_vae.data.source import BadNotes, NoteTable, Source
from nsynth_vae.data.splits import at_most, select
from nsynth_vae.data.streaming import stream_batches
from nsynth_vae.errors import InputError


def open_splits(
    config: DataConfig,
    *,
    audio: AudioConfig,
    bad_notes: BadNotes,
    split: str | None = None,
    most: int | None = None,
    data_dir: str | os.PathLike | None = None,
    log: Callable[[str], None] = print,
) -> tuple[Source, dict[str, np.ndarray]]:
    """Open the sources of notes, and select and split the notes.

    Args:
        config: sources and filters.
        audio: the target sample rate and length.
        bad_notes: gets the notes that cannot be used.
        split: the one that must have notes, or `all`, which ignores splits; None for any.
        most: notes of that split at most if `config.max_notes` is None, of all instruments.
        data_dir: TensorFlow Datasets' folder.
        log: called with each line for the user.

    Returns:
        (source, {`train`, `valid`, `test`, or `all` alone: int64 `[n]`, rows of its table}).

    Raises:
        InputError: if there are no such notes.
    """
    source = open_sources(
        config.data,
        audio=audio,
        bad_notes=bad_notes,
        data_dir=data_dir,
        octave_shift=config.octave_shift,
        log=log,
    )
    if split == "all":
        table = source.table.with_split(np.zeros(len(source.table), np.int8))
        rows = {"all": select(table, dataclasses.replace(config, split_by="source"), log=log)["train"]}
    else:
        rows = select(source.table, config, log=log)
    if split is not None:
        found = len(rows[split])
        if not found:
            raise InputError(f"{source.name}: no note of these is in the split {split}, expected at least one")
        if most is not None and config.max_notes is None and found > most:
            log(f"{most:,} of {found:,} notes are drawn, of all instruments; --max-notes N takes N")
            rows[split] = at_most(source.table, rows[split], most)
    return source, rows


@dataclasses.dataclass(frozen=True)
class Notes:
    """A split's notes in memory, and the training notes of the same sources as a stream."""

    source: Source
    loaded: MemoryAudio
    """The audio, pitch and velocity of the split's notes, and all of their labels (`table`)."""
    train_rows: np.ndarray
    """int64 `[n]`, the training notes' rows in `source.table`; none if they are the split's own."""
    bad_notes: BadNotes

    def train(self, batch_size: int) -> Iterator[tuple[NoteTable, np.ndarray]]:
        """Yield (labels, audio float32 `[n, num_samples]`) of the training notes, a batch at a time."""
        for rows, audio in stream_batches(self.source, self.train_rows, self.bad_notes, batch_size):
            yield self.source.table.take(rows), audio


def load_notes(
    config: DataConfig,
    split: str,
    *,
    audio: AudioConfig,
    bad_notes: BadNotes,
    data_dir: str | os.PathLike | None = None,
    names: set[str] | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
    log: Callable[[str], None] = print,
) -> Notes:
    """Load the notes of a split.

    Args:
        config: sources and filters.
        split: `train`, `valid` or `test`.
        audio: the target sample rate and length.
        bad_notes: gets the notes that cannot be used.
        data_dir: TensorFlow Datasets' folder.
        names: only notes of these `note_str`s; None for all.
        progress: called with the fraction that is read, 0 to 1.
        log: called with each line for the user.

    Raises:
        InputError: if there is no such note; for a name of no note, and a name of two.
    """
    source, by_split = open_splits(config, audio=audio, bad_notes=bad_notes, split=split, data_dir=data_dir, log=log)
    rows, done = by_split[split], 0
    if names is not None:
        rows = _named(source.table, rows, names, f"{', '.join(config.data)}, split {split}")

    def advance(notes: int) -> None:
        nonlocal done
        done += notes
        progress(done / len(rows))

    loaded = MemoryAudio(source, rows, audio, bad_notes, advance, labels=("pitch", "velocity"))
    # Probes are not evaluated on the notes that they are trained on.
    train = np.array([], np.int64) if split == "train" else by_split["train"]
    return Notes(source, loaded, train, bad_notes)


def _named(table: NoteTable, rows: np.ndarray, names: set[str], where: str) -> np.ndarray:
    """Return the rows of the notes of these names."""
    found = [name for name in table.note_str[rows] if name in names]
    missing = sorted(names - set(found))
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(
            f"{', '.join(f'{name}.wav' for name in missing[:5])}{more}: no note of that name in {where}, "
            "expected files named like its notes"
        )
    if len(found) > len(names):
        twice = next(name for name in found if found.count(name) > 1)
        raise InputError(f"{twice}: two notes of that name in {where}, expected one")
    return np.array([row for row in rows if table.note_str[row] in names], np.int64)
