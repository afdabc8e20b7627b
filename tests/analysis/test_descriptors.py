"""Tests of the descriptors: sounds whose centroid, attack, decay, noise, stretch and roughness are known."""

from __future__ import annotations

import functools
import math

import librosa
import numpy as np
import pytest
from scipy.signal import lfilter

from nsynth_vae.analysis import descriptors, metrics, partials
from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe
from nsynth_vae.notes import pitch_to_hertz

RATE, SAMPLES = 16000, 64000
TIME = np.arange(SAMPLES) / RATE


def tone(f0: float, amplitudes=(1.0,), stretch: float = 0.0) -> np.ndarray:
    """Return partials f_k = k f0 sqrt(1 + B k^2) of these amplitudes, with phases that do not add up to a pulse."""
    numbers = np.arange(1, len(amplitudes) + 1)
    hertz = numbers * f0 * np.sqrt(1.0 + stretch * numbers**2)
    kept = hertz < 7900
    waves = np.sin(2 * np.pi * hertz[kept, None] * TIME + numbers[kept, None] ** 2)
    return 0.2 * np.asarray(amplitudes)[kept] @ waves


@functools.lru_cache(maxsize=64)
def rich(pitch: int, stretch: float = 0.0) -> np.ndarray:
    """Return a tone of twenty partials; none of its users changes it."""
    return tone(pitch_to_hertz(pitch), 1.0 / np.arange(1, 21), stretch)


@pytest.mark.parametrize(("low", "high", "amplitude"), [(440.0, 1760.0, 0.5), (100.0, 5000.0, 1.0), (61.7, 300.3, 3.0)])
def test_centroid_and_spread_of_two_partials(low, high, amplitude):
    audio = 0.3 * (np.sin(2 * np.pi * low * TIME) + amplitude * np.sin(2 * np.pi * high * TIME))
    share = amplitude**2 / (1 + amplitude**2)
    assert descriptors.spectral_centroid_hertz(audio) == pytest.approx(low + share * (high - low), rel=1e-3)
    # The window's own width, 8 Hz, adds to the variance.
    expected = math.hypot(math.sqrt(share * (1 - share)) * (high - low), 8.2)
    assert descriptors.spectral_spread(audio) == pytest.approx(expected, rel=0.01)


def test_centroid_is_librosas_of_the_power_of_the_whole_note():
    generator = np.random.default_rng(0)
    audio = lfilter([1.0], [1.0, -0.9], generator.normal(size=SAMPLES)) * np.exp(-2 * TIME) * 0.1
    power = np.abs(librosa.stft(audio, n_fft=2048, hop_length=512, center=True, pad_mode="constant")) ** 2
    expected = librosa.feature.spectral_centroid(S=power.sum(axis=1, keepdims=True), sr=RATE)[0, 0]
    assert descriptors.spectral_centroid_hertz(audio) == pytest.approx(expected, rel=1e-3)


def test_centroid_counts_octaves_above_the_pitch():
    audio = rich(57)
    hertz = descriptors.spectral_centroid_hertz(audio)
    assert descriptors.spectral_centroid(audio, 57) == pytest.approx(math.log2(hertz / 220.0), abs=1e-9)
    assert descriptors.spectral_centroid(audio, 45) == pytest.approx(math.log2(hertz / 220.0) + 1, abs=1e-9)
    assert descriptors.spectral_centroid(tone(440.0), 69) == pytest.approx(0.0, abs=1e-3)


def test_the_whole_note_counts_and_the_loud_part_more():
    low, high = tone(500.0), tone(3000.0)
    audio = np.where(TIME < 1.0, high, low)
    assert descriptors.spectral_centroid_hertz(audio) == pytest.approx((3000 + 3 * 500) / 4, rel=0.01)
    assert descriptors.spectral_centroid_hertz(np.where(TIME < 1.0, 3 * high, low)) == pytest.approx(
        (9 * 3000 + 3 * 500) / 12, rel=0.01
    )


@pytest.mark.parametrize(("pitch", "seconds"), [(69, 0.1), (69, 0.8), (33, 0.4)])
def test_attack_of_a_linear_ramp_is_four_tenths_of_it(pitch, seconds):
    audio = tone(pitch_to_hertz(pitch)) * np.minimum(1.0, TIME / seconds)
    assert descriptors.attack_seconds(audio, pitch) == pytest.approx(0.4 * seconds, rel=0.03)


