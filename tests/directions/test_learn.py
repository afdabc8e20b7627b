"""Tests of the merging of new attributes with a former file's."""

from __future__ import annotations

import dataclasses

import direction_cases
import numpy as np

from nsynth_vae.directions import candidates
from nsynth_vae.directions import learn as learning
from nsynth_vae.directions.learn import learn, merged


def test_directions_leave_the_level_alone(monkeypatch):
    """Of labels, descriptors and perturbations, where the notes with the attribute are the louder ones."""
    monkeypatch.setattr(learning, "PERTURBATIONS", 32)
    notes, model = direction_cases.train(), direction_cases.model()
    z = notes.z.copy()
    flags = np.arange(len(z)) % 2
    z[:, 0] += 3.0 * flags
    loud = dataclasses.replace(notes, z=z, table=direction_cases.with_flags(notes.table, "reverb", flags))
    held_out = direction_cases.calibrator().notes
    monkeypatch.setattr(candidates, "ATTRIBUTES", [direction_cases.BY_NAME[name] for name in ("reverb", "attack")])
    directions = {
        level: learn(dataclasses.replace(model, level_coordinate=bool(level)), loud, held_out) for level in (1, 0)
    }
    first = {level: found["directions"]["reverb"]["direction"][0] for level, found in directions.items()}
    assert first[1] == 0.0
    assert abs(first[0]) > 2.5
    attack = directions[1]["directions"]["attack"]
    assert "latent perturbations" in attack["learnt_from"]
    assert attack["direction"][0] == 0.0


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
