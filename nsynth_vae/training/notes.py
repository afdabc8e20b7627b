"""Notes of a training run: selected, split, compared with those of the run to resume, and opened."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from nsynth_vae.cli.progress import Progress
from nsynth_vae.data.batching.audio_batches import LABELS, AudioNotes, audio_megabytes, open_audio
from nsynth_vae.data.batching.base import SplitNotes
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.data.splits import select_for_training, shared_instruments
from nsynth_vae.notes import plural
from nsynth_vae.training import notes_record
from nsynth_vae.training.task import Task

_Notes = TypeVar("_Notes", bound=SplitNotes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """The notes of a run, by split."""

    source: Source
    rows: dict[str, np.ndarray]
    """Split -> int64 `[notes]`, rows of `source.table`."""
    shared: dict[str, int]
    """Pair of splits -> number of instruments in both."""
    bad_notes: BadNotes
    record: notes_record.Record
    """Training and validation notes, to tell on resuming whether they are the same."""
    changed: bool
    """Whether the run is resumed with other notes."""


def select_notes(task: Task) -> Selection:
    """Open the sources and split their notes, by instrument where the sources' own splits lack training or validation.

    Raises:
        InputError: if there are no such notes, or those of the run to resume were others.
    """
    config, options = task.config, task.options
    bad_notes = BadNotes(options.on_bad_note)
    source, rows = open_splits(config.data, audio=config.audio, bad_notes=bad_notes, data_dir=options.data_dir)
    table = source.table
    rows = select_for_training(table, rows, config.data)
    for name, part in rows.items():
        instruments = len(set(table.instrument_str[part]))
        of = f"of {instruments} {plural(instruments, 'instrument')}"
        print(f"  {name:5} {len(part):7,} {plural(len(part), 'note')} {of}")
    shared = shared_instruments(table, rows)
    print("  instruments in common: " + ", ".join(f"{pair} {count}" for pair, count in shared.items()))
    record = notes_record.describe(source, {name: rows[name] for name in ("train", "valid")})
    changed = notes_record.check(task.folder, record, allowed=options.resume_with_changed_data, resume=options.resume)
    return Selection(source=source, rows=rows, shared=shared, bad_notes=bad_notes, record=record, changed=changed)


def open_notes(
    opener: Callable[..., _Notes], rows: Mapping[str, np.ndarray], bad_notes: BadNotes, reading: str
) -> dict[str, _Notes]:
    """Open the notes of some splits, with progress, and report the invalid ones.

    Args:
        opener: opens notes, called with their rows and `progress`, which takes a number of notes.
        rows: split -> rows.
        bad_notes: has the invalid notes.
        reading: title of the progress.
    """
    total, done, progress = sum(map(len, rows.values())), 0, Progress(reading)

    def advance(notes: int) -> None:
        nonlocal done
        done += notes
        progress.to(done / total, f"{done:,} of {total:,} notes")

    notes = {name: opener(part, progress=advance) for name, part in rows.items()}
    progress.close()
    skipped = bad_notes.skipped
    if skipped:
        print(f"Skipped {len(skipped):,} invalid {plural(len(skipped), 'note')}:")
        for name, problem in list(skipped.items())[:20]:
            print(f"  {name}: {problem}")
        if len(skipped) > 20:
            print(f"  ... and {len(skipped) - 20:,} more, all in metrics.json")
    return notes


def open_audio_notes(
    task: Task, selection: Selection, rows: Mapping[str, np.ndarray], labels: Sequence[str] = LABELS
) -> dict[str, AudioNotes]:
    """Open the audio and labels of some splits' notes: in memory if they fit, else streamed."""
    audio, bad_notes = task.config.audio, selection.bad_notes
    megabytes = audio_megabytes(sum(map(len, rows.values())), audio)
    memory = megabytes <= task.options.memory_cache_mb
    if not memory:
        needed = f"--memory-cache-mb {megabytes:.0f}"
        print(f"Audio of {megabytes:,.0f} MB is read anew every epoch; {needed} would keep it in memory")
    opener = functools.partial(
        open_audio, selection.source, config=audio, bad_notes=bad_notes, memory=memory, labels=labels
    )
    return open_notes(opener, rows, bad_notes, "Reading notes")
