"""Throughput of one and of two workers of one machine, each with one thread, under `--strategy multi-worker`.

Both train the default model on the same global batches of starter notes. They run in turn, several rounds, so that what
else the machine does hits both. A round's figure is that of its median step.

    python benchmarks/multi_worker.py
    python benchmarks/multi_worker.py --workers 1,2,4 --rounds 5 --json workers.json
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import pathlib
import statistics
import sys
import tempfile
import time

import common

COMPILING = 3
"""Steps that are not timed."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and return the exit code."""
    parser = common.make_parser(__doc__)
    common.add_json_option(parser)
    parser.add_argument("--workers", default="1,2", help="numbers of workers (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of all of them (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="that are timed in a round (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="notes of a global batch (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=192, help="of the widest convolutions (default: %(default)s)")
    parser.add_argument("--write", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.write:
        train(options)
        return 0
    from nsynth_vae.cli.workers import run_workers

    counts = [int(count) for count in options.workers.split(",")]
    rates: dict[int, list[float]] = {count: [] for count in counts}
    given = sys.argv[1:] if arguments is None else arguments
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for count in counts:
                file = pathlib.Path(folder) / f"{number}-{count}.json"
                command = [sys.executable, __file__, *given, "--write", str(file)]
                with contextlib.redirect_stdout(io.StringIO()):
                    code = run_workers(command, count, threads=1)
                if code:
                    return code
                rates[count].append(json.loads(file.read_text()))
                common.say(f"round {number + 1}, {count} worker(s): {rates[count][-1]:.1f} notes/s")
    medians = {count: statistics.median(found) for count, found in rates.items()}
    print("| workers, one thread each | notes/s | compared with the first |\n|---|---|---|")
    for count, rate in medians.items():
        print(f"| {count} | {rate:.1f} | {rate / medians[counts[0]]:.2f} |")
    common.write_figures(rates, options.json)
    return 0


def train(options: argparse.Namespace) -> None:
    """Train as one of the workers; the chief writes its notes a second."""
    from nsynth_vae.config import Budget, Config, DataConfig, ModelConfig, TrainConfig
    from nsynth_vae.training.cluster import joined

    with joined("multi-worker") as cluster:
        from nsynth_vae.data.batching.feature_batches import open_features
        from nsynth_vae.data.load_notes import open_splits
        from nsynth_vae.data.source import BadNotes
        from nsynth_vae.model.vae import VAE
        from nsynth_vae.training.trainer import Trainer

        config = Config(
            data=DataConfig(max_notes=max(32, options.batch_size)),
            model=ModelConfig(channels=options.channels),
            train=TrainConfig(batch_size=options.batch_size),
        )
        source, rows = open_splits(config.data, audio=config.audio, bad_notes=BadNotes())
        part = open_features(source, rows["train"], audio=config.audio, bad_notes=BadNotes(), memory=True)
        ends: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(functools.partial(VAE, config), config, part, part, pathlib.Path(folder), cluster=cluster)
            # Steps only: neither validation nor checkpoints, which the chief does for all.
            trainer.steps_per_epoch = 10**9
            steps = COMPILING + options.steps
            trainer.run(Budget(steps=steps), on_step=lambda losses: ends.append(time.monotonic()))
        durations = [end - start for start, end in zip(ends[COMPILING - 1 :], ends[COMPILING:], strict=False)]
        if cluster.is_chief:
            options.write.write_text(json.dumps(options.batch_size / statistics.median(durations)))


if __name__ == "__main__":
    sys.exit(main())
