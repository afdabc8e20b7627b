"""Tests of candidate directions: by labels, by descriptors, by perturbations."""

from __future__ import annotations

import dataclasses

import numpy as np
from direction_cases import BY_NAME, cloud, cosine, linear_perturbations, make_table, with_flags

from nsynth_vae.analysis.descriptors import DESCRIPTORS
from nsynth_vae.directions import candidates
from nsynth_vae.directions.candidates import ATTRIBUTES, Attribute
from nsynth_vae.notes import FAMILIES, QUALITIES


def test_contrasts_are_within_families():
    notes = cloud({"flute": 40, "organ": 40})
    sides = candidates.flagged(BY_NAME["bright"], notes.table)
    difference, classifier = candidates.contrasts(notes, *sides, "the flag bright")
    plain = notes.z[sides[0]].mean(axis=0) - notes.z[sides[1]].mean(axis=0)
    axis = np.eye(6)[0]
    # Across families, bright means flute.
    assert abs(cosine(plain, np.eye(6)[1])) > 0.9
    assert cosine(difference.direction, axis) > 0.98
    assert cosine(classifier.direction, axis) > 0.98
    assert difference.learnt_from == "the flag bright: difference of means, within families"
    assert difference.notes == tuple(int(side.sum()) for side in sides)
    assert difference.instruments == (72, 72)
    # A bright flute alone says nothing of organs; where no family has both sides, all notes are used.
    flutes = notes.table.instrument_family == FAMILIES.index("flute")
    across, _ = candidates.contrasts(notes, flutes, ~flutes, "flute")
    assert across.learnt_from.endswith("across families")
    assert cosine(across.direction, np.eye(6)[1]) > 0.99
    assert candidates.contrasts(notes, flutes, np.zeros(len(flutes), bool), "flute") == []


def test_unknown_flags_and_sources_are_on_neither_side():
    table = with_flags(make_table({"flute": 3}, range(60, 61)), "bright", np.array([1, 0, -1]))
    has, has_not = candidates.flagged(BY_NAME["bright"], table)
    assert (has.tolist(), has_not.tolist()) == ([True, False, False], [False, True, False])
    table = dataclasses.replace(table, instrument_source=np.array([2, 0, -1], np.int32))
    has, has_not = candidates.flagged(BY_NAME["synthetic"], table)
    assert (has.tolist(), has_not.tolist()) == ([True, False, False], [False, True, False])


def test_twenty_notes_of_three_instruments_are_enough():
    table = make_table({"flute": 3}, range(60, 67))
    chosen = np.ones(21, bool)
    assert candidates.is_enough(table, chosen)
    chosen[:1] = False
    assert candidates.is_enough(table, chosen)
    chosen[:2] = False
    assert not candidates.is_enough(table, chosen)
    assert not candidates.is_enough(make_table({"flute": 2}, range(60, 80)), np.ones(40, bool))
    assert candidates.counted(table, np.arange(21) < 1) == "1 note of 1 instrument"
    assert candidates.counted(table, chosen) == "19 notes of 3 instruments"


def test_perturbations_recover_the_slope_of_the_decoder():
    slope = np.array([1.0, -2.0, 0.0, 0.5, 0.0, 0.0])
    for noise, least in ((0.0, 0.99), (2.0, 0.95)):
        perturbations = linear_perturbations(slope, noise)
        up, down = (candidates.of_perturbations(BY_NAME[name], perturbations) for name in ("bright", "dark"))
        for candidate, opposite in zip(up, down, strict=True):
            assert cosine(candidate.direction, slope) > least
            np.testing.assert_allclose(opposite.direction, -candidate.direction, atol=1e-3)
            assert sum(candidate.notes) == 400
            assert opposite.notes == candidate.notes[::-1]
    assert "that raise spectral_centroid against those that lower it" in up[0].learnt_from
    assert "that lower spectral_centroid against those that raise it" in down[0].learnt_from
    # In standard deviations, of which one is 2; clipped at 3 of them.
    np.testing.assert_allclose(
        linear_perturbations(slope).slope("spectral_centroid"), slope / 2.0, rtol=0.05, atol=0.02
    )


def test_perturbations_that_change_nothing_give_no_candidate():
    assert candidates.of_perturbations(BY_NAME["bright"], linear_perturbations(np.zeros(6))) == []
    silent = dataclasses.replace(linear_perturbations(np.ones(6)), changes={"spectral_centroid": np.full(400, np.nan)})
    assert candidates.of_perturbations(BY_NAME["bright"], silent) == []


def test_every_attribute_has_its_own_name_and_a_known_descriptor_or_label():
    names = [attribute.name for attribute in ATTRIBUTES]
    assert len(names) == len(set(names))
    assert set(QUALITIES) < set(names)
    for attribute in ATTRIBUTES:
        assert attribute.descriptor in ("", *DESCRIPTORS)
        assert attribute.sign in (1, -1)
        assert attribute.descriptor or attribute.label
    assert Attribute("decay", "decay_db_per_second").label == ""
