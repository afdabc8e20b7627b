"""Measures of motion on sounds whose vibrato, tremolo and noise are known in closed form."""

import numpy as np
import pytest

from nsynth_vae.analysis import motion

RATE = 16000
T = np.arange(4 * RATE) / RATE


def tone(f0: float = 250.0, *, vibrato_cents: float = 0.0, rate: float = 5.0, partials: int = 10) -> np.ndarray:
    """Return a harmonic tone whose f0 moves as a sine of that depth, partials falling as 1 / k."""
    phase = 2 * np.pi * np.cumsum(f0 * 2 ** (vibrato_cents / 1200 * np.sin(2 * np.pi * rate * T))) / RATE
    return 0.2 * sum(np.sin(k * phase) / k for k in range(1, partials + 1))


def noise(seed: int = 0, seconds: int = 4) -> np.ndarray:
    return 0.05 * np.random.default_rng(seed).standard_normal(seconds * RATE)


def hann_response(hertz: float, seconds: float = 0.05) -> float:
    """Return by how much a Hann window of that length averages a modulation: its transform, 1 at 0 Hz."""
    x = hertz * seconds
    return float(np.sinc(x) / (1.0 - x**2))


@pytest.mark.parametrize(("cents", "rate"), [(10.0, 4.0), (20.0, 5.0), (40.0, 6.0)])
def test_vibrato_is_the_wobble_of_the_strongest_partial(cents, rate):
    _, wobble = motion.partial_motion(tone(vibrato_cents=cents, rate=rate), 250.0)
    # A frame averages f0 over its window, the difference of two phases over 12.5 ms more.
    expected = cents / np.sqrt(2) * hann_response(rate) * np.sinc(rate * 0.0125)
    assert wobble == pytest.approx(expected, rel=0.02)


def test_wobble_is_of_the_loudest_partial_and_of_one_sign_with_its_f0():
    # Harmonic 3 is the loudest and steady, the others waver.
    steady = 0.5 * np.sin(2 * np.pi * 750 * T)
    _, wobble = motion.partial_motion(steady + 0.1 * tone(vibrato_cents=30, partials=2), 250.0)
    assert wobble < 0.2
    # 1 % beside the frequency that is looked for, a partial is found where it is.
    _, hertz = motion.track_partials(tone(252.5), 250.0)
    np.testing.assert_allclose(hertz, 252.5, atol=0.2)


@pytest.mark.parametrize(("decibels", "rate"), [(1.0, 3.0), (3.0, 5.0)])
def test_tremolo_is_shimmer(decibels, rate):
    swell = 10 ** (decibels * np.sin(2 * np.pi * rate * T) / 20)
    shimmer, wobble = motion.partial_motion(swell * tone(), 250.0)
    assert shimmer == pytest.approx(decibels / np.sqrt(2) * hann_response(rate), rel=0.02)
    assert wobble < 0.01


@pytest.mark.parametrize("f0", [27.5, 250.0, 1000.0])
def test_a_steady_tone_has_no_motion(f0):
    shimmer, wobble = motion.partial_motion(tone(f0), f0)
    assert shimmer < 0.01
    assert wobble < 1e-2


def test_a_steady_tone_has_no_flux_and_no_grain():
    # 250 Hz: 4 periods a step of 256 samples, so that all frames are alike.
    assert motion.flux(tone()) < 1e-9
    assert motion.grain_db(tone() + 1e-3 * np.sin(2 * np.pi * 375 * T), 250.0) < 1e-3


def test_a_decay_is_a_trend_and_not_shimmer():
    found = motion.measure_motion(tone() * np.exp(-2.0 * T), 250.0)
    assert found["shimmer_db"] < 0.01
    assert found["phase_wobble_cents"] < 1e-2
    # ln mel falls by 2 nats a second, far above the offset; 16 ms from frame to frame.
    assert found["flux"] == pytest.approx(2.0 * 0.016, rel=0.1)


