"""Tests of the choice of a candidate and of a direction's length."""

from __future__ import annotations

import direction_cases
import numpy as np
import pytest
from direction_cases import BY_NAME

from nsynth_vae.directions import calibration
from nsynth_vae.directions.candidates import Candidate


def test_a_length_is_at_most_some_standard_deviations_of_z():
    slope = direction_cases.perturbations().slope("spectral_centroid")
    longest = calibration.LONGEST * np.sqrt(np.mean(np.diag(direction_cases.train().covariance)))
    # A standard deviation that no direction reaches.
    direction, effect = direction_cases.calibrator().calibrate(BY_NAME["bright"], slope, 1e3, slope / 1e3)
    length = np.linalg.norm(direction)
    assert any(length == pytest.approx(longest * fraction) for fraction in (1.0, *calibration.SHORTER))
    assert effect["at_longest"] == (length == pytest.approx(longest))


def test_the_candidate_that_raises_on_the_most_notes_is_chosen():
    class Known(calibration.Calibrator):
        """A calibrator with given rises of each axis on a hundred notes, at a length of 1 and at half of it."""

        def __init__(self):
            self.longest = 10.0

        def _rise(self, attribute, direction):
            axis = int(np.flatnonzero(direction)[0])
            whole, half, much = {0: (100, 99, 0.1), 1: (99, 100, 1.0), 2: (100, 99, 1.0), 3: (100, 100, 0.2)}[axis]
            return None, np.where(np.arange(100) < (whole if direction[axis] == 1 else half), much, -1.0)

    steady, much, most, even, weak = (
        Candidate(direction=np.eye(5)[k], learnt_from=str(k), notes=(1, 1), instruments=(1, 1)) for k in range(5)
    )
    slope, bright = np.array([1.0, 1.0, 1.0, 1.0, 0.5]), BY_NAME["bright"]
    assert Known().choose(bright, [much, steady], slope) is steady
    # Of two that raise it on all notes, the one that raises it on most at half, then the one that raises it most.
    assert Known().choose(bright, [most, even], slope) is even
    assert Known().choose(bright, [steady, much, most], slope) is most
    # One with less than six tenths of the steepest slope is not tried, and a single one is taken as it is.
    assert Known().choose(bright, [weak, much], slope) is much
