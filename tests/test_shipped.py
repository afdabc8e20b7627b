"""The models that come with the package: there, small enough, and of use from a fresh clone."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from nsynth_vae import classifier, deployed, model_folder, pitch
from nsynth_vae.config import AudioConfig
from nsynth_vae.notes import FAMILIES
from nsynth_vae.synthesis import harmonic_noise

FOLDERS = (model_folder.SHIPPED, classifier.SHIPPED, harmonic_noise.SHIPPED)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_folder_is_whole_and_small(folder: pathlib.Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["finished"] and metrics["training"]["step"] > 0
    card = (folder / "README.md").read_text()
    assert "NSynth" in card and "CC BY 4.0" in card and "MIT" in card
    parts = [path for path in folder.rglob("*") if not {"checkpoints", "logs"} & set(path.parts)]
    assert sum(path.stat().st_size for path in parts) < 30e6
    assert folder.name in (folder.parent / "README.md").read_text()


def test_the_timbre_model_knows_instruments_and_families() -> None:
    attributes = model_folder.read_attributes(model_folder.SHIPPED)
    assert sorted(attributes["families"]) == sorted(FAMILIES)
    assert len(attributes["instruments"]) == 83
    for known in (*attributes["families"].values(), *attributes["instruments"].values()):
        assert len(known["centroid"]) == attributes["latent_dim"] and known["notes"] > 0


def test_a_fresh_clone_plays_families_in_tune(tmp_path: pathlib.Path) -> None:
    """Without training and without notes: the model is exported once, and its families' centroids are in tune."""
    said: list[str] = []
    model = deployed.open_model(None, tmp_path / "exports", report=said.append)
    assert said == [f"Exporting nsynth-small to {tmp_path / 'exports'}, once"]
    assert model.config == AudioConfig()
    z = np.array([model.attributes["families"][name]["centroid"] for name in FAMILIES for _ in range(2)])
    pitches = np.array([55, 67] * len(FAMILIES))
    played = model.decode(z, pitches, 100)
    assert np.abs(played.audio).max(axis=1).min() > 0.02
    in_tune = [pitch.in_tune(audio, asked) for audio, asked in zip(played.audio, pitches.tolist(), strict=True)]
    assert np.mean(in_tune) >= 0.95
