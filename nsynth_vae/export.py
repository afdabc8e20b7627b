"""Export: a trained model as SavedModels and TFLite files that need neither this package nor Keras.

`exports/encoder/<version>/` and `exports/decoder/<version>/` are for TensorFlow and TF Serving,
`exports/tflite/` is for devices. A model is written aside and renamed, so that a server that watches the
folder never sees half.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from nsynth_vae import __version__, model_folder
from nsynth_vae.config import Config, InputError, write_text
from nsynth_vae.publishing import aside, publish, quiet

if TYPE_CHECKING:
    from nsynth_vae.model import VAE
    from nsynth_vae.signatures import Endpoint

FORMAT_VERSION = 1
"""Raised whenever a client written for the former exports would no longer work."""


def load_model(folder: str | os.PathLike) -> tuple[VAE, Config]:
    """Rebuilds the model of a model folder from its `config.json` and `model.weights.h5`.

    Raises:
        InputError: if the folder or a file is missing or broken, or the weights are another model's.
    """
    from nsynth_vae.model import VAE

    return model_folder.load(folder, Config.load, VAE)


def export_model(
    vae: VAE,
    config: Config,
    exports_dir: str | os.PathLike,
    *,
    version: int | None = None,
    report: Callable[[str], None] | None = None,
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

    Returns:
        The paths of `encoder`, `decoder`, `tflite.FILES`, `tflite_facts` and, if there is a synthesizer of these
        features, `synthesizer_float16`.

    Raises:
        InputError: if the version is not above the ones there, or the folder cannot be written.
    """
    exports_dir = pathlib.Path(exports_dir)
    report = report or (lambda line: None)
    version = _next_version(exports_dir, version)
    paths = {kind: exports_dir / kind / str(version) for kind in ("encoder", "decoder")}
    with aside(exports_dir) as folder:
        from nsynth_vae import signatures, tflite
        from nsynth_vae.synthesis import harmonic_noise

        encoder, decoder = signatures.float32_layers(vae, config)
        synthesizer = harmonic_noise.shipped_for(config.audio)
        sound = synthesizer or harmonic_noise.sound_for(config.audio)
        if synthesizer is None:
            report("these features are not the synthesizer's: audio is by Griffin-Lim, and not in the TFLite files")
        facts = model_facts(config)
        facts_text = json.dumps(facts, indent=2) + "\n"
        report("encoder: SavedModel")
        _write_saved_model(folder / "encoder", signatures.encoder_endpoint(encoder, config), facts_text)
        report("decoder: SavedModel")
        _write_saved_model(folder / "decoder", signatures.decoder_endpoint(decoder, config, sound), facts_text)
        written = tflite.write_models(folder / "tflite", encoder, decoder, config, synthesizer, facts, report)
        paths |= {stem: exports_dir / "tflite" / path.name for stem, path in written.items()}
        if synthesizer is not None:
            # It does not depend on the model: the file that comes with its weights is copied.
            paths["synthesizer_float16"] = exports_dir / "tflite" / harmonic_noise.TFLITE
            shutil.copyfile(harmonic_noise.SHIPPED / harmonic_noise.TFLITE, folder / "synthesizer_float16")
        paths["tflite_facts"] = exports_dir / "tflite" / "model_facts.json"
        write_text(folder / "tflite_facts", facts_text)
        for name, path in paths.items():
            publish(written.get(name, folder / name), path)
    return paths


def model_facts(config: Config) -> dict[str, object]:
    """Returns what a client needs to know of the model, JSON-ready.

    `audio` has the features' constants: log_mel = (ln(mel + log_offset) - log_mel_center) / log_mel_scale.
    """
    return {
        "format_version": FORMAT_VERSION,
        "package_version": __version__,
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


def _write_saved_model(folder: pathlib.Path, endpoint: Endpoint, facts: str) -> None:
    """Writes the endpoint as the one signature `serving_default`, and the facts beside it.

    By Keras's `ExportArchive`: a plain `tf.saved_model.save` of a module with Keras 3 layers gives a
    SavedModel that TensorFlow 2.17's TFLite converter crashes on ("missing attribute 'value'"). It finds the
    variables that the function uses; a layer that it is told to track as well would be written twice.
    """
    import keras

    function, inputs = endpoint
    with quiet():
        archive = keras.export.ExportArchive()
        archive.add_endpoint("serving_default", function, inputs)
        archive.write_out(str(folder), verbose=False)
    extra = folder / "assets.extra"
    extra.mkdir()
    write_text(extra / "model_facts.json", facts)
