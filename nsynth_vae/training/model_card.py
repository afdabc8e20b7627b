"""Metrics file and model card of a finished training run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from nsynth_vae import __version__
from nsynth_vae.config import AnyConfig

if TYPE_CHECKING:
    pass


def run_metrics(
    *, definitions: dict, notes: dict, shared: dict, skipped: dict, valid: dict, state: dict, steps_per_epoch: int
) -> dict:
    """Returns what `metrics.json` holds.

    Args:
        definitions: measure -> its unit and what it is.
        notes: split -> number of notes.
        shared: pair of splits -> number of instruments in both.
        skipped: file -> what was wrong with it.
        valid: the measures of the best weights on the validation notes.
        state: the trainer's.
        steps_per_epoch: the trainer's.
    """
    import keras
    import tensorflow as tf

    names = ("stopped", "converged", "step", "best_step", "seconds", "seed", "last_losses", "history")
    return {
        "format_version": 1,
        "finished": True,
        "definitions": definitions,
        "notes": notes,
        "shared_instruments": shared,
        "skipped_notes": skipped,
        "valid": valid,
        "training": {name: state[name] for name in names} | {"steps_per_epoch": steps_per_epoch},
        "versions": {
            "nsynth_vae": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": sys.version.split()[0],
        },
        "cpu_cores": os.cpu_count(),
    }


def model_card(config: AnyConfig, metrics: dict, *, kind: str, module: str, results: str, pictures: str) -> str:
    """Returns the model folder's README: what it was trained on, how, and how well it does.

    Args:
        config: the whole configuration.
        metrics: what `run_metrics` returned.
        kind: of model, the title's first words.
        module: the command that trained it.
        results: a paragraph on how well it does.
        pictures: figures, then a sentence on the sounds.
    """
    notes, training = metrics["notes"], metrics["training"]
    data = ", ".join(config.data.data)
    sources = []
    if set(config.data.data) - {"starter"}:
        sources.append("the licence of the notes is that of their source; NSynth's is CC BY 4.0 by Google Inc")
    if "starter" in config.data.data:
        sources.append("the starter set is rendered from FluidR3Mono_GM (MIT, see nsynth_vae/data/starter_set/LICENSE)")
    credit = "; ".join(sources)
    return f"""# {kind} trained on {data}

Trained by `python -m {module}` {__version__}: {training["step"]} steps of {config.train.batch_size} notes,
{training["seconds"] / 60:.1f} minutes on {metrics["cpu_cores"]} CPU cores; ended because: {training["stopped"]}.

| split | notes |
|---|---|
| train | {notes["train"]} |
| valid | {notes["valid"]} |

{results}
`metrics.json` has the definitions and the history.

{pictures} Data: {credit}.
"""
