"""Equalised ways: where centroid and spread end up, what the filter does, and what it leaves alone."""

import numpy as np
import pytest

from nsynth_vae.analysis.descriptors import moments, power_spectrum
from nsynth_vae.notes import pitch_to_hertz
from nsynth_vae.rendering import brightness_equalizer
from nsynth_vae.rendering.brightness_equalizer import Equalizer

pytestmark = pytest.mark.player

RATE = 16000


def tone(decay: float, slope: float, level: float = 0.1) -> np.ndarray:
    """Returns 4 s of middle C: 25 partials that fall by a power of their number, the higher the sooner over."""
    time, f0 = np.arange(4 * RATE) / RATE, pitch_to_hertz(60)
    partials = (
        k**-slope * np.exp(-decay * time * k**0.5) * np.sin(2 * np.pi * k * f0 * time + k) for k in range(1, 26)
    )
    return (level * sum(partials)).astype(np.float32)


def heard(sound: np.ndarray) -> np.ndarray:
    return np.array(moments(*power_spectrum(sound, RATE)))


def way(*sounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = np.linspace(0, 1, len(sounds))
    return np.stack(sounds), np.stack([1 - share, share], axis=1)


def test_brightness_does_not_turn_back():
    # Decoded as they are, the middle ones are brighter than both ends.
    sounds, weights = way(tone(1, 1.7), tone(0.7, 1.1), tone(0.5, 1.1), tone(0.3, 1.1), tone(0.2, 1.3))
    before = np.array([heard(sound) for sound in sounds])
    assert before[1:4, 0].min() > before[[0, -1], 0].max()
    found, equalizers = brightness_equalizer.equalize(sounds, weights, RATE)
    after = np.array([heard(sound) for sound in found])
    np.testing.assert_allclose(after[1:4, 0], before[-1, 0], rtol=0.02)
    assert np.all(np.diff(after, axis=0) >= -0.02 * after[1:])
    np.testing.assert_array_equal(found[[0, -1]], sounds[[0, -1]])
    assert equalizers[0] == equalizers[-1] == Equalizer()
    np.testing.assert_allclose(np.std(found, axis=1), np.std(sounds, axis=1), rtol=1e-4)
    for sound, equalizer, result in zip(sounds[1:-1], equalizers[1:-1], found[1:-1], strict=True):
        np.testing.assert_array_equal(equalizer.apply(sound, RATE), result)


def test_what_is_monotone_already_is_left():
    sounds, weights = way(*[tone(0.5, slope) for slope in (1.9, 1.7, 1.2, 1.1)])
    found, equalizers = brightness_equalizer.equalize(sounds, weights, RATE)
    np.testing.assert_array_equal(found, sounds)
    assert equalizers == [Equalizer()] * 4


@pytest.mark.parametrize("sign", [1, -1])
def test_the_nearest_monotone_path_is_that_of_a_linear_program(sign):
    optimize = pytest.importorskip("scipy.optimize")
    generator = np.random.default_rng(3)
    for values in sign * np.cumsum(generator.normal(0.3, 1, [20, 8]), axis=1):
        up = 1 if values[-1] >= values[0] else -1
        found = brightness_equalizer._nearest_monotone(values[:, None])[:, 0]
        assert np.all(up * np.diff(found) >= 0)
        assert found[[0, -1]].tolist() == pytest.approx(values[[0, -1]].tolist())
        # The least e such that a path with these ends is nowhere further than e away.
        steps = np.pad(np.eye(7, 8) - np.eye(7, 8, 1), ((0, 0), (0, 1))) * up
        near = np.append(np.concatenate([np.eye(8), -np.eye(8)]), np.full([16, 1], -1.0), axis=1)
        bounds = [(values[0],) * 2, *[(None, None)] * 6, (values[-1],) * 2, (0, None)]
        limits = np.concatenate([np.zeros(7), values, -values])
        best = optimize.linprog(np.eye(9)[8], np.concatenate([steps, near]), limits, bounds=bounds)
        assert np.abs(found - values).max() == pytest.approx(best.fun, abs=1e-9)


def test_the_fit_is_as_good_as_that_of_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    for sound, target in ((tone(1, 1.7), tone(0.3, 1.1)), (tone(0.3, 1.1), tone(0.5, 1.8)), (tone(1, 1), tone(1, 1.2))):
        hertz, power = power_spectrum(sound, RATE)
        goal = np.log(heard(target))

        def error(parameters, hertz=hertz, power=power, goal=goal):
            gain = np.exp(2 * Equalizer(*parameters).gain(hertz))
            return np.r_[np.log(moments(hertz, power * gain)) - goal, 1e-3 * parameters]

        found = brightness_equalizer._fit(hertz, power, goal)
        rest = error(np.array([found.tilt, found.curvature]))
        assert rest @ rest <= 1.001 * 2 * optimize.least_squares(error, np.zeros(2)).cost


def test_a_grid_is_between_all_its_corners():
    corners = [tone(1, 1.8), tone(0.2, 1.2), tone(0.5, 1.4), tone(0.1, 1.6)]
    sounds = np.stack([*corners, tone(0.4, 1.1)])
    weights = np.concatenate([np.eye(4), np.full([1, 4], 0.25)])
    found, _ = brightness_equalizer.equalize(sounds, weights, RATE)
    expected = np.exp(np.mean([np.log(heard(corner)) for corner in corners], axis=0))
    np.testing.assert_allclose(heard(found[4]), expected, rtol=0.02)


def test_the_filter_has_the_gain_and_begins_with_the_sound():
    equalizer = Equalizer(0.3, -0.1)
    impulse = np.zeros(4 * RATE, np.float32)
    impulse[RATE] = 0.5
    found = equalizer.apply(impulse, RATE)
    assert np.abs(found[:RATE]).max() < 1e-4 * np.abs(found).max()
    hertz = np.array([60.0, 250, 500, 1000, 4000])
    response = np.exp(-2j * np.pi * hertz[:, None] * np.arange(RATE) / RATE) @ found[RATE : 2 * RATE]
    x = np.log(hertz / 500)
    most = np.log(10) * brightness_equalizer.MOST_DB / 20
    expected = most * np.tanh((0.3 * x - 0.1 * x**2) / most)
    np.testing.assert_allclose(np.log(np.abs(response)) - np.log(np.abs(response[2])), expected, atol=0.01)


def test_the_gain_is_bounded():
    gain = Equalizer(5.0, 3.0).gain(np.linspace(0, 8000, 100))
    assert np.abs(20 / np.log(10) * gain).max() <= brightness_equalizer.MOST_DB
    np.testing.assert_array_equal(Equalizer().gain(np.array([0.0, 100, 8000])), 0)


def test_nothing_passes_full_scale():
    loud = tone(0.5, 0.9)
    loud *= 0.99 / np.abs(loud).max()
    # Partials in phase make the highest peak; a filter that turns phases may make a higher one of what has less.
    for curve in (Equalizer(1.0, 0.0), Equalizer(-1.0, 0.0), Equalizer(0.0, -1.0)):
        found = curve.apply(loud, RATE)
        assert np.abs(found).max() <= brightness_equalizer.PEAK + 1e-6
        assert np.std(found) <= np.std(loud) * 1.0001


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_silence_stays(silent):
    sounds, weights = way(tone(1, 1.8), tone(0.5, 0.9), tone(0.2, 1.2))
    sounds[silent] = 0
    found, equalizers = brightness_equalizer.equalize(sounds, weights, RATE)
    np.testing.assert_array_equal(found, sounds)
    assert equalizers == [Equalizer()] * 3


def test_equal_timbres_are_left_as_good_as_alone():
    sounds, weights = way(*[tone(0.5, 0.9)] * 3)
    found, _ = brightness_equalizer.equalize(sounds, weights, RATE)
    np.testing.assert_allclose(found, sounds, atol=1e-4)
