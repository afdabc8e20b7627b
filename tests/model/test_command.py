"""`nsynth-vae model`: what a model is, as text and as JSON, without TensorFlow."""

import json
import subprocess
import sys

import pytest
from fake_model import ATTRIBUTES

from nsynth_vae import __main__, pretrained
from nsynth_vae.config import Config

pytestmark = pytest.mark.player


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "toy"
    model.mkdir()
    Config().save(model / "config.json")
    (model / "attributes.json").write_text(json.dumps(ATTRIBUTES))
    (model / "metrics.json").write_text(json.dumps({"notes": {"train": 7}, "valid": {"loss": 1.5}, "training": {}}))
    (model / "encoder.tflite").write_bytes(bytes(2500))
    return model


def run(capsys, *arguments: str) -> str:
    assert __main__.main(["model", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_json_has_dimensions_names_directions_figures_and_files(folder, capsys):
    record = json.loads(run(capsys, "--model", folder, "--json"))
    assert (record["name"], record["latent_dim"], record["sample_rate"], record["seconds"]) == ("toy", 29, 16000, 4)
    assert record["families"] == {"flute": 40, "guitar": 20}
    assert record["instruments"] == {"flute_acoustic_001": 30, "broken": None}
    assert record["directions"] == {
        "bright": {
            "descriptor": "spectral_centroid",
            "median_change": 0.4,
            "unit": "octaves above f0",
            "effect_rate": 0.98,
            "learnt_from": "the quality bright",
        }
    }
    assert record["not_learnt"] == {"reverb": "too few notes"}
    assert record["metrics"] == {"notes": {"train": 7}, "valid": {"loss": 1.5}}
    assert {one["file"]: one["bytes"] for one in record["files"]}["encoder.tflite"] == 2500


def test_text_says_the_same_in_lines(folder, capsys):
    text = run(capsys, "--model", folder)
    assert text.startswith("toy: 29 dimensions, notes of 4 s at 16000 Hz, 128 mel bins\n")
    for part in (
        "2 families: flute, guitar\n",
        "  bright         spectral_centroid    +0.4 octaves above f0, 98%\n",
        "  reverb         not learnt: too few notes\n",
        "metrics, valid: loss 1.5\n",
        "encoder.tflite (3 kB)",
    ):
        assert part in text


def test_a_model_without_attributes_and_metrics(folder, capsys):
    (folder / "attributes.json").unlink()
    (folder / "metrics.json").unlink()
    record = json.loads(run(capsys, "--model", folder, "--json"))
    assert record["directions"] == record["families"] == record["metrics"] == {}


@pytest.mark.parametrize(
    "entry", [1, [], {"effect": 1}, {"effect": {"median_change": [], "unit": {}}, "descriptor": []}]
)
def test_a_direction_without_usable_figures_has_none(entry, folder, capsys):
    (folder / "attributes.json").write_text(json.dumps({"directions": {"bright": {"effect": []}, "odd": entry}}))
    assert "bright" in run(capsys, "--model", folder)
    found = json.loads(run(capsys, "--model", folder, "--json"))["directions"]["bright"]
    assert found == dict.fromkeys(["descriptor", "median_change", "unit", "effect_rate", "learnt_from"])


def test_the_shipped_model_is_the_default(capsys):
    record = json.loads(run(capsys, "--json"))
    assert record["name"] == pretrained.TIMBRE_MODEL.name
    assert len(record["families"]) == 11
    assert record["directions"]["bright"]["median_change"] > 0


def test_what_is_no_model(tmp_path, capsys):
    assert __main__.main(["model", "--model", str(tmp_path)]) == 2
    assert "config.json" in capsys.readouterr().err


def test_it_runs_as_a_module_and_imports_no_tensorflow():
    code = "import sys, nsynth_vae.model.__main__ as m; m.main([]); print({'tensorflow', 'keras'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("set()\n")
    ran = subprocess.run([sys.executable, "-m", "nsynth_vae.model", "--help"], capture_output=True, text=True)
    assert ran.stdout.startswith("usage: python -m nsynth_vae.model ")
