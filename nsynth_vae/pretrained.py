"""Pretrained models: the shipped folders, and loading of a model folder `models/<name>/`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from nsynth_vae.config import AudioConfig, ClassificationConfig, Config, SynthesisConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import expand, parse_json, read_json

if TYPE_CHECKING:
    import keras

_PACKAGE = pathlib.Path(__file__).resolve().parent

SHIPPED = _PACKAGE / "models" if (_PACKAGE / "models").is_dir() else _PACKAGE.parent / "models"
"""What comes with the package: in a wheel what playing needs, in a clone the weights for training as well."""

TIMBRE_MODEL = SHIPPED / "nsynth-small"
"""The model that comes with the package, which commands use where none is named."""

SYNTHESIZER = SHIPPED / "synthesizer"
"""The trained synthesizer that comes with the package."""

SYNTHESIZER_TFLITE = "synthesizer_float16.tflite"
"""The file in a synthesizer's folder that LiteRT runs, one note a call: `serving_default` and `transpose`."""

CLASSIFIER = SHIPPED / "classifier"
"""The classifier that comes with the clone, which evaluations use."""

PARTS = ("encoder", "decoder")
"""A timbre model's networks, each with its own exports."""

PAGE = "int8"
"""Format of the weights in the files that a page runs."""

WEIGHTS = "model.weights.h5"
ATTRIBUTES = "attributes.json"

FORMAT_VERSION = 1
"""Of exports: increased whenever those of before are to be written anew, or their clients would no longer work."""

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

METADATA_ENTRY = "nsynth_vae.json"
"""The entry of a TFLite file's metadata that describes the model."""

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
    folder = expand(folder)
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
    import numpy as np

    weights = expand(folder) / WEIGHTS
    if not weights.is_file():
        shipped = "; a wheel has none, they are in the repository" if weights.parent.parent == SHIPPED else ""
        raise InputError(f"{weights}: not found, expected the weights of a trained {kind}{shipped}")
    try:
        model.load_weights(weights)
    except Exception as error:
        # HDF5 and Keras raise whatever comes of a damaged byte: TypeError, RuntimeError, AttributeError, ...
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{weights}: {reason}; expected the weights of the {kind} that {of}") from error
    if not all(np.isfinite(values).all() for values in model.get_weights()):
        raise InputError(f"{weights}: found NaN or infinity, expected the weights of the {kind} that {of}")


def fingerprint(folder: str | os.PathLike) -> str:
    """Return a hash of a model's configuration, weights and synthesizer, which identifies its exports.

    Raises:
        InputError: if the folder is not a model's.
    """
    folder = pathlib.Path(folder)
    if not (folder / "config.json").is_file() or not (folder / WEIGHTS).is_file():
        raise InputError(
            f"{folder}: found no config.json and {WEIGHTS} in it, expected a model folder or an exports folder"
        )
    digest = hashlib.sha256(str(FORMAT_VERSION).encode())
    # The synthesizer's TFLite file is in wheels as well, its weights are not.
    for path in (folder / "config.json", folder / WEIGHTS, SYNTHESIZER / SYNTHESIZER_TFLITE):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def player_files(folder: str | os.PathLike) -> dict[str, pathlib.Path]:
    """Return the paths in a model folder of the files that LiteRT plays it with, which may be missing."""
    return {part: pathlib.Path(folder, f"{part}.tflite") for part in PARTS}


def page_files(folder: str | os.PathLike) -> dict[str, pathlib.Path]:
    """Return the paths in a model folder of the files that its pad decodes with, which may be missing.

    They are int8: in WebAssembly float16 takes 2.5 times as long, and a page of float32 is 9 MB larger.
    """
    return {part: pathlib.Path(folder, f"{part}_{PAGE}.tflite") for part in PARTS}


def are_there(files: Mapping[str, pathlib.Path]) -> bool:
    """Return whether all files exist."""
    return all(file.is_file() for file in files.values())


