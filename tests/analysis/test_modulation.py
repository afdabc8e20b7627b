"""Modulation powers: closed forms of tremolo, vibrato and noise."""

from __future__ import annotations

import numpy as np
import pytest

from nsynth_vae.analysis import modulation
from nsynth_vae.analysis.modulation import F0_EDGES, LEVEL_EDGES, band_powers, modulation_powers

RATE = 16000
F0 = 220.0
TIME = np.arange(4 * RATE) / RATE


def tone(*, partials=6, tremolo_db=0.0, own_db=0.0, rate=5.5, vibrato_cents=0.0):
    """Return a harmonic tone; tremolo is common to the partials, `own_db` is of alternating sign."""
    deviation = 2.0 ** (vibrato_cents / 1200.0 * np.sin(2 * np.pi * rate * TIME)) - 1.0
    phase = 2 * np.pi * F0 * (TIME + np.cumsum(deviation) / RATE)
    wave = np.sin(2 * np.pi * rate * TIME + 1.0)
    return sum(
        10 ** ((tremolo_db + (-1) ** k * own_db) * wave / 20) / k * np.sin(k * phase) for k in range(1, partials + 1)
    ) * (0.2)


def band(edges, hertz):
    return int(np.digitize(hertz, edges)) - 1


def test_a_common_tremolo_is_the_power_of_its_band_alone():
    powers = modulation_powers(tone(tremolo_db=2.0), F0)
    at = band(LEVEL_EDGES, 5.5)
    assert powers.mean_level[at] == pytest.approx(2.0, rel=0.15)  # 2 dB: a sine's power is 2^2 / 2.
    assert np.delete(powers.mean_level, at).max() < 0.2
    assert powers.own_level.max() < 0.02
    assert powers.partials == 6


def test_partials_that_move_against_each_other_have_power_of_their_own():
    powers = modulation_powers(tone(own_db=2.0), F0)
    at = band(LEVEL_EDGES, 5.5)
    assert powers.own_level[at] == pytest.approx(2.0, rel=0.3)
    assert powers.mean_level[at] < 0.1


def test_a_vibrato_is_the_power_of_the_f0_in_its_band():
    powers = modulation_powers(tone(vibrato_cents=20.0), F0)
    at = band(F0_EDGES, 5.5)
    # 2.3 s hold 12.6 periods: some of their power is in the neighbouring bands.
    assert powers.f0[at] == pytest.approx(200.0, rel=0.3)
    assert powers.f0.sum() == pytest.approx(200.0, rel=0.15)
    assert powers.own_f0.sum() < 1.0
    assert np.delete(powers.f0, [at - 1, at, at + 1]).max() < 10.0


def test_a_partial_that_wavers_alone_has_power_of_its_own():
    deviation = 2.0 ** (20.0 / 1200.0 * np.sin(2 * np.pi * 5.5 * TIME)) - 1.0
    fundamental = 2 * np.pi * F0 * (TIME + np.cumsum(deviation) / RATE)
    note = 0.2 * (2.0 * np.sin(fundamental) + sum(np.sin(2 * np.pi * F0 * k * TIME) / k for k in range(2, 7)))
    powers = modulation_powers(note, F0)
    assert powers.own_f0.sum() == pytest.approx(200.0, rel=0.3)
    assert powers.f0.sum() < 10.0


def test_a_steady_tone_has_no_motion_and_silence_no_partials():
    steady = modulation_powers(tone(), F0)
    assert max(steady.mean_level.max(), steady.own_level.max()) < 1e-3
    assert steady.f0.max() < 1e-2
    assert modulation_powers(np.zeros(4 * RATE), F0).partials == 0


def test_band_powers_add_up_to_the_variance_between_the_outer_edges():
    values = np.random.default_rng(0).normal(size=184)
    values -= values.mean()
    edges = (0.1, 3.0, 20.0, 41.0)
    powers, bins = band_powers(values, edges)
    # The bin at half the rate, 40 Hz, counts twice in a sum of one-sided powers.
    spectrum = np.abs(np.fft.rfft(values)) ** 2 / len(values) ** 2
    assert powers.sum() == pytest.approx(2 * spectrum[1:].sum())
    assert powers.sum() == pytest.approx(values.var() + spectrum[-1])
    assert bins.sum() == len(values) // 2


def test_frequencies_outside_of_the_edges_are_in_no_band():
    np.testing.assert_array_equal(modulation.band_of(np.array([0.5, 1.0, 2.0, 4.0]), (1.0, 2.0, 4.0)), [-1, 0, 1, -1])
