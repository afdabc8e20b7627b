"""`python -m nsynth_vae.train`: its files, its messages, resuming, and every error it can end with."""

import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import h5py
import numpy as np
import pytest
import small_models
import soundfile
import synthetic

from nsynth_vae import timbre_model, train, train_classifier, train_synthesizer
from nsynth_vae.config import Budget, Config, DataConfig
from nsynth_vae.errors import InputError
from nsynth_vae.exporters import saved_model, tflite
from nsynth_vae.training import checkpoints, vae_run
from nsynth_vae.training.resume import check_folder, default_folder_name, exceeds

FAST = ["--latent-dim", "4", "--channels", "16", "--batch-size", "8"]


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("data") / "tiny nsynth")


@pytest.fixture(scope="module")
def finished(notes, tmp_path_factory):
    """A finished run of 6 steps."""
    folder = tmp_path_factory.mktemp("run")
    arguments = [
        "--data",
        str(notes),
        "--steps",
        "6",
        "--models",
        str(folder / "models"),
        "--exports",
        str(folder / "exports"),
    ]
    assert train.main(arguments + FAST) == 0
    return folder, arguments + FAST


def contents(folder: pathlib.Path) -> dict:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


def test_the_model_folder_is_whole(finished):
    folder, _ = finished
    model = folder / "models" / "tiny-nsynth"
    assert {path.name for path in model.iterdir()} == {
        "config.json",
        "model.weights.h5",
        "encoder.tflite",
        "decoder.tflite",
        "encoder_int8.tflite",
        "decoder_int8.tflite",
        "metrics.json",
        "attributes.json",
        "README.md",
        "figures",
        "sounds",
        "logs",
        "checkpoints",
    }
    assert {path.name for path in (model / "figures").iterdir()} == {
        "losses.png",
        "reconstructions.png",
        "interpolation.png",
    }
    assert timbre_model.open_model(model, folder / "none").decode(np.zeros([1, 4]), 60, 100).audio.shape == (1, 64000)
    config = Config.load(model / "config.json")
    assert config.model.latent_dim == 4
    assert config.train.batch_size == 8
    assert config.data.data[0].endswith("tiny nsynth")
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["finished"]
    assert metrics["training"]["step"] == 6
    assert metrics["notes"] == {"train": 36, "valid": 4, "test": 4}
    assert metrics["shared_instruments"] == {"train/valid": 0, "train/test": 0, "valid/test": 0}
    assert metrics["valid"]["log_mel_l1"] == pytest.approx(
        min(record["valid"]["log_mel_l1"] for record in metrics["training"]["history"]), rel=0.2
    )
    arrays = []
    with h5py.File(model / "model.weights.h5") as file:
        file.visititems(lambda name, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    assert len(arrays) > 20
    for values in arrays:
        np.testing.assert_array_equal(values, values.astype(np.float16))


def test_attributes_hold_the_centroids_of_instruments_and_families(finished):
    from nsynth_vae.model.vae import load_model

    folder, _ = finished
    model = folder / "models" / "tiny-nsynth"
    attributes = json.loads((model / "attributes.json").read_text())
    assert set(attributes["instruments"]) == {
        "guitar_acoustic_001",
        "flute_synthetic_002",
        "organ_electronic_003",
    }
    assert set(attributes["families"]) == {"guitar", "flute", "organ"}
    assert attributes["families"]["guitar"]["notes"] == 12
    from nsynth_vae import features

    vae, config = load_model(model)
    data = pathlib.Path(config.data.data[0]) / "nsynth-train" / "audio"
    files = sorted(data.glob("guitar_acoustic_001-*.wav"))
    audio = np.stack([soundfile.read(file, dtype="float32")[0] for file in files])
    z_mean, _ = vae.encoder(features.log_mel(audio, config.audio))
    np.testing.assert_allclose(attributes["families"]["guitar"]["centroid"], np.mean(z_mean, axis=0), atol=1e-4)


def test_sounds_are_16_bit_mono_and_of_the_right_length(finished):
    folder, _ = finished
    sounds = sorted((folder / "models" / "tiny-nsynth" / "sounds").iterdir())
    names = [path.name for path in sounds]
    assert "morph.wav" in names
    assert sum(name.endswith("-original.wav") for name in names) == 4
    for path in sounds:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert info.frames == (9 * 24000 if path.name == "morph.wav" else 64000)
    original, _ = soundfile.read(next(path for path in sounds if path.name.endswith("060-100-original.wav")))
    assert np.abs(original).max() > 0.1


def test_tensorboard_has_losses_active_units_images_and_audio(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, _ = finished
    events = EventAccumulator(str(folder / "models" / "tiny-nsynth" / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {"train/kl_loss", "valid/loss", "valid/active_dimensions", "train/reconstruction_loss"} <= tags
    assert any(tag.startswith("reconstruction/") for tag in tags)
    assert any(tag.startswith("original and reconstruction/") for tag in tags)


def test_the_exports_are_there(finished):
    folder, _ = finished
    exports = folder / "exports"
    assert (exports / "encoder" / "1" / "saved_model.pb").is_file()
    assert (exports / "decoder" / "1" / "saved_model.pb").is_file()
    assert (exports / "tflite" / "decoder_float32.tflite").stat().st_size > 10_000


def test_a_finished_run_is_left_alone(finished, capsys):
    folder, arguments = finished
    before = contents(folder)
    assert train.main(arguments) == 0
    assert contents(folder) == before
    said = capsys.readouterr().out
    assert "is finished" in said
    assert "nothing to do" in said


def test_another_configuration_is_an_error_that_names_what_differs(finished, capsys):
    folder, arguments = finished
    before = contents(folder)
    assert train.main([*arguments, "--latent-dim", "5"]) == 2
    assert "latent_dim: 4 there, 5 requested" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.slow
def test_a_larger_budget_trains_further_and_no_resume_starts_anew(finished, tmp_path, capsys):
    folder, arguments = finished
    shutil.copytree(folder / "models", tmp_path / "models")
    arguments = [*arguments, "--models", str(tmp_path / "models"), "--exports", str(tmp_path / "exports")]
    assert train.main([*arguments, "--steps", "7"]) == 0
    assert "Resuming from step 6" in capsys.readouterr().out
    metrics = tmp_path / "models" / "tiny-nsynth" / "metrics.json"
    assert json.loads(metrics.read_text())["training"]["step"] == 7
    assert train.main([*arguments, "--steps", "1", "--no-resume"]) == 0
    assert json.loads(metrics.read_text())["training"]["step"] == 1
    assert sorted(path.name for path in (tmp_path / "exports" / "encoder").iterdir()) == ["1", "2"]


def fresh(tmp_path: pathlib.Path) -> list[str]:
    return ["--models", str(tmp_path / "models"), "--exports", str(tmp_path / "exports"), "--steps", "1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder: no such file or folder, expected"),
        (["--latent-dim", "0"], "--latent-dim: found '0', expected a positive integer"),
        (["--beta", "nan"], "beta: found nan, expected a finite number"),
        (["--beta", "-1"], "beta: found -1.0, expected 0 or more"),
        (["--mixup-probability", "1.5"], "mixup_probability: found 1.5, expected a number from 0 to 1"),
        (
            ["--eq-augmentation-probability", "-0.5"],
            "eq_augmentation_probability: found -0.5, expected a number from 0 to 1",
        ),
        (["--channels", "20"], "channels: found 20, expected a multiple of 16"),
        (["--pitches", "84-24"], "pitches: found (84, 24), expected two MIDI pitches"),
        (["--pitches", "low"], "found 'low', expected a MIDI number, 0 to 127"),
        (["--velocities", "200"], "found '200', expected a MIDI number, 0 to 127"),
        (["--minutes", "0"], "found '0', expected a positive number"),
        (["--families", "gitar"], "guitar"),
        (
            ["--config", "none.json"],
            "none.json: No such file or directory, expected a JSON configuration file",
        ),
        (["--seed", "-1"], "seed: found -1, expected an integer from 0"),
        (["--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["--strategy", "mirror"], "invalid choice: 'mirror'"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(options, message, tmp_path, capsys):
    try:
        code = train.main(fresh(tmp_path) + options)
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert message in error
    assert error.startswith("error: ")
    assert "\n" not in error
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "exports").exists()


def test_a_bad_note_is_named_or_skipped_and_one_split_is_split_anew(tmp_path, capsys, monkeypatch, eager):
    instruments = {f"guitar_acoustic_{i:03d}": (1.0, 0.1 * i) for i in range(6)}
    synthetic.write_split(tmp_path / "nsynth-train", instruments, (50, 60))
    bad = tmp_path / "nsynth-train" / "audio" / "guitar_acoustic_001-050-100.wav"
    soundfile.write(bad, np.zeros(64000), 16000, subtype="PCM_16")
    arguments = [*fresh(tmp_path), "--data", str(tmp_path), "--name", "one", *FAST]
    assert train.main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert str(bad) in error
    assert "is silent" in error
    assert "\n" not in error
    assert not (tmp_path / "models").exists()
    # Sounds and exports are for other tests.
    monkeypatch.setattr(vae_run, "write_results", lambda *arguments: "")
    assert train.main([*arguments, "--on-bad-note", "skip"]) == 0
    said = capsys.readouterr().out
    assert "Skipped 1 invalid note:" in said
    assert "split anew, by instrument" in said
    metrics = json.loads((tmp_path / "models" / "one" / "metrics.json").read_text())
    assert list(metrics["skipped_notes"]) == [str(bad)]
    assert metrics["notes"]["train"] > metrics["notes"]["valid"] > 0
    assert set(metrics["shared_instruments"].values()) == {0}


def test_a_bad_note_met_while_streaming_is_named_too(tmp_path, capsys, eager):
    folder = synthetic.write_nsynth(tmp_path / "nsynth")
    bad = folder / "nsynth-train" / "audio" / "guitar_acoustic_001-052-050.wav"
    bad.write_bytes(bad.read_bytes()[:10_000])
    # An epoch meets every note: no result is written.
    arguments = [*fresh(tmp_path), "--data", str(folder), "--memory-cache-mb", "0", "--steps", "100", "--epochs", "2"]
    assert train.main([*arguments, *FAST]) == 2
    error = capsys.readouterr().err.strip()
    assert str(bad) in error
    assert "\n" not in error
    assert not (tmp_path / "exports").exists()


def test_no_resume_with_bad_input_leaves_the_former_run_alone(finished, capsys):
    folder, arguments = finished
    before = contents(folder)
    assert train.main([*arguments, "--no-resume", "--families", "gitar"]) == 2
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("budget", "more"),
    [
        ((None, None, None), False),
        ((100, None, None), False),
        ((101, None, None), True),
        ((101, None, 2.0), False),
        ((101, None, 2.1), True),
        ((None, 10, None), False),
        ((None, 11, None), True),
    ],
)
def test_a_finished_run_resumes_only_if_every_given_limit_is_above_what_it_used(budget, more):
    done = {"step": 100, "steps_per_epoch": 10, "seconds": 120.0, "converged": False}
    assert exceeds(Budget(*budget), done) is more
    assert not exceeds(Budget(*budget), done | {"converged": True})


DONE = {"step": 100, "steps_per_epoch": 10, "seconds": 120.0, "converged": True, "stopped": "100 steps done"}


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        (json.dumps({"finished": True, "training": DONE}), True),
        (json.dumps({"finished": False, "training": DONE}), False),
        (json.dumps({"training": DONE}), False),
        (json.dumps({"finished": True, "training": {}}), False),
        *((json.dumps({"finished": True, "training": DONE | {name: [1]}}), False) for name in DONE),
        (json.dumps({"finished": True, "training": DONE | {"seconds": None}}), False),
        (json.dumps({"finished": True, "training": "all"}), False),
        ("[]", False),
        ("[" * 100_000, False),
    ],
)
def test_damaged_metrics_are_those_of_a_run_that_is_not_finished(text, finished, tmp_path):
    Config().save(tmp_path / "config.json")
    (tmp_path / "metrics.json").write_text(text)
    assert check_folder(tmp_path, Config(), resume=True, budget=Budget(steps=100)) is not finished


def test_a_damaged_configuration_in_the_folder_is_named(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"config.json: not JSON \(nested too deeply\), expected a JSON configuration"):
        check_folder(tmp_path, Config(), resume=True, budget=Budget())


def test_a_folder_that_is_no_models_is_an_error(tmp_path, notes, capsys):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "thesis.txt").write_text("precious")
    assert train.main([*fresh(tmp_path), "--data", str(notes), "--name", "mine"]) == 2
    assert "not a model's (no config.json)" in capsys.readouterr().err
    (tmp_path / "models" / "file").write_text("")
    assert check_folder(tmp_path / "new", Config(), resume=True, budget=Budget())
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".tmp-999999999-config.json").write_text("{")
    assert check_folder(tmp_path / "killed", Config(), resume=True, budget=Budget())
    assert train.main([*fresh(tmp_path), "--data", str(notes), "--name", "file"]) == 2
    assert "found a file, expected a folder" in capsys.readouterr().err


