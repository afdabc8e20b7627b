"""Speed of exported SavedModels, alone and in batches, and their memory.

    python benchmarks/serving.py [--exports DIR] [--batches 1,32] [--rounds N]

Loads the newest encoder and decoder below DIR, as TensorFlow's Python does, and runs `serving_default` on notes of
random numbers. Each model at each batch size has a process of its own, so that its peak memory is its own; the
processes take turns for some rounds, so that other load on the machine meets all of them. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

MODELS = ("encoder", "decoder")
NOTES = 96
"""Notes that a process runs in a round, after two batches that are not timed."""


def newest(folder: pathlib.Path) -> pathlib.Path:
    """Return the folder's version with the highest number."""
    versions = [path for path in folder.glob("*") if path.name.isdecimal()]
    if not versions:
        raise SystemExit(f"error: {folder}: no version in it, expected what python -m nsynth_vae.export writes")
    return max(versions, key=lambda path: int(path.name))


def measure(path: pathlib.Path, batch: int) -> dict[str, float]:
    """Return milliseconds a note by the clock and of the processor, and MB of memory: with the model, and at most."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    run = model.signatures["serving_default"]
    generator = np.random.default_rng(0)
    inputs = {}
    for name, spec in run.structured_input_signature[1].items():
        shape = [batch, *spec.shape[1:]]
        values = generator.integers(30, 90, shape) if spec.dtype.is_integer else 0.1 * generator.normal(size=shape)
        inputs[name] = tf.constant(values, spec.dtype)
    loaded = _peak_megabytes()
    clock, processor = [], []
    for _ in range(2 + max(3, NOTES // batch)):
        started = time.perf_counter(), time.process_time()
        for value in run(**inputs).values():
            value.numpy()
        clock.append(1000 * (time.perf_counter() - started[0]) / batch)
        processor.append(1000 * (time.process_time() - started[1]) / batch)
    return {
        "ms": float(np.median(clock[2:])),
        "processor_ms": float(np.median(processor[2:])),
        "loaded_mb": loaded,
        "peak_mb": _peak_megabytes(),
    }


def _peak_megabytes() -> float:
    """Return the largest memory (RSS) of this process so far, MB (1e6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def table(exports: pathlib.Path, batches: list[int], rounds: int) -> str:
    """Return the measurements, medians over the rounds, as Markdown."""
    paths = {name: newest(exports / name) for name in MODELS}
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for name in MODELS:
            for batch in batches:
                command = [sys.executable, __file__, "--measure", str(paths[name]), "--batches", str(batch)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.setdefault((name, batch), []).append(json.loads(done.stdout))
    lines = [
        f"{os.cpu_count()} CPU cores; medians of {rounds} rounds.",
        "",
        "| model | notes a batch | ms a note | processor ms a note | peak memory (MB) | of it before the first note |",
        "|---|---|---|---|---|---|",
    ]
    for (name, batch), runs in found.items():
        ms, processor, loaded, peak = (
            float(np.median([run[key] for run in runs])) for key in ("ms", "processor_ms", "loaded_mb", "peak_mb")
        )
        lines.append(f"| {name} | {batch} | {ms:.1f} | {processor:.1f} | {peak:.0f} | {loaded:.0f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exports", type=pathlib.Path, default=pathlib.Path("exports"), metavar="DIR")
    parser.add_argument("--batches", default="1,32", metavar="A,B", help="batch sizes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--measure", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    batches = [int(batch) for batch in options.batches.split(",")]
    if options.measure:
        print(json.dumps(measure(options.measure, batches[0])))
    else:
        print(table(options.exports, batches, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
