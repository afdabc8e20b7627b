"""Measures of one sound, with and without a reference."""

import math

import numpy as np
import synthetic

from nsynth_vae.analysis import metrics
from nsynth_vae.evaluation import sound_measures


def test_sound_that_is_not_finite_is_infinitely_far_and_out_of_tune():
    note = synthetic.tone(60)
    broken = note.copy()
    broken[100] = np.nan
    found = sound_measures.measure_sound(note, broken, 60)
    assert set(found) == set(metrics.DEFINITIONS)
    assert found["in_tune"] == 0.0
    assert found["mss"] == found["lsd_db"] == found["log_mel_l1"] == math.inf
    assert math.isnan(found["wobble_cents"])
    alone = sound_measures.measure_sound(None, broken, 60)
    assert math.isnan(alone["mss"])
    assert alone["in_tune"] == 0.0


def test_a_sound_alone_has_the_measures_that_need_no_reference():
    note = synthetic.tone(60)
    alone, compared = sound_measures.measure_sound(None, note, 60), sound_measures.measure_sound(note, note, 60)
    assert set(alone) == set(metrics.OWN)
    assert alone == {name: compared[name] for name in alone}
    assert alone["in_tune"] == 1.0
