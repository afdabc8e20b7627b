"""Timbre model: the encoder and decoder of a model as one object, and its loading from exports."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from nsynth_vae import pretrained
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.pretrained import ASSETS_EXTRA, ATTRIBUTES, METADATA

if TYPE_CHECKING:
    import tensorflow as tf

BATCH = 8
"""Notes a call: larger batches decode no faster, and these keep memory small."""

PARTS = ("encoder", "decoder")

_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class DecodedNotes:
    """Log-mels and audio of decoded notes."""

    log_mel: np.ndarray
    """float32 `[notes, frames, mel_bins]`."""
    audio: np.ndarray
    """float32 `[notes, num_samples]`, -1..1."""


class Backend(Protocol):
    """Encoder and decoder of one batch: float32 arrays, pitch and velocity int32 `[notes]`."""

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return z_mean `[notes, latent_dim]` of audio `[notes, num_samples]`."""

    def decode(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> DecodedNotes:
        """Return the notes of latent vectors `[notes, latent_dim]`."""

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the log-mels `[notes, frames, mel_bins]` only."""


class SavedModelBackend:
    """Exported SavedModels in TensorFlow, each loaded at its first use."""

    def __init__(self, folders: dict[str, pathlib.Path]) -> None:
        """Remember the folders of the SavedModels `encoder` and `decoder`."""
        self._folders = folders
        self._loaded: dict[str, tf.Module] = {}

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return z_mean `[notes, latent_dim]` of audio `[notes, num_samples]`."""
        return self._run("encoder", "serving_default", audio=audio)["z_mean"]

    def decode(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> DecodedNotes:
        """Return the notes of latent vectors `[notes, latent_dim]`."""
        outputs = self._run("decoder", "serving_default", z=z, pitch=pitch, velocity=velocity)
        return DecodedNotes(outputs["log_mel"], outputs["audio"])

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the log-mels `[notes, frames, mel_bins]` only."""
        return self._run("decoder", "decode_log_mel", z=z, pitch=pitch, velocity=velocity)["log_mel"]

    def _run(self, part: str, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        import tensorflow as tf

        if part not in self._loaded:
            folder = self._folders[part]
            try:
                # Kept here: a signature alone does not keep its model alive.
                self._loaded[part] = tf.saved_model.load(str(folder))
            except (OSError, ValueError) as error:
                reason = str(error).strip().split("\n")[0]
                raise InputError(f"{folder}: cannot be loaded ({reason}), expected a SavedModel") from error
        outputs = self._loaded[part].signatures[signature](**{name: tf.constant(x) for name, x in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimbreModel:
    """A model's encoder and decoder, with what is known of its latent space."""

    name: str
    """The model's name, for titles."""
    config: AudioConfig
    latent_dim: int
    attributes: dict[str, Any]
    """The model's `attributes.json`: centroids, directions and more; empty if it has none."""
    backend: Backend
    attributes_files: tuple[pathlib.Path, ...] = ()
    """All `attributes.json` of this model: the exports', and the model folder's if it was opened from one."""

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return the latent vectors of sounds: z_mean, float32 `[notes, latent_dim]`.

        Args:
            audio: float `[notes, num_samples]`, -1..1.
        """
        parts = in_batches(self.backend.encode, np.asarray(audio, np.float32))
        return np.concatenate([np.zeros([0, self.latent_dim], np.float32), *parts])

    def decode(self, z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int) -> DecodedNotes:
        """Return the notes of latent vectors, each at its pitch and velocity.

        Args:
            z: `[notes, latent_dim]`.
            pitch: MIDI, 0..127: `[notes]`, or one for all.
            velocity: MIDI, 0..127: `[notes]`, or one for all.
        """
        parts = in_batches(self.backend.decode, *_note_inputs(z, pitch, velocity))
        audio = [np.zeros([0, self.config.num_samples], np.float32), *(part.audio for part in parts)]
        return DecodedNotes(self._log_mels([part.log_mel for part in parts]), np.concatenate(audio))

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int) -> np.ndarray:
        """Return only the log-mels, float32 `[notes, frames, mel_bins]`; arguments as in `decode`."""
        return self._log_mels(in_batches(self.backend.decode_log_mel, *_note_inputs(z, pitch, velocity)))

    def _log_mels(self, parts: list[np.ndarray]) -> np.ndarray:
        shape = [0, self.config.num_frames, self.config.num_mel_bins]
        return np.concatenate([np.zeros(shape, np.float32), *parts])


def _note_inputs(
    z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z = np.asarray(z, np.float32)
    pitch, velocity = (np.broadcast_to(np.asarray(each, np.int32), len(z)) for each in (pitch, velocity))
    return z, pitch, velocity


def in_batches(function: Callable[..., _Result], *arrays: np.ndarray) -> list[_Result]:
    """Return the results of a function for every `BATCH` rows of the arrays."""
    starts = range(0, len(arrays[0]), BATCH)
    return [function(*(array[start : start + BATCH] for array in arrays)) for start in starts]


def open_model(
    path: str | os.PathLike | None = None,
    exports: str | os.PathLike = "exports",
    *,
    export: Callable[[pathlib.Path, pathlib.Path], int] | None = None,
    report: Callable[[str], None] = print,
) -> TimbreModel:
    """Open a model's exports; export the model first if `exports` does not have it.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
        exports: where a model folder's exports are, or go.
        export: exports a model folder to `exports` and returns the version, as
            `exporters.model_export.export_folder` does; None where exporting is not possible.
        report: called with a line if the model is exported.

    Raises:
        InputError: if the path is neither, or something in it is missing or broken; if the model has no exports and
            there is no `export`.
    """
    path = pretrained.TIMBRE_MODEL if path is None else pathlib.Path(path)
    if is_exports(path):
        return load_exports(path)
    fingerprint = pretrained.fingerprint(path)
    exports = pathlib.Path(exports)
    version = _version_of(exports, fingerprint)
    if version is None:
        if export is None:
            raise InputError(
                f"{exports}: found no exports of {path}, expected those that "
                f"`python -m nsynth_vae.export --model {path} --exports {exports}` writes"
            )
        report(f"Exporting {path.resolve().name} to {exports}, once")
        version = export(path, exports)
    exported = _load_version(exports, version)
    return dataclasses.replace(
        exported,
        name=path.resolve().name,
        attributes=pretrained.read_attributes(path),
        attributes_files=(path / ATTRIBUTES, *exported.attributes_files),
    )


def is_exports(path: pathlib.Path) -> bool:
    """Return whether a folder is an exports folder, as opposed to a model folder."""
    return any((path / part).is_dir() for part in PARTS) and not (path / "config.json").exists()


def load_exports(path: str | os.PathLike) -> TimbreModel:
    """Open the newest version in an exports folder.

    Raises:
        InputError: if it has no version of both SavedModels, or their metadata are missing or broken.
    """
    path = pathlib.Path(path)
    found = {part: set(versions(path / part)) for part in PARTS}
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
    metadata = _read_metadata(extra["encoder"])
    try:
        config, latent_dim = AudioConfig.from_dict(metadata["audio"]), int(metadata["latent_dim"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{extra['encoder'] / METADATA}: not what an export writes, expected the model's metadata"
        ) from error
    return TimbreModel(
        name=metadata.get("timbre_model") or exports.resolve().name,
        config=config,
        latent_dim=latent_dim,
        attributes=pretrained.read_attributes(extra["encoder"]),
        backend=SavedModelBackend(folders),
        attributes_files=tuple(folder / ATTRIBUTES for folder in extra.values()),
    )


def _version_of(exports: pathlib.Path, fingerprint: str) -> int | None:
    """Return the newest version of both SavedModels that was exported from the model with this fingerprint."""
    both = set.intersection(*(set(versions(exports / part)) for part in PARTS))
    for version in sorted(both, reverse=True):
        with contextlib.suppress(InputError):
            metadata = [_read_metadata(exports / part / str(version) / ASSETS_EXTRA) for part in PARTS]
            if all(each.get("fingerprint") == fingerprint for each in metadata):
                return version
    return None


def versions(folder: pathlib.Path) -> list[int]:
    """Return the version numbers in the folder of an exported encoder or decoder."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return [int(name) for name in names if name.isascii() and name.isdecimal()]


def _read_metadata(folder: pathlib.Path) -> dict[str, Any]:
    path = folder / METADATA
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read, expected the metadata that an export writes") from error
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: found no JSON object, expected the metadata that an export writes")
    return metadata
