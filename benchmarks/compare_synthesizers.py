"""Compares designs of the synthesizer, each trained for the same processor time: the table of docs/synthesis.md.

    python benchmarks/compare_synthesizers.py [--data SRC ...] [--valid SRC] [--cpu-seconds S] [--designs 0,1]

Every design is trained on the train notes of `--data` and heard on every sixth note of the valid split of `--valid`,
beside Griffin-Lim and the real notes. Processor time is counted on all cores, without the reading of notes and the
tracing of graphs.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from collections.abc import Callable
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import equal_time
import numpy as np

from nsynth_vae.analysis import metrics
from nsynth_vae.config import AudioConfig, DataConfig, SynthesisConfig, SynthesizerConfig
from nsynth_vae.data.batching.audio_batches import MemoryAudio
from nsynth_vae.data.open_sources import open_sources
from nsynth_vae.data.source import BadNotes
from nsynth_vae.data.splits import select

DESIGNS: dict[str, dict] = {
    "as it is": {},
    "the pitch does not drift": {"drift_gain": 0.0},
    "Gaussian noise instead of flat noise": {"noise": "gaussian"},
    "192 harmonics instead of 128": {"num_harmonics": 192},
    "log-mels never blurred in training": {"blurred_share": 0.0},
    "128 channels, 3 blocks": {"channels": 128, "blocks": 3},
}
"""Name -> what is different: fields of `SynthesizerConfig`, constants of the modules, the noise."""

MEASURES = ("mss", "lsd_db", "off_harmonic_db", "wobble_cents")


def main(arguments: list[str] | None = None) -> None:
    """Runs the designs and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", help="training notes (default: --valid and starter)")
    parser.add_argument("--valid", default="../shared/nsynth", help="NSynth notes (default: %(default)s)")
    parser.add_argument("--cpu-seconds", type=float, default=144.0, help="per design (default: %(default)g)")
    parser.add_argument("--designs", default=",".join(map(str, range(len(DESIGNS)))), help="numbers, from 0")
    parser.add_argument("--every", type=int, default=6, help="hear every so many valid notes (default: %(default)d)")
    options = parser.parse_args(arguments)
    data = tuple(options.data or (options.valid, "starter"))
    audio = SynthesisConfig().audio
    train = load(data, "train", audio)
    valid = load((options.valid,), "valid", audio, every=options.every)
    notes = valid.read(np.arange(len(valid.table)))
    print(
        f"{os.cpu_count()} cores, {options.cpu_seconds:g} CPU seconds a design, {len(train.table)} notes of {data}; "
        f"heard: {len(notes['pitch'])} valid notes of {options.valid}\n"
    )
    print("| design | steps | " + " | ".join(MEASURES) + " |\n|" + "---|" * (2 + len(MEASURES)), flush=True)
    print_row("real notes", "", notes, notes["audio"])
    print_row("Griffin-Lim, non-negative, 60 fast iterations", "", notes, inverted(notes, audio))
    names = list(DESIGNS)
    for number in map(int, options.designs.split(",")):
        steps, play = trained(DESIGNS[names[number]], train, options.cpu_seconds)
        print_row(names[number], steps, notes, play(notes))


def load(data: tuple[str, ...], split: str, audio: AudioConfig, every: int = 1) -> MemoryAudio:
    """Returns every so many notes of a split, in memory."""
    bad_notes = BadNotes()
    source = open_sources(data, audio=audio, bad_notes=bad_notes, log=lambda line: None)
    return MemoryAudio(source, select(source.table, DataConfig(data=data))[split][::every], audio, bad_notes)


def inverted(notes: dict[str, np.ndarray], config: AudioConfig) -> np.ndarray:
    """Returns the notes through their log-mels and Griffin-Lim, `[notes, num_samples]`."""
    from nsynth_vae import features
    from nsynth_vae.synthesis import griffin_lim

    return in_batches(
        lambda audio, pitch: griffin_lim.log_mel_to_audio(features.log_mel(audio, config), config, iterations=60),
        notes,
    )


def trained(design: dict, train: MemoryAudio, cpu_seconds: float) -> tuple[int, Callable]:
    """Trains one design.

    Args:
        design: a value of `DESIGNS`.
        train: what it is trained on.
        cpu_seconds: for how long.

    Returns:
        (steps taken, a function of notes that returns what the design makes of them, `[notes, num_samples]`).
    """
    import keras
    import tensorflow as tf

    from nsynth_vae import features
    from nsynth_vae.synthesis import harmonic_analysis, losses, synthesizer

    fields = {name: value for name, value in design.items() if name in SynthesizerConfig.__dataclass_fields__}
    config = SynthesisConfig(synthesizer=SynthesizerConfig(**fields))
    keras.utils.set_random_seed(config.train.seed)
    drift = {"DRIFT_GAIN": design.get("drift_gain", harmonic_analysis.DRIFT_GAIN)}
    blur = {"BLURRED_SHARE": design.get("blurred_share", losses.BLURRED_SHARE)}
    with mock.patch.dict(vars(harmonic_analysis), drift), mock.patch.dict(vars(losses), blur):
        model = synthesizer.Synthesizer(config)
        model.build()
        if design.get("noise") == "gaussian":
            model.noise.assign(np.random.default_rng(0).standard_normal(model.noise.shape))
        batches = train.training(batch_size=config.train.batch_size, seed=config.train.seed)
        steps = equal_time.train(model, batches, config.train, cpu_seconds)
        signature = tf.TensorSpec([None, config.audio.num_samples], tf.float32), tf.TensorSpec([None], tf.int32)

        @tf.function
        def resynthesize(audio: tf.Tensor, pitch: tf.Tensor) -> tf.Tensor:
            return model(features.log_mel(audio, config.audio), pitch)

        # Traced here, where the design's constants hold.
        play = resynthesize.get_concrete_function(*signature)
    return steps, lambda notes: in_batches(play, notes)


def in_batches(function: Callable, notes: dict[str, np.ndarray]) -> np.ndarray:
    """Returns what a function of audio and pitch makes of all notes, eight at a time."""
    import tensorflow as tf

    parts = (slice(start, start + 8) for start in range(0, len(notes["pitch"]), 8))
    made = [function(tf.constant(notes["audio"][part]), tf.constant(notes["pitch"][part])) for part in parts]
    return np.concatenate([value.numpy() for value in made])


def print_row(name: str, steps: int | str, notes: dict[str, np.ndarray], audio: np.ndarray) -> None:
    """Prints a design's steps and its means of `MEASURES`."""
    found = [
        metrics.compare(note, sound, int(pitch))
        for note, sound, pitch in zip(notes["audio"], audio, notes["pitch"], strict=True)
    ]
    means = [f"{np.nanmean([measures[key] for measures in found]):.2f}" for key in MEASURES]
    print(f"| {name} | {steps} | " + " | ".join(means) + " |", flush=True)


if __name__ == "__main__":
    main()