def test_a_config_file_is_read_and_options_win(tmp_path, notes):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model": {"latent_dim": 7, "beta": 2}, "train": {"seed": 3}}))
    options = train.make_parser().parse_args(["--config", str(path), "--seed", "4", "--data", "a", "--data", "b"])
    from nsynth_vae import cli

    config = cli.config_from(options, Config)
    assert (config.model.latent_dim, config.model.beta, config.train.seed) == (7, 2.0, 4)
    assert config.data == DataConfig(data=("a", "b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"modle": {}}', "found 'modle', expected one of"),
        ('{"model": {"beta": "x"}}', "beta: found 'x'"),
    ],
)
def test_a_bad_config_file_is_named(tmp_path, text, message, capsys):
    path = tmp_path / "config.json"
    path.write_text(text)
    assert train.main([*fresh(tmp_path), "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert message in error


def test_default_names_come_from_the_data():
    def name(*data):
        return default_folder_name(Config(data=DataConfig(data=data)))

    assert name("starter") == "starter"
    assert name("tfds:nsynth/full") == "nsynth-full"
    assert name("/a/My Samples/") == "My-Samples"
    assert name("starter", "../shared/nsynth") == "starter+nsynth"


def test_help_answers_in_two_seconds_and_tensorflow_is_quiet(tmp_path):
    times = []
    for _ in range(3):
        started = time.perf_counter()
        ran = subprocess.run(
            [sys.executable, "-m", "nsynth_vae.train", "--help"], capture_output=True, text=True, check=True
        )
        times.append(time.perf_counter() - started)
    assert min(times) < 2.0
    assert "--data SRC" in ran.stdout
    assert ran.stderr == ""


KILL = """
    import os, signal, sys
    from nsynth_vae import train
    from nsynth_vae.training import trainer, vae_run
    trainer.CHECKPOINT_SECONDS = 0.0
    add = trainer.TrainerState.add_step
    def kill(self, losses):
        add(self, losses)
        if self.step == int(sys.argv[1]):
            os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    trainer.TrainerState.add_step = kill
    vae_run.finish = lambda *arguments: None  # What comes after training is for other tests.
    sys.exit(train.main(sys.argv[3:]))
"""


def weights(folder: pathlib.Path) -> dict[str, np.ndarray]:
    newest = max((folder / "checkpoints").glob("step-*.npz"))
    with np.load(newest) as file:
        return {name: file[name] for name in file.files if name.startswith(("weights", "average", "optimizer"))}


@pytest.mark.slow
def test_killed_at_17_and_started_again_is_the_same_as_40_in_one_go(notes, tmp_path):
    def arguments(name):
        folder = tmp_path / name
        return [
            "--data",
            str(notes),
            "--steps",
            "40",
            "--models",
            str(folder),
            "--exports",
            str(folder / "exports"),
            *FAST,
        ]

    def run(step, name):
        command = [sys.executable, "-c", textwrap.dedent(KILL), str(step), "SIGKILL", *arguments(name)]
        return subprocess.run(command, capture_output=True, text=True)

    assert run(17, "killed").returncode == -signal.SIGKILL
    again = run(-1, "killed")
    assert again.returncode == 0
    assert "Resuming from step 16" in again.stdout
    assert run(-1, "whole").returncode == 0
    found, expected = (
        weights(tmp_path / "killed" / "tiny-nsynth"),
        weights(tmp_path / "whole" / "tiny-nsynth"),
    )
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_resume(notes, tmp_path):
    options = [
        "--data",
        str(notes),
        "--steps",
        "40",
        "--models",
        str(tmp_path),
        "--exports",
        str(tmp_path / "e"),
        *FAST,
    ]
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILL), "7", "SIGINT", *options], capture_output=True, text=True
    )
    assert ended.returncode == 130
    assert "Saved at step 7; the same command resumes from there." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "tiny-nsynth" / "checkpoints" / "step-00000007.npz").is_file()
    assert not (tmp_path / "e" / "encoder").exists()


