"""Training on a GPU beside the CPU: notes a second and memory of ten minutes in mixed precision with XLA.

Each device trains in a process of its own, on the same notes, with the default model and in its own precision. Notes a
second are those of the steps after the first ten, which compile. Memory is the peak: of the device for a GPU, of the
process for a CPU. The validation loss after the training tells whether the precision harms it.

    python benchmarks/gpu.py                             # ten minutes on the GPU, then two on the CPU
    python benchmarks/gpu.py --batch-size 256 --precision mixed_bfloat16 --json gpu.json
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import common

COMPILING = 10
"""Steps that are not timed."""

_RESULT = "result: "


def main(arguments: list[str] | None = None) -> int:
    """Train on each device, print the table, and return the exit code."""
    parser = common.make_parser(__doc__)
    common.add_data_option(parser)
    common.add_json_option(parser)
    parser.add_argument("--devices", default="gpu,cpu", help="of gpu and cpu, in this order (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training on the GPU (default: %(default)g)")
    parser.add_argument("--cpu-minutes", type=float, default=2.0, help="of training on the CPU (default: %(default)g)")
    parser.add_argument("--batch-size", type=int, default=64, help="notes in a batch (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=192, help="of the widest convolutions (default: %(default)s)")
    parser.add_argument("--max-notes", type=int, help="notes of a split at most (default: all)")
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
        default="mixed_float16",
        help="of the GPU; the CPU's is float32 (default: %(default)s)",
    )
    parser.add_argument("--train-on", choices=("gpu", "cpu"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.train_on:
        print(_RESULT + json.dumps(train(options)))
        return 0
    rows = []
    for device in options.devices.split(","):
        common.say(f"Training on the {device}")
        command = [sys.executable, __file__, *(sys.argv[1:] if arguments is None else arguments), "--train-on", device]
        hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" else {}
        done = subprocess.run(command, env=os.environ | hidden, stdout=subprocess.PIPE, text=True)
        found = [line for line in done.stdout.splitlines() if line.startswith(_RESULT)]
        if done.returncode or not found:
            return done.returncode or 1
        rows.append(json.loads(found[0].removeprefix(_RESULT)))
    print(table(rows))
    common.write_figures(rows, options.json)
    return 0


def table(rows: list[dict]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| device | precision | XLA | steps | notes/s | peak memory, MB | validation loss |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['device']} | {row['precision']} | {'yes' if row['xla'] else 'no'} | {row['steps']:,} "
            f"| {row['notes_a_second']:,.1f} | {row['peak_mb']:,.0f} | {row['valid_loss']:,.1f} |"
        )
    return "\n".join(lines)


def train(options: argparse.Namespace) -> dict:
    """Train on one device; return its figures."""
    import tensorflow as tf

    from nsynth_vae.config import Budget, Config, DataConfig, ModelConfig, TrainConfig
    from nsynth_vae.data.batching.feature_batches import open_features
    from nsynth_vae.data.load_notes import open_splits
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.model.vae import VAE
    from nsynth_vae.training.trainer import Trainer

    gpu = options.train_on == "gpu"
    devices = tf.config.list_physical_devices("GPU")
    if gpu and not devices:
        sys.exit("error: --devices gpu: found no GPU that TensorFlow can use, expected one, or --devices cpu")
    config = Config(
        data=DataConfig(data=tuple(options.data or ["starter"]), max_notes=options.max_notes),
        model=ModelConfig(channels=options.channels),
        # No early end: the minutes are to be full.
        train=TrainConfig(
            batch_size=options.batch_size, patience=10**6, precision=options.precision if gpu else "float32"
        ),
    )
    bad_notes = BadNotes("skip")
    source, rows = open_splits(config.data, audio=config.audio, bad_notes=bad_notes)
    opener = functools.partial(open_features, source, audio=config.audio, bad_notes=bad_notes, memory=True)
    notes = [opener(rows[split]) for split in ("train", "valid")]
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            functools.partial(VAE, config),
            config,
            *notes,
            pathlib.Path(folder),
            batch_options={"mixup_probability": config.model.mixup_probability},
            jit_compile=gpu,
        )
        validating = 0.0

        def on_step(losses: dict) -> None:
            times.append(time.monotonic() - validating)

        evaluate = trainer.evaluate

        def timed(part: object) -> dict[str, float]:
            nonlocal validating
            before = time.monotonic()
            result = evaluate(part)
            validating += time.monotonic() - before
            return result

        trainer.evaluate = timed
        trainer.run(Budget(steps=COMPILING), on_step=on_step)
        minutes = options.minutes if gpu else options.cpu_minutes
        # The end of the first ten steps is where the clock begins.
        times[:] = [time.monotonic() - validating]
        trainer.run(Budget(minutes=minutes + trainer.state.seconds / 60), on_step=on_step)
    name = tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU") if gpu else _cpu()
    process_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    device_mb = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6 if gpu else process_mb
    return dataclasses.asdict(
        Figures(
            device=name,
            precision=config.train.precision,
            xla=gpu,
            steps=trainer.step,
            notes_a_second=(len(times) - 1) * options.batch_size / (times[-1] - times[0]),
            peak_mb=device_mb,
            valid_loss=trainer.state.history[-1]["valid"]["loss"],
        )
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures of one device."""

    device: str
    precision: str
    xla: bool
    steps: int
    notes_a_second: float
    peak_mb: float
    """MB (1e6 bytes)."""
    valid_loss: float
    """Nats a note."""


def _cpu() -> str:
    return f"CPU, {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())
