"""Tests of learnt directions: their effects, and the reasons where there is none."""

from __future__ import annotations

import dataclasses

import direction_cases
import numpy as np
import pytest
from direction_cases import BY_NAME, cloud, linear_perturbations

from nsynth_vae.analysis.descriptors import describe
from nsynth_vae.analysis.pitch import estimate_pitch
from nsynth_vae.directions import calibration
from nsynth_vae.directions.criteria import TARGETS
from nsynth_vae.directions.selection import learn_direction


def learn(name: str, train=None, perturbations=None, calibrator=None) -> dict | str:
    """Return what `learn_direction` does for an attribute, with the shared cases for what is None."""
    return learn_direction(
        BY_NAME[name],
        train or direction_cases.train(),
        perturbations or direction_cases.perturbations(),
        calibrator or direction_cases.calibrator(),
    )


@pytest.mark.slow
def test_the_effect_of_a_direction_is_that_of_decoded_notes():
    model, held_out = direction_cases.model(), direction_cases.calibrator().notes
    entry = learn("bright")
    effect, direction = entry["effect"], np.array(entry["direction"])
    assert (entry["descriptor"], entry["sign"]) == ("spectral_centroid", 1)
    assert "latent perturbations" in entry["learnt_from"] or "quarter of spectral_centroid" in entry["learnt_from"]
    table, z = held_out.table, held_out.z
    centroid, pitch = {}, {}
    for strength in (0.0, 0.5, 1.0):
        audio = model.decode(z + strength * direction, table.pitch, table.velocity).audio
        centroid[strength] = np.array(
            [describe(a, int(p))["spectral_centroid"] for a, p in zip(audio, table.pitch, strict=True)]
        )
        pitch[strength] = [estimate_pitch(each) for each in audio]
        if strength == 0.0:
            family = audio[:, 8000] > 0
    change, at_half = (centroid[strength] - centroid[0.0] for strength in (1.0, 0.5))
    assert effect["effect_rate"] == pytest.approx(np.mean(change > 0), abs=1e-3)
    assert effect["effect_rate_half"] == pytest.approx(np.mean(at_half > 0), abs=1e-3)
    assert effect["effect_rate_further"] == pytest.approx(np.mean(change > at_half), abs=1e-3)
    assert effect["median_change"] == pytest.approx(np.median(change), rel=0.01)
    assert effect["median_change_half"] == pytest.approx(np.median(at_half), rel=0.01)
    standard_deviation = direction_cases.perturbations().standard_deviations["spectral_centroid"]
    assert effect["within_family_standard_deviation"] == pytest.approx(standard_deviation, rel=1e-3)
    assert effect["length"] == pytest.approx(np.linalg.norm(direction), rel=1e-3)
    names = [[found and found[0] for found in pitch[strength]] for strength in (0.0, 1.0)]
    assert effect["pitch_kept"] == pytest.approx(np.mean([a == b for a, b in zip(*names, strict=True)]), abs=1e-3)
    assert effect["family_kept"] == pytest.approx(np.mean((audio[:, 8000] > 0) == family), abs=1e-3)
    reached = effect["median_change"] / effect["within_family_standard_deviation"]
    assert effect["standard_deviations"] == pytest.approx(reached, rel=2e-3)
    assert reached >= TARGETS["standard_deviations"] - 1e-3
    assert effect["effect_rate"] >= 0.9


@pytest.mark.slow
def test_without_a_classifier_a_direction_moves_by_one_standard_deviation():
    effect = learn("bright", calibrator=direction_cases.calibrator(classifier=False))["effect"]
    assert abs(effect["standard_deviations"] - 1) <= calibration.TOLERANCE + 1e-3
    assert effect["family_kept"] is None
    assert effect["effect_rate"] >= 0.9


def test_dark_lowers_the_centroid():
    entry = learn("dark")
    assert (entry["descriptor"], entry["sign"]) == ("spectral_centroid", -1)
    assert entry["effect"]["median_change"] < entry["effect"]["median_change_half"] < 0
    assert entry["effect"]["effect_rate"] >= 0.9


