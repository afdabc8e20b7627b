"""A preparation, from notes to a folder of features that training reads."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nsynth_vae import features
from nsynth_vae.cli.progress import Progress
from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.config import Config
from nsynth_vae.data.feature_shards import read_header
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.preparation.plan import EXAMPLES, Piece, locations, plan_pieces
from nsynth_vae.data.prepared_index import INDEX, write_index
from nsynth_vae.data.readers.prepared import PreparedSource, audio_file
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.data.splits import select_for_training
from nsynth_vae.errors import InputError
from nsynth_vae.files import check_output, exclusive_lock, expand, remove_abandoned

_OWN = re.compile(r"(train|valid|test)-\d{5,}-of-\d{5,}-[0-9a-f]{16}\.(features|audio)")


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """A preparation's settings besides the configuration; none of them changes the features."""

    output: pathlib.Path
    runner: str = "DirectRunner"
    workers: int | None = None
    """Processes of the local runner; None for one a core."""
    beam: Sequence[str] = ()
    """Apache Beam's own options, as on its command line."""
    keep_audio: str = "examples"
    """`examples`: of a few notes of each file; `all`: of all notes."""
    data_dir: str | None = None
    on_bad_note: str = "error"


def prepare(config: Config, options: PrepareOptions) -> pathlib.Path:
    """Compute the features of the notes that a configuration selects, and of their pitch-shifted copies.

    Files that a former run finished are kept. An invalid note does not end the run at once: all are looked for, and
    with the policy `error` the run then ends without an index. With `skip`, nothing is
    left to compute then.

    Args:
        config: notes, features, number of copies and seed.
        options: paths, runner and policy.

    Returns:
        The folder.

    Raises:
        InputError: for bad input.
        BadNoteError: for invalid notes, under the policy `error`.
    """
    with quiet():  # A warning of each import, that there is no Google Cloud.
        from nsynth_vae.data.preparation.pipeline import available_workers, make_options, run_pipeline
    beam_options = make_options(options.runner, options.workers or available_workers(), options.beam)
    return prepare_by(functools.partial(run_pipeline, runner=options.runner, options=beam_options), config, options)


def prepare_by(
    compute: Callable[[list[bytes]], Mapping[str, Any]], config: Config, options: PrepareOptions
) -> pathlib.Path:
    """Do what `prepare` does; `compute` takes the workers' tasks, and returns Beam's metrics."""
    folder = expand(options.output)
    check_output(folder)
    _check_folder(folder)
    with exclusive_lock(folder, "prepare", wait=False):
        bad_notes = BadNotes(options.on_bad_note)
        source, rows = open_splits(config.data, audio=config.audio, bad_notes=bad_notes, data_dir=options.data_dir)
        if isinstance(source, PreparedSource):
            raise InputError(f"{source.name}: is prepared already, expected the notes themselves")
        rows = select_for_training(source.table, rows, config.data)
        remove_abandoned(folder)
        pieces = plan_pieces(
            source,
            rows,
            config.audio,
            folder,
            copies=config.model.pitch_shift_copies,
            seed=config.train.seed,
            keep_audio=EXAMPLES if options.keep_audio == "examples" else None,
        )
        missing = [piece for piece in pieces if not _is_done(piece, config)]
        notes = sum(len(piece.rows) for piece in pieces)
        print(f"{notes:,} notes in {len(pieces):,} files, of which {len(pieces) - len(missing):,} are there")
        if missing:
            _compute(compute, missing, config)
        found = _write_index(folder, pieces, config, bad_notes)
    print(f"{folder}: {found:,} notes; train --data {folder} reads them")
    return folder


def _check_folder(folder: pathlib.Path) -> None:
    """Raise `InputError` if a folder has anything that is not a preparation's."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    other = sorted(name for name in names if name != INDEX and not _OWN.fullmatch(name))
    if other:
        raise InputError(f"{folder}: found {other[0]} in it, expected a new folder, or one that prepare wrote")


def _is_done(piece: Piece, config: Config) -> bool:
    return read_header(piece.path, config.audio) is not None and (
        not piece.keep_audio or audio_file(piece.path).exists()
    )


def _compute(compute: Callable[[list[bytes]], Mapping[str, Any]], missing: Sequence[Piece], config: Config) -> None:
    """Compute the missing files, and print Beam's metrics."""
    from nsynth_vae.data.preparation.worker import Task

    started = time.monotonic()
    messages = [Task.of(piece, config.audio).to_bytes() for piece in missing]
    with _watched(missing):
        metrics = compute(messages)
    counters = [f"{name} {metrics[name]:,}" for name in ("files", "notes", "invalid_notes") if name in metrics]
    print(f"Computed in {time.monotonic() - started:.0f} s; Beam's metrics: {', '.join(counters) or 'none'}")


@contextlib.contextmanager
def _watched(missing: Sequence[Piece]) -> Iterator[None]:
    """Show progress by the files that are there, while a runner runs."""
    progress, done = Progress("Computing features"), threading.Event()

    def watch() -> None:
        left = list(missing)
        while not done.wait(1.0):
            left = [piece for piece in left if not piece.path.exists()]
            progress.to(1 - len(left) / len(missing), f"{len(missing) - len(left):,} of {len(missing):,} files")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        progress.close()


def _write_index(folder: pathlib.Path, pieces: Sequence[Piece], config: Config, bad_notes: BadNotes) -> int:
    """Write the index of all files, and remove those of former runs that it does not have; return the notes in it."""
    headers = []
    for piece in pieces:
        found = read_header(piece.path, config.audio)
        if found is None:
            raise InputError(f"{piece.path}: is not there, expected what the runner computed: a folder that it shares")
        headers.append(found)
    invalid = locations(pieces, [header["problems"] for header, _ in headers])
    for location, problem in invalid.items():
        print(f"  {location}: {problem}")
    for location, problem in invalid.items():
        bad_notes.report(location, problem)
    tables, copies, copy_of, shards, start = [], [], [], [], 0
    for piece, (header, offset) in zip(pieces, headers, strict=True):
        valid = np.array([str(position) not in header["problems"] for position in range(len(piece.rows))])
        table, copy, place = piece.labels(valid)
        if not len(table):
            continue
        tables.append(table)
        copies.append(copy)
        copy_of.append(place + start)
        shards.append([piece.path.name, len(table), min(piece.keep_audio, int(valid.sum())), offset])
        start += len(table)
    if not tables:
        raise InputError(f"{', '.join(config.data.data)}: no note can be used, expected at least one")
    rest = {
        "audio": config.audio.to_dict(),
        "features_version": features.VERSION,
        "copies": config.model.pitch_shift_copies,
        "data": list(config.data.data),
        "shards": shards,
        "invalid_notes": dict(bad_notes.skipped),
    }
    size = write_index(folder, NoteTable.concatenate(tables), np.concatenate(copies), np.concatenate(copy_of), rest)
    print(f"{folder / INDEX}: {start:,} log-mels, {size / start:.0f} bytes each")
    kept = {path.name for piece in pieces for path in (piece.path, audio_file(piece.path))}
    for path in folder.iterdir():
        if _OWN.fullmatch(path.name) and path.name not in kept:
            path.unlink()
    return int(sum((copy == 0).sum() for copy in copies))
