"""Training loop: the same numbers when repeated, resumed or distributed over two devices; budgets; the best weights."""

import dataclasses
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import synthetic
import tensorflow as tf

from nsynth_vae.config import AudioConfig, Budget, Config, ModelConfig, TrainConfig
from nsynth_vae.data.batching.feature_batches import open_features
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.files import read_arrays
from nsynth_vae.model.vae import VAE
from nsynth_vae.training import checkpoints
from nsynth_vae.training.cluster import Cluster
from nsynth_vae.training.trainer import Trainer

CONFIG = Config(
    model=ModelConfig(latent_dim=4, channels=16, kl_warmup_steps=10, mixup_probability=0.5),
    train=TrainConfig(batch_size=8, seed=5),
)


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    folder = synthetic.write_nsynth(tmp_path_factory.mktemp("nsynth"))
    source = open_source(str(folder), audio=AudioConfig(), bad_notes=BadNotes())
    return [
        open_features(source, np.flatnonzero(source.table.split == split), AudioConfig(), BadNotes(), memory=True)
        for split in (0, 1)
    ]


def make(notes, folder, config=CONFIG, log=lambda line: None, **keywords):
    options = {"mixup_probability": config.model.mixup_probability}
    return Trainer(functools.partial(VAE, config), config, *notes, folder, batch_options=options, log=log, **keywords)


@pytest.fixture(scope="module")
def trained(notes, tmp_path_factory):
    """A trainer after two epochs, and what its `run` gave."""
    trainer = make(notes, tmp_path_factory.mktemp("trained"))
    return trainer, trainer.run(Budget(epochs=2, steps=100))


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of that trainer's folder."""
    return shutil.copytree(trained[0].folder, tmp_path / "copy")


def weights(trainer):
    return [weight.numpy() for weight in trainer.model.trainable_variables]


def run(trainer, **budget):
    losses = []
    trainer.run(Budget(**budget), on_step=losses.append)
    return losses


@pytest.mark.slow
def test_the_same_seed_gives_the_same_losses_and_another_seed_others(notes, tmp_path):
    first, again = (run(make(notes, tmp_path / name), steps=50) for name in ("a", "b"))
    assert len(first) == 50
    for name in first[0]:
        np.testing.assert_allclose([step[name] for step in first], [step[name] for step in again], rtol=1e-6)
    other = Config(model=CONFIG.model, train=TrainConfig(batch_size=8, seed=6))
    assert run(make(notes, tmp_path / "c", other), steps=1)[0]["loss"] != first[0]["loss"]
    assert first[-1]["log_mel_l1"] < 0.7 * first[0]["log_mel_l1"]


@pytest.mark.slow
def test_stopped_at_17_and_resumed_is_the_same_as_40_in_one_go(notes, tmp_path):
    whole = make(notes, tmp_path / "whole")
    losses = run(whole, steps=40)
    run(make(notes, tmp_path / "parts"), steps=17)
    resumed = make(notes, tmp_path / "parts")
    assert resumed.step == 17
    tail = run(resumed, steps=40)
    np.testing.assert_allclose([step["loss"] for step in tail], [step["loss"] for step in losses[17:]], rtol=1e-5)
    for weight, expected in zip(weights(resumed), weights(whole), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-5)
    for average, expected in zip(resumed.ema.averages, whole.ema.averages, strict=True):
        np.testing.assert_allclose(average, expected, atol=1e-5)


def test_a_truncated_checkpoint_goes_back_to_the_one_before(notes, folder):
    newest = max((folder / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:10_000])
    said = []
    assert make(notes, folder, log=said.append).step == 4
    assert "step-00000008.npz: damaged" in said[0]


@pytest.mark.parametrize("change", ["no arrays", "a lost one", "another model's", "a state to come"])
def test_a_checkpoint_that_is_not_of_this_model_goes_back_too(notes, folder, change):
    newest = max((folder / "checkpoints").iterdir())
    arrays, state = read_arrays(newest, "state.json")
    if change == "no arrays":
        arrays = {}
    elif change == "a lost one":
        del arrays["average/3"]
    elif change == "another model's":
        arrays["optimizer/4"] = arrays["optimizer/4"][..., None]
    else:
        state["rate"] = 1.0
    checkpoints.save(folder / "checkpoints", checkpoints.Checkpoint(arrays, state), 8)
    said = []
    assert make(notes, folder, log=said.append).step == 4
    assert re.search(r"step-00000008.npz: damaged \((\w+/\d+ is not that of this model|not a state: .*'rate')", said[0])


