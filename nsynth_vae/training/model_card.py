"""Metrics file and model card of a finished training run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from nsynth_vae import __version__

if TYPE_CHECKING:
    from nsynth_vae.training.notes import Selection
    from nsynth_vae.training.task import Task
    from nsynth_vae.training.trainer import Trainer


def run_metrics(task: Task, selection: Selection, trainer: Trainer) -> dict[str, Any]:
    """Evaluate the trainer's model on the validation notes and return what `metrics.json` holds."""
    state = trainer.state.to_dict()
    names = ("stopped", "converged", "step", "best_step", "seconds", "seed", "last_losses", "history")
    return {
        "format_version": 1,
        "finished": True,
        "definitions": dict(task.definitions),
        "notes": {name: len(rows) for name, rows in selection.rows.items()},
        "shared_instruments": selection.shared,
        "skipped_notes": selection.bad_notes.skipped,
        "valid": trainer.evaluate(trainer.valid),
        "training": {name: state[name] for name in names} | {"steps_per_epoch": trainer.steps_per_epoch},
        "versions": {
            "nsynth_vae": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": sys.version.split()[0],
        },
        "cpu_cores": os.cpu_count(),
    }


def model_card(task: Task, metrics: dict[str, Any], *, results: str, pictures: str) -> str:
    """Return the model folder's README: its notes, its training, and how well it does.

    Args:
        task: what was trained.
        metrics: what `run_metrics` returned.
        results: a paragraph on how well it does.
        pictures: figures, then a sentence on the sounds.
    """
    notes, training, data = metrics["notes"], metrics["training"], task.config.data.data
    batch_size = task.config.train.batch_size
    sources = []
    if set(data) - {"starter"}:
        sources.append("the licence of the notes is that of their source; NSynth's is CC BY 4.0 by Google Inc")
    if "starter" in data:
        sources.append("the starter set is rendered from FluidR3Mono_GM (MIT, see nsynth_vae/data/starter_set/LICENSE)")
    return f"""# {task.kind} trained on {", ".join(data)}

Trained by `python -m nsynth_vae.{task.command}` {__version__}: {training["step"]} steps of {batch_size} notes,
{training["seconds"] / 60:.1f} minutes on {metrics["cpu_cores"]} CPU cores; ended because: {training["stopped"]}.

| split | notes |
|---|---|
| train | {notes["train"]} |
| valid | {notes["valid"]} |

{results}
`metrics.json` has the definitions and the history.

{pictures} Data: {"; ".join(sources)}.
"""


def train_again(task: Task, metrics: dict[str, Any]) -> str:
    """Return the command that trains the same model again."""
    config, step = f"models/{task.folder.name}/config.json", metrics["training"]["step"]
    return f"python -m nsynth_vae.{task.command} --config {config} --steps {step} --name NAME"


def listed(measures: Mapping[str, float]) -> str:
    """Return measures as text, three digits after the point."""
    return ", ".join(f"{name} {value:.3f}" for name, value in measures.items())
