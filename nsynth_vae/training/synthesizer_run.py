"""Training run of the synthesizer."""

from __future__ import annotations

import functools
import pathlib

import numpy as np

from nsynth_vae.config import SynthesisConfig
from nsynth_vae.exporters.tflite import export_synthesizer
from nsynth_vae.pretrained import SYNTHESIZER_TFLITE
from nsynth_vae.synthesis.losses import DEFINITIONS
from nsynth_vae.synthesis.synthesizer import Synthesizer
from nsynth_vae.training import examples, run
from nsynth_vae.training.model_card import listed, run_metrics, train_again
from nsynth_vae.training.notes import Selection, open_audio_notes, select_notes
from nsynth_vae.training.options import SynthesizerOptions
from nsynth_vae.training.task import Task, open_folder
from nsynth_vae.training.trainer import Trainer

VALID_NOTES = 128
"""Validation notes at most: an epoch on few notes takes a minute, and is not to wait longer for its validation."""


def train_synthesizer(config: SynthesisConfig, options: SynthesizerOptions) -> pathlib.Path:
    """Train and evaluate one synthesizer; arguments, result and errors are as in `train_vae`."""
    task = make_task(config, options)
    with open_folder(task) as cluster:
        if cluster:
            selection = select_notes(task)
            rows = {"train": selection.rows["train"], "valid": every_kth(selection.rows["valid"], VALID_NOTES)}
            trained = run.train(task, cluster, selection, open_audio_notes(task, selection, rows))
            if trained:
                finish(task, selection, *trained)
    return task.folder


def make_task(config: SynthesisConfig, options: SynthesizerOptions) -> Task:
    """Return the run's subject; its folder is never `synthesizer`, which is the shipped one's."""
    return Task(
        kind="Synthesizer",
        command="train_synthesizer",
        config=config,
        options=options,
        name_prefix="synthesizer-",
        make_model=functools.partial(Synthesizer, config),
        render=examples.resynthesize,
        rendering="resynthesis",
        loss_panels=(
            ("loss", "loss"),
            ("mss", "multi-scale spectral distance"),
            ("lsd_db", "log-spectral distance (dB)"),
        ),
        definitions=DEFINITIONS | {"valid": f"means over every k-th validation note, at most {VALID_NOTES} of them"},
    )


def every_kth(rows: np.ndarray, count: int) -> np.ndarray:
    """Return every k-th of some rows, with the smallest k that leaves at most `count`."""
    return rows[:: max(1, -(-len(rows) // count))]


def finish(task: Task, selection: Selection, trainer: Trainer, shown: examples.Examples) -> None:
    """Write the model folder, with resyntheses and the synthesizer as TFLite, and print a summary."""
    run.write_model(task, trainer)
    folder = task.folder
    audio = task.config.audio
    renderings = {
        f"Griffin-Lim, {examples.BASELINE_ITERATIONS} iterations": examples.invert(shown, audio),
        "synthesizer": examples.resynthesize(trainer.model, shown),
    }
    examples.write_examples(shown, renderings, audio, folder, "resynthesis.png")
    export_synthesizer(trainer.model, folder / SYNTHESIZER_TFLITE)
    metrics = run_metrics(task, selection, trainer)
    count = f"{len(trainer.valid.rows)} of the {metrics['notes']['valid']}"
    run.complete_folder(
        task,
        metrics,
        on=f"On {count} validation notes, from their own log-mels and pitches:",
        results=listed(metrics["valid"]),
        pictures=f"""\
Play a note through it, or train the same again:

    python -m nsynth_vae.resynthesize NOTE.wav --model models/{folder.name} -o DIR
    {train_again(task, metrics)}

![Originals, Griffin-Lim and the synthesizer](figures/resynthesis.png)
![Losses](figures/losses.png)

Sounds are in `sounds/`: originals, Griffin-Lim and the synthesizer.""",
        next_step=("play your own note through it with", f"resynthesize NOTE.wav --model {folder} -o DIR"),
    )
