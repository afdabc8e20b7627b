"""Tests of `saved_model_backend`: SavedModels exported once, found again, and what is wrong with them."""

from __future__ import annotations

import pathlib
import shutil

import numpy as np
import pytest
import timbres

import nsynth_vae
from nsynth_vae import pretrained
from nsynth_vae.errors import InputError
from nsynth_vae.exporters.saved_model_backend import load_exports, open_model


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path]:
    return timbres.export_model(tmp_path_factory.mktemp("saved"))


@pytest.mark.slow
def test_a_model_is_exported_once(opened, tmp_path):
    model, said = opened[0], []
    for _ in range(2):
        open_model(model, tmp_path / "exports", report=said.append)
    assert said == [f"Exporting small to {tmp_path / 'exports'}, once"]
    assert sorted(path.name for path in (tmp_path / "exports").iterdir()) == ["decoder", "encoder"]
    assert [path.name for path in (tmp_path / "exports" / "encoder").iterdir()] == ["1"]


def test_another_models_exports_are_not_taken(opened, tmp_path):
    model, exports = opened
    other = tmp_path / "other"
    shutil.copytree(model, other)
    (other / "config.json").write_text((model / "config.json").read_text() + "\n")
    assert pretrained.version_of(exports, pretrained.fingerprint(model)) == 1
    assert pretrained.version_of(exports, pretrained.fingerprint(other)) is None


def test_what_is_wrong_is_named(opened, tmp_path):
    model, exports = opened
    files = [exports / part / "1" / "assets.extra" / "attributes.json" for part in ("encoder", "decoder")]
    assert load_exports(exports).attributes_files == tuple(files)
    assert open_model(model, exports).attributes_files == (model / "attributes.json", *files)
    with pytest.raises(InputError, match=r"nowhere: found no config.json and model.weights.h5 in it, expected a model"):
        open_model(tmp_path / "nowhere", exports)
    broken = tmp_path / "exports"
    shutil.copytree(exports, broken)
    (broken / "decoder" / "1").rename(broken / "decoder" / "2")
    with pytest.raises(InputError, match="found no version of both encoder and decoder"):
        load_exports(broken)
    shutil.rmtree(broken / "decoder" / "2")
    with pytest.raises(InputError, match=r"decoder: found no version of a SavedModel"):
        load_exports(broken)
    shutil.copytree(exports / "decoder" / "1", broken / "decoder" / "1")
    (broken / "decoder" / "1" / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"1: cannot be loaded .*, expected a SavedModel"):
        load_exports(broken).decode(np.zeros([1, 6]), 60, 100)
    metadata = broken / "encoder" / "1" / "assets.extra" / "model_facts.json"
    for text, message in (
        ("no JSON", "cannot be read"),
        ("[]", "found no JSON object"),
        ("{}", "not what an export writes"),
    ):
        metadata.write_text(text)
        with pytest.raises(InputError, match=message):
            load_exports(broken)
    for text, message in (("no JSON", "cannot be read"), ("[]", "found no JSON object")):
        (tmp_path / "attributes.json").write_text(text)
        with pytest.raises(InputError, match=rf"attributes.json: {message}"):
            pretrained.read_attributes(tmp_path)
    assert pretrained.read_attributes(tmp_path / "nowhere") == {}


@pytest.mark.slow
def test_the_shipped_model_sounds_the_same_by_litert_and_by_its_savedmodels(tmp_path):
    """Sixty instruments, each at its own pitch and velocity, within the limits of float16 files."""
    litert = nsynth_vae.load_model()
    saved = nsynth_vae.load_model(backend="savedmodel", exports=tmp_path / "exports", report=lambda line: None)
    known = list(litert.attributes["instruments"].values())[:60]
    z = np.array([one["centroid"] for one in known], np.float32)
    pitch, velocity = np.arange(60) + 30, np.resize([25, 50, 75, 100, 127], 60)
    found, expected = (model.decode(z, pitch, velocity) for model in (litert, saved))
    assert np.abs(found.log_mel - expected.log_mel).max() < 1e-3
    assert np.abs(found.audio - expected.audio).max() < 1e-2
    np.testing.assert_allclose(litert.encode(expected.audio), saved.encode(expected.audio), atol=5e-3)
