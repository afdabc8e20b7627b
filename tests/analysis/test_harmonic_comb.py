"""Harmonic series beside tonal peaks."""

import numpy as np
import pytest

from nsynth_vae.analysis.harmonic_comb import fit, fit_frames, near

pytestmark = pytest.mark.player

TIME = np.arange(32000) / 16000


def partials(amplitudes: dict[float, float], hertz: float = 220.0) -> np.ndarray:
    return sum(a * np.sin(2 * np.pi * ratio * hertz * TIME) for ratio, a in amplitudes.items()).astype(np.float32)


def test_power_on_the_multiples_and_beside_them():
    """Sines of 1, 0.5 and 0.5 have powers of 4, 1 and 1."""
    comb = fit(partials({1: 1.0, 2: 0.5, 2.76: 0.5}), 221.0)
    assert near(comb.hertz, 220.0, 5.0)
    assert abs(comb.explained - 5 / 6) < 0.01
    assert abs(comb.stray - 1 / 4) < 0.01
    assert abs(comb.tonal - 1.0) < 0.01
    np.testing.assert_allclose(comb.power[:4], (0, 0.8, 0.2, 0), atol=0.01)
    assert abs(comb.level(2) - 10 * np.log10(0.2)) < 0.1
    assert comb.divisor() == 1
    assert comb.is_fundamental()


def test_multiples_of_two_have_the_divisor_two():
    comb = fit(partials({2: 1.0, 4: 0.5, 6: 0.5}), 220.0)
    assert comb.divisor() == 2
    assert not comb.is_fundamental()


def test_frames_follow_a_glide():
    phase = 2 * np.pi * np.cumsum(220 * 2 ** (TIME / 2 * 0.5 / 12)) / 16000
    frames = fit_frames(np.sin(phase).astype(np.float32), 223.0)
    assert frames.power.shape[0] == frames.f0.size > 6
    cents = 1200 * np.log2(frames.f0 / 220)
    assert 0 <= cents[0] < 10 < 40 < cents[-1] <= 50
    assert np.all(np.diff(cents) >= 0)


def test_silence_has_no_series():
    assert fit_frames(np.zeros(32000, np.float32), 220.0) is None
    assert fit(np.zeros(32000, np.float32), 220.0) is None


def test_near_is_in_cents():
    assert near(440.0, 440.0 * 2 ** (59 / 1200), 60.0)
    assert not near(440.0 * 2 ** (61 / 1200), 440.0, 60.0)