def test_sources_are_differences_of_means_with_a_re_encoded_effect():
    model, train, held_out = direction_cases.model(), direction_cases.train(), direction_cases.calibrator().notes
    sources = np.where(train.z[:, 0] > 0, 2, 0).astype(np.int32)
    notes = dataclasses.replace(train, table=dataclasses.replace(train.table, instrument_source=sources))
    entry = learn("synthetic", notes)
    assert entry["descriptor"] is None
    assert entry["sign"] is None
    side = sources == 2
    centred = train.z.astype(np.float64)
    for family in np.unique(train.table.instrument_family):
        own = train.table.instrument_family == family
        centred[own] -= (train.z[own & side].mean(axis=0) + train.z[own & ~side].mean(axis=0)) / 2
    expected = centred[side].mean(axis=0) - centred[~side].mean(axis=0)
    np.testing.assert_allclose(entry["direction"], expected, atol=2e-5)
    table, z, direction = held_out.table, held_out.z, np.array(entry["direction"])
    before, after = (model.encode(model.decode(each, table.pitch, table.velocity).audio) for each in (z, z + direction))
    moved = (after - before) @ direction / (direction @ direction)
    assert entry["effect"]["median_change"] == pytest.approx(np.median(moved), rel=0.02, abs=1e-3)
    assert entry["effect"]["effect_rate"] == pytest.approx(np.mean(moved > 0), abs=1e-3)


def test_a_reason_is_given_where_there_is_no_direction():
    train, perturbations = direction_cases.train(), direction_cases.perturbations()

    def why(name: str, **changes) -> str:
        found = learn(name, perturbations=dataclasses.replace(perturbations, **changes))
        assert isinstance(found, str)
        return found

    assert why("reverb") == "the flag reverb: 0 notes of 0 instruments with it, 0 notes of 0 instruments without"
    assert why("electronic").startswith("the source electronic: 0 notes of 0 instruments with it, 64 notes")
    for constant, words in ((0.0, "0,"), (np.nan, "nan,")):
        found = why("inharmonic", standard_deviations=perturbations.standard_deviations | {"inharmonicity": constant})
        assert found.startswith(f"inharmonicity of decoded notes has a standard deviation of {words} of real notes ")
    upside_down = {name: -change for name, change in perturbations.changes.items()}
    few = dataclasses.replace(train, descriptors={name: -values for name, values in train.descriptors.items()})
    found = learn("bright", few, dataclasses.replace(perturbations, changes=upside_down))
    assert isinstance(found, str)
    assert found.startswith("spectral_centroid: effect rate ")
    assert found.endswith("%, expected at least 80%")


@pytest.mark.parametrize(
    ("reached", "effect_rates", "used"),
    [(0.8, [1.0], "the flag bright: "), (0.7, [1.0, 0.96], "top against"), (0.7, [1.0, 0.85], "the flag bright: ")],
)
def test_a_flag_is_followed_unless_the_descriptor_does_better(reached, effect_rates, used):
    effects = iter(zip((reached, 0.98), effect_rates, strict=False))
    tried = []

    class Known:
        """A calibrator with given effects: of the flag's direction, and of the descriptor's."""

        def choose(self, attribute, candidates, slope):
            return candidates[0]

        def calibrate(self, attribute, direction, standard_deviation, slope):
            rise, rate = next(effects)
            tried.append(np.asarray(direction))
            effect = {"effect_rate": rate, "pitch_kept": 1.0, "family_kept": 0.9, "standard_deviations": rise}
            return direction, effect

    perturbations = linear_perturbations(np.eye(6)[0])
    entry = learn("bright", cloud({"flute": 40, "organ": 40}), perturbations, Known())
    assert entry["learnt_from"].startswith(used)
    assert len(tried) == len(effect_rates)
    np.testing.assert_allclose(entry["direction"], tried[0 if used.startswith("the flag") else 1], atol=1e-5)
    explained = entry["learnt_from"].endswith(" (the flag bright: standard_deviations 0.7)")
    assert explained == used.startswith("top against")
