"""Timbre model: the encoder and decoder of a model as one object, run by LiteRT."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from nsynth_vae import pretrained
from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.config import AudioConfig, Config
from nsynth_vae.errors import InputError, tflite_errors
from nsynth_vae.files import expand, read_tflite
from nsynth_vae.notes import pitch_to_hertz
from nsynth_vae.pretrained import ASSETS_EXTRA, ATTRIBUTES, PARTS

BATCH = 8
"""Notes a call: larger batches decode no faster, and these keep memory small."""

PLAYED = "float16"
"""Format of the weights in the files that are played: its largest error in audio, 0.0098 on 896 notes, is below the
limit of 0.01, at half the size of float32; int8's is 1.2."""

THREADS = min(2, os.cpu_count() or 1)
"""Of LiteRT: a note is decoded in 7.6 ms by two, in 10.4 ms by one."""

_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class DecodedNotes:
    """Log-mels and audio of decoded notes, as they move."""

    log_mel: np.ndarray
    """float32 `[notes, frames, mel_bins]`."""
    audio: np.ndarray
    """float32 `[notes, num_samples]`, -1..1."""


class Backend(Protocol):
    """Encoder and decoder of one batch: float32 arrays, pitch and velocity int32 `[notes]`."""

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return z_mean `[notes, latent_dim]` of audio `[notes, num_samples]`."""

    def decode(
        self, *, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray, seed: np.ndarray, motion: np.ndarray
    ) -> DecodedNotes:
        """Return the takes, int32 `[notes]`, of latent vectors `[notes, latent_dim]`; motion: float32 `[notes]`."""

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the log-mels `[notes, frames, mel_bins]` without motion."""


