"""`python -m nsynth_vae.export`: what it writes and prints, its errors, and a reader that watches the folder."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import sine, write_folder
from small_models import CONFIG, SMALL, make_vae

from nsynth_vae import export, pretrained
from nsynth_vae.config import Config, DataConfig
from nsynth_vae.data.load_notes import load_notes
from nsynth_vae.data.source import BadNotes

MISSING = "not a folder, expected a model folder, such as `python -m nsynth_vae.train` makes, with config.json"

# Loads every version the moment that it appears, by the C runtime, until a file `stop` is there; prints what it loaded.
READER = """
import pathlib, sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
import c_api
folder, seen = pathlib.Path(sys.argv[2]), set()
print("ready", flush=True)
while True:
    stop = (folder / "stop").exists()
    for path in sorted(folder.glob("*coder/*")):
        if path in seen:
            continue
        seen.add(path)
        extra = path / "assets.extra"
        assert {file.name for file in extra.iterdir()} == {"model_facts.json", "tf_serving_warmup_requests"}, path
        model = c_api.SavedModel(str(path))
        if path.parent.name == "encoder":
            made = model.run("serving_default", audio=np.zeros([1, 64000], np.float32))["z_mean"]
        else:
            given = {"pitch": np.array([60], np.int32), "velocity": np.array([100], np.int32)}
            made = model.run("decode_log_mel", z=np.zeros([1, 6], np.float32), **given)["log_mel"]
        assert np.isfinite(made).all()
        model.close()
        print(path.relative_to(folder), flush=True)
    if stop:
        break
    time.sleep(0.005)
"""


def save(folder: pathlib.Path, config: Config) -> pathlib.Path:
    """Return the folder of a saved model."""
    folder.mkdir(parents=True)
    config.save(folder / "config.json")
    make_vae(config).save_weights(folder / "model.weights.h5")
    return folder


def write_notes(folder: pathlib.Path, config: Config) -> pathlib.Path:
    """Return a folder of NSynth's layout with six notes to test with and two others."""
    seconds = config.audio.num_samples / config.audio.sample_rate
    for split, count in (("test", 6), ("train", 2)):
        names = [f"organ_electronic_{index:03}-{60 + index:03}-100" for index in range(count)]
        sounds = [sine(262.0 * 2 ** (index / 12), seconds=seconds) for index in range(count)]
        write_folder(folder / f"nsynth-{split}", dict(zip(names, sounds, strict=True)))
    return folder


@pytest.mark.slow
def test_export_and_report(tmp_path: pathlib.Path, monkeypatch, capsys) -> None:
    """Everything in its place; the report is printed and saved; the default model is the shipped one."""
    write_notes(tmp_path / "notes", SMALL)
    monkeypatch.setattr(pretrained, "TIMBRE_MODEL", save(tmp_path / "models" / "starter", SMALL))
    monkeypatch.chdir(tmp_path)
    assert export.main(["--data", "notes", "--split", "test", "--max-notes", "4", "--version", "3"]) == 0
    printed = capsys.readouterr().out
    exports = tmp_path / "exports"
    assert (exports / "encoder/3/saved_model.pb").exists()
    assert (exports / "decoder/3/saved_model.pb").exists()
    assert sorted(path.name for path in exports.iterdir()) == [
        "decoder",
        "encoder",
        "report.json",
        "report.md",
        "tflite",
    ]
    report = json.loads((exports / "report.json").read_text())
    assert report["notes"] == 4
    assert report["files"]["encoder_float32"]["errors"]["z_mean"]["max"] < 1e-3
    assert (exports / "report.md").read_text() in printed
    lines = printed.splitlines()
    assert lines[1] == "encoder: SavedModel"
    assert lines[-4:] == [
        "encoder  exports/encoder/3",
        "decoder  exports/decoder/3",
        "tflite   exports/tflite",
        "report   exports/report.json, exports/report.md",
    ]


def test_errors_are_one_line(tmp_path: pathlib.Path, monkeypatch, capsys) -> None:
    """Bad input ends with 2 before anything is written."""
    notes = write_notes(tmp_path / "notes", SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "TIMBRE_MODEL", pathlib.Path("models/starter"))
    assert export.main([]) == 2
    assert f"error: models/starter: {MISSING}" in capsys.readouterr().err
    save(tmp_path / "models" / "starter", SMALL)
    (tmp_path / "exports" / "encoder" / "5").mkdir(parents=True)
    shutil.copytree(notes, tmp_path / "bad")
    (tmp_path / "bad/nsynth-test/audio/organ_electronic_005-065-100.wav").write_bytes(b"no WAV")
    for arguments, words in (
        (["--data", "nowhere"], "error: nowhere: no such file or folder, expected `starter`, a folder"),
        (["--data", "notes", "--split", "valid"], "error: notes: no note of these is in the split valid, expected"),
        (["--data", "notes", "--split", "test", "--version", "5"], "error: version: found 5, expected 6 or more: "),
        (["--data", "bad", "--split", "test"], "error: bad/nsynth-test/audio/"),
    ):
        assert export.main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith(words)
        assert error.count("\n") == 1
    for arguments, words in (
        (["--version", "0"], "argument --version: found '0', expected a positive integer"),
        (["--split", "none"], "argument --split: invalid choice: 'none'"),
    ):
        with pytest.raises(SystemExit) as end:
            export.main(arguments)
        assert end.value.code == 2
        assert words in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "exports").rglob("*")] == ["encoder", "5"]


def test_notes_are_read_as_arrays(tmp_path: pathlib.Path) -> None:
    """Of the requested split; invalid ones are left out on request."""
    notes = write_notes(tmp_path / "notes", CONFIG)
    (notes / "nsynth-test/audio/organ_electronic_005-065-100.wav").write_bytes(b"no WAV")
    data, bad_notes = DataConfig(data=(str(notes),)), BadNotes("skip")
    loaded = load_notes(data, "test", audio=CONFIG.audio, bad_notes=bad_notes).loaded
    found = loaded.read_all()
    assert list(found) == ["audio", "pitch", "velocity"]
    assert len(bad_notes.skipped) == 1
    assert found["audio"].shape == (5, 64000)
    assert found["audio"].dtype == np.float32
    assert 0.3 < np.abs(found["audio"]).max() <= 0.5
    assert found["velocity"].tolist() == [100] * 5
    assert set(found["pitch"]) == set(range(60, 65))


@pytest.mark.slow
def test_a_reader_that_watches_sees_whole_versions_only(tmp_path: pathlib.Path) -> None:
    """An export, then two at once, while another process loads each version the moment that it appears."""
    notes = write_notes(tmp_path / "notes", CONFIG)
    model, exports = save(tmp_path / "model", CONFIG), tmp_path / "exports"
    exports.mkdir()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    tests = str(pathlib.Path(__file__).parent)
    command = [sys.executable, "-I", "-c", READER, tests, str(exports)]
    reader = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert reader.stdout.readline() == "ready\n"
    options = ["--model", str(model), "--exports", str(exports), "--data", str(notes), "--split", "test"]
    command = [sys.executable, "-m", "nsynth_vae.export", *options, "--max-notes", "1"]
    root = pathlib.Path(tests).parent

    def start() -> subprocess.Popen:
        return subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    for at_once in (1, 2):
        for process in [start() for _ in range(at_once)]:
            _, error = process.communicate()
            assert process.returncode == 0, error
    (exports / "stop").touch()
    printed, error = reader.communicate()
    assert reader.returncode == 0, error
    assert sorted(printed.split()) == [f"{kind}/{n}" for kind in ("decoder", "encoder") for n in (1, 2, 3)]