def are_of(files: Mapping[str, pathlib.Path], fingerprint: str) -> bool:
    """Return whether all TFLite files are there and were exported from the model with this fingerprint."""
    with contextlib.suppress(InputError):
        return all(read_tflite_metadata(file).get("fingerprint") == fingerprint for file in files.values())
    return False


def read_tflite_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """Return the metadata inside an exported TFLite file.

    They are those of `exporters.model_export.model_metadata`, and `model`, `weights`, `inputs` and `outputs`: name ->
    dtype, shape and description.

    Raises:
        InputError: if the file cannot be read, is no TFLite file, or has no such metadata.
    """
    try:
        text = tflite_entry(pathlib.Path(path).read_bytes(), METADATA_ENTRY)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a TFLite file") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    metadata = None
    with contextlib.suppress(ValueError):
        metadata = parse_json(text or "")
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: found no metadata {METADATA_ENTRY}, expected a file of this package's export")
    return metadata


def tflite_entry(file: bytes, name: str) -> str | None:
    """Return the text of an entry of a TFLite file's metadata, or None if there is none of this name.

    Raises:
        ValueError: if it is not a TFLite file, or the entry is not UTF-8.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        if file[4:8] != b"TFL3":
            raise TypeError
        model = schema.Model.GetRootAs(file)
        entries = {entry.Name(): entry.Buffer() for entry in map(model.Metadata, range(model.MetadataLength()))}
        # All of them: that of a truncated file's last ones is not all there.
        contents = [model.Buffers(index).DataAsNumpy() for index in range(model.BuffersLength())]
        content = contents[entries[name.encode()]].tobytes() if name.encode() in entries else None
    except (AttributeError, IndexError, TypeError, ValueError, struct.error) as error:
        # A truncated file has offsets beyond its end.
        raise ValueError("found something else, expected a whole TFLite file") from error
    return None if content is None else content.decode()


def audio_of(metadata: Mapping[str, Any], path: pathlib.Path) -> tuple[AudioConfig, int]:
    """Return the features and the latent dimensions by the metadata in `path`.

    Raises:
        InputError: if the metadata do not have them.
    """
    try:
        return AudioConfig.from_dict(metadata["audio"]), int(metadata["latent_dim"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not what an export writes, expected the model's metadata") from error


def version_of(exports: pathlib.Path, fingerprint: str) -> int | None:
    """Return the newest version of both SavedModels that was exported from the model with this fingerprint."""
    both = set.intersection(*(set(versions(exports / part)) for part in PARTS))
    for version in sorted(both, reverse=True):
        with contextlib.suppress(InputError):
            metadata = [read_metadata(exports / part / str(version) / ASSETS_EXTRA) for part in PARTS]
            if all(each.get("fingerprint") == fingerprint for each in metadata):
                return version
    return None


def versions(folder: pathlib.Path) -> list[int]:
    """Return the version numbers in the folder of an exported encoder or decoder."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return [int(name) for name in names if name.isascii() and name.isdecimal()]


def read_metadata(folder: pathlib.Path) -> dict[str, Any]:
    """Return the metadata beside a SavedModel, in its `assets.extra`.

    Raises:
        InputError: if they are missing or broken.
    """
    path = folder / METADATA
    try:
        metadata = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read, expected the metadata that an export writes") from error
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: found no JSON object, expected the metadata that an export writes")
    return metadata


def read_attributes(folder: pathlib.Path) -> dict[str, Any]:
    """Return the content of a folder's `attributes.json`; empty if there is none.

    Raises:
        InputError: if it is broken.
    """
    path = folder / ATTRIBUTES
    try:
        attributes = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected what nsynth_vae.attributes writes") from error
    if not isinstance(attributes, dict):
        raise InputError(f"{path}: found no JSON object, expected what nsynth_vae.attributes writes")
    for name in ("families", "instruments", "directions", "not_learnt"):
        if not isinstance(attributes.get(name, {}), dict):
            found = repr(attributes[name])[:40]
            raise InputError(f"{path}: {name}: found {found}, expected an object, as nsynth_vae.attributes writes")
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
