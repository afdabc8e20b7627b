"""The exported encoder and decoder as one object: what the tools of the latent space work on, as users deploy it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import pretrained
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

BATCH = 8
"""Notes at a time: sound is made of them as fast as of more, and memory stays small."""

PARTS = ("encoder", "decoder")


@dataclasses.dataclass(frozen=True)
class DecodedNotes:
    """Notes that the decoder made."""

    log_mel: np.ndarray
    """float32 `[notes, frames, mel_bins]`."""
    audio: np.ndarray
    """float32 `[notes, num_samples]`, -1..1."""


@dataclasses.dataclass(frozen=True)
class TimbreModel:
    """A version of the exports: SavedModels, each loaded when it is first used, and what is known of the space."""

    name: str
    """Of the model, for titles."""
    config: AudioConfig
    latent_dim: int
    attributes: dict
    """What the model's `attributes.json` holds: centroids, directions and more; empty if it has none."""
    folders: dict[str, pathlib.Path]
    """`encoder`, `decoder`: the SavedModels."""

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Returns z_mean, float32 `[notes, latent_dim]`, of audio, float32 `[notes, num_samples]`, -1..1."""
        import tensorflow as tf

        signature = self._signature("encoder")
        parts = [signature(audio=tf.constant(part, tf.float32))["z_mean"].numpy() for (part,) in _batches(audio)]
        return np.concatenate([np.zeros([0, self.latent_dim], np.float32), *parts])

    def decode(self, z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int) -> DecodedNotes:
        """Returns notes of points, each at its pitch and velocity.

        Args:
            z: `[notes, latent_dim]`.
            pitch: MIDI, 0..127: `[notes]`, or one for all.
            velocity: MIDI, 0..127: `[notes]`, or one for all.
        """
        log_mel, audio = self._decoded("serving_default", ("log_mel", "audio"), z, pitch, velocity)
        return DecodedNotes(log_mel, audio)

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int) -> np.ndarray:
        """Returns only the log-mels, float32 `[notes, frames, mel_bins]`; arguments as `decode`."""
        return self._decoded("decode_log_mel", ("log_mel",), z, pitch, velocity)[0]

    def _decoded(
        self, name: str, outputs: tuple[str, ...], z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int
    ) -> list[np.ndarray]:
        import tensorflow as tf

        signature = self._signature("decoder", name)
        z = np.asarray(z, np.float32)
        pitch, velocity = (np.broadcast_to(np.asarray(each, np.int32), len(z)) for each in (pitch, velocity))
        shapes = {
            "log_mel": [0, self.config.num_frames, self.config.num_mel_bins],
            "audio": [0, self.config.num_samples],
        }
        played = [[np.zeros(shapes[output], np.float32)] for output in outputs]
        for points, pitches, velocities in _batches(z, pitch, velocity):
            result = signature(z=tf.constant(points), pitch=tf.constant(pitches), velocity=tf.constant(velocities))
            for parts, output in zip(played, outputs, strict=True):
                parts.append(result[output].numpy())
        return [np.concatenate(parts) for parts in played]

    @functools.cached_property
    def _loaded(self) -> dict[str, tf.Module]:
        return {}

    def _signature(self, part: str, name: str = "serving_default") -> Callable:
        """Returns a SavedModel's signature; the object that keeps the model alive is held here."""
        import tensorflow as tf

        if part not in self._loaded:
            try:
                self._loaded[part] = tf.saved_model.load(str(self.folders[part]))
            except (OSError, ValueError) as error:
                reason = str(error).strip().split("\n")[0]
                raise InputError(f"{self.folders[part]}: cannot be loaded ({reason}), expected a SavedModel") from error
        return self._loaded[part].signatures[name]


def open_model(
    path: str | os.PathLike | None = None,
    exports: str | os.PathLike = "exports",
    *,
    report: Callable[[str], None] = print,
) -> TimbreModel:
    """Opens a model's exports; exports the model first if `exports` does not have it.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
        exports: where a model folder's exports are, or go.
        report: is told, in a line, if it is exported.

    Raises:
        InputError: if the path is neither, or something in it is missing or broken.
    """
    path = pretrained.TIMBRE_MODEL if path is None else pathlib.Path(path)
    if is_exports(path):
        return load_exports(path)
    fingerprint = pretrained.fingerprint(path)
    exports = pathlib.Path(exports)
    version = _version_of(exports, fingerprint)
    if version is None:
        from nsynth_vae.exporters.model_export import export_model
        from nsynth_vae.model.vae import load_model

        report(f"Exporting {path.resolve().name} to {exports}, once")
        vae, config = load_model(path)
        version = int(export_model(vae, config, exports, model=path, devices=False)["encoder"].name)
    return dataclasses.replace(
        _load_version(exports, version), name=path.resolve().name, attributes=pretrained.read_attributes(path)
    )


def is_exports(path: pathlib.Path) -> bool:
    """Tells whether a folder is an exports folder, as opposed to a model folder."""
    return any((path / part).is_dir() for part in PARTS) and not (path / "config.json").exists()


def load_exports(path: str | os.PathLike) -> TimbreModel:
    """Opens the newest version in an exports folder.

    Raises:
        InputError: if it has no version of both SavedModels, or does not say what they are.
    """
    path = pathlib.Path(path)
    versions = [set(_versions(path / part)) for part in PARTS]
    for part, found in zip(PARTS, versions, strict=True):
        if not found:
            raise InputError(f"{path / part}: found no version of a SavedModel, expected an exports folder's")
    both = set.intersection(*versions)
    if not both:
        raise InputError(f"{path}: found no version of both encoder and decoder, expected an exports folder")
    return _load_version(path, max(both))


def _load_version(exports: pathlib.Path, version: int) -> TimbreModel:
    from nsynth_vae.pretrained import ASSETS_EXTRA, METADATA

    folders = {part: exports / part / str(version) for part in PARTS}
    facts = _read_facts(folders["encoder"] / ASSETS_EXTRA / METADATA)
    try:
        config, latent_dim = AudioConfig.from_dict(facts["audio"]), int(facts["latent_dim"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folders['encoder'] / ASSETS_EXTRA / METADATA}: not what an export writes, expected the model's facts"
        ) from error
    attributes = pretrained.read_attributes(folders["encoder"] / ASSETS_EXTRA)
    return TimbreModel(facts.get("timbre_model") or exports.resolve().name, config, latent_dim, attributes, folders)


def _version_of(exports: pathlib.Path, fingerprint: str) -> int | None:
    """Returns the newest version of both SavedModels that was made of the model with this fingerprint."""
    from nsynth_vae.pretrained import ASSETS_EXTRA, METADATA

    both = set.intersection(*(set(_versions(exports / part)) for part in PARTS))
    for version in sorted(both, reverse=True):
        with contextlib.suppress(InputError):
            facts = [_read_facts(exports / part / str(version) / ASSETS_EXTRA / METADATA) for part in PARTS]
            if all(each.get("fingerprint") == fingerprint for each in facts):
                return version
    return None


def _versions(folder: pathlib.Path) -> list[int]:
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return [int(name) for name in names if name.isascii() and name.isdecimal()]


def _read_facts(path: pathlib.Path) -> dict:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read, expected the facts that an export writes") from error
    if not isinstance(facts, dict):
        raise InputError(f"{path}: found no JSON object, expected the facts that an export writes")
    return facts


def _batches(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    for start in range(0, len(arrays[0]), BATCH):
        yield tuple(array[start : start + BATCH] for array in arrays)