@pytest.mark.slow
def test_resuming_with_other_notes_is_an_error_or_asked_for(tmp_path, capsys, monkeypatch, eager):
    # Models are written in the tests of whole runs; here, three runs end.
    monkeypatch.setattr(saved_model, "write", lambda folder, *_: folder.mkdir())
    monkeypatch.setattr(tflite, "write_models", small_models.write_no_tflite)
    notes = synthetic.write_nsynth(tmp_path / "notes", range(48, 72, 8))
    arguments = ["--data", str(notes), "--models", str(tmp_path / "models"), "--exports", str(tmp_path / "exports")]
    assert train.main([*arguments, *FAST, "--steps", "2"]) == 0
    train_folder = notes / "nsynth-train"
    examples = json.loads((train_folder / "examples.json").read_text())
    removed = next(iter(examples))
    del examples[removed]
    (train_folder / "examples.json").write_text(json.dumps(examples))
    capsys.readouterr()
    assert train.main([*arguments, *FAST, "--steps", "4"]) == 2
    error = capsys.readouterr().err
    assert re.search(rf"the notes have changed since \(\d+ then, \d+ now: 1 removed: {removed}\)", error)
    assert "--resume-with-changed-data" in error
    assert train.main([*arguments, *FAST, "--steps", "4", "--resume-with-changed-data"]) == 0
    assert "Resuming from step 2" in capsys.readouterr().out
    history = json.loads((tmp_path / "models" / "notes" / "metrics.json").read_text())["training"]
    assert history["best_step"] == 4
    assert train.main([*arguments, *FAST, "--steps", "5"]) == 0