class LiteRTBackend:
    """TFLite files in LiteRT, one note a call, each loaded at its first use."""

    def __init__(self, files: Mapping[str, pathlib.Path], config: AudioConfig) -> None:
        """Remember the files `encoder` and `decoder`, and the features, for a decoder that has no audio."""
        self._files, self._config = files, config
        self._models: dict[str, Any] = {}
        self._runners: dict[tuple[str, str], Any] = {}

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return z_mean `[notes, latent_dim]` of audio `[notes, num_samples]`."""
        return self._run("encoder", ("z_mean",), audio=audio)["z_mean"]

    def decode(self, **inputs: np.ndarray) -> DecodedNotes:
        """Return the takes of latent vectors, those without synthesizer by Griffin-Lim; see `Backend`.

        Files of version 0.1 have one take of a note.
        """
        notes = self._run("decoder", ("log_mel", "audio"), "decode_motion", **inputs)
        if "audio" not in notes:
            from nsynth_vae.analysis.griffin_lim import log_mel_to_audio

            notes["audio"] = log_mel_to_audio(notes["log_mel"], self._config)
        return DecodedNotes(notes["log_mel"], notes["audio"])

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the log-mels `[notes, frames, mel_bins]` without motion."""
        return self._run("decoder", ("log_mel",), "decode_log_mel", z=z, pitch=pitch, velocity=velocity)["log_mel"]

    def _run(
        self, part: str, names: tuple[str, ...], signature: str = "serving_default", **inputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the outputs of a part that have these names, but `audio` only if it has that."""
        count = len(next(iter(inputs.values())))
        shapes = {"log_mel": (self._config.num_frames, self._config.num_mel_bins), "audio": (self._config.num_samples,)}
        # At a file's first note LiteRT writes a line about its delegate.
        with quiet(), tflite_errors(self._files[part]):
            run, accepted = self._open(part, signature)
            inputs = {name: values for name, values in inputs.items() if name in accepted}
            notes = [run(**{name: values[row : row + 1] for name, values in inputs.items()}) for row in range(count)]
            found = {
                name: np.concatenate([note[name] for note in notes])
                for name in names
                if name != "audio" or all("audio" in note for note in notes)
            }
            for name, values in found.items():
                if len(values) != count or values.shape[1:] != shapes.get(name, values.shape[1:2]):
                    raise ValueError(f"{name} of shape {list(values.shape)}")
                if not np.isfinite(values).all():
                    raise ValueError(f"found NaN or infinity in {name}")
        return found

    def _open(self, part: str, signature: str) -> tuple[Callable[..., dict[str, np.ndarray]], Sequence[str]]:
        """Return the runner of a signature, or of `serving_default` if there is none of that name, and its inputs."""
        if part not in self._models:
            from ai_edge_litert.interpreter import Interpreter

            # By its content: on Windows LiteRT opens no path with letters that the code page lacks.
            self._models[part] = Interpreter(model_content=read_tflite(self._files[part]), num_threads=THREADS)
        if (part, signature) not in self._runners:
            known = self._models[part].get_signature_list()
            name = signature if signature in known else "serving_default"
            self._runners[part, signature] = self._models[part].get_signature_runner(name)
        run = self._runners[part, signature]
        return run, list(run.get_input_details())


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
    take: int = 0
    motion: float = 1.0
    keep_level: bool = False
    """Take and factor of the motion, where none is asked for; whether sound files are encoded at their own level."""
    level_coordinate: bool = False
    """Whether the first dimension of z is known to be the level."""
    attributes_files: tuple[pathlib.Path, ...] = ()
    """All `attributes.json` of this model: the exports', and the model folder's if it was opened from one."""

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return z_mean, float32 `[notes, latent_dim]`, of sounds, float `[notes, num_samples]`, -1..1."""
        parts = in_batches(self.backend.encode, np.asarray(audio, np.float32))
        return np.concatenate([np.zeros([0, self.latent_dim], np.float32), *parts])

    def decode(
        self,
        z: np.ndarray,
        pitch: np.ndarray | int,
        velocity: np.ndarray | int,
        *,
        take: np.ndarray | int | None = None,
        motion: np.ndarray | float | None = None,
    ) -> DecodedNotes:
        """Return the notes of latent vectors, each at its pitch and velocity.

        Args:
            z: `[notes, latent_dim]`.
            pitch: MIDI, 0..127: `[notes]`, or one for all; so are the others. Above half the sample rate: silence.
            velocity: MIDI, 0..127.
            take: any integer of 32 bits; None for the model's own.
            motion: factor of the motion, 0 for steady notes, 1 as learnt, to 2; likewise.
        """
        takes = np.asarray(self.take if take is None else take, np.int32)
        motions = np.asarray(self.motion if motion is None else motion, np.float32)
        arrays = (*_note_inputs(z, pitch, velocity), *(np.broadcast_to(each, len(z)) for each in (takes, motions)))
        names = ("z", "pitch", "velocity", "seed", "motion")
        parts = in_batches(lambda *batch: self.backend.decode(**dict(zip(names, batch, strict=True))), *arrays)
        audio = np.concatenate([np.zeros([0, self.config.num_samples], np.float32), *(part.audio for part in parts)])
        # Without a partial the decoder makes a rumble of a few Hz.
        audio[pitch_to_hertz(arrays[1]) >= self.config.sample_rate / 2] = 0.0
        return DecodedNotes(self._log_mels([part.log_mel for part in parts]), audio)

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int) -> np.ndarray:
        """Return only the log-mels, float32 `[notes, frames, mel_bins]`; arguments as in `decode`."""
        return self._log_mels(in_batches(self.backend.decode_log_mel, *_note_inputs(z, pitch, velocity)))

    def _log_mels(self, parts: list[np.ndarray]) -> np.ndarray:
        shape = [0, self.config.num_frames, self.config.num_mel_bins]
        return np.concatenate([np.zeros(shape, np.float32), *parts])


def _note_inputs(z: np.ndarray, pitch: np.ndarray | int, velocity: np.ndarray | int) -> tuple[np.ndarray, ...]:
    pitch, velocity = (np.broadcast_to(np.asarray(each, np.int32), len(z)) for each in (pitch, velocity))
    return np.asarray(z, np.float32), pitch, velocity


def in_batches(function: Callable[..., _Result], *arrays: np.ndarray) -> list[_Result]:
    """Return the results of a function for every `BATCH` rows of the arrays."""
    starts = range(0, len(arrays[0]), BATCH)
    return [function(*(array[start : start + BATCH] for array in arrays)) for start in starts]


