"""Tests of targets and scores."""

from __future__ import annotations

from nsynth_vae.directions.criteria import score, unmet


def test_unmet_targets_are_those_below_their_minimum():
    good = {"effect_rate": 0.95, "pitch_kept": 1.0, "family_kept": None, "standard_deviations": 0.98}
    assert unmet(good) == {}
    bad = {"effect_rate": 0.8, "family_kept": 0.7, "standard_deviations": 0.4}
    assert unmet(good | bad | {"pitch_kept": 0.98}) == bad


def test_scores_order_effects():
    good = {"effect_rate": 0.95, "pitch_kept": 1.0, "family_kept": 0.9, "standard_deviations": 0.98}
    changes_the_family = good | {"family_kept": 0.6}
    does_nothing = good | {"standard_deviations": 0.07, "family_kept": 1.0, "effect_rate": 1.0}
    leaves_two_unmet = changes_the_family | {"effect_rate": 0.8}
    ordered = [does_nothing, leaves_two_unmet, changes_the_family, changes_the_family | {"family_kept": 0.75}]
    ordered += [good | {"standard_deviations": 0.6, "effect_rate": 1.0}, good | {"standard_deviations": 0.8}]
    ordered.append(good | {"effect_rate": 0.96})
    scores = [score(effect) for effect in ordered]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)
