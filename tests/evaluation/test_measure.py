"""Measures by the classifier."""

import math

import numpy as np
import pytest

from nsynth_vae.evaluation import measure


@pytest.mark.parametrize(
    ("predicted", "family", "expected"),
    [(60, 2, (1, 1, 1)), (61, 3, (0, 1, 0)), (62, 2, (0, 0, 1)), (59, None, (0, 1, None))],
)
def test_classifier_measures(predicted, family, expected):
    logits = {"pitch": np.eye(128)[predicted], "instrument_family": np.eye(11)[2]}
    found = list(measure.classifier_measures(logits, 60, family).values())
    assert [None if math.isnan(value) else value for value in found] == list(expected)
    assert math.isnan(measure.classifier_measures(logits, 60, -1)["classifier_family"])
