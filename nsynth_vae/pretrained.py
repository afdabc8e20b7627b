"""The model folder `models/<name>/`: reading it, whether a run can use it, and what is written about the run."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from nsynth_vae import __version__
from nsynth_vae.config import AnyConfig, Budget, ClassificationConfig, Config, SynthesisConfig
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import keras

SHIPPED = pathlib.Path(__file__).resolve().parents[1] / "models" / "nsynth-small"
"""The model that comes with the package, which commands use where none is named."""

ATTRIBUTES = "attributes.json"

_Config = TypeVar("_Config", Config, SynthesisConfig, ClassificationConfig)


def default_name(config: AnyConfig) -> str:
    """Returns a folder name made from `--data`: `starter`, a folder's name, `nsynth-full`; several joined by `+`."""
    names = []
    for spec in config.data.data:
        name = (
            spec.removeprefix("tfds:").replace("/", "-")
            if spec.startswith("tfds:")
            else pathlib.Path(spec).resolve().name
        )
        names.append(re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model")
    return "+".join(names)


def check(folder: pathlib.Path, config: AnyConfig, *, resume: bool, budget: Budget) -> bool:
    """Checks that a folder can take a run.

    Args:
        folder: the model folder, which need not be there.
        config: what is to be trained.
        resume: go on from what is there, or start anew.
        budget: what the run may use.

    Returns:
        False if the folder is finished and the budget asks for no more: there is nothing to do.

    Raises:
        InputError: if the folder holds something else, a model of another kind or of another configuration.
    """
    path = folder / "config.json"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: found a file, expected a folder or a new name (--name)")
    # A kill can leave a hidden file, written aside and not renamed yet.
    if folder.is_dir() and any(entry.name[0] != "." for entry in folder.iterdir()) and not path.exists():
        raise InputError(
            f"{folder}: a folder that is not a model's (no config.json), expected an empty one or a new --name"
        )
    foreign = _sections(path) - set(config.to_dict())
    if foreign:
        raise InputError(
            f"{folder}: holds a model of another kind (config.json has {', '.join(sorted(foreign))}), "
            "expected an empty folder or a new --name"
        )
    if path.exists() and resume:
        found = type(config).load(path)
        if found != config:
            raise InputError(
                f"{folder}: holds a model of another configuration ({_differences(found, config)}); "
                "expected the same options, another --name, or --no-resume to start anew"
            )
        done = _finished(folder)
        if done is not None and not _asks_for_more(done, budget):
            print(
                f"{folder} is finished ({done['stopped']}, step {done['step']}): nothing to do. "
                "A larger --steps, --epochs or --minutes trains it further, --no-resume starts anew."
            )
            return False
    return True


def load(
    folder: str | os.PathLike,
    read_config: Callable[[pathlib.Path], _Config],
    make_model: Callable[[_Config], keras.Model],
    *,
    kind: str = "model",
    expected: str = "a model folder",
) -> tuple[keras.Model, _Config]:
    """Rebuilds what was trained from a folder's `config.json` and `model.weights.h5`.

    Args:
        folder: the model folder.
        read_config: reads the configuration's file.
        make_model: makes the model of a configuration, not yet built.
        kind: what it is, in messages.
        expected: what its folder is, in messages.

    Returns:
        (the built model with its weights, its configuration).

    Raises:
        InputError: if the folder or a file is missing or broken, or the weights are another model's.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder, expected {expected} with config.json and model.weights.h5")
    config = read_config(folder / "config.json")
    model = make_model(config)
    model.build()
    load_weights(model, folder, kind=kind)
    return model, config


def load_weights(
    model: keras.Model, folder: str | os.PathLike, *, kind: str = "model", of: str = "config.json describes"
) -> None:
    """Reads a folder's `model.weights.h5`.

    Args:
        model: built; gets the weights.
        folder: the model folder.
        kind: what the model is, in messages.
        of: what describes it, and the verb, in messages.

    Raises:
        InputError: if the file is missing or broken, or the weights are another model's.
    """
    weights = pathlib.Path(folder, "model.weights.h5")
    if not weights.is_file():
        raise InputError(f"{weights}: not found, expected the weights of a trained {kind}")
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{weights}: {reason}; expected the weights of the {kind} that {of}") from error


def fingerprint(folder: str | os.PathLike) -> str:
    """Returns what tells a model's exports from another's: a hash of its configuration, weights and synthesizer.

    Raises:
        InputError: if the folder is not a model's.
    """
    from nsynth_vae.synthesis.synthesizer import SHIPPED as SYNTHESIZER

    folder = pathlib.Path(folder)
    if not (folder / "config.json").is_file() or not (folder / "model.weights.h5").is_file():
        raise InputError(
            f"{folder}: found no config.json and model.weights.h5 in it, expected a model folder or an exports folder"
        )
    digest = hashlib.sha256(__version__.encode())
    for path in (folder / "config.json", folder / "model.weights.h5", SYNTHESIZER / "model.weights.h5"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_attributes(folder: pathlib.Path) -> dict:
    """Returns what a folder's `attributes.json` holds; nothing if there is none.

    Raises:
        InputError: if it is broken.
    """
    path = folder / ATTRIBUTES
    try:
        attributes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected what nsynth_vae.attributes writes") from error
    if not isinstance(attributes, dict):
        raise InputError(f"{path}: found no JSON object, expected what nsynth_vae.attributes writes")
    return attributes


def clear(folder: pathlib.Path) -> None:
    """Removes what a former run would go on from."""
    for name in ("checkpoints", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "metrics.json").unlink(missing_ok=True)


def _sections(path: pathlib.Path) -> set[str]:
    """Returns the names of a configuration file's sections; none if it is not there or no JSON object."""
    try:
        return set(json.loads(path.read_text(encoding="utf-8")).keys())
    except (OSError, ValueError, AttributeError):
        return set()


def _finished(folder: pathlib.Path) -> dict | None:
    """Returns the training part of a finished run's metrics, or None."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return metrics["training"] if metrics["finished"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _asks_for_more(done: dict, budget: Budget) -> bool:
    """Tells whether a budget was given, and is above what the finished run used up or could use."""
    limits = [
        (budget.steps, done["step"]),
        (budget.epochs and budget.epochs * done["steps_per_epoch"], done["step"]),
        (budget.minutes and 60 * budget.minutes, done["seconds"]),
    ]
    given = [(limit, used) for limit, used in limits if limit]
    return bool(given) and not done["converged"] and all(limit > used for limit, used in given)


def _differences(found: AnyConfig, asked: AnyConfig) -> str:
    """Returns the fields in which two configurations differ, with both values."""
    parts = []
    for section, values in found.to_dict().items():
        for name, value in values.items():
            other = asked.to_dict()[section][name]
            if value != other:
                parts.append(f"{name}: {value!r} there, {other!r} asked")
    return "; ".join(parts)


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