def test_attack_does_not_wait_for_a_swell_nor_for_silence():
    assert descriptors.attack_seconds(tone(440.0), 69) < 0.003
    assert descriptors.attack_seconds(tone(440.0) * (1 + 0.5 * TIME), 69) < 0.004
    late = np.roll(tone(440.0) * np.minimum(1.0, TIME / 0.1), 2 * RATE) * (TIME >= 2.0)
    assert descriptors.attack_seconds(late, 69) == pytest.approx(0.04, rel=0.05)
    # A quieter sound before the note: from where the level last was below a tenth.
    before = tone(440.0) * np.where(TIME < 0.5, 0.05, np.clip((TIME - 0.5) / 0.2, 0.05, 1.0))
    assert descriptors.attack_seconds(before, 69) == pytest.approx(0.08, rel=0.05)
    assert describe(before, 69)["log_attack_time"] == math.log10(descriptors.attack_seconds(before, 69))


@pytest.mark.parametrize("pitch", [33, 69])
@pytest.mark.parametrize("slope", [0.0, 5.0, 40.0, 100.0])
def test_decay_of_an_exponential(pitch, slope):
    audio = tone(pitch_to_hertz(pitch)) * 10 ** (-slope / 20 * TIME)
    assert descriptors.decay_db_per_second(audio, pitch) == pytest.approx(slope, abs=0.05 + 0.01 * slope)


def test_decay_stops_at_the_release_and_at_the_noise_floor():
    audio = tone(440.0) * 10 ** (-5 / 20 * TIME)
    released = np.where(TIME < 3.0, audio, audio * np.exp(-30 * (TIME - 3.0)))
    assert descriptors.decay_db_per_second(released, 69) == pytest.approx(5.0, abs=0.1)
    noise = 1e-5 * np.random.default_rng(0).normal(size=SAMPLES)
    assert descriptors.decay_db_per_second(tone(440.0) * 10 ** (-40 / 20 * TIME) + noise, 69) == pytest.approx(
        40, rel=0.02
    )
    swelling = tone(440.0) * 10 ** (6 / 20 * TIME)
    assert descriptors.decay_db_per_second(swelling, 69) == pytest.approx(-6.0, abs=0.1)


@pytest.mark.parametrize("ratio_db", [-3.0, 17.0, 37.0])
def test_tonal_to_noise_of_a_tone_in_white_noise(ratio_db):
    audio = tone(440.0)
    noise = np.random.default_rng(1).normal(size=SAMPLES) * math.sqrt(0.02 / 10 ** (ratio_db / 10))
    # 52.8 of every 440 Hz are within 0.06 f0 of a multiple: that noise counts as tone.
    near = 0.12
    power, flat = 0.02, 0.02 / 10 ** (ratio_db / 10) * (8000 - 220) / 8000
    expected = 10 * math.log10((power + near * flat) / ((1 - near) * flat))
    assert descriptors.tonal_to_noise_db(audio + noise, 69) == pytest.approx(expected, abs=0.3)


def test_tonal_to_noise_is_bounded_and_agrees_with_off_harmonic_db():
    assert descriptors.tonal_to_noise_db(rich(69), 69) == pytest.approx(80.0, abs=0.01)
    assert descriptors.tonal_to_noise_db(tone(660.0), 69) == pytest.approx(-80.0, abs=0.01)
    audio = rich(57) + 0.003 * np.random.default_rng(2).normal(size=SAMPLES)
    share = 10 ** (metrics.off_harmonic_db(audio, 220.0) / 10)
    assert descriptors.tonal_to_noise_db(audio, 57) == pytest.approx(10 * math.log10((1 - share) / share), abs=0.1)


def test_a_stiff_strings_partials_are_no_noise():
    audio = rich(45, stretch=1e-3)
    assert metrics.off_harmonic_db(audio, 110.0) > -20
    assert descriptors.tonal_to_noise_db(audio, 45) > 60