@pytest.mark.parametrize(("f0", "cents"), [(440.0, 15.0), (880.0, 8.0)])
def test_vibrato_of_high_partials_is_shimmer_by_the_windows_transform(f0, cents):
    """Slow vibrato: at each time a partial is a sine, off the frequency that is looked for."""
    shimmer, _ = motion.partial_motion(tone(f0, vibrato_cents=cents, rate=2.0, partials=8), f0)
    cycle = np.sin(np.linspace(0, 2 * np.pi, 1000, endpoint=False))
    hertz = f0 * (2 ** (cents / 1200 * cycle) - 1)
    expected = [np.std([20 * np.log10(hann_response(k * each)) for each in hertz]) for k in range(1, 9)]
    assert shimmer == pytest.approx(np.median(expected), rel=0.1)
    assert np.median(expected) > 0.5


def test_a_cubic_is_removed_and_a_quartic_is_not():
    x = np.linspace(-1, 1, 101)
    np.testing.assert_allclose(motion.detrended(np.stack([x**3 - 2 * x**2, 5 + x])), 0.0, atol=1e-12)
    assert motion.detrended(x**4).std() > 0.05


def test_noise_has_the_grain_of_rayleigh_and_its_filter_does_not_matter():
    def filtered(seed: int) -> np.ndarray:
        return np.convolve(noise(seed), [1.0, 1.6, 0.8])[: 4 * RATE]

    found = [motion.grain_db(filtered(seed), 220.0) for seed in range(6)]
    assert np.mean(found) == pytest.approx(motion.RAYLEIGH_DB, abs=0.25)
    # log of an exponential variable: Var(ln x) = pi^2 / 6.
    power = np.random.default_rng(1).exponential(size=200_000)
    assert (10 * np.log10(power)).std() == pytest.approx(motion.RAYLEIGH_DB, rel=0.01)


def test_flux_of_noise_does_not_depend_on_its_level():
    # ln(mel + 1e-4) is ln mel where the mel is far above the offset.
    quiet, loud = motion.flux(noise()), motion.flux(10 * noise())
    assert quiet == pytest.approx(loud, rel=1e-3)
    assert 0.2 < quiet < 0.4


def test_partials_40_db_below_the_loudest_do_not_count():
    swell = 10 ** (3 * np.sin(2 * np.pi * 4 * T) / 20)
    weak = sum(np.sin(2 * np.pi * 250 * k * T) for k in range(2, 9)) * swell
    loud = np.sin(2 * np.pi * 250 * T)
    assert motion.partial_motion(0.5 * loud + 0.5e-3 * weak, 250.0)[0] < 0.1
    assert motion.partial_motion(0.5 * loud + 0.05 * weak, 250.0)[0] > 1.5


def test_a_note_that_ends_is_measured_until_its_end():
    ended = tone() * (T < 1.6)
    found = motion.measure_motion(ended, 250.0)
    assert motion.moving_part(ended).size == round(1.1 * RATE)
    assert found["grain_db"] < 6.0
    assert found["flux"] < 0.5
    short = motion.measure_motion(tone() * (T < 0.9), 250.0)
    assert all(np.isnan(value) for value in short.values())
    assert all(np.isnan(value) for value in motion.measure_motion(np.zeros(4 * RATE), 250.0).values())


def test_a_note_above_half_the_sample_rate_has_no_partials():
    found = motion.measure_motion(noise(), 9000.0)
    assert np.isnan(found["shimmer_db"])
    assert np.isnan(found["phase_wobble_cents"])
    assert found["flux"] > 0


def test_the_level_of_all_partials_does_not_matter():
    one, other = (motion.measure_motion(gain * (tone() + 0.1 * noise()), 250.0) for gain in (1.0, 0.3))
    for name in ("shimmer_db", "phase_wobble_cents", "grain_db"):
        assert one[name] == pytest.approx(other[name], rel=1e-6)


@pytest.mark.parametrize(
    ("audio", "f0", "match"),
    [
        (np.zeros(4 * RATE), 5.0, r"f0_hertz: found 5.0, expected a frequency above 6 Hz"),
        (np.zeros(4 * RATE), np.nan, r"f0_hertz: found nan"),
        (np.zeros(RATE), 250.0, r"audio: found shape \(16000,\), expected \[samples\] with at least 44800"),
        (np.full(4 * RATE, np.nan), 250.0, r"audio: found NaN"),
        (np.zeros(4 * RATE, np.int16), 250.0, r"audio: found int16"),
    ],
)
def test_bad_arguments(audio, f0, match):
    for measure in (motion.measure_motion, motion.partial_motion, motion.grain_db):
        with pytest.raises(ValueError, match=match):
            measure(audio, f0)
