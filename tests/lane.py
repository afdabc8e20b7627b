"""A small model in one environment: made, trained and exported, and what its files sound like there.

    python lane.py make FOLDER             a model folder, its exports, and a run with a checkpoint
    python lane.py measure FOLDER OUTPUT   latent vectors and sounds of each of them, to OUTPUT (.npz)

test_lanes.py runs it by the Pythons of two environments, with TensorFlow 2.17 and 2.21.
"""

from __future__ import annotations

import functools
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import small_models
import synthetic
import tensorflow as tf

from nsynth_vae.config import Budget, Config, ModelConfig, TrainConfig
from nsynth_vae.data.batching.feature_batches import open_features
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import BadNotes
from nsynth_vae.exporters.model_export import export_folder, export_for_player
from nsynth_vae.model.vae import VAE
from nsynth_vae.training.trainer import Trainer

STEPS = 4
TRAINED = Config(model=ModelConfig(latent_dim=6, channels=16), train=TrainConfig(batch_size=8, seed=5))
NOTES = slice(0, 2)


def make_trainer(folder: pathlib.Path) -> Trainer:
    """Return the trainer of FOLDER's run, as its checkpoint has it, if there is one."""
    source = open_source(str(folder / "nsynth"), audio=TRAINED.audio, bad_notes=BadNotes())
    notes = [
        open_features(source, np.flatnonzero(source.table.split == split), TRAINED.audio, BadNotes(), memory=True)
        for split in (0, 1)
    ]
    return Trainer(functools.partial(VAE, TRAINED), TRAINED, *notes, folder / "run", log=lambda line: None)


def make(folder: pathlib.Path) -> None:
    """Write everything."""
    model = small_models.save_model(folder / "small")
    export_folder(model, folder / "exports")
    export_for_player(model)
    (folder / "nsynth").mkdir()
    synthetic.write_nsynth(folder / "nsynth")
    make_trainer(folder).run(Budget(steps=STEPS))


def of_model(vae: VAE) -> dict[str, np.ndarray]:
    """Return z_mean and audio of the notes by a Keras model."""
    given = {name: tf.constant(value[NOTES]) for name, value in small_models.make_inputs().items()}
    from nsynth_vae import features

    z_mean, _ = vae.encoder(features.log_mel(given["audio"], small_models.AUDIO))
    log_mel = vae.decoder(given["z"], given["pitch"], given["velocity"])
    return {"z_mean": z_mean.numpy(), "audio": small_models.sound(log_mel.numpy(), given["pitch"].numpy())}


def measure(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Return what each kind of file gives."""
    from ai_edge_litert.interpreter import Interpreter

    given = {name: value[NOTES] for name, value in small_models.make_inputs().items()}
    notes = {name: given[name] for name in ("z", "pitch", "velocity")}
    vae = VAE(Config.load(folder / "small" / "config.json"))
    vae.build()
    vae.load_weights(folder / "small" / "model.weights.h5")
    found = {f"keras/{name}": value for name, value in of_model(vae).items()}

    for part, inputs, output in (("encoder", {"audio": given["audio"]}, "z_mean"), ("decoder", notes, "audio")):
        saved = tf.saved_model.load(str(folder / "exports" / part / "1")).signatures["serving_default"]
        found[f"savedmodel/{output}"] = saved(**{name: tf.constant(value) for name, value in inputs.items()})[output]
        file = folder / "small" / f"{part}.tflite"
        run = Interpreter(str(file), num_threads=1).get_signature_runner("serving_default")
        rows = [run(**{name: value[row : row + 1] for name, value in inputs.items()})[output] for row in range(2)]
        found[f"tflite/{output}"] = np.concatenate(rows)

    trainer = make_trainer(folder)
    found["checkpoint/step"] = np.array(trainer.step)
    found |= {f"checkpoint/{name}": value for name, value in of_model(trainer.model).items()}
    losses: list[dict] = []
    # The folder's own checkpoint stays the newest: the other environment resumes from it as well.
    trainer.folder = folder / "elsewhere"
    trainer.run(Budget(steps=STEPS + 2), on_step=losses.append)
    found["checkpoint/losses"] = np.array([step["loss"] for step in losses])
    return {name: np.asarray(value) for name, value in found.items()}


if __name__ == "__main__":
    command, target, *output = sys.argv[1:]
    if command == "make":
        make(pathlib.Path(target))
    else:
        np.savez(output[0], **measure(pathlib.Path(target)))
