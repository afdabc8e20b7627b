"""`python -m nsynth_vae.train_synthesizer`: its files, resuming, and every error it can end with.

What it shares with `train` (splits, configuration files, checkpoints, Ctrl-C) is tested there.
"""

import contextlib
import io
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import soundfile
import synthetic

from nsynth_vae import train_synthesizer
from nsynth_vae.config import Config, DataConfig, SynthesisConfig
from nsynth_vae.pretrained import SYNTHESIZER
from nsynth_vae.synthesis import losses
from nsynth_vae.synthesis.vocoder import load_synthesizer
from nsynth_vae.training import synthesizer_run
from nsynth_vae.training.options import SynthesizerOptions

FAST = ["--channels", "16", "--blocks", "1", "--num-harmonics", "20", "--batch-size", "8"]


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("data") / "tiny nsynth")


@pytest.fixture(scope="module")
def finished(notes, tmp_path_factory):
    """A finished run of 6 steps, an epoch and a half, notes in memory; returns its model folder and its arguments."""
    models = tmp_path_factory.mktemp("run") / "models"
    arguments = ["--data", str(notes), "--steps", "6", "--models", str(models), *FAST]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert train_synthesizer.main(arguments) == 0
    assert "Training ended: 6 steps done" in said.getvalue()
    assert "is read anew" not in said.getvalue()
    return models / "synthesizer-tiny-nsynth", arguments


def contents(folder: pathlib.Path) -> dict:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


def test_the_model_folder_is_whole(finished):
    model, _ = finished
    assert {path.name for path in model.iterdir()} == {
        "config.json",
        "model.weights.h5",
        "synthesizer_float16.tflite",
        "metrics.json",
        "README.md",
        "figures",
        "sounds",
        "logs",
        "checkpoints",
    }
    assert {path.name for path in (model / "figures").iterdir()} == {"losses.png", "resynthesis.png"}
    config = SynthesisConfig.load(model / "config.json")
    assert (config.synthesizer.channels, config.synthesizer.blocks, config.synthesizer.num_harmonics) == (16, 1, 20)
    assert config.train.batch_size == 8
    assert config.train.ema_decay == SynthesisConfig().train.ema_decay


def test_metrics_have_definitions_and_the_card_says_how_to_use_it(finished):
    model, _ = finished
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["finished"]
    assert metrics["training"]["step"] == 6
    assert metrics["notes"] == {"train": 36, "valid": 4, "test": 4}
    assert set(metrics["valid"]) == set(losses.LOSS_NAMES) <= set(metrics["definitions"])
    history = metrics["training"]["history"]
    assert [record["step"] for record in history] == [4, 6]
    assert metrics["valid"]["loss"] == pytest.approx(min(record["valid"]["loss"] for record in history), rel=1e-3)
    card = (model / "README.md").read_text()
    assert f"mss {metrics['valid']['mss']:.3f}" in card
    assert "On 4 of the 4 validation notes" in card
    assert "python -m nsynth_vae.resynthesize NOTE.wav --model models/synthesizer-tiny-nsynth -o DIR" in card
    command = "python -m nsynth_vae.train_synthesizer "
    (again,) = (line.split(command)[1].split() for line in card.splitlines() if line.startswith(f"    {command}"))
    assert train_synthesizer.make_parser().parse_args(again).steps == 6


def test_sounds_are_there_three_ways_and_the_weights_are_those_that_made_them(finished):
    from nsynth_vae import features

    model, _ = finished
    sounds = sorted((model / "sounds").iterdir())
    names = {path.name for path in sounds}
    notes = {name.removesuffix("-original.wav") for name in names if name.endswith("-original.wav")}
    assert len(notes) == 4
    assert names == {f"{note}-{kind}.wav" for note in notes for kind in ("original", "griffin-lim", "synthesizer")}
    for path in sounds:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (16000, 1, "PCM_16", 64000)
    synthesizer = load_synthesizer(model)
    note = "guitar_acoustic_004-060-100"
    original = soundfile.read(model / "sounds" / f"{note}-original.wav", dtype="float32")[0]
    audio = synthesizer(features.log_mel(original[None], synthesizer.config.audio), np.array([60], np.int32))[0]
    written = soundfile.read(model / "sounds" / f"{note}-synthesizer.wav", dtype="float32")[0]
    np.testing.assert_allclose(audio, written, atol=2e-4)
    assert np.abs(written).max() > 0.1


