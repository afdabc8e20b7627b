"""Figures of an evaluation from records of sounds."""

import math

import numpy as np
import pytest

from nsynth_vae.evaluation import summary
from nsynth_vae.evaluation.measure import Measured


def record(note: int, **values) -> dict:
    return {"note": note, "reference": note, "ends": None, "step": None, "family": "flute", "in_tune": 1.0} | values


def test_a_figure_is_of_the_sounds_that_have_it():
    records = [record(0, mss=1.0), record(1, mss=2.0), record(2, mss=6.0), record(3, mss=math.nan), record(4)]
    assert summary.figure(records, "mss") == {"mean": 3.0, "median": 2.0, "sounds": 3}
    assert summary.figure(records, "in_tune") == {"mean": 1.0, "sounds": 5}
    assert summary.figure(records, "lsd_db") is None


def test_real_notes_are_compared_with_the_requested_sounds():
    real = Measured([record(0, in_tune=1.0), record(1, in_tune=0.0)], None)
    moved = Measured([record(0, reference=1), record(0, reference=1, family="reed")], None)
    paths = [record(0, reference=None, ends=(0, 1), step=step, in_tune=float(step == 4)) for step in range(9)]
    found = summary.summarize({"real": real, "other_pitch": moved, "interpolation": Measured(paths, None)}, seed=0)
    means = {name: system["measures"]["real_in_tune"]["mean"] for name, system in found.items()}
    assert means == {"real": 0.5, "other_pitch": 0.0, "interpolation": 0.5, "interpolation_middle": 0.5}
    assert found["interpolation"]["steps"] == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert found["interpolation_middle"]["measures"]["in_tune"] == {"mean": 1.0, "sounds": 1}
    assert {name: family["sounds"] for name, family in found["other_pitch"]["families"].items()} == {
        "flute": 1,
        "reed": 1,
    }


def test_onsets_count_whether_early_or_late():
    real = Measured([record(0, onset_error_seconds=-0.02), record(1, onset_error_seconds=0.01)], None)
    assert summary.summarize({"real": real}, seed=0)["real"]["measures"]["onset_off_seconds"]["mean"] == 0.015


def test_distances_of_sets_have_the_real_notes_as_their_floor():
    """Those of a system that moves each note by 3 are farther than those of the real notes from one another."""
    features = np.random.default_rng(0).standard_normal([1000, 4])
    records = [record(note) for note in range(1000)]
    parts = {"real": Measured(records, features), "griffin_lim": Measured(records, features + 3.0)}
    found = summary.summarize(parts, seed=0)
    floor, far = (found[name]["measures"]["frechet_distance"]["mean"] for name in parts)
    assert floor < 0.1
    assert far == pytest.approx(36.0, rel=0.05)
    floor, far = (found[name]["measures"]["ndb_50"]["mean"] for name in parts)
    assert floor < 0.1
    assert far > 0.8


def test_sets_that_are_too_small_have_no_distance():
    records = [record(note) for note in range(60)]
    features = np.random.default_rng(0).standard_normal([60, 4])
    measures = summary.summarize({"real": Measured(records, features)}, seed=0)["real"]["measures"]
    assert "frechet_distance" in measures
    assert "ndb_50" not in measures
    measures = summary.summarize({"real": Measured(records[:3], features[:3])}, seed=0)["real"]["measures"]
    assert "frechet_distance" not in measures