@pytest.mark.parametrize("pitch", [28, 45, 60, 76])
@pytest.mark.parametrize("stretch", [3e-5, 3e-4, 5e-3])
def test_inharmonicity_of_stretched_partials(pitch, stretch):
    noise = 1e-3 * np.random.default_rng(3).normal(size=SAMPLES)
    assert descriptors.inharmonicity(rich(pitch, stretch) + noise, pitch) == pytest.approx(stretch, rel=0.02, abs=2e-6)


def test_inharmonicity_is_zero_for_exact_multiples_and_for_too_few():
    for pitch in (28, 45, 60, 76):
        assert 0 <= descriptors.inharmonicity(rich(pitch), pitch) < 1e-7
    # A quarter tone off, and with gaps.
    detuned = tone(pitch_to_hertz(60.4), [1, 0, 1, 0, 1, 1, 1, 0, 1], 1e-4)
    assert descriptors.inharmonicity(detuned, 60) == pytest.approx(1e-4, rel=0.01)
    assert descriptors.inharmonicity(rich(100, 1e-3), 100) == 0.0
    assert descriptors.inharmonicity(np.random.default_rng(4).normal(size=SAMPLES), 60) <= partials.MAX_INHARMONICITY


def test_an_outlier_does_not_bend_the_fit():
    audio = rich(45, 2e-4) + 0.2 * np.sin(2 * np.pi * 7.07 * 110.0 * TIME)
    assert descriptors.inharmonicity(audio, 45) == pytest.approx(2e-4, rel=0.02)


@pytest.mark.parametrize("f0", [220.0, 440.0, 880.0])
def test_roughness_is_largest_at_a_quarter_of_a_critical_band(f0):
    def of(gap: float) -> float:
        return descriptors.roughness(tone(f0) + tone(f0 + gap))

    # The critical bandwidth of Zwicker and Terhardt 1980, Hz.
    band = 25 + 75 * (1 + 1.4 * (f0 / 1000) ** 2) ** 0.69
    gaps = np.arange(14.0, 0.6 * band, 4.0)
    values = [of(gap) for gap in gaps]
    assert max(values) == pytest.approx(1.0, abs=0.01)
    assert 0.15 < gaps[int(np.argmax(values))] / band < 0.35
    assert of(0.0) < 1e-6
    assert of(f0) < 5e-3
    assert of(1.5 * band) < 0.1


def test_roughness_is_sethares_sum_whatever_the_level():
    hertz, amplitudes = np.array([300.0, 330.0, 362.0]), np.array([1.0, 0.5, 0.8])
    audio = sum(a * np.sin(2 * np.pi * f * TIME) for f, a in zip(hertz, amplitudes, strict=True))
    total = 0.0
    for i, j in ((0, 1), (0, 2), (1, 2)):
        x = 0.24 / (0.0207 * hertz[i] + 18.96) * (hertz[j] - hertz[i])
        total += amplitudes[i] * amplitudes[j] * (math.exp(-3.51 * x) - math.exp(-5.75 * x))
    # 0.1798 is the largest value of the bracket.
    expected = total / (np.sum(amplitudes**2) / 2) / 0.1798
    assert descriptors.roughness(audio * 0.3) == pytest.approx(expected, rel=0.02)
    assert descriptors.roughness(audio * 3e-4) == pytest.approx(descriptors.roughness(audio * 0.3), rel=1e-6)
    assert descriptors.roughness(tone(60.0, np.ones(20))) > 4 * descriptors.roughness(tone(400.0, np.ones(18)))


def test_temporal_centroid_is_the_mean_time_of_the_energy():
    generator = np.random.default_rng(8)
    noise = 0.1 * generator.normal(size=SAMPLES)
    assert descriptors.temporal_centroid(np.full(SAMPLES, 0.5)) == pytest.approx(2.0, abs=1e-4)
    for tau in (0.05, 0.3):  # what is left after 4 s, and the phase, count for little
        assert descriptors.temporal_centroid(tone(880.0) * np.exp(-TIME / tau)) == pytest.approx(tau / 2, rel=0.01)
    assert descriptors.temporal_centroid(tone(440.0) * (TIME >= 1) * (TIME < 2)) == pytest.approx(1.5, rel=1e-3)
    # A swell's energy grows with the square: 3/4 of the way.
    assert descriptors.temporal_centroid(tone(440.0) * TIME / 4) == pytest.approx(3.0, rel=1e-3)
    assert descriptors.temporal_centroid(1e-3 * noise) == pytest.approx(descriptors.temporal_centroid(noise))


