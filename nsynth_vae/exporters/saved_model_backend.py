"""SavedModel backend of the timbre model: exports played by TensorFlow."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from nsynth_vae import pretrained
from nsynth_vae.config import Config
from nsynth_vae.errors import InputError
from nsynth_vae.exporters.model_export import export_folder
from nsynth_vae.files import expand
from nsynth_vae.pretrained import ASSETS_EXTRA, ATTRIBUTES, PARTS
from nsynth_vae.timbre_model import DecodedNotes, TimbreModel, is_exports


class SavedModelBackend:
    """Exported SavedModels in TensorFlow, each loaded at its first use."""

    def __init__(self, folders: Mapping[str, pathlib.Path]) -> None:
        """Remember the folders of the SavedModels `encoder` and `decoder`."""
        self._folders = folders
        self._loaded: dict[str, tf.Module] = {}

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return z_mean `[notes, latent_dim]` of audio `[notes, num_samples]`."""
        return self._run("encoder", "serving_default", audio=audio)["z_mean"]

    def decode(self, **inputs: np.ndarray) -> DecodedNotes:
        """Return the takes of latent vectors; see `timbre_model.Backend`."""
        outputs = self._run("decoder", "decode_motion", **inputs)
        return DecodedNotes(outputs["log_mel"], outputs["audio"])

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the log-mels `[notes, frames, mel_bins]` without motion."""
        return self._run("decoder", "decode_log_mel", z=z, pitch=pitch, velocity=velocity)["log_mel"]

    def _run(self, part: str, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        if part not in self._loaded:
            folder = self._folders[part]
            try:
                # Kept here: a signature alone does not keep its model alive.
                self._loaded[part] = tf.saved_model.load(str(folder))
            except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
                reason = str(error).strip().split("\n")[0]
                raise InputError(f"{folder}: cannot be loaded ({reason}), expected a SavedModel") from error
        outputs = self._loaded[part].signatures[signature](**{name: tf.constant(x) for name, x in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}


def open_model(
    path: str | os.PathLike | None = None,
    exports: str | os.PathLike = "exports",
    *,
    report: Callable[[str], None] = print,
) -> TimbreModel:
    """Open a model's SavedModels; export the model first if `exports` does not have it.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
        exports: where a model folder's exports are, or go.
        report: called with a line if the model is exported.

    Raises:
        InputError: if the path is neither, or something in it is missing or broken.
    """
    path, exports = pretrained.TIMBRE_MODEL if path is None else expand(path), expand(exports)
    if is_exports(path):
        return load_exports(path)
    version = pretrained.version_of(exports, pretrained.fingerprint(path))
    if version is None:
        report(f"Exporting {path.resolve().name} to {exports}, once")
        version = export_folder(path, exports)
    exported = _load_version(exports, version)
    return dataclasses.replace(
        exported,
        name=path.resolve().name,
        attributes=pretrained.read_attributes(path),
        level_coordinate=Config.load(path / "config.json").model.level,
        attributes_files=(path / ATTRIBUTES, *exported.attributes_files),
    )


def load_exports(path: str | os.PathLike) -> TimbreModel:
    """Open the newest version in an exports folder.

    Raises:
        InputError: if it has no version of both SavedModels, or their metadata are missing or broken.
    """
    path = pathlib.Path(path)
    found = {part: set(pretrained.versions(path / part)) for part in PARTS}
    for part in PARTS:
        if not found[part]:
            raise InputError(f"{path / part}: found no version of a SavedModel, expected an exports folder's")
    both = set.intersection(*found.values())
    if not both:
        raise InputError(f"{path}: found no version of both encoder and decoder, expected an exports folder")
    return _load_version(path, max(both))


def _load_version(exports: pathlib.Path, version: int) -> TimbreModel:
    folders = {part: exports / part / str(version) for part in PARTS}
    extra = {part: folder / ASSETS_EXTRA for part, folder in folders.items()}
    metadata = pretrained.read_metadata(extra["encoder"])
    config, latent_dim = pretrained.audio_of(metadata, extra["encoder"] / pretrained.METADATA)
    return TimbreModel(
        name=metadata.get("timbre_model") or exports.resolve().name,
        config=config,
        latent_dim=latent_dim,
        attributes=pretrained.read_attributes(extra["encoder"]),
        backend=SavedModelBackend(folders),
        level_coordinate=bool(metadata.get("level_coordinate", False)),
        attributes_files=tuple(folder / ATTRIBUTES for folder in extra.values()),
    )
