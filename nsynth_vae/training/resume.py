"""Resuming of training: whether a model folder can take a run."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
from typing import TYPE_CHECKING

from nsynth_vae.config import AnyConfig, Budget
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    pass


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