@pytest.mark.slow
def test_checkpoints_are_written_between_epochs_too(notes, tmp_path, monkeypatch, eager):
    monkeypatch.setattr("nsynth_vae.training.trainer.CHECKPOINT_SECONDS", 0.0)
    trainer = make(notes, tmp_path)
    seen = []
    trainer.run(Budget(steps=3), on_step=lambda losses: seen.append(len(list((tmp_path).glob("checkpoints/*.npz")))))
    assert seen == [0, 1, 2]


def test_budgets_end_training_and_are_not_overrun_by_resuming(notes, trained, folder):
    trainer, ended = trained
    assert trainer.steps_per_epoch == 4
    assert ended == "8 steps done"
    assert trainer.step == 8
    assert [record["step"] for record in trainer.state.history] == [4, 8]
    resumed = make(notes, folder)
    assert run(resumed, steps=8) == []
    assert resumed.step == 8
    assert make(notes, folder).run(Budget(minutes=1e-6)) == "1e-06 minutes of training done"
    assert resumed.fraction(Budget(steps=16)) == 0.5


def test_training_stops_when_validation_does_not_improve_and_keeps_the_best(notes, tmp_path, monkeypatch, eager):
    config = Config(model=CONFIG.model, train=TrainConfig(batch_size=18, patience=2))
    trainer = make(notes, tmp_path, config)
    values = iter([5.0, 3.0, 4.0, 3.5, 1.0])
    evaluate = trainer.evaluate
    monkeypatch.setattr(trainer, "evaluate", lambda notes: evaluate(notes) | {"loss": next(values)})
    best = []
    trainer.run(Budget(epochs=10), on_epoch=lambda record: best.append([weight.copy() for weight in trainer.best]))
    assert trainer.state.stopped == "no better validation loss for 2 epochs"
    assert len(trainer.state.history) == 4
    assert trainer.state.best_step == 2 * trainer.steps_per_epoch == 4
    trainer.use_best()
    for weight, expected in zip(weights(trainer), best[1], strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_validation_is_of_the_averaged_weights_and_leaves_the_others_alone(notes, trained, folder):
    trained, resumed = trained[0], make(notes, folder)
    # Kept: the weights that training continues with, which are not those that were validated.
    for weight, expected in zip(weights(resumed), weights(trained), strict=True):
        np.testing.assert_array_equal(weight, expected)
    resumed.use_best()
    best = min(record["valid"]["loss"] for record in trained.state.history)
    assert resumed.evaluate(notes[1])["loss"] == pytest.approx(best, rel=1e-6)
    assert any(not np.array_equal(a, b) for a, b in zip(weights(resumed), weights(trained), strict=True))


def test_active_dimensions_are_counted(notes, tmp_path, eager):
    trainer = make(notes, tmp_path)
    kernel = trainer.model.encoder.to_posterior.kernel
    kernel.assign(kernel.numpy() * np.array([3.0, 0.0, 3.0, 0.0] + [1.0] * 4))
    assert trainer.evaluate(notes[1])["active_dimensions"] == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_and_end_after_the_step(notes, tmp_path, eager, number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match="Saved at step 1; the same command resumes"):
        make(notes, tmp_path).run(Budget(steps=5), on_step=lambda losses: os.kill(os.getpid(), number))
    assert make(notes, tmp_path).step == 1
    assert signal.getsignal(number) is before


def test_a_loss_that_is_not_finite_is_an_error(notes, tmp_path, eager):
    config = Config(model=CONFIG.model, train=TrainConfig(batch_size=8, learning_rate=1e30))
    with pytest.raises(InputError, match=r"step 2: the loss is .*; try a lower --learning-rate"):
        run(make(notes, tmp_path, config), steps=5)


@pytest.mark.slow
def test_xla_gives_the_same_first_steps(notes, tmp_path):
    # XLA draws other numbers from the same seed; those of the noise matter little in the first steps.
    config = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, eq_augmentation_probability=0.0))
    plain = run(make(notes, tmp_path / "plain", config, jit_compile=False), steps=3)
    compiled = run(make(notes, tmp_path / "xla", config, jit_compile=True), steps=3)
    np.testing.assert_allclose([s["loss"] for s in compiled], [s["loss"] for s in plain], rtol=1e-3)


