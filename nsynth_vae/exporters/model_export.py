"""Export of a timbre model: SavedModels, TFLite and their metadata."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from nsynth_vae import __version__, pretrained
from nsynth_vae.config import Config
from nsynth_vae.errors import InputError
from nsynth_vae.files import atomic_rename_all, exclusive_lock, temporary_folder, write_text

if TYPE_CHECKING:
    from nsynth_vae.model.vae import VAE


FORMAT_VERSION = 1
"""Raised whenever a client written for the former exports would no longer work."""


def export_model(
    vae: VAE,
    config: Config,
    exports_dir: str | os.PathLike,
    *,
    version: int | None = None,
    report: Callable[[str], None] | None = None,
    model: str | os.PathLike | None = None,
    devices: bool = True,
) -> dict[str, pathlib.Path]:
    """Writes the encoder and the decoder as SavedModels and as TFLite, the synthesizer as TFLite.

    The decoder's `audio` is the synthesizer's. A model of other features than the synthesizer's has Griffin-Lim's in
    the SavedModel and none in TFLite. Nothing appears under its name before it is whole; a failed export leaves
    nothing behind.

    Args:
        vae: the built model.
        config: the model's configuration.
        exports_dir: made if missing.
        version: of both SavedModels, above all that are there; by default the next one.
        report: called with one line for every step.
        model: the folder that the model is from: the exports say so, and hold a copy of its `attributes.json`.
        devices: write the TFLite files as well.

    Returns:
        The paths of `encoder` and `decoder`; with `devices` also of `tflite.FILES`, `tflite_facts` and, if there is a
        synthesizer of these features, `synthesizer_float16`.

    Raises:
        InputError: if the version is not above the ones there, or the folder cannot be written.
    """
    exports_dir = pathlib.Path(exports_dir)
    report = report or (lambda line: None)
    _next_version(exports_dir, version)
    with temporary_folder(exports_dir) as folder:
        from nsynth_vae.exporters import saved_model, signatures, tflite
        from nsynth_vae.pretrained import ASSETS_EXTRA, METADATA, SYNTHESIZER, SYNTHESIZER_TFLITE
        from nsynth_vae.synthesis.vocoder import shipped_for, sound_for

        encoder, decoder = signatures.float32_layers(vae, config)
        synthesizer = shipped_for(config.audio)
        sound = synthesizer or sound_for(config.audio)
        if synthesizer is None:
            report("these features are not the synthesizer's: audio is by Griffin-Lim, and not in the TFLite files")
        facts = model_metadata(config, model)
        report("encoder: SavedModel")
        saved_model.write(folder / "encoder", "encoder", signatures.encoder_endpoints(encoder, config), facts)
        report("decoder: SavedModel")
        endpoints = signatures.decoder_endpoints(decoder, config, sound)
        saved_model.write(folder / "decoder", "decoder", endpoints, facts)
        sources = {"encoder": folder / "encoder", "decoder": folder / "decoder"}
        if model is not None and (attributes := pathlib.Path(model) / pretrained.ATTRIBUTES).exists():
            for path in sources.values():
                shutil.copy(attributes, path / ASSETS_EXTRA)
        if devices:
            sources |= tflite.write_models(folder / "tflite", encoder, decoder, config, synthesizer, facts, report)
            if synthesizer is not None:
                # It does not depend on the model: the file that comes with its weights is copied.
                sources["synthesizer_float16"] = folder / "tflite" / SYNTHESIZER_TFLITE
                shutil.copyfile(SYNTHESIZER / SYNTHESIZER_TFLITE, sources["synthesizer_float16"])
            sources["tflite_facts"] = folder / "tflite" / METADATA
            write_text(sources["tflite_facts"], json.dumps(facts, indent=2) + "\n")
        # Another export may have published its version while this one was written.
        with exclusive_lock(exports_dir):
            number = str(_next_version(exports_dir, version))
            paths = {name: exports_dir / "tflite" / path.name for name, path in sources.items()}
            paths |= {kind: exports_dir / kind / number for kind in ("encoder", "decoder")}
            atomic_rename_all({sources[name]: path for name, path in paths.items()})
    return paths


def export_folder(folder: pathlib.Path, exports: pathlib.Path) -> int:
    """Export a model folder as SavedModels, without TFLite files, and return their version.

    Raises:
        InputError: if the folder is not a model's, or the exports cannot be written.
    """
    from nsynth_vae.model.vae import load_model

    vae, config = load_model(folder)
    return int(export_model(vae, config, exports, model=folder, devices=False)["encoder"].name)


def model_metadata(config: Config, model: str | os.PathLike | None = None) -> dict[str, object]:
    """Returns what a client needs to know of the model, JSON-ready.

    `audio` has the features' constants: log_mel = (ln(mel + log_offset) - log_mel_center) / log_mel_scale.
    """
    return {
        "format_version": FORMAT_VERSION,
        "package_version": __version__,
        "timbre_model": None if model is None else pathlib.Path(model).resolve().name,
        "fingerprint": None if model is None else pretrained.fingerprint(model),
        "sample_rate": config.audio.sample_rate,
        "num_samples": config.audio.num_samples,
        "latent_dim": config.model.latent_dim,
        "num_frames": config.audio.num_frames,
        "num_mel_bins": config.audio.num_mel_bins,
        "audio": config.audio.to_dict(),
    }


def _next_version(exports_dir: pathlib.Path, version: int | None) -> int:
    """Returns the version to write, the same for encoder and decoder."""
    newest = 0
    for kind in ("encoder", "decoder"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = [path.name for path in (exports_dir / kind).iterdir()]
            newest = max([newest, *(int(name) for name in names if name.isascii() and name.isdecimal())])
    if version is None:
        return newest + 1
    if version <= newest:
        raise InputError(f"version: found {version}, expected {newest + 1} or more: {exports_dir} has {newest}")
    return version
