"""Tests of the merging of new attributes with a former file's."""

from __future__ import annotations

from nsynth_vae.directions.learn import merged


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
