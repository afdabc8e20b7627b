"""Loading of a split of notes into memory."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.batching.audio_batches import MemoryAudio
from nsynth_vae.data.open_sources import open_sources
from nsynth_vae.data.source import BadNotes, NoteTable, Source
from nsynth_vae.data.splits import select
from nsynth_vae.data.streaming import stream_batches
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Notes:
    """The notes of an evaluation, opened once."""

    source: Source
    judged: MemoryAudio
    """The audio and the labels (`table`) of the notes that are judged."""
    train_rows: np.ndarray
    """int64 `[n]`, the training notes' rows in `source.table`; none if the source has none."""
    bad_notes: BadNotes

    def train(self, batch_size: int) -> Iterator[tuple[NoteTable, np.ndarray]]:
        """Yields (labels, audio float32 `[n, num_samples]`) of the training notes, a batch at a time."""
        for rows, audio in stream_batches(self.source, self.train_rows, self.bad_notes, batch_size):
            yield self.source.table.take(rows), audio


def open_notes(
    config: DataConfig,
    split: str,
    *,
    audio: AudioConfig,
    bad_notes: BadNotes,
    data_dir: str | None = None,
    names: set[str] | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
    log: Callable[[str], None] = print,
) -> Notes:
    """Opens the notes, and reads those that are to be judged.

    Args:
        config: where they come from, and the filters.
        split: `train`, `valid` or `test`: what is judged.
        audio: the sample rate and length that are asked for.
        bad_notes: gets the notes that cannot be used.
        data_dir: TensorFlow Datasets' folder.
        names: only notes of these `note_str`s; None for all.
        progress: is told how much has been read, 0 to 1.
        log: gets what a user should know.

    Raises:
        InputError: if there is no such note; for a name of no note, and a name of two.
    """
    source = open_sources(config.data, audio=audio, bad_notes=bad_notes, data_dir=data_dir, log=log)
    rows = select(source.table, config, log=log)
    judged = rows[split]
    if not len(judged):
        raise InputError(f"{source.name}: no note of these is in the split {split}, expected at least one")
    if names is not None:
        judged = _named(source.table, judged, names, f"{', '.join(config.data)}, split {split}")
    done = 0

    def advance(notes: int) -> None:
        nonlocal done
        done += notes
        progress(done / len(judged))

    opened = MemoryAudio(source, judged, audio, bad_notes, advance)
    # Probes must not be asked of what they have learnt.
    train = np.array([], np.int64) if split == "train" else rows["train"]
    return Notes(source, opened, train, bad_notes)


def _named(table: NoteTable, rows: np.ndarray, names: set[str], where: str) -> np.ndarray:
    """Returns the rows of the notes of these names."""
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


def read_notes(
    data: DataConfig,
    audio: AudioConfig,
    *,
    split: str,
    bad_notes: BadNotes,
    data_dir: str | os.PathLike | None = None,
) -> dict[str, np.ndarray]:
    """Returns a split's notes: `audio` float32 `[notes, num_samples]`, `pitch` and `velocity` int32 `[notes]`.

    Raises:
        InputError: if there are none, or one is bad.
    """
    import numpy as np

    from nsynth_vae.data.batching.audio_batches import open_audio
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.splits import select

    source = open_sources(data.data, audio=audio, bad_notes=bad_notes, data_dir=data_dir)
    rows = select(source.table, data)[split]
    if not len(rows):
        raise InputError(f"{', '.join(data.data)}: no note in its {split} split, expected at least one")
    labels = ("pitch", "velocity")
    opened = open_audio(source, rows, audio, bad_notes, memory=True, labels=labels)
    batches = [{name: batch[name].numpy() for name in ("audio", *labels)} for batch in opened.batches(32)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def open_rows(
    config: DataConfig,
    split: str,
    *,
    audio: AudioConfig,
    bad_notes: BadNotes,
    most: int,
    data_dir: str | None = None,
    log: Callable[[str], None] = print,
) -> tuple[Source, np.ndarray]:
    """Open the notes of one split, or of all.

    Args:
        config: where they come from, and the filters.
        split: `train`, `valid` or `test`; `all` ignores splits.
        audio: the target sample rate and length.
        bad_notes: gets the notes that cannot be used.
        most: notes at most if `config.max_notes` is None, of all instruments.
        data_dir: TensorFlow Datasets' folder.
        log: called with messages for the user.

    Returns:
        (their source, their rows in its table: int64 `[n]`).

    Raises:
        InputError: if there is no such note.
    """
    source = open_sources(config.data, audio=audio, bad_notes=bad_notes, data_dir=data_dir, log=log)
    table, part = source.table, split
    if split == "all":
        table, part = table.with_split(np.zeros(len(table), np.int8)), "train"
        config = dataclasses.replace(config, split_by="source")
    rows = select(table, config, log=log)[part]
    if not len(rows):
        raise InputError(f"{source.name}: no note of these is in the split {split}, expected at least one")
    if config.max_notes is None and len(rows) > most:
        log(f"{most:,} of {len(rows):,} notes are drawn, of all instruments; --max-notes N takes N")
        rows = select(table, dataclasses.replace(config, max_notes=most), log=lambda line: None)[part]
    return source, rows
