"""Tests of `automation`: sines whose bent phase is known, and levels."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from nsynth_vae.analysis.pitch import median_f0
from nsynth_vae.instruments import automation

pytestmark = pytest.mark.player

RATE = 16000


def sine(hertz: float, seconds: float = 4.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("cents", [-2400.0, -700.0, -3.0, 1.0, 50.0, 199.976, 1200.0])
def test_a_constant_bend_is_exact(cents):
    ratio = 2 ** (cents / 1200)
    bent = automation.bend_sound(sine(440.0), ((0.0, cents),), RATE)
    assert len(bent) == pytest.approx(4.0 * RATE / ratio, abs=1)
    expected = np.sin(2 * np.pi * 440.0 * ratio * np.arange(len(bent)) / RATE)
    np.testing.assert_allclose(bent[100:-100], expected[100:-100], atol=2e-3)


def test_the_pitch_tracker_estimates_the_bend():
    for cents in (-150.0, 50.0, 200.0):
        harmonics = sum(sine(220.0 * k) / k for k in range(1, 9))
        found = median_f0(automation.bend_sound(0.2 * harmonics, ((0.0, cents),), RATE)[: 3 * RATE], RATE)
        assert 1200 * np.log2(found / 220.0) == pytest.approx(cents, abs=5.0)


def test_a_changing_bend_is_the_integral_of_its_ratio():
    bend = ((0.0, 0.0), (0.5, 1200.0), (1.0, -1200.0))
    bent = automation.bend_sound(sine(400.0, 2.0), bend, RATE)
    # 0.5 s are played in 0.5 s, 1 s in 0.5 s, and the last 0.5 s in 1 s.
    assert len(bent) == 2 * RATE
    assert [automation.bent_seconds(bend, at) for at in (0.25, 0.5, 0.75, 1.0, 2.0)] == [0.25, 0.5, 1.0, 1.5, 2.0]
    seconds = np.arange(len(bent)) / RATE
    played = np.interp(seconds, [0.0, 0.5, 1.0, 2.0], [0.0, 0.5, 1.5, 2.0])
    np.testing.assert_allclose(bent[100:-100], np.sin(2 * np.pi * 400 * played)[100:-100], atol=2e-3)


def test_what_is_bent_over_the_band_vanishes():
    high = automation.bend_sound(sine(6000.0), ((0.0, 1200.0),), RATE)
    assert np.abs(high[100:-100]).max() < 1e-3
    assert np.abs(automation.bend_sound(sine(3000.0), ((0.0, 1200.0),), RATE)[100:-100]).max() == pytest.approx(
        1, abs=0.01
    )


def test_no_bend_changes_nothing():
    noise = np.random.default_rng(0).normal(size=10000)
    np.testing.assert_allclose(automation.bend_sound(noise, ((0.0, 0.0),), RATE), noise, atol=1e-9)
    assert len(automation.bend_sound(np.zeros(0), ((0.0, 100.0),), RATE)) == 0


def test_a_bend_has_limits():
    assert len(automation.bend_sound(np.zeros(RATE), ((0.0, 99999.0),), RATE)) == RATE // 4


def test_levels_are_reached_without_clicks():
    levels = automation.levels(((0.0, 0.5), (0.5, 1.0), (0.5, 0.25)), RATE, RATE)
    assert levels[[0, RATE // 2 - 1]] == pytest.approx(0.5)
    assert levels[RATE // 2 + RATE // 100 + 1] == pytest.approx(0.25)
    assert np.abs(np.diff(levels)).max() == pytest.approx(0.25 / (0.01 * RATE), rel=0.01)


def test_the_mean_is_weighted_by_time():
    assert automation.mean_of(((0.0, 100.0), (3.0, 200.0)), 4.0) == 125.0


def test_a_long_sound_is_bent_in_little_memory():
    sound = np.zeros(60 * RATE)
    tracemalloc.start()
    try:
        bent = automation.bend_sound(sound, ((0.0, 50.0),), RATE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Kernels of 32 taps are 32 times as large as the sound.
    assert peak < 2 * bent.nbytes + (20 << 20)


def test_a_vibrato_moves_the_frequency_by_its_depth_at_its_rate():
    """50 cents at 5.5 Hz, then none; around a bend of 100 cents."""
    bend = automation.add_vibrato(((0.0, 100.0),), ((0.0, 50.0), (2.0, 0.0)), 4.0)
    played = automation.bend_sound(sine(1000.0, 6.0), bend)[: 4 * RATE]
    positive = np.arange(len(played)) < len(played) // 2
    analytic = np.fft.ifft(positive * np.fft.fft(played * np.hanning(len(played))))
    times = (np.arange(len(played) - 1) + 0.5) / RATE
    inside = (times > 0.2) & (times < 3.8)
    times, turned = times[inside], np.diff(np.unwrap(np.angle(analytic)))[inside]
    cents = 1200 * np.log2(turned * RATE / (2 * np.pi) / 1000)
    moving, steady = times < 1.9, times > 2.1
    np.testing.assert_allclose(cents[moving], 100 + 50 * np.sin(2 * np.pi * 5.5 * times[moving]), atol=3.0)
    np.testing.assert_allclose(cents[steady], 100.0, atol=0.5)
    # What the staircase adds is 60 dB below the tone.
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(played[: 2 * RATE] * np.hanning(2 * RATE))) + 1e-9)
    hertz = np.arange(len(spectrum)) / 2
    assert spectrum[np.abs(hertz - 1060) > 300].max() < spectrum.max() - 60


def test_a_vibrato_without_a_depth_is_the_bend():
    bend = ((0.0, 0.0), (0.5, 100.0))
    values = dict(automation.add_vibrato(bend, ((0.0, 0.0),), 1.0))
    assert (values[0.4995], values[0.5], values[0.9]) == (0.0, 100.0, 100.0)
    assert automation.mean_of(automation.add_vibrato((), ((0.0, 50.0),), 2.0), 2.0) == pytest.approx(0.0, abs=0.01)
