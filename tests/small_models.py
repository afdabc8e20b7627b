"""Shared small models of tests, with deterministic weights, and notes for them."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

import numpy as np
import shared

from nsynth_vae.config import AudioConfig, Config, ModelConfig

if TYPE_CHECKING:
    from nsynth_vae.model.vae import VAE

CONFIG = Config(model=ModelConfig(latent_dim=6, channels=16))
AUDIO = CONFIG.audio
WIDE = Config(model=ModelConfig(latent_dim=6, channels=48))
"""Wide enough for the weights to be worth 8 bits."""
SMALL = Config(audio=AudioConfig(num_samples=4096), model=ModelConfig(latent_dim=3, channels=16))


def make_vae(config: Config) -> VAE:
    """Return a built model with deterministic weights."""
    import keras
    import tensorflow as tf

    from nsynth_vae.model.vae import VAE

    keras.utils.set_random_seed(7)
    vae = VAE(config)
    vae.build()
    # Away from the initial state, in which biases are 0; and loud enough to be audible.
    rng = np.random.default_rng(7)
    for layer in (vae.encoder, vae.decoder):
        layer.set_weights([w + 0.05 * rng.normal(size=w.shape) for w in layer.get_weights()])
    vae.decoder.to_envelopes.bias.assign_add(tf.ones_like(vae.decoder.to_envelopes.bias))
    return vae


def save_model(folder: pathlib.Path, config: Config = CONFIG) -> pathlib.Path:
    """Write the model folder of `make_vae`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    config.save(folder / "config.json")
    make_vae(config).save_weights(folder / "model.weights.h5")
    return folder


def exported() -> pathlib.Path:
    """Return the folder of a model, `small`, and of its SavedModels, `exports`: one for all tests, to be copied."""
    from nsynth_vae.exporters.model_export import export_folder, export_for_player

    def make(folder: pathlib.Path) -> None:
        model = save_model(folder / "small")
        export_folder(model, folder / "exports")
        export_for_player(model)

    return shared.made_once("exported", make)


def tflite_files() -> dict[str, pathlib.Path]:
    """Return the TFLite files of the model of `WIDE`, by their stems: converted once for all tests.

    `written.json` beside them has what `write_models` returned and reported.
    """
    from nsynth_vae.exporters import tflite
    from nsynth_vae.exporters.model_export import model_metadata
    from nsynth_vae.synthesis.vocoder import load_synthesizer

    def make(folder: pathlib.Path) -> None:
        vae, lines = make_vae(WIDE), []
        metadata = model_metadata(WIDE)
        synthesizer = load_synthesizer()
        paths = tflite.write_models(folder, vae.encoder, vae.decoder, WIDE, synthesizer, metadata, lines.append)
        written = {"paths": {stem: path.name for stem, path in paths.items()}, "lines": lines}
        (folder / "written.json").write_text(json.dumps(written))

    folder = shared.made_once("tflite", make)
    return {stem: folder / f"{stem}.tflite" for stem in tflite.FILES}


def write_no_tflite(folder: pathlib.Path, *_: object) -> dict[str, pathlib.Path]:
    """Write text files, in place of `tflite.write_models`: conversions take seconds."""
    from nsynth_vae.exporters import tflite

    folder.mkdir()
    paths = {stem: folder / f"{stem}.tflite" for stem in tflite.FILES}
    for stem, path in paths.items():
        path.write_text(stem)
    return paths


def make_inputs() -> dict[str, np.ndarray]:
    """Return seven notes for the encoder and as many for the decoder."""
    rng = np.random.default_rng(2)
    time_axis = np.arange(AUDIO.num_samples) / AUDIO.sample_rate
    pitch = np.array([60, 21, 108, 0, 127, 69, 45], np.int32)
    sines = np.sin(2 * np.pi * 440.0 * 2.0 ** ((pitch[:, None] - 69) / 12) * time_axis)
    return {
        "audio": (0.5 * sines * np.exp(-2.0 * time_axis)).astype(np.float32),
        "z": rng.normal(size=[7, CONFIG.model.latent_dim]).astype(np.float32),
        "pitch": pitch,
        "velocity": np.array([100, 25, 127, 0, 75, 50, 1], np.int32),
    }


def sound(log_mel: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Return what the synthesizer that is shipped makes of log-mels."""
    import tensorflow as tf

    from nsynth_vae.synthesis.vocoder import load_synthesizer

    return load_synthesizer()(tf.constant(log_mel), tf.constant(pitch)).numpy()
