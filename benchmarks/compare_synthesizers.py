"""Comparison of the synthesizer's designs, each trained for the same processor time.

    python benchmarks/compare_synthesizers.py [--data SRC ...] [--valid SRC] [--cpu-seconds S] [--designs 0,1]

Every design is trained on the train notes of `--data` and measured on every sixth note of the valid split of
`--valid`, compared with Griffin-Lim and the real notes. Processor time is counted on all cores, without the reading of
notes and the tracing of graphs.
"""

from __future__ import annotations

import os
from unittest import mock

import common
import equal_time
import numpy as np
from synthesis import Notes, Play, griffin_lim, load_notes, open_notes

from nsynth_vae.analysis import metrics
from nsynth_vae.config import SynthesisConfig, SynthesizerConfig
from nsynth_vae.data.batching.audio_batches import MemoryAudio
from nsynth_vae.timbre_model import in_batches

DESIGNS: dict[str, dict] = {
    "as it is": {},
    "no f0 deviation": {"deviation_gain": 0.0},
    "Gaussian noise instead of flat noise": {"noise": "gaussian"},
    "192 harmonics instead of 128": {"num_harmonics": 192},
    "log-mels never blurred in training": {"blur_probability": 0.0},
    "128 channels, 3 blocks": {"channels": 128, "blocks": 3},
}
"""Name -> differences: fields of `SynthesizerConfig`, constants of the modules, the noise."""

MEASURES = ("mss", "lsd_db", "off_harmonic_db", "wobble_cents")


def main(arguments: list[str] | None = None) -> None:
    """Run the designs and print a Markdown table."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--data", action="append", help="training notes (default: --valid and starter)")
    parser.add_argument("--valid", default="../shared/nsynth", help="NSynth notes (default: %(default)s)")
    parser.add_argument("--cpu-seconds", type=float, default=144.0, help="per design (default: %(default)g)")
    parser.add_argument("--designs", default=",".join(map(str, range(len(DESIGNS)))), help="numbers, from 0")
    parser.add_argument("--every", type=int, default=6, help="of every so many valid notes one (default: %(default)d)")
    options = parser.parse_args(arguments)
    data, audio = options.data or [options.valid, "starter"], SynthesisConfig().audio
    train = open_notes(data, "train", audio)
    notes = load_notes([options.valid], "valid", audio, every=options.every)
    print(
        f"{os.cpu_count()} cores, {options.cpu_seconds:g} CPU seconds a design, {len(train.table)} notes of {data}; "
        f"measured: {len(notes.pitch)} valid notes of {options.valid}\n"
    )
    print("| design | steps | " + " | ".join(MEASURES) + " |\n|" + "---|" * (2 + len(MEASURES)), flush=True)
    print_row("real notes", "", notes, lambda log_mel, pitch: notes.audio)
    print_row("Griffin-Lim, non-negative, 60 fast iterations", "", notes, griffin_lim(audio, iterations=60))
    names = list(DESIGNS)
    for number in map(int, options.designs.split(",")):
        steps, play = trained(DESIGNS[names[number]], train, options.cpu_seconds)
        print_row(names[number], steps, notes, lambda *inputs, play=play: np.concatenate(in_batches(play, *inputs)))


def trained(design: dict, train: MemoryAudio, cpu_seconds: float) -> tuple[int, Play]:
    """Train one design, a value of `DESIGNS`, for a processor time; return the steps taken, and its synthesis."""
    import keras
    import tensorflow as tf

    from nsynth_vae.synthesis import harmonic_analysis, losses, synthesizer

    fields = {name: value for name, value in design.items() if name in SynthesizerConfig.__dataclass_fields__}
    config = SynthesisConfig(synthesizer=SynthesizerConfig(**fields))
    keras.utils.set_random_seed(config.train.seed)
    gain = {"DEVIATION_GAIN": design.get("deviation_gain", harmonic_analysis.DEVIATION_GAIN)}
    blur = {"BLUR_PROBABILITY": design.get("blur_probability", losses.BLUR_PROBABILITY)}
    with mock.patch.dict(vars(harmonic_analysis), gain), mock.patch.dict(vars(losses), blur):
        model = synthesizer.Synthesizer(config)
        model.build()
        if design.get("noise") == "gaussian":
            model.noise.assign(np.random.default_rng(0).standard_normal(model.noise.shape))
        batches = train.training(batch_size=config.train.batch_size, seed=config.train.seed)
        steps = equal_time.train(model, batches, config.train, cpu_seconds)
        log_mel = tf.TensorSpec([None, config.audio.num_frames, config.audio.num_mel_bins])
        # Traced here, where the design's constants hold.
        play = tf.function(model.call).get_concrete_function(log_mel, tf.TensorSpec([None], tf.int32))
    return steps, lambda log_mel, pitch: play(tf.constant(log_mel), tf.constant(pitch)).numpy()


def print_row(name: str, steps: int | str, notes: Notes, play: Play) -> None:
    """Print a design's steps and its means of `MEASURES`."""
    sounds = zip(notes.audio, play(notes.log_mel, notes.pitch), notes.pitch, strict=True)
    found = [metrics.compare(note, sound, int(pitch)) for note, sound, pitch in sounds]
    means = [f"{np.nanmean([measures[key] for measures in found]):.2f}" for key in MEASURES]
    print(f"| {name} | {steps} | " + " | ".join(means) + " |", flush=True)


if __name__ == "__main__":
    main()
