"""Pretrained models: the shipped folders, and loading of a model folder `models/<name>/`."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from nsynth_vae import __version__
from nsynth_vae.config import ClassificationConfig, Config, SynthesisConfig
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import keras

TIMBRE_MODEL = pathlib.Path(__file__).resolve().parents[1] / "models" / "nsynth-small"
"""The model that comes with the package, which commands use where none is named."""

SYNTHESIZER = pathlib.Path(__file__).resolve().parents[1] / "models" / "synthesizer"
"""The trained synthesizer that comes with the package."""

SYNTHESIZER_TFLITE = "synthesizer_float16.tflite"
"""The file in a synthesizer's folder that LiteRT runs, one note a call: `serving_default` and `transpose`."""

CLASSIFIER = pathlib.Path(__file__).resolve().parents[1] / "models" / "classifier"
"""The classifier that comes with the package, which evaluations use."""

ATTRIBUTES = "attributes.json"

_EFFECT_KEYS = {
    "rises": "effect_rate",
    "rises_half": "effect_rate_half",
    "rises_further": "effect_rate_further",
    "deviations": "standard_deviations",
}
"""A direction's effect in attributes.json: key of format 2 -> key of format 3."""

ASSETS_EXTRA = "assets.extra"
"""TF Serving's name for a SavedModel's folder of what is not part of the graph."""

METADATA = "model_facts.json"
"""The file of a model's metadata in its exports."""

_Config = TypeVar("_Config", Config, SynthesisConfig, ClassificationConfig)


def load(
    folder: str | os.PathLike,
    read_config: Callable[[pathlib.Path], _Config],
    make_model: Callable[[_Config], keras.Model],
    *,
    kind: str = "model",
    expected: str = "a model folder",
) -> tuple[keras.Model, _Config]:
    """Rebuild a trained model from a folder's `config.json` and `model.weights.h5`.

    Args:
        folder: the model folder.
        read_config: reads the configuration's file.
        make_model: makes the model of a configuration, not yet built.
        kind: name of such a model, in messages.
        expected: name of its folder, in messages.

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
    """Load a folder's `model.weights.h5` into a built model.

    Args:
        model: built.
        folder: the model folder.
        kind: name of such a model, in messages.
        of: subject and verb of the clause that identifies it, in messages.

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
    """Return a hash of a model's configuration, weights and synthesizer, which identifies its exports.

    Raises:
        InputError: if the folder is not a model's.
    """
    folder = pathlib.Path(folder)
    if not (folder / "config.json").is_file() or not (folder / "model.weights.h5").is_file():
        raise InputError(
            f"{folder}: found no config.json and model.weights.h5 in it, expected a model folder or an exports folder"
        )
    digest = hashlib.sha256(__version__.encode())
    for path in (folder / "config.json", folder / "model.weights.h5", SYNTHESIZER / "model.weights.h5"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_attributes(folder: pathlib.Path) -> dict[str, Any]:
    """Return the content of a folder's `attributes.json`; empty if there is none.

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
    return _format_3(attributes) if attributes.get("format_version") == 2 else attributes


def _format_3(attributes: dict) -> dict:
    """Return attributes of format 2 with the keys of format 3."""

    def renamed(entry: object) -> object:
        effect = entry.get("effect") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(effect, dict):
            return entry
        return entry | {"effect": {_EFFECT_KEYS.get(key, key): value for key, value in effect.items()}}

    directions = attributes.get("directions")
    if isinstance(directions, dict):
        attributes = attributes | {"directions": {name: renamed(entry) for name, entry in directions.items()}}
    return attributes | {"format_version": 3}
