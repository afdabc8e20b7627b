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
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nsynth_vae import __version__, model_folder
from nsynth_vae.config import Config, InputError, write_text

if TYPE_CHECKING:
    from nsynth_vae.model import VAE
    from nsynth_vae.signatures import Endpoint
    from nsynth_vae.synthesis.harmonic_noise import Synthesizer

FORMAT_VERSION = 1
"""Raised whenever a client written for the former exports would no longer work."""

_ASIDE = ".writing-"
_ABANDONED_SECONDS = 3600.0


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
    """Writes the encoder and the decoder as SavedModels, the decoder and the synthesizer as TFLite.

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
        The paths of `encoder`, `decoder`, `tflite_float32`, `tflite_float16`, `tflite_facts` and, if there is a
        synthesizer of these features, `synthesizer_float16`.

    Raises:
        InputError: if the version is not above the ones there, or the folder cannot be written.
    """
    exports_dir = pathlib.Path(exports_dir)
    report = report or (lambda line: None)
    version = _next_version(exports_dir, version)
    paths = {kind: exports_dir / kind / str(version) for kind in ("encoder", "decoder")}
    tflite = {
        "tflite_float32": exports_dir / "tflite" / "decoder_float32.tflite",
        "tflite_float16": exports_dir / "tflite" / "decoder_float16.tflite",
        "tflite_facts": exports_dir / "tflite" / "model_facts.json",
    }
    with _aside(exports_dir) as aside:
        from nsynth_vae import signatures
        from nsynth_vae.synthesis import harmonic_noise

        encoder, decoder = signatures.float32_layers(vae, config)
        synthesizer = harmonic_noise.shipped_for(config.audio)
        sound = synthesizer or harmonic_noise.sound_for(config.audio)
        if synthesizer is None:
            report("these features are not the synthesizer's: audio is by Griffin-Lim, and not in the TFLite files")
        facts = json.dumps(model_facts(config), indent=2) + "\n"
        report("encoder: SavedModel")
        _write_saved_model(aside / "encoder", signatures.encoder_endpoint(encoder, config), facts)
        report("decoder: SavedModel")
        _write_saved_model(aside / "decoder", signatures.decoder_endpoint(decoder, config, sound), facts)
        report("decoder: TFLite")
        endpoint = signatures.lite_decoder_endpoint(decoder, config, synthesizer)
        _write_tflite(aside, endpoint, {"tflite_float32": False, "tflite_float16": True})
        if synthesizer is not None:
            # It does not depend on the model: the file that comes with its weights is copied.
            shutil.copyfile(harmonic_noise.SHIPPED / harmonic_noise.TFLITE, aside / "synthesizer_float16")
            tflite["synthesizer_float16"] = exports_dir / "tflite" / harmonic_noise.TFLITE
        write_text(aside / "tflite_facts", facts)
        paths |= tflite
        for name, path in paths.items():
            _publish(aside / name, path)
    return paths


def export_synthesizer(synthesizer: Synthesizer, path: str | os.PathLike) -> None:
    """Writes a synthesizer as TFLite, weights in float16: `log_mel`, `pitch` -> `audio`, one note.

    Raises:
        InputError: if the file cannot be written.
    """
    from nsynth_vae import signatures

    path = pathlib.Path(path)
    with _aside(path.parent) as aside:
        _write_tflite(aside, signatures.lite_synthesizer_endpoint(synthesizer), {"tflite": True})
        _publish(aside / "tflite", path)


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


@contextlib.contextmanager
def _aside(exports_dir: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a folder to write in, outside of those that a server watches, and removes it in the end."""
    try:
        exports_dir.mkdir(parents=True, exist_ok=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_ASIDE, dir=exports_dir))
    except OSError as error:
        raise InputError(f"{exports_dir}: {error.strerror}, expected a folder that can be written") from error
    for other in exports_dir.glob(f"{_ASIDE}*"):
        # What a killed export has left; a younger one may belong to an export that is running.
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(source: pathlib.Path, path: pathlib.Path) -> None:
    """Renames what is whole to its place; never replaces a folder that has anything in it."""
    try:
        path.parent.mkdir(exist_ok=True)
        source.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected to write it new") from error


def _write_saved_model(folder: pathlib.Path, endpoint: Endpoint, facts: str) -> None:
    """Writes the endpoint as the one signature `serving_default`, and the facts beside it.

    By Keras's `ExportArchive`: a plain `tf.saved_model.save` of a module with Keras 3 layers gives a
    SavedModel that TensorFlow 2.17's TFLite converter crashes on ("missing attribute 'value'"). It finds the
    variables that the function uses; a layer that it is told to track as well would be written twice.
    """
    import keras

    function, inputs = endpoint
    with _quiet():
        archive = keras.export.ExportArchive()
        archive.add_endpoint("serving_default", function, inputs)
        archive.write_out(str(folder), verbose=False)
    extra = folder / "assets.extra"
    extra.mkdir()
    write_text(extra / "model_facts.json", facts)


def _write_tflite(aside: pathlib.Path, endpoint: Endpoint, names: dict[str, bool]) -> None:
    """Writes an endpoint of one note as TFLite files: name -> whether its weights are float16."""
    saved_model = aside / "lite"
    _write_saved_model(saved_model, endpoint, "")
    for name, half in names.items():
        (aside / name).write_bytes(_convert(saved_model, half=half))
    shutil.rmtree(saved_model)


def _convert(saved_model: pathlib.Path, *, half: bool) -> bytes:
    """Returns the SavedModel as TFLite with built-in operators only; `half`: weights in float16."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    with _quiet():
        return converter.convert()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what TensorFlow's C++ and Python write to stderr from the user, unless the body fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception as error:
            if not isinstance(error, InputError):
                sys.stderr.flush()
                log.seek(0)
                os.write(kept, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
