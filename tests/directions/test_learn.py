"""Tests of the merging of new attributes with a former file's."""

from __future__ import annotations

import dataclasses

import direction_cases
import numpy as np
import pytest

from nsynth_vae.directions import candidates
from nsynth_vae.directions import learn as learning
from nsynth_vae.directions.learn import learn, merged
from nsynth_vae.directions.perturbations import perturb


def test_directions_leave_the_level_alone(monkeypatch):
    """Where the notes with the flag are the louder ones."""
    monkeypatch.setattr(learning, "PERTURBATIONS", 8)
    monkeypatch.setattr(candidates, "ATTRIBUTES", [direction_cases.BY_NAME["reverb"]])
    rows = np.arange(40)
    notes = direction_cases.train().take(np.concatenate([rows[:20], rows[20:] + 24]))
    z = notes.z.copy()
    z[::2, 0] += 3.0
    flags = 1 - rows % 2
    loud = dataclasses.replace(notes, z=z, table=direction_cases.with_flags(notes.table, "reverb", flags))
    model = dataclasses.replace(direction_cases.model(), level_coordinate=True)
    monkeypatch.setattr(candidates, "MIN_NOTES", 10)
    found = learn(model, loud, direction_cases.calibrator().notes)
    difference = z[::2].mean(axis=0) - z[1::2].mean(axis=0)
    assert difference[0] > 2.0
    direction = np.array(found["directions"]["reverb"]["direction"])
    assert direction[0] == 0.0
    assert np.linalg.norm(direction[1:]) > 0.1
    # Centroids and the mixture keep the levels of notes.
    assert found["families"]["flute"]["centroid"][0] == pytest.approx(z[:20, 0].mean(), abs=1e-4)


def test_perturbations_leave_the_level_alone():
    model = dataclasses.replace(direction_cases.model(), level_coordinate=True)
    found = perturb(model, direction_cases.train().take(np.arange(16)), 16, np.random.default_rng(0))
    assert not found.offsets[:, 0].any()
    assert np.all(found.offsets[:, 1:] != 0.0)
    assert found.slope("spectral_centroid")[0] == 0.0
    directions = [each.direction for each in candidates.of_perturbations(direction_cases.BY_NAME["bright"], found)]
    assert len(directions) == 2
    for direction in directions:
        assert direction[0] == 0.0
        assert np.linalg.norm(direction) > 0.0


def test_names_that_new_notes_lack_are_kept():
    def holding(latent_dim: int, **names) -> dict:
        kinds = {kind: {} for kind in ("instruments", "families", "sources", "directions", "not_learnt")}
        return kinds | {"latent_dim": latent_dim, "mixture": {"weights": [1.0]}} | names

    former = holding(2, instruments={"b": 1, "a": 1}, directions={"bright": 1, "dark": 1}, mixture={"weights": [2.0]})
    learnt = holding(2, instruments={"a": 2, "c": 2}, directions={"bright": 2}, not_learnt={"dark": "x", "rough": "y"})
    found = merged(former, learnt)
    assert list(found["instruments"].items()) == [("a", 2), ("b", 1), ("c", 2)]
    assert found["directions"] == {"bright": 2, "dark": 1}
    assert found["not_learnt"] == {"rough": "y"}
    assert found["mixture"] == {"weights": [1.0]}
    # Nothing is kept of a model with another latent_dim.
    assert merged(holding(3, instruments={"b": 1}), learnt)["instruments"] == {"a": 2, "c": 2}
    assert merged({}, learnt) == learnt
