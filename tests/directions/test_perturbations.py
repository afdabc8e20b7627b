"""Tests of latent perturbations: changes and standard deviations of decoded notes."""

from __future__ import annotations

import direction_cases
import numpy as np
import pytest

from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe
from nsynth_vae.directions import dataset
from nsynth_vae.directions.perturbations import SCALE


def test_changes_and_standard_deviations_are_of_decoded_notes():
    model, train, found = direction_cases.model(), direction_cases.train(), direction_cases.perturbations()
    rows = dataset.spread(train.table, 64)
    decoded = []
    for side in (0.5, -0.5):
        z = (train.z[rows[7]] + side * found.offsets[7])[None]
        audio = model.decode(z, train.table.pitch[rows[7:8]], 100).audio[0]
        decoded.append(describe(audio, int(train.table.pitch[rows[7]])))
    for name in DESCRIPTORS:
        assert found.changes[name][7] == pytest.approx(decoded[0][name] - decoded[1][name], rel=1e-3, abs=1e-4), name
        expected = dataset.local_standard_deviation(train.descriptors[name], train.table)
        assert found.standard_deviations[name] == pytest.approx(expected, rel=1e-3, abs=1e-9)
    scale = np.sqrt(np.mean(np.diag(train.covariance)))
    assert found.offsets.std() == pytest.approx(SCALE * scale, rel=0.1)