@pytest.mark.parametrize("command", [train, train_classifier, train_synthesizer])
def test_a_second_run_learns_which_one_writes_there(command, tmp_path, capsys):
    folder = tmp_path / "models" / "one"
    hold = """
import sys
from nsynth_vae.files import exclusive_lock
with exclusive_lock(sys.argv[1], "train"):
    print("locked", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "locked\n"
        code = command.main(["--models", str(tmp_path / "models"), "--name", "one", "--data", "nowhere"])
        first.kill()
    assert code == 2
    assert f"{folder}: another run (train, process {first.pid}, since " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--models", "models"], ["--exports", "exports", "--models", "{tmp_path}"]])
def test_nothing_is_written_to_the_root(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir("/")
    assert train.main([one.replace("{tmp_path}", str(tmp_path)) for one in arguments]) == 2
    assert f"{arguments[0]} {arguments[1]}: the working directory is /" in capsys.readouterr().err
    assert not any(pathlib.Path("/", name).exists() for name in ("models", "exports"))


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(tmp_path, notes, monkeypatch, capsys, eager):
    def fail(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints.os, "fsync", fail)
    arguments = ["--data", str(notes), "--models", str(tmp_path / "models"), "--steps", "1"]
    assert train.main([*arguments, *FAST]) == 2
    error = capsys.readouterr().err
    assert "step-00000001.npz: cannot be written (No space left on device), expected a place for a checkpoint" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
