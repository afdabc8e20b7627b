"""Cost of training: multiplications of a step, notes a second here, and an estimate for other machines.

TensorFlow's profiler counts the multiplications of a note's forward pass in the graph of encoder and decoder. A
training step is taken for three of them: forward, and the gradients by inputs and by weights. Notes a second are the
median of steps on random notes in memory. The estimate for another machine is a fraction of its peak, `--utilization`.

    python benchmarks/training_cost.py
    python benchmarks/training_cost.py --notes 289205 --epochs 30 --teraflops 19.5 --gpus 4
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nsynth_vae.config import Config


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Print the counts, the speed and the estimates, and return them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=289_205, help="training notes (default: all of NSynth's)")
    parser.add_argument("--epochs", type=float, default=30.0, help="passes over them (default: %(default)g)")
    parser.add_argument("--teraflops", type=float, default=19.5, help="peak of a GPU (default: an A100's, float32)")
    parser.add_argument(
        "--utilization", type=float, default=0.1, help="fraction of it that is used (default: %(default)g)"
    )
    parser.add_argument("--gpus", type=int, default=1, help="how many (default: %(default)g)")
    parser.add_argument("--steps", type=int, default=20, help="that are timed (default: %(default)g)")
    options = parser.parse_args(arguments)
    config = Config()
    operations = 3 * forward_operations(config)
    speed = notes_a_second(config, options.steps)
    passes = options.notes * options.epochs
    there = options.gpus * options.teraflops * 1e12 * options.utilization / operations
    print(f"{operations / 2e9:.2f} thousand million multiply-adds a note in training")
    print(f"{speed:.0f} notes a second on {os.cpu_count()} cores: {operations * speed / 1e9:.0f} GFLOP/s")
    print(f"{options.notes:,} notes, {options.epochs:g} times: {passes / speed / 3600:.0f} hours here")
    print(
        f"estimate for {options.gpus} GPU(s) of {options.teraflops:g} TFLOP/s, {options.utilization:.0%} of it used: "
        f"{there:,.0f} notes a second, {passes / there / 3600:.1f} hours"
    )
    return {"operations": operations, "notes_a_second": speed, "hours_here": passes / speed / 3600}


def forward_operations(config: Config) -> int:
    """Return the floating-point operations, two a multiply-add, of encoding and decoding one note."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from nsynth_vae.model.vae import VAE

    vae = VAE(config)
    vae.build()
    audio = config.audio

    @tf.function
    def forward(log_mel: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
        return vae.decoder(vae.encoder(log_mel)[0], pitch, velocity)

    one = tf.TensorSpec([1], tf.int32)
    graph = forward.get_concrete_function(tf.TensorSpec([1, audio.num_frames, audio.num_mel_bins]), one, one)
    frozen = convert_variables_to_constants_v2(graph).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    with contextlib.redirect_stdout(io.StringIO()):
        return tf.compat.v1.profiler.profile(frozen, options={**options, "output": "none"}).total_float_ops


def notes_a_second(config: Config, steps: int) -> float:
    """Return the median speed of training steps on random notes."""
    import tensorflow as tf

    from nsynth_vae.model.vae import VAE
    from nsynth_vae.training.trainer import make_optimizer

    vae = VAE(config)
    vae.build()
    vae.compile(optimizer=make_optimizer(config.train, vae.clip_norm))
    vae.optimizer.build(vae.trainable_variables)
    size, audio = config.train.batch_size, config.audio
    batch = {
        "log_mel": tf.random.normal([size, audio.num_frames, audio.num_mel_bins]),
        "pitch": tf.fill([size], 60),
        "velocity": tf.fill([size], 100),
    }
    step = tf.function(vae.train_step)
    seconds = []
    for _ in range(steps + 2):
        started = time.perf_counter()
        step(batch)["loss"].numpy()
        seconds.append(time.perf_counter() - started)
    return size / statistics.median(seconds[2:])


if __name__ == "__main__":
    main()
