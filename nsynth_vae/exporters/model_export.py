"""Export of a timbre model: SavedModels, TFLite and their metadata."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nsynth_vae import __version__, pretrained
from nsynth_vae.config import Config, DataConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import (
    atomic_rename_all,
    atomic_write,
    check_working_directory,
    exclusive_lock,
    expand,
    temporary_folder,
    write_text,
)
from nsynth_vae.pretrained import (
    ASSETS_EXTRA,
    ATTRIBUTES,
    FORMAT_VERSION,
    METADATA,
    PAGE,
    PARTS,
    SYNTHESIZER,
    SYNTHESIZER_TFLITE,
    are_of,
    page_files,
    player_files,
    versions,
)
from nsynth_vae.timbre_model import PLAYED

if TYPE_CHECKING:
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.model.vae import VAE


def export_model(
    vae: VAE,
    config: Config,
    exports_dir: str | os.PathLike,
    *,
    version: int | None = None,
    report: Callable[[str], None] = lambda line: None,
    model: str | os.PathLike | None = None,
    devices: bool = True,
) -> dict[str, pathlib.Path]:
    """Write the encoder and the decoder as SavedModels and as TFLite, the synthesizer as TFLite.

    The decoder's `audio` is the synthesizer's. For features that the synthesizer was not trained on, it is
    Griffin-Lim's in the SavedModel, and TFLite has none. Each export is renamed to its place once it is complete; a
    failed export leaves nothing behind.

    Args:
        vae: the built model.
        config: the model's configuration.
        exports_dir: made if missing.
        version: of both SavedModels, above all existing ones; by default the next one.
        report: called with one line for every step.
        model: the model's folder: its name goes into the metadata, its `attributes.json` is copied, and with `devices`
            it gets the TFLite files that it is played with.
        devices: write the TFLite files as well.

    Returns:
        The paths of `encoder` and `decoder`; with `devices` also of `tflite.FILES`, `tflite_metadata` and, if there is
        a synthesizer of these features, `synthesizer_float16`.

    Raises:
        InputError: if the version is not above the existing ones, or the folder cannot be written.
    """
    exports_dir = expand(exports_dir)
    check_working_directory(exports_dir, "--exports")
    _next_version(exports_dir, version)
    with temporary_folder(exports_dir) as folder:
        from nsynth_vae.exporters import saved_model, signatures, tflite
        from nsynth_vae.synthesis.vocoder import shipped_synthesizer_for, vocoder_for

        encoder, decoder = signatures.float32_layers(vae, config)
        synthesizer = shipped_synthesizer_for(config.audio)
        if synthesizer is None:
            report("these features are not the synthesizer's: audio is by Griffin-Lim, and not in the TFLite files")
        metadata = model_metadata(config, model)
        endpoints = {
            "encoder": signatures.encoder_endpoints(encoder, config),
            "decoder": signatures.decoder_endpoints(decoder, config, synthesizer or vocoder_for(config.audio)),
        }
        for kind in PARTS:
            report(f"{kind}: SavedModel")
            saved_model.write(folder / kind, kind, endpoints[kind], metadata)
        sources = {kind: folder / kind for kind in PARTS}
        if model is not None and (attributes := pathlib.Path(model) / ATTRIBUTES).exists():
            for path in sources.values():
                shutil.copy(attributes, path / ASSETS_EXTRA)
        if devices:
            sources |= tflite.write_models(folder / "tflite", encoder, decoder, config, synthesizer, metadata, report)
            if synthesizer is not None:
                # It does not depend on the model: the file shipped with its weights is copied.
                sources["synthesizer_float16"] = folder / "tflite" / SYNTHESIZER_TFLITE
                shutil.copyfile(SYNTHESIZER / SYNTHESIZER_TFLITE, sources["synthesizer_float16"])
            sources["tflite_metadata"] = folder / "tflite" / METADATA
            write_text(sources["tflite_metadata"], json.dumps(metadata, indent=2) + "\n")
        # Another export may have taken its version while this one was written.
        with exclusive_lock(exports_dir):
            number = str(_next_version(exports_dir, version))
            paths = {name: exports_dir / "tflite" / path.name for name, path in sources.items()}
            paths |= {kind: exports_dir / kind / number for kind in PARTS}
            atomic_rename_all({sources[name]: path for name, path in paths.items()})
    if model is not None and devices:
        copy_to_player(paths, model)
    return paths


def copy_to_player(sources: Mapping[str, pathlib.Path], model: str | os.PathLike) -> None:
    """Copy the TFLite files that players and pages run into a model folder, unless it has them.

    Args:
        sources: stem of `tflite.FILES` -> path.
        model: the model folder.

    Raises:
        InputError: if the folder cannot be written.
    """
    fingerprint = pretrained.fingerprint(model)
    for kind, files in ((PLAYED, player_files(model)), (PAGE, page_files(model))):
        if are_of(files, fingerprint):
            continue
        for part, file in files.items():
            with atomic_write(file, "TFLite file") as temporary:
                shutil.copyfile(sources[f"{part}_{kind}"], temporary)


def export_for_player(folder: pathlib.Path) -> None:
    """Write the TFLite files that a model folder is played with into it.

    Raises:
        InputError: if the folder is not a model's, or cannot be written.
    """
    from nsynth_vae.exporters import signatures, tflite
    from nsynth_vae.model.vae import load_model
    from nsynth_vae.synthesis.vocoder import shipped_synthesizer_for

    vae, config = load_model(folder)
    networks = signatures.float32_layers(vae, config)
    synthesizer, metadata = shipped_synthesizer_for(config.audio), model_metadata(config, folder)
    with temporary_folder(folder) as temporary:
        written = tflite.write_models(
            temporary, *networks, config, synthesizer, metadata, lambda line: None, kinds=(PLAYED, PAGE)
        )
        copy_to_player(written, folder)


def export_folder(folder: pathlib.Path, exports: pathlib.Path) -> int:
    """Export a model folder as SavedModels, without TFLite files, and return their version.

    Raises:
        InputError: if the folder is not a model's, or the exports cannot be written.
    """
    from nsynth_vae.model.vae import load_model

    vae, config = load_model(folder)
    return int(export_model(vae, config, exports, model=folder, devices=False)["encoder"].name)


def export_with_report(
    folder: pathlib.Path,
    exports: pathlib.Path,
    *,
    data: DataConfig,
    split: str,
    bad_notes: BadNotes,
    data_dir: str | None = None,
    version: int | None = None,
    log: Callable[[str], None] = print,
) -> None:
    """Export a model folder, and report on its TFLite files in `report.json` and `report.md`.

    Args:
        folder: the model folder.
        exports: made if missing.
        data: source and filters of the notes that the files are measured on.
        split: `train`, `valid` or `test`: their split.
        bad_notes: collects invalid notes, or raises.
        data_dir: TensorFlow Datasets' folder.
        version: as in `export_model`.
        log: called with each line for the user.

    Raises:
        InputError: for bad input; nothing is written then.
    """
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.exporters import report as export_report
    from nsynth_vae.model.vae import load_model

    check_working_directory(exports, "--exports")
    vae, config = load_model(folder)
    # Before the export: wrong notes are to be found before anything is written.
    loaded = load_notes(data, split, audio=config.audio, bad_notes=bad_notes, data_dir=data_dir, log=log).loaded
    notes = loaded.read_all()
    paths = export_model(vae, config, exports, version=version, report=log, model=folder)
    log(f"Measuring the TFLite files on {len(notes['pitch'])} notes")
    report = export_report.measure(vae, config, paths, notes)
    files = export_report.write(report, exports)
    log(f"\n{export_report.to_markdown(report)}")
    log(f"encoder  {paths['encoder']}\ndecoder  {paths['decoder']}\ntflite   {paths['tflite_metadata'].parent}")
    log(f"report   {', '.join(map(str, files))}")


def model_metadata(config: Config, model: str | os.PathLike | None = None) -> dict[str, Any]:
    """Return the metadata that a client of the model needs, JSON-ready.

    `audio` holds the features' constants: log_mel = (ln(mel + log_offset) - log_mel_center) / log_mel_scale.
    """
    return {
        "format_version": FORMAT_VERSION,
        "package_version": __version__,
        "timbre_model": None if model is None else pathlib.Path(model).resolve().name,
        "fingerprint": None if model is None else pretrained.fingerprint(model),
        "sample_rate": config.audio.sample_rate,
        "num_samples": config.audio.num_samples,
        "latent_dim": config.model.latent_dim,
        "level_coordinate": config.model.level,
        "num_frames": config.audio.num_frames,
        "num_mel_bins": config.audio.num_mel_bins,
        "audio": config.audio.to_dict(),
    }


def _next_version(exports_dir: pathlib.Path, version: int | None) -> int:
    """Return the version to write, the same for encoder and decoder."""
    newest = max([0, *(number for kind in PARTS for number in versions(exports_dir / kind))])
    if version is None:
        return newest + 1
    if version <= newest:
        raise InputError(f"version: found {version}, expected {newest + 1} or more: {exports_dir} has {newest}")
    return version
