"""Notes per second of `nsynth_vae.prepare` with some numbers of workers, beside the in-process pipeline.

    python benchmarks/preparing.py [--data SRC] [--max-notes N] [--workers 1,2]

The in-process pipeline is `data.batching.feature_cache.stream_features`, which a run without prepared features reads
its notes with, on all cores. A worker of Beam's DirectRunner is a process with one thread. Rates are counted from the
first notes on: the in-process pipeline's from the first note, prepare's from the first finished file, of all files but
one a worker. The seconds before (imports, the pipeline, the graph) have a column of their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import pathlib
import sys
import tempfile
import time

import common
import numpy as np

from nsynth_vae.config import Config, DataConfig, ModelConfig
from nsynth_vae.data.source import BadNotes

TARGETS = {"one worker / in-process": 0.5, "two workers / one worker": 1.6}


@dataclasses.dataclass(frozen=True)
class Rate:
    """A method's notes per second, once it runs, and the seconds before."""

    notes: float
    start: float


def in_process(config: Config) -> Rate:
    """Time the in-process pipeline over the notes of all splits."""
    from nsynth_vae.data.batching.feature_cache import stream_features
    from nsynth_vae.data.load_notes import open_splits

    with contextlib.redirect_stdout(io.StringIO()):
        source, rows = open_splits(config.data, audio=config.audio, bad_notes=BadNotes("skip"))
    begun = time.perf_counter()
    notes = stream_features(source, np.concatenate([*rows.values()]), config.audio, BadNotes("skip"))
    next(notes)
    first = time.perf_counter()
    count = sum(1 for _ in notes)
    return Rate(count / (time.perf_counter() - first), first - begun)


def prepared(config: Config, workers: int) -> Rate:
    """Time a preparation to a new folder."""
    from nsynth_vae.data.preparation.run import PrepareOptions, prepare
    from nsynth_vae.data.readers.prepared import PreparedSource

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        begun = time.time()
        prepare(config, PrepareOptions(pathlib.Path(folder), workers=workers, on_bad_note="skip"))
        source = PreparedSource(folder, audio=config.audio, bad_notes=BadNotes())
        files = sorted(pathlib.Path(folder).glob("*.features"), key=lambda path: path.stat().st_mtime_ns)
        ends = [path.stat().st_mtime for path in files]
        shard, _ = source.place(np.arange(len(source.table)))
        sizes = {source.path(number): count for number, count in enumerate(np.bincount(shard))}
    if len(files) <= 2 * workers:
        raise SystemExit(f"{len(files)} files: expected notes enough for more than two files a worker")
    counted = sum(sizes[path] for path in files[workers:])
    return Rate(counted / (ends[-1] - ends[workers - 1]), ends[0] - begun)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Print the rates and the targets as Markdown, and return the rates."""
    parser = common.make_parser(__doc__)
    common.add_data_option(parser)
    parser.add_argument("--max-notes", type=int, help="of each split (default: all)")
    parser.add_argument("--workers", default="1,2", help="numbers of workers (default: %(default)s)")
    common.add_json_option(parser)
    options = parser.parse_args(arguments)
    data = DataConfig(data=tuple(options.data or ["starter"]), max_notes=options.max_notes)
    config = Config(data=data, model=ModelConfig(pitch_shift_copies=0))
    from nsynth_vae.evaluation.tables import table

    found = {"in-process": in_process(config)}
    for workers in map(int, options.workers.split(",")):
        common.say(f"{workers} workers")
        found[f"{workers} worker{'s' * (workers > 1)}"] = prepared(config, workers)
    rows = [[name, f"{rate.notes:,.0f}", f"{rate.start:.1f} s"] for name, rate in found.items()]
    print(table(["", "notes/s", "to the first"], rows))
    rates = {name: rate.notes for name, rate in found.items()}
    if {"1 worker", "2 workers"} <= set(rates):
        ratios = (rates["1 worker"] / rates["in-process"], rates["2 workers"] / rates["1 worker"])
        rows = [
            [name, f"{least:.1f}", f"{ratio:.2f}", "pass" if ratio >= least else "**FAIL**"]
            for (name, least), ratio in zip(TARGETS.items(), ratios, strict=True)
        ]
        print(f"\n{table(['target', 'to reach', 'found', ''], rows)}")
    common.write_figures(rates, options.json)
    return rates


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
