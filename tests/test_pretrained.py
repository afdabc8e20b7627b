"""The shipped models: present, small enough, and usable from a fresh clone."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from nsynth_vae import pretrained, timbre_model
from nsynth_vae.analysis import descriptors, pitch
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.notes import FAMILIES
from nsynth_vae.pretrained import CLASSIFIER, SYNTHESIZER

pytestmark = pytest.mark.player

FOLDERS = (pretrained.TIMBRE_MODEL, CLASSIFIER, SYNTHESIZER)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_folder_is_whole_and_small(folder: pathlib.Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["finished"]
    assert metrics["training"]["step"] > 0
    card = (folder / "README.md").read_text()
    assert "NSynth" in card
    assert "CC BY 4.0" in card
    assert "MIT" in card
    parts = [path for path in folder.rglob("*") if not {"checkpoints", "logs"} & set(path.parts)]
    assert sum(path.stat().st_size for path in parts) < 40e6  # 10 MB of it are the page's int8 files.
    assert folder.name in (folder.parent / "README.md").read_text()


def test_the_timbre_model_knows_instruments_and_families() -> None:
    attributes = pretrained.read_attributes(pretrained.TIMBRE_MODEL)
    assert sorted(attributes["families"]) == sorted(FAMILIES)
    assert len(attributes["instruments"]) == 206
    for known in (*attributes["families"].values(), *attributes["instruments"].values()):
        assert len(known["centroid"]) == attributes["latent_dim"]
        assert known["notes"] > 0


def test_attributes_of_format_2_are_read_with_the_keys_of_format_3(tmp_path: pathlib.Path) -> None:
    shipped = pretrained.read_attributes(pretrained.TIMBRE_MODEL)
    assert shipped["format_version"] == 3
    former = {
        "effect_rate": "rises",
        "effect_rate_half": "rises_half",
        "effect_rate_further": "rises_further",
        "standard_deviations": "deviations",
    }
    directions = {
        name: entry | {"effect": {former.get(key, key): value for key, value in entry["effect"].items()}}
        for name, entry in shipped["directions"].items()
    }
    assert "rises" in directions["bright"]["effect"]
    (tmp_path / "attributes.json").write_text(json.dumps(shipped | {"format_version": 2, "directions": directions}))
    assert pretrained.read_attributes(tmp_path) == shipped
    # What is no direction stays as it is.
    (tmp_path / "attributes.json").write_text('{"format_version": 2, "directions": {"bright": 1}}')
    assert pretrained.read_attributes(tmp_path) == {"format_version": 3, "directions": {"bright": 1}}


@pytest.mark.parametrize("name", ["families", "instruments", "directions", "not_learnt"])
@pytest.mark.parametrize("value", [[], 1.5, None, "a"])
def test_attributes_of_another_form_are_refused(name: str, value: object, tmp_path: pathlib.Path) -> None:
    (tmp_path / "attributes.json").write_text(json.dumps({"format_version": 3, name: value}))
    with pytest.raises(InputError, match=rf"attributes.json: {name}: found .*, expected an object"):
        pretrained.read_attributes(tmp_path)


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000, "\udcff"], ids=["text", "deep", "no UTF-8"])
def test_metadata_that_cannot_be_read_are_refused(text: str, tmp_path: pathlib.Path) -> None:
    for name, read in {
        "attributes.json": pretrained.read_attributes,
        pretrained.METADATA: pretrained.read_metadata,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            read(tmp_path)


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000, "[]"], ids=["text", "deep", "list"])
def test_metadata_in_a_tflite_file_that_are_no_object_are_refused(
    text: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tflite").touch()
    monkeypatch.setattr(pretrained, "tflite_entry", lambda file, name: text)
    with pytest.raises(InputError, match=r"a.tflite: found no metadata nsynth_vae.json, expected a file of this"):
        pretrained.read_tflite_metadata(tmp_path / "a.tflite")


def test_a_wheel_says_where_the_weights_are(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path)
    for folder, ending in (
        (tmp_path / "synthesizer", "; a wheel has none, they are in the repository"),
        (tmp_path, ""),
    ):
        folder.mkdir(exist_ok=True)
        with pytest.raises(InputError, match=rf"model.weights.h5: not found, expected .* a trained model{ending}$"):
            pretrained.load_weights(object(), folder)


@pytest.fixture(scope="module")
def model() -> timbre_model.TimbreModel:
    """Return the shipped model, as a fresh clone has it: without training, notes and exports."""
    return timbre_model.open_model()


def test_shipped_tflite_files_are_of_the_shipped_weights() -> None:
    expected = pretrained.fingerprint(pretrained.TIMBRE_MODEL)
    for part, file in pretrained.player_files(pretrained.TIMBRE_MODEL).items():
        metadata = pretrained.read_tflite_metadata(file)
        assert (metadata["model"], metadata["weights"]) == (part, timbre_model.PLAYED)
        assert metadata["fingerprint"] == expected


def test_a_fresh_clone_plays_families_in_tune(model: timbre_model.TimbreModel) -> None:
    assert model.config == AudioConfig()
    z = np.array([model.attributes["families"][name]["centroid"] for name in FAMILIES for _ in range(2)])
    pitches = np.array([55, 67] * len(FAMILIES))
    played = model.decode(z, pitches, 100)
    assert np.abs(played.audio).max(axis=1).min() > 0.02
    in_tune = [pitch.in_tune(audio, target) for audio, target in zip(played.audio, pitches.tolist(), strict=True)]
    assert np.mean(in_tune) >= 0.95


def test_directions_leave_the_level_alone(model: timbre_model.TimbreModel) -> None:
    directions = model.attributes["directions"]
    assert model.level_coordinate
    assert {name: entry["direction"][0] for name, entry in directions.items()} == dict.fromkeys(directions, 0.0)
    z = np.array(model.attributes["families"]["organ"]["centroid"])
    z[0] = -1.0  # Far from full scale, where peaks would be limited.
    moved = z + np.array([np.zeros_like(z), *(entry["direction"] for entry in directions.values())])
    audio = model.decode(moved, 60, 100).audio[:, :48000]
    level = 10 * np.log10(np.square(audio, dtype=np.float64).mean(axis=1))
    np.testing.assert_allclose(level, level[0], atol=0.5)


def test_brighter_is_brighter_and_darker_is_darker(model: timbre_model.TimbreModel) -> None:
    """Of nearly all families' mean notes, and more at strength 1 than at half."""
    z = np.array([model.attributes["families"][name]["centroid"] for name in FAMILIES])

    def centroids(vectors: np.ndarray) -> np.ndarray:
        sounds = model.decode(vectors, 60, 100).audio
        return np.array([descriptors.spectral_centroid(audio, 60) for audio in sounds])

    plain = centroids(z)
    for name, sign in (("bright", 1), ("dark", -1)):
        direction = np.array(model.attributes["directions"][name]["direction"])
        half, whole = (sign * (centroids(z + strength * direction) - plain) for strength in (0.5, 1.0))
        assert np.mean(whole > 0) >= 0.9
        assert np.mean(whole > half) >= 0.8
