"""Measures of one sound, with and without a reference, and those of the classifier."""

import math

import numpy as np
import pytest
import synthetic

from nsynth_vae.analysis import metrics
from nsynth_vae.evaluation import measure


def test_sound_that_is_not_finite_is_infinitely_far_and_out_of_tune():
    note = synthetic.tone(60)
    broken = note.copy()
    broken[100] = np.nan
    found = measure.measure_sound(note, broken, 60)
    assert set(found) == set(metrics.DEFINITIONS)
    assert found["in_tune"] == 0.0
    assert found["mss"] == found["lsd_db"] == found["log_mel_l1"] == math.inf
    assert math.isnan(found["wobble_cents"])
    alone = measure.measure_sound(None, broken, 60)
    assert math.isnan(alone["mss"])
    assert alone["in_tune"] == 0.0


def test_a_sound_alone_has_the_measures_that_need_no_reference():
    note = synthetic.tone(60)
    alone, compared = measure.measure_sound(None, note, 60), measure.measure_sound(note, note, 60)
    assert set(alone) == {"wobble_cents", "off_harmonic_db", "in_tune", "onset_seconds"}
    assert alone == {name: compared[name] for name in alone}
    assert alone["in_tune"] == 1.0


@pytest.mark.parametrize(
    ("predicted", "family", "expected"),
    [(60, 2, (1, 1, 1)), (61, 3, (0, 1, 0)), (62, 2, (0, 0, 1)), (59, None, (0, 1, None))],
)
def test_classifier_measures(predicted, family, expected):
    logits = {"pitch": np.eye(128)[predicted], "instrument_family": np.eye(11)[2]}
    found = list(measure.classifier_measures(logits, 60, family).values())
    assert [None if math.isnan(value) else value for value in found] == list(expected)
    assert math.isnan(measure.classifier_measures(logits, 60, -1)["classifier_family"])
