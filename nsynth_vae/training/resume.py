"""Model folders of training runs: their default names, and checks before a run starts or resumes."""

from __future__ import annotations

import pathlib
import re
import shutil
from typing import Any

from nsynth_vae.config import AnyConfig, Budget
from nsynth_vae.errors import InputError
from nsynth_vae.files import expand, read_json

_USED = {"step": int, "steps_per_epoch": int, "seconds": int | float, "converged": bool, "stopped": str}
"""Types of what is read of `training` in `metrics.json`."""


def default_folder_name(config: AnyConfig) -> str:
    """Return a folder name made from `--data`: `starter`, a folder's name, `nsynth-full`; several joined by `+`."""
    names = []
    for spec in config.data.data:
        tfds = spec.removeprefix("tfds:")
        name = expand(spec).resolve().name if tfds == spec else tfds.replace("/", "-")
        names.append(re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model")
    return "+".join(names)


def check_folder(folder: pathlib.Path, config: AnyConfig, *, resume: bool, budget: Budget) -> bool:
    """Check that a folder can take a run.

    Args:
        folder: the model folder, which may be empty.
        config: the configuration of the run.
        resume: resume what is there, or start anew.
        budget: the limits that were given.

    Returns:
        False if the run in the folder is finished and the budget is no larger: nothing is left to do.

    Raises:
        InputError: if the folder holds something else, a model of another kind or of another configuration.
    """
    path = folder / "config.json"
    # A kill can leave a hidden file, written but not yet renamed.
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
        finished = _finished_training(folder)
        if finished is not None and not exceeds(budget, finished):
            print(
                f"{folder} is finished ({finished['stopped']}, step {finished['step']}): nothing to do. "
                "A larger --steps, --epochs or --minutes trains it further, --no-resume starts anew."
            )
            return False
    return True


def clear_checkpoints(folder: pathlib.Path) -> None:
    """Remove the checkpoints, logs and metrics of a former run."""
    for name in ("checkpoints", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "metrics.json").unlink(missing_ok=True)


def exceeds(budget: Budget, finished: dict[str, Any]) -> bool:
    """Return whether a budget has a limit, and every limit is above what a finished run used.

    A run that converged has no use for more.

    Args:
        budget: the limits.
        finished: `training` in the run's `metrics.json`.
    """
    limits = [
        (budget.steps, finished["step"]),
        (budget.epochs and budget.epochs * finished["steps_per_epoch"], finished["step"]),
        (budget.minutes and 60 * budget.minutes, finished["seconds"]),
    ]
    given = [(limit, used) for limit, used in limits if limit]
    return bool(given) and not finished["converged"] and all(limit > used for limit, used in given)


def _sections(path: pathlib.Path) -> set[str]:
    """Return the names of a configuration file's sections; none if it is missing or no JSON object."""
    try:
        return set(read_json(path).keys())
    except (OSError, ValueError, AttributeError):
        return set()


def _finished_training(folder: pathlib.Path) -> dict[str, Any] | None:
    """Return the training part of a finished run's metrics; None if there is none, or a damaged one."""
    try:
        metrics = read_json(folder / "metrics.json")
        training = metrics["training"]
        whole = all(isinstance(training[name], kinds) for name, kinds in _USED.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return training if whole and metrics.get("finished") else None


def _differences(found: AnyConfig, requested: AnyConfig) -> str:
    """Return the fields in which two configurations differ, with both values."""
    other = requested.to_dict()
    return "; ".join(
        f"{name}: {value!r} there, {other[section][name]!r} requested"
        for section, values in found.to_dict().items()
        for name, value in values.items()
        if value != other[section][name]
    )