def test_tensorboard_has_losses_images_and_audio(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished[0] / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {f"{split}/{name}" for split in ("train", "valid") for name in losses.LOSS_NAMES} <= tags
    for kind in ("original/", "resynthesis/", "original and resynthesis/"):
        assert sum(tag.startswith(kind) for tag in tags) == 4


def test_a_finished_run_is_left_alone(finished, capsys):
    model, arguments = finished
    before = contents(model)
    assert train_synthesizer.main(arguments) == 0
    assert "is finished" in capsys.readouterr().out
    assert train_synthesizer.main([*arguments, "--num-harmonics", "21"]) == 2
    assert "num_harmonics: 20 there, 21 requested" in capsys.readouterr().err
    assert contents(model) == before


def test_the_folder_of_a_timbre_model_is_left_alone(tmp_path, notes, capsys):
    Config(data=DataConfig(data=(str(notes),))).save(tmp_path / "config.json")
    before = contents(tmp_path)
    arguments = ["--data", str(notes), "--models", str(tmp_path.parent), "--name", tmp_path.name]
    for more in ([], ["--no-resume"]):
        assert train_synthesizer.main([*arguments, *more]) == 2
        assert "holds a model of another kind (config.json has model)" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_a_larger_budget_trains_further(finished, tmp_path, capsys):
    model, arguments = finished
    shutil.copytree(model, tmp_path / model.name)
    assert train_synthesizer.main([*arguments, "--models", str(tmp_path), "--steps", "7"]) == 0
    assert "Resuming from step 6" in capsys.readouterr().out
    assert json.loads((tmp_path / model.name / "metrics.json").read_text())["training"]["step"] == 7
    assert (tmp_path / model.name / "synthesizer_float16.tflite").stat().st_size > 10_000


def weights(folder: pathlib.Path) -> dict[str, np.ndarray]:
    newest = max((folder / "checkpoints").glob("step-*.npz"))
    with np.load(newest) as file:
        return {name: file[name] for name in file.files if name.startswith(("weights", "average", "optimizer"))}


def assert_same_weights(folder: pathlib.Path, other: pathlib.Path) -> None:
    found, expected = weights(folder), weights(other)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_notes_that_are_streamed_give_the_same_as_notes_in_memory(finished, tmp_path, monkeypatch, capsys):
    model, arguments = finished
    monkeypatch.setattr(synthesizer_run, "finish", lambda *arguments: None)
    assert train_synthesizer.main([*arguments, "--models", str(tmp_path), "--memory-cache-mb", "0"]) == 0
    said = capsys.readouterr().out
    assert "Training ended: 6 steps done" in said
    assert "MB is read anew every epoch" in said
    assert_same_weights(tmp_path / model.name, model)


KILL = """
    import os, signal, sys
    from nsynth_vae import train_synthesizer
    from nsynth_vae.training import trainer
    trainer.CHECKPOINT_SECONDS = 0.0
    add = trainer.TrainerState.add_step
    def kill(self, losses):
        add(self, losses)
        if self.step == 6:
            os.kill(os.getpid(), signal.SIGKILL)
    trainer.TrainerState.add_step = kill
    sys.exit(train_synthesizer.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_killed_at_6_and_started_again_is_the_same_as_10_in_one_go(notes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(synthesizer_run, "finish", lambda *arguments: None)
    arguments = ["--data", str(notes), "--steps", "10", "--models", str(tmp_path), *FAST, "--name"]
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILL), *arguments, "killed"], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert train_synthesizer.main([*arguments, "killed"]) == 0
    assert "Resuming from step 5" in capsys.readouterr().out
    assert train_synthesizer.main([*arguments, "whole"]) == 0
    assert_same_weights(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder: no such file or folder, expected"),
        (["--channels", "0"], "--channels: found '0', expected a positive integer"),
        (["--blocks", "x"], "--blocks: found 'x', expected a positive integer"),
        (["--num-harmonics", "-1"], "--num-harmonics: found '-1', expected a positive integer"),
        (["--families", "gitar"], "guitar"),
        (["--minutes", "0"], "found '0', expected a positive number"),
        (["--latent-dim", "8"], "unrecognized arguments: --latent-dim 8"),
        (["--precision", "mixed_float16"], "unrecognized arguments: --precision"),
        (["--exports", "there"], "unrecognized arguments: --exports"),
        (["--config", "{vae}"], "config: found 'model', expected one of audio, data, synthesizer, train"),
        (["--config", "{half}"], "precision: found 'mixed_float16', expected float32"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(options, message, tmp_path, capsys):
    (tmp_path / "vae.json").write_text('{"model": {"latent_dim": 8}}')
    (tmp_path / "half.json").write_text('{"train": {"precision": "mixed_float16"}}')
    files = {"{vae}": str(tmp_path / "vae.json"), "{half}": str(tmp_path / "half.json")}
    options = [files.get(option, option) for option in options]
    try:
        code = train_synthesizer.main(["--models", str(tmp_path / "models"), "--steps", "1", *options])
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert message in error
    assert error.startswith("error: ")
    assert "\n" not in error
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("memory", ["1024", "0"])
def test_a_bad_note_is_named_and_leaves_nothing(tmp_path, memory, capsys, eager):
    folder = synthetic.write_nsynth(tmp_path / "nsynth")
    bad = folder / "nsynth-train" / "audio" / "guitar_acoustic_001-052-050.wav"
    soundfile.write(bad, np.zeros(64000), 16000, subtype="PCM_16")
    arguments = ["--data", str(folder), "--models", str(tmp_path / "models"), "--epochs", "2", *FAST]
    assert train_synthesizer.main([*arguments, "--memory-cache-mb", memory]) == 2
    error = capsys.readouterr().err.strip()
    assert str(bad) in error
    assert "is silent" in error
    assert "\n" not in error
    assert not list((tmp_path / "models").glob("*/*.h5"))
    if memory != "0":  # A stream can have passed its first epoch, and saved, before it meets the note.
        assert not (tmp_path / "models").exists()


def test_validation_takes_every_kth_note_and_at_most_128():
    rows = np.arange(1000, 2000)
    chosen = synthesizer_run.every_kth(rows, 128)
    assert len(chosen) == 125
    assert chosen[0] == 1000
    assert set(np.diff(chosen)) == {8}
    for count in (1, 2, 127, 128):
        np.testing.assert_array_equal(synthesizer_run.every_kth(rows[:count], 128), rows[:count])
    assert len(synthesizer_run.every_kth(rows[:129], 128)) == 65


def test_the_default_name_is_not_that_of_the_shipped_synthesizer():
    task = synthesizer_run.make_task(SynthesisConfig(), SynthesizerOptions())
    assert task.folder == pathlib.Path("models/synthesizer-starter")
    assert task.folder.name != SYNTHESIZER.name


def test_help_answers_in_two_seconds():
    times = []
    for _ in range(3):
        started = time.perf_counter()
        command = [sys.executable, "-m", "nsynth_vae.train_synthesizer", "--help"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 2.0
    assert "--num-harmonics N" in ran.stdout
    assert "--cache-dir" not in ran.stdout
    assert ran.stderr == ""