MIRRORED = """
    import pathlib
    import sys
    import numpy as np
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from nsynth_vae.config import *
    from nsynth_vae.data.open_sources import open_source
    from nsynth_vae.data.batching.feature_batches import open_features
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.model.vae import VAE
    from nsynth_vae.training.cluster import Cluster
    from nsynth_vae.training.trainer import Trainer
    folder, out = sys.argv[1:]
    source = open_source(folder, audio=AudioConfig(), bad_notes=BadNotes())
    notes = [
        open_features(source, np.flatnonzero(source.table.split == split), AudioConfig(), BadNotes(), memory=True)
        for split in (0, 1)
    ]
    config = Config(model=ModelConfig(latent_dim=4, channels=16, kl_warmup_steps=10),
                    train=TrainConfig(batch_size=8, seed=5))
    result = {}
    VAE.clip_norm = 0.1  # Below that of all gradients: what is limited must be the replicas' sum.
    for name in ("one", "two"):
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if name == "two" else None
        trainer = Trainer(lambda: VAE(config), config, *notes, pathlib.Path(out) / name, cluster=Cluster(strategy))
        losses = []
        trainer.run(Budget(steps=10), on_step=lambda step: losses.append(step["loss"]))
        result[f"{name}/losses"] = losses
        result[f"{name}/valid"] = trainer.state.history[-1]["valid"]["loss"]
        for i, weight in enumerate(trainer.model.trainable_variables):
            result[f"{name}/{i}"] = np.array(weight)
        moments = [np.array(moment) for moment in trainer.model.optimizer._momentums]
        result[f"{name}/norm"] = np.sqrt(sum(np.sum(moment**2) for moment in moments))
    np.savez(out + "/result.npz", **result)
"""


@pytest.mark.slow
def test_two_devices_give_the_same_losses_and_weights_as_one(tmp_path):
    folder = synthetic.write_nsynth(tmp_path / "nsynth")
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MIRRORED), str(folder), str(tmp_path)],
        check=True,
        capture_output=True,
    )
    result = np.load(tmp_path / "result.npz")
    assert len(result["one/losses"]) == 10
    # A tenth of ten gradients, of which none is longer than 0.1.
    assert 0.01 < result["one/norm"] < 0.1 * (1.0 - 0.9**10)
    for name in result.files:
        if name.startswith("one/"):
            other = result[name.replace("one/", "two/")]
            # Adam takes a step of up to the learning rate, 1e-3, for a gradient that is nothing but rounding.
            np.testing.assert_allclose(other, result[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_a_batch_that_cannot_be_shared_is_an_error(notes, tmp_path):
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(InputError, match="--batch-size 8: expected a multiple of the 3 devices"):
        make(notes, tmp_path, cluster=Cluster(Three()))


def test_training_starts_from_a_models_weights(notes, trained, tmp_path, eager):
    trained, weights_file = trained[0], tmp_path / "model.weights.h5"
    trained.model.save_weights(weights_file)
    config = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, start_from=str(tmp_path), seed=6))
    started = make(notes, tmp_path / "second", config)
    assert started.step == 0
    for found in (weights(started), [average.numpy() for average in started.ema.averages], started.best):
        for one, other in zip(found, weights(trained), strict=True):
            np.testing.assert_array_equal(one, other)
    # The KL divergence has its whole weight from the first step on.
    [first] = run(started, steps=1)
    kl = CONFIG.model.beta * first["kl_loss"]
    assert kl > 0.1
    np.testing.assert_allclose(first["loss"] - first["reconstruction_loss"], kl, atol=0.02)
    moved = weights(started)
    # What is resumed does not need the folder any more.
    weights_file.unlink()
    for one, other in zip(weights(make(notes, tmp_path / "second", config)), moved, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_to_start_from_that_are_missing_or_others_are_an_error(notes, tmp_path):
    config = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, start_from=str(tmp_path / "no")))
    with pytest.raises(InputError, match=r"no/model.weights.h5: not found, expected the weights of a trained model"):
        make(notes, tmp_path / "run", config)
    other = VAE(dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, latent_dim=5)))
    other.build()
    (tmp_path / "no").mkdir()
    other.save_weights(tmp_path / "no" / "model.weights.h5")
    with pytest.raises(InputError, match=r"expected the weights of the model that these options describe"):
        make(notes, tmp_path / "run", config)


def test_float64_inputs_do_not_reach_the_model(notes):
    batch = next(iter(notes[0].training(batch_size=8, mixup_probability=0.5, seed=0)))
    assert batch["log_mel"].dtype == tf.float32
    assert batch["pitch"].dtype == tf.int32
