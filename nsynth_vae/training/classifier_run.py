"""Training run of the classifier."""

from __future__ import annotations

import functools
import pathlib

import numpy as np

from nsynth_vae.config import ClassificationConfig
from nsynth_vae.evaluation.classifier import DEFINITIONS, LABELS, Classifier
from nsynth_vae.notes import FAMILIES
from nsynth_vae.rendering import plots
from nsynth_vae.training import run
from nsynth_vae.training.model_card import listed, run_metrics, train_again
from nsynth_vae.training.notes import Selection, open_audio_notes, select_notes
from nsynth_vae.training.options import ClassifierOptions
from nsynth_vae.training.task import Task, open_folder
from nsynth_vae.training.trainer import Trainer


def train_classifier(config: ClassificationConfig, options: ClassifierOptions) -> pathlib.Path:
    """Train and evaluate one classifier; arguments, result and errors are as in `train_vae`."""
    task = make_task(config, options)
    with open_folder(task) as cluster:
        if cluster:
            selection = select_notes(task)
            rows = {name: selection.rows[name] for name in ("train", "valid")}
            notes = open_audio_notes(task, selection, rows, tuple(LABELS))
            trained = run.train(task, cluster, selection, notes)
            if trained:
                finish(task, selection, trained[0])
    return task.folder


def make_task(config: ClassificationConfig, options: ClassifierOptions) -> Task:
    """Return the run's subject; its folder is never `classifier`, which is the shipped one's."""
    return Task(
        kind="Classifier",
        command="train_classifier",
        config=config,
        options=options,
        name_prefix="classifier-",
        make_model=functools.partial(Classifier, config),
        loss_panels=(
            ("loss", "loss (nats a note)"),
            ("pitch_accuracy", "pitch, exact"),
            ("family_accuracy", "family"),
            ("source_accuracy", "source"),
        ),
        definitions=DEFINITIONS,
    )


def finish(task: Task, selection: Selection, trainer: Trainer) -> None:
    """Write the model folder, with a confusion matrix, and print a summary."""
    run.write_model(task, trainer)
    folder = task.folder
    plots.plot_confusion(family_confusion(trainer), FAMILIES, folder / "figures" / "families.png")
    metrics = run_metrics(task, selection, trainer)
    run.complete_folder(
        task,
        metrics,
        on=f"On {metrics['notes']['valid']} validation notes:",
        results=listed(metrics["valid"]),
        pictures=f"""\
Measure a timbre model with it, or train the same again:

    python -m nsynth_vae.evaluate --classifier models/{folder.name}
    {train_again(task, metrics)}

![Confusion matrix of the families](figures/families.png)
![Losses](figures/losses.png)

It classifies notes of single instruments as in its data, and nothing else.""",
        next_step=("measure a timbre model with it by", f"evaluate --classifier {folder}"),
    )


def family_confusion(trainer: Trainer) -> np.ndarray:
    """Return the number of validation notes by true and predicted family, int64 `[families, families]`."""
    notes, confusion = trainer.valid, np.zeros([len(FAMILIES)] * 2, np.int64)
    for batch in notes.checked(notes.batches(trainer.config.train.batch_size)):
        predicted = trainer.model(batch["audio"])["instrument_family"].numpy().argmax(axis=1)
        family = batch["instrument_family"].numpy()
        np.add.at(confusion, (family[family >= 0], predicted[family >= 0]), 1)
    return confusion
