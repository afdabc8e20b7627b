"""Medians, fractions and levels of a system's notes beside the real ones."""

import numpy as np
import pytest

from nsynth_vae.evaluation import motion_summary
from nsynth_vae.evaluation.motion_summary import FIVE, summarize_motion


def record(note: int, family: str, value: float, **values) -> dict:
    return {"note": note, "family": family, "wobble_cents": value} | dict.fromkeys(FIVE, value) | values


def test_medians_stand_beside_the_real_notes_by_family():
    families = ["string", "string", "string", "guitar", "other"]
    real = [record(n, family, float(n)) for n, family in enumerate(families)]
    made = [record(n, family, 10.0 * n, grain_db=np.nan) for n, family in enumerate(families)]
    groups = summarize_motion(real, made)["groups"]
    assert {name: group["notes"] for name, group in groups.items()} == {
        "all": 5, "sustained": 3, "plucked": 1, "guitar": 1, "other": 1, "string": 3,
    }  # fmt: skip
    assert groups["sustained"]["shimmer_db"] == {"real": 1.0, "made": 10.0}
    assert groups["guitar"]["grain_db"] == {"real": 3.0, "made": None}
    assert groups["all"]["wobble_cents"] == {"real": 2.0, "made": 20.0}


def test_every_family_is_sustained_or_plucked():
    from nsynth_vae.notes import FAMILIES

    groups = motion_summary.groups_of(np.array(FAMILIES))
    assert set(motion_summary.SUSTAINED) < set(FAMILIES)
    np.testing.assert_array_equal(groups["sustained"], ~groups["plucked"])


def test_notes_are_told_apart_where_all_numbers_are_known():
    draw = np.random.default_rng(0)
    real = [record(n, "flute" if n % 2 else "bass", draw.normal()) for n in range(200)]
    # The flutes are far from the real ones, the basses are of their distribution.
    made = [record(n, "flute" if n % 2 else "bass", draw.normal() + 50 * (n % 2)) for n in range(200)]
    made[1]["flux"] = np.nan
    told = summarize_motion(real, made)["told_apart"]
    assert told["sustained"] == 1.0
    assert told["plucked"] == pytest.approx(0.5, abs=0.12)
    assert 0.6 < told["all"] < 0.9
    assert "sustained" not in summarize_motion(real[:12:2], made[:12:2])["told_apart"]


def test_non_harmonic_energy_within_6_db_and_level():
    families = ["mallet", "mallet", "organ", "flute"]
    real = [record(n, family, -10.0) for n, family in enumerate(families)]
    made = [
        record(n, family, 0.0, off_harmonic_db=-10.0 + error, level_error_db=level)
        for n, (family, error, level) in enumerate(
            zip(families, [5.9, np.nan, -6.1, 0.0], [-5, 1, -3, np.nan], strict=True)
        )
    ]
    found = summarize_motion(real, made)
    assert found["non_harmonic"] == {"mallet": 0.5, "organ": 0.0, "both": pytest.approx(1 / 3)}
    assert found["level"] == {"bias_db": -3.0, "error_db": 3.0}
    assert summarize_motion(real, real)["level"] == {}


def test_other_notes_are_an_error():
    with pytest.raises(ValueError, match=r"^made: found other notes than the real ones"):
        summarize_motion([record(0, "flute", 1.0)], [record(1, "flute", 1.0)])