def open_model(
    path: str | os.PathLike | None = None,
    exports: str | os.PathLike = "exports",
    *,
    export: Callable[[pathlib.Path], None] | None = None,
    report: Callable[[str], None] = print,
) -> TimbreModel:
    """Open a model's TFLite files; export the model first if neither its folder nor `exports` has them.

    Args:
        path: a model folder or an exports folder; None for the shipped model.
        exports: where a model folder's exports may be.
        export: writes the TFLite files of a model folder, as `exporters.model_export.export_for_player` does; None
            where exporting is not possible.
        report: called with a line if the model is exported.

    Raises:
        InputError: if the path is neither, or something in it is missing or broken; if the model has no TFLite files
            and there is no `export`.
    """
    path = pretrained.TIMBRE_MODEL if path is None else expand(path)
    if is_exports(path):
        return load_exports(path)
    own = pretrained.player_files(path)
    files = find_files(path, own, exported_files(expand(exports), PLAYED))
    if files is None and export is None:
        raise InputError(
            f"{path}: found no encoder.tflite and decoder.tflite of its weights, expected those that "
            f"`python -m nsynth_vae.export --model {path}` writes, on Python 3.11 to 3.13 with "
            "`pip install 'nsynth-vae[train]'`"
        )
    if files is None and export is not None:
        report(f"Exporting {path.resolve().name} for LiteRT, once")
        export(path)
    config = Config.load(path / "config.json")
    return TimbreModel(
        name=path.resolve().name,
        config=config.audio,
        latent_dim=config.model.latent_dim,
        attributes=pretrained.read_attributes(path),
        backend=LiteRTBackend(files or own, config.audio),
        level_coordinate=config.model.level,
        attributes_files=(path / ATTRIBUTES,),
    )


def find_files(folder: pathlib.Path, *candidates: dict[str, pathlib.Path]) -> dict[str, pathlib.Path] | None:
    """Return the first of some TFLite files that are of the weights in a model folder, or None.

    Args:
        folder: the model folder.
        candidates: paths by part; the first are the folder's own. In a wheel, whose folder has no weights, these are
            taken as they are.

    Raises:
        InputError: if the folder is not a model's.
    """
    if not (folder / pretrained.WEIGHTS).is_file() and pretrained.are_there(candidates[0]):
        return candidates[0]
    fingerprint = pretrained.fingerprint(folder)
    return next((files for files in candidates if pretrained.are_of(files, fingerprint)), None)


def is_exports(path: pathlib.Path) -> bool:
    """Return whether a folder is an exports folder, as opposed to a model folder."""
    return any((path / part).is_dir() for part in (*PARTS, "tflite")) and not (path / "config.json").exists()


def load_exports(path: str | os.PathLike) -> TimbreModel:
    """Open the TFLite files in an exports folder, with the `attributes.json` beside the SavedModels of the same model.

    Raises:
        InputError: if it has no TFLite files of one model, or their metadata are missing or broken.
    """
    path = pathlib.Path(path)
    files = exported_files(path, PLAYED)
    if not pretrained.are_there(files):
        raise InputError(
            f"{path}: found no {' and '.join(f'tflite/{file.name}' for file in files.values())}, expected exports as "
            "`python -m nsynth_vae.export` writes them; `--backend savedmodel` plays SavedModels alone"
        )
    metadata, other = (pretrained.read_tflite_metadata(file) for file in files.values())
    if metadata.get("fingerprint") != other.get("fingerprint"):
        raise InputError(f"{path / 'tflite'}: found encoder and decoder of two models, expected those of one")
    config, latent_dim = pretrained.audio_of(metadata, files["encoder"])
    version = pretrained.version_of(path, str(metadata.get("fingerprint")))
    folders = [] if version is None else [path / part / str(version) / ASSETS_EXTRA for part in PARTS]
    return TimbreModel(
        name=metadata.get("timbre_model") or path.resolve().name,
        config=config,
        latent_dim=latent_dim,
        attributes=pretrained.read_attributes(folders[0]) if folders else {},
        backend=LiteRTBackend(files, config),
        level_coordinate=bool(metadata.get("level_coordinate", False)),
        attributes_files=tuple(folder / ATTRIBUTES for folder in folders),
    )


def exported_files(exports: pathlib.Path, weights: str) -> dict[str, pathlib.Path]:
    """Return the paths in an exports folder of the TFLite files with a format of weights, which may be missing."""
    return {part: exports / "tflite" / f"{part}_{weights}.tflite" for part in PARTS}
