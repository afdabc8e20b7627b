"""Tests of `timbre_model`: exports written once, found again, and what they give."""

from __future__ import annotations

import pathlib
import shutil

import numpy as np
import pytest
import timbres
from small_models import CONFIG, make_inputs

from nsynth_vae import pretrained, timbre_model
from nsynth_vae.errors import InputError
from nsynth_vae.model.vae import load_model

ATTRIBUTES = {"latent_dim": 6, "families": {}}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path, list[str]]:
    """Return a model folder, its exports, and what was reported when it was opened twice.

    It is a copy of the shared model under another name. tests/test_pretrained.py has the export itself.
    """
    folder = tmp_path_factory.mktemp("opened")
    made, ready = timbres.export_model(folder / "made", ATTRIBUTES)
    model = made.rename(folder / "flutes")
    reported: list[str] = []

    def export(given: pathlib.Path, exports: pathlib.Path) -> int:
        assert given == model
        ready.rename(exports)
        return 1

    for _ in range(2):
        timbre_model.open_model(model, folder / "exports", export=export, report=reported.append)
    return model, folder / "exports", reported


def test_a_model_is_exported_once(opened):
    _, exports, reported = opened
    assert reported == [f"Exporting flutes to {exports}, once"]
    assert sorted(path.name for path in exports.iterdir()) == ["decoder", "encoder"]
    assert [path.name for path in (exports / "encoder").iterdir()] == ["1"]


def test_another_models_exports_are_not_taken(opened, tmp_path):
    model, exports, _ = opened
    other = tmp_path / "other"
    shutil.copytree(model, other)
    CONFIG.save(other / "config.json")
    assert pretrained.fingerprint(other) == pretrained.fingerprint(model)
    (other / "config.json").write_text((model / "config.json").read_text() + "\n")
    assert pretrained.fingerprint(other) != pretrained.fingerprint(model)
    assert timbre_model._version_of(exports, pretrained.fingerprint(model)) == 1
    assert timbre_model._version_of(exports, pretrained.fingerprint(other)) is None


def test_exports_give_what_the_model_gives(opened):
    model, exports, _ = opened
    vae, _ = load_model(model)
    inputs = make_inputs()
    # More notes than a batch, so that the last one is smaller.
    audio, z = (np.concatenate([inputs[name]] * 2) for name in ("audio", "z"))
    pitch, velocity = (np.concatenate([inputs[name]] * 2) for name in ("pitch", "velocity"))
    for one, name in (
        (timbre_model.open_model(model, exports), "flutes"),
        (timbre_model.open_model(exports), "small"),
        (timbre_model.load_exports(exports), "small"),
    ):
        assert (one.name, one.latent_dim, one.config, one.attributes) == (name, 6, CONFIG.audio, ATTRIBUTES)
        played = one.decode(z, pitch, velocity)
        np.testing.assert_allclose(played.log_mel, vae.decoder(z, pitch, velocity), atol=1e-4)
        assert played.audio.shape == (14, CONFIG.audio.num_samples)
        np.testing.assert_array_equal(one.decode_log_mel(z, pitch, velocity), played.log_mel)
        from nsynth_vae import features

        z_mean, _ = vae.encoder(features.log_mel(audio, CONFIG.audio))
        np.testing.assert_allclose(one.encode(audio), z_mean, atol=1e-4)


def test_one_pitch_can_be_for_all_and_there_can_be_no_notes(opened):
    _, exports, _ = opened
    one = timbre_model.load_exports(exports)
    z = make_inputs()["z"]
    same = one.decode_log_mel(z, np.full(7, 60), np.full(7, 100))
    np.testing.assert_array_equal(one.decode_log_mel(z, 60, 100), same)
    assert one.decode(z[:0], 60, 100).audio.shape == (0, 64000)
    assert one.encode(np.zeros([0, 64000], np.float32)).shape == (0, 6)


def test_a_model_without_exports_names_the_command(opened, tmp_path):
    model, _, _ = opened
    with pytest.raises(InputError, match=rf"none: found no exports of {model}, .*nsynth_vae.export --model {model}"):
        timbre_model.open_model(model, tmp_path / "none")


def test_what_is_wrong_is_named(opened, tmp_path):
    model, exports, _ = opened
    files = [exports / part / "1" / "assets.extra" / "attributes.json" for part in ("encoder", "decoder")]
    assert timbre_model.load_exports(exports).attributes_files == tuple(files)
    assert timbre_model.open_model(model, exports).attributes_files == (model / "attributes.json", *files)
    with pytest.raises(InputError, match=r"nowhere: found no config.json and model.weights.h5 in it, expected a model"):
        timbre_model.open_model(tmp_path / "nowhere", exports)
    broken = tmp_path / "exports"
    shutil.copytree(exports, broken)
    (broken / "decoder" / "1").rename(broken / "decoder" / "2")
    with pytest.raises(InputError, match="found no version of both encoder and decoder"):
        timbre_model.load_exports(broken)
    shutil.rmtree(broken / "decoder" / "2")
    with pytest.raises(InputError, match=r"decoder: found no version of a SavedModel"):
        timbre_model.load_exports(broken)
    shutil.copytree(exports / "decoder" / "1", broken / "decoder" / "1")
    (broken / "decoder" / "1" / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"1: cannot be loaded .*, expected a SavedModel"):
        timbre_model.load_exports(broken).decode(np.zeros([1, 6]), 60, 100)
    metadata = broken / "encoder" / "1" / "assets.extra" / "model_facts.json"
    for text, message in (
        ("no JSON", "cannot be read"),
        ("[]", "found no JSON object"),
        ("{}", "not what an export writes"),
    ):
        metadata.write_text(text)
        with pytest.raises(InputError, match=message):
            timbre_model.load_exports(broken)
    for text, message in (("no JSON", "cannot be read"), ("[]", "found no JSON object")):
        (tmp_path / "attributes.json").write_text(text)
        with pytest.raises(InputError, match=rf"attributes.json: {message}"):
            pretrained.read_attributes(tmp_path)
    assert pretrained.read_attributes(tmp_path / "nowhere") == {}