def test_describe_gives_every_descriptor_finite():
    generator = np.random.default_rng(5)
    click = np.zeros(SAMPLES)
    click[100] = 1.0
    sounds = [rich(60), generator.normal(size=SAMPLES), click, click + 0.5, np.ones(SAMPLES), rich(60)[:RATE]]
    sounds += [np.where(TIME > 3.99, 0.5, 0.0), tone(440.0) * np.exp(-200 * TIME), 1e-4 * rich(60)]
    for audio in sounds:
        for pitch in (0, 60, 127):
            found = describe(audio.astype(np.float32), pitch)
            assert list(found) == list(DESCRIPTORS)
            assert all(type(value) is float and math.isfinite(value) for value in found.values()), (pitch, found)


def test_describe_gives_what_each_function_gives():
    audio = rich(57, 1e-4) * np.exp(-TIME)
    found = describe(audio, 57)
    for name in ("spectral_centroid_hertz", "spectral_spread", "temporal_centroid", "roughness"):
        assert found[name] == getattr(descriptors, name)(audio)
    for name in ("spectral_centroid", "attack_seconds", "decay_db_per_second", "tonal_to_noise_db", "inharmonicity"):
        assert found[name] == getattr(descriptors, name)(audio, 57)
    for name, value in found.items():
        assert describe(audio, 57, names=(name,)) == {name: value}
    assert list(describe(audio, 57, names=("roughness", "attack_seconds"))) == ["roughness", "attack_seconds"]
    with pytest.raises(ValueError, match=r"names: found 'bright', expected some of spectral_centroid, .*roughness"):
        describe(audio, 57, names=("bright",))


def test_a_sample_rate_is_only_a_sample_rate():
    rate = 24000
    time = np.arange(4 * rate) / rate
    waves = [np.sin(2 * np.pi * k * 220 * np.sqrt(1 + 3e-4 * k**2) * time + k**2) / k for k in range(1, 16)]
    audio = 0.2 * np.sum(waves, axis=0) * np.minimum(1, time / 0.1) * np.exp(-time)
    half = (
        0.2
        * np.sum([np.interp(TIME, time, wave) for wave in waves], axis=0)
        * np.minimum(1, TIME / 0.1)
        * np.exp(-TIME)
    )
    found, other = describe(audio, 57, rate), describe(half, 57)
    for name, tolerance in (("spectral_centroid", 0.03), ("log_attack_time", 0.02), ("decay_db_per_second", 0.05)):
        assert found[name] == pytest.approx(other[name], abs=tolerance), name
    assert found["inharmonicity"] == pytest.approx(3e-4, rel=0.01)
    assert found["roughness"] == pytest.approx(other["roughness"], rel=0.1)


def test_silence_has_no_descriptors():
    for audio in (np.zeros(SAMPLES), 1e-6 * rich(60)):
        assert all(math.isnan(value) for value in describe(audio, 60).values())


@pytest.mark.parametrize(
    ("audio", "pitch", "message"),
    [
        ([0.0], 60, "audio: found list, expected a numpy array of floats"),
        (np.zeros(SAMPLES, np.int16), 60, "audio: found int16"),
        (np.zeros([2, SAMPLES]), 60, r"audio: found shape \(2, 64000\), expected \[samples\] with at least 16000"),
        (np.zeros(8000), 60, r"audio: found shape \(8000,\)"),
        (np.full(SAMPLES, np.nan), 60, "audio: found NaN or infinite samples"),
        (np.zeros(SAMPLES), 128, "pitch: found 128, expected an integer from 0 to 127"),
        (np.zeros(SAMPLES), 60.5, "pitch: found 60.5"),
        (np.zeros(SAMPLES), True, "pitch: found True"),
    ],
)
def test_what_is_not_a_note_is_named(audio, pitch, message):
    with pytest.raises(ValueError, match=message):
        describe(audio, pitch)
