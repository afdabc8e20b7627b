"""Tests of `timbre_model`: TFLite files in a model folder and in exports, found, checked, and played by LiteRT."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import small_models
import timbres
from small_models import CONFIG, SMALL, make_inputs

from nsynth_vae import features, pretrained, timbre_model
from nsynth_vae.analysis import griffin_lim
from nsynth_vae.errors import InputError
from nsynth_vae.exporters import saved_model_backend
from nsynth_vae.exporters.model_export import export_for_player, export_model
from nsynth_vae.model.vae import load_model

ATTRIBUTES = {"latent_dim": 6, "families": {}}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, list[str]]:
    """Return a model folder, and what was said when it was opened twice.

    It is the shared model under another name, and its files are the shared ones.
    """
    folder = tmp_path_factory.mktemp("opened")
    ready = timbres.export_model(folder / "ready", ATTRIBUTES)[0]
    model = folder / "flutes"
    shutil.copytree(ready, model, ignore=shutil.ignore_patterns("*.tflite"))
    said: list[str] = []

    def export(given: pathlib.Path) -> None:
        assert given == model
        for file in pretrained.player_files(ready).values():
            shutil.copy(file, model)

    for _ in range(2):
        timbre_model.open_model(model, export=export, report=said.append)
    return model, said


@pytest.fixture(scope="module")
def exported(opened, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path]:
    """Return all exports of the model, and its folder, which had no TFLite files before."""
    folder = tmp_path_factory.mktemp("exported")
    bare = folder / "flutes"
    shutil.copytree(opened[0], bare, ignore=shutil.ignore_patterns("*.tflite"))
    export_model(*load_model(bare), folder / "exports", model=bare)
    return folder / "exports", bare


@pytest.fixture(scope="module")
def exports(exported) -> pathlib.Path:
    return exported[0]


def test_a_model_is_exported_once_into_its_folder(opened):
    model, said = opened
    assert said == ["Exporting flutes for LiteRT, once"]
    files = sorted(path.name for path in model.iterdir())
    assert files == ["attributes.json", "config.json", "decoder.tflite", "encoder.tflite", "model.weights.h5"]


def test_files_of_other_weights_are_not_taken(opened, exports, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(opened[0], other)
    assert pretrained.fingerprint(other) == pretrained.fingerprint(opened[0])
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    assert pretrained.fingerprint(other) != pretrained.fingerprint(opened[0])
    with pytest.raises(InputError, match=rf"other: found no encoder.tflite and .*nsynth_vae.export --model {other}"):
        timbre_model.open_model(other, exports)
    # Without weights there is nothing that the files could contradict: a wheel's folder.
    (other / "model.weights.h5").unlink()
    assert timbre_model.open_model(other).name == "other"


def test_exports_are_found_for_a_folder_without_files(opened, exports, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(opened[0], bare, ignore=shutil.ignore_patterns("*.tflite"))
    found = timbre_model.open_model(bare, exports)
    assert found.decode(np.zeros([1, 6]), 60, 100).audio.shape == (1, 64000)
    (bare / "model.weights.h5").unlink()
    with pytest.raises(InputError, match=r"bare: found no config.json and model.weights.h5 in it, expected a model"):
        timbre_model.open_model(bare, exports)


def test_an_export_leaves_the_folder_playable(exported):
    exports, folder = exported
    for part, file in pretrained.player_files(folder).items():
        assert file.read_bytes() == (exports / "tflite" / f"{part}_float16.tflite").read_bytes()


def test_litert_gives_what_the_model_gives(opened, exports):
    vae, _ = load_model(opened[0])
    inputs = make_inputs()
    # More notes than a batch, so that the last one is smaller.
    audio, z = (np.concatenate([inputs[name]] * 2) for name in ("audio", "z"))
    pitch, velocity = (np.concatenate([inputs[name]] * 2) for name in ("pitch", "velocity"))
    saved = saved_model_backend.load_exports(exports)
    expected = saved.decode(z, pitch, velocity)
    np.testing.assert_allclose(expected.log_mel, vae.decoder(z, pitch, velocity), atol=1e-4)
    z_mean, _ = vae.encoder(features.log_mel(audio, CONFIG.audio))
    for one in (timbre_model.open_model(opened[0]), timbre_model.open_model(exports), saved):
        assert (one.name, one.latent_dim, one.config, one.attributes) == ("flutes", 6, CONFIG.audio, ATTRIBUTES)
        played = one.decode(z, pitch, velocity)
        np.testing.assert_allclose(played.log_mel, expected.log_mel, atol=1e-2)
        np.testing.assert_allclose(played.audio, expected.audio, atol=1e-2)
        np.testing.assert_array_equal(one.decode_log_mel(z, pitch, velocity), played.log_mel)
        np.testing.assert_allclose(one.encode(audio), z_mean, atol=1e-2)


@pytest.mark.slow
def test_a_decoder_without_synthesizer_sounds_by_griffin_lim(tmp_path):
    model, said = small_models.save_model(tmp_path / "small", SMALL), []
    one = timbre_model.open_model(model, export=export_for_player, report=said.append)
    assert said == ["Exporting small for LiteRT, once"]
    played = one.decode(np.zeros([2, 3]), np.array([60, 64]), 100)
    assert played.audio.shape == (2, 4096)
    np.testing.assert_array_equal(played.audio, griffin_lim.log_mel_to_audio(played.log_mel, SMALL.audio))


def test_one_pitch_can_be_for_all_and_there_can_be_no_notes(opened):
    one = timbre_model.open_model(opened[0])
    z = make_inputs()["z"]
    same = one.decode_log_mel(z, np.full(7, 60), np.full(7, 100))
    np.testing.assert_array_equal(one.decode_log_mel(z, 60, 100), same)
    none = one.decode(np.zeros([0, 6]), 60, 100)
    assert (none.log_mel.shape, none.audio.shape) == ((0, *same.shape[1:]), (0, CONFIG.audio.num_samples))
    assert one.encode(np.zeros([0, CONFIG.audio.num_samples])).shape == (0, 6)


def test_what_is_wrong_is_named(opened, exports, tmp_path, capfd):
    model, _ = opened
    files = [exports / part / "1" / "assets.extra" / "attributes.json" for part in ("encoder", "decoder")]
    assert timbre_model.load_exports(exports).attributes_files == tuple(files)
    assert timbre_model.open_model(model, exports).attributes_files == (model / "attributes.json",)
    with pytest.raises(InputError, match=r"nowhere: found no config.json and model.weights.h5 in it, expected a model"):
        timbre_model.open_model(tmp_path / "nowhere", exports)
    broken = tmp_path / "exports"
    shutil.copytree(exports, broken)
    # Without the SavedModels there are no attributes.
    shutil.rmtree(broken / "encoder")
    assert timbre_model.load_exports(broken).attributes == {}
    for name in ("encoder", "decoder"):
        file = broken / "tflite" / f"{name}_float16.tflite"
        file.write_bytes(file.read_bytes()[:2000])
        with pytest.raises(InputError, match=rf"{file.name}: found something else, expected a whole TFLite file"):
            timbre_model.load_exports(broken)
        shutil.copy(exports / "tflite" / file.name, file)
    shutil.copy(pretrained.player_files(pretrained.TIMBRE_MODEL)["decoder"], file)
    with pytest.raises(InputError, match=r"tflite: found encoder and decoder of two models"):
        timbre_model.load_exports(broken)
    file.unlink()
    with pytest.raises(InputError, match=r"exports: found no tflite/encoder_float16.tflite and .*--backend savedmodel"):
        timbre_model.load_exports(broken)
    shutil.copy(exports / "tflite" / "encoder_float16.tflite", file)
    capfd.readouterr()
    file.write_bytes(b"TFL3" * 9)
    one = dataclasses.replace(
        timbre_model.open_model(model), backend=timbre_model.LiteRTBackend({"decoder": file}, CONFIG.audio)
    )
    with pytest.raises(InputError, match=r"decoder_float16.tflite: cannot be run .*, expected a TFLite file"):
        one.decode(np.zeros([1, 6]), 60, 100)
    assert capfd.readouterr() == ("", "")
