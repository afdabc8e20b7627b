"""Tests of the wheel: built, installed away from the clone, and played in a process that cannot import TensorFlow."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest
import soundfile

from nsynth_vae import pretrained

pytestmark = [pytest.mark.player, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[1]

LARGEST = 50e6
"""Bytes of the wheel: 20 MB of it are the starter set, 10 the pad's int8 files and libraries."""

BUILT_FROM = ("nsynth_vae", "models", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE")

BLOCKED = ("tensorflow", "keras", "tensorflow_io", "tensorflow_datasets", "scipy", "sklearn")

RUN = f"""
import sys
sys.modules.update(dict.fromkeys({BLOCKED!r}))
from nsynth_vae.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return the wheel of a copy of the clone's files, as the build leaves some behind."""
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("wheel")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *BUILT_FROM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if files.returncode:
        pytest.skip("no git clone")
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(ROOT / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(folder / "source")], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: pathlib.Path) -> pathlib.Path:
    """Return the only folder with the package, from its wheel."""
    target = wheel.parent / "site"
    options = ["--no-deps", "--no-index", "--quiet", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    return target


def run(installed: pathlib.Path, folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a command from a folder, with the installed package and without TensorFlow."""
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_has_what_playing_needs(wheel: pathlib.Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    models = sorted(name for name in names if name.startswith("nsynth_vae/models/"))
    small, synthesizer = (f"nsynth_vae/models/{name}" for name in ("nsynth-small", "synthesizer"))
    assert models == [
        *(
            f"{small}/{name}"
            for name in ("attributes.json", "config.json", "decoder.tflite", "decoder_int8.tflite", "encoder.tflite")
        ),
        f"{small}/encoder_int8.tflite",
        f"{synthesizer}/config.json",
        f"{synthesizer}/{pretrained.SYNTHESIZER_TFLITE}",
    ]
    assert "nsynth_vae/rendering/map_page.html" in names
    assert sum("starter_set" in name for name in names) > 1000
    assert not [name for name in names if name.endswith(".h5") or name.startswith("tests")]
    assert wheel.stat().st_size < LARGEST


def test_it_plays_away_from_the_clone(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = run(installed, tmp_path, "interpolate", "flute", "guitar", "-o", "m", "--no-picture")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "m" / "morph.json").read_text())["steps"] == 9
    audio, rate = soundfile.read(tmp_path / "m" / "step-04.wav")
    assert (rate, len(audio)) == (16000, 64000)
    assert abs(audio).max() > 0.02
    for arguments in (
        ("encode", "m/step-04.wav", "-o", "z.json"),
        ("decode", "z.json", "--pitch", "48", "-o", "d"),
        ("resynthesize", "m/step-04.wav", "-o", "r"),
        ("explore", "--max-notes", "12", "-o", "map", "--no-picture"),
    ):
        done = run(installed, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    shipped = json.loads(run(installed, tmp_path, "model", "--json").stdout)
    assert shipped["folder"] == (installed / "nsynth_vae" / "models" / "nsynth-small").as_posix()


@pytest.mark.parametrize(
    "command", ["train", "train_synthesizer", "train_classifier", "evaluate", "attributes", "export"]
)
def test_what_learns_names_what_is_missing(command: str, installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = run(installed, tmp_path, command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: python -m nsynth_vae.{command}: found no TensorFlow, Keras, scipy, ")
    assert "pip install 'nsynth-vae[train]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_savedmodels_and_exports_name_what_is_missing(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = run(installed, tmp_path, "interpolate", "flute", "guitar", "-o", "m", "--backend", "savedmodel")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --backend savedmodel: found no TensorFlow")
    model = tmp_path / "trained"
    model.mkdir()
    for name in ("config.json", "attributes.json"):
        (model / name).write_bytes((pretrained.TIMBRE_MODEL / name).read_bytes())
    (model / "model.weights.h5").write_bytes(b"weights")
    done = run(installed, tmp_path, "interpolate", "flute", "guitar", "-o", "m", "--model", "trained")
    assert done.returncode == 2
    assert done.stderr.startswith("error: trained: found no encoder.tflite and decoder.tflite of its weights, expected")
    assert "python -m nsynth_vae.export --model trained" in done.stderr
