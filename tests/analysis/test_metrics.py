"""The measures of a note: known changes give known values, in closed form where there is one."""

import math

import numpy as np
import pytest

from nsynth_vae.analysis import metrics
from nsynth_vae.config import AudioConfig
from nsynth_vae.features.mel import log_mel
from nsynth_vae.notes import pitch_to_hertz

SAMPLES = 64000
TIME = np.arange(SAMPLES) / 16000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(SAMPLES)).astype(np.float32)
DISTANCES = (metrics.lsd_db, metrics.mss, metrics.log_mel_l1)


def sine(hertz: float, level: float = 0.5) -> np.ndarray:
    """Return a steady sine, float64 `[64000]`."""
    return level * np.sin(2 * np.pi * hertz * TIME)


def impulse(level: float, sample: int = 32000) -> np.ndarray:
    """Return silence with one sample in it, float64 `[64000]`."""
    audio = np.zeros(SAMPLES)
    audio[sample] = level
    return audio


def cents(hertz: float, shift: float) -> float:
    return hertz * 2 ** (shift / 1200)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distance_of_a_note_from_itself(distance):
    assert distance(NOISE, NOISE) == 0.0
    assert distance(NOISE, 0.9 * NOISE) > 0.0


@pytest.mark.parametrize("distance", DISTANCES)
def test_only_the_first_63488_samples_count(distance):
    other = NOISE.copy()
    other[63488:] = 0.5
    assert distance(NOISE, other) == 0.0
    other[63487] = 0.5
    assert distance(NOISE, other) > 0.0


def test_lsd_of_half_the_level():
    assert metrics.lsd_db(NOISE, NOISE / 2) == pytest.approx(20 * math.log10(2), rel=1e-6)
    assert metrics.lsd_db(NOISE / 2, NOISE) == pytest.approx(20 * math.log10(2), rel=1e-6)


def test_lsd_of_sines_in_the_middle_of_a_bin():
    """Three bins, at 0, -6.02 and -6.02 dB, are above the floor; against silence they fall to it, 80 dB down."""
    reference = sine(1000.0)
    assert metrics.lsd_db(reference, reference / 10) == pytest.approx(20 * math.sqrt(3 / 1025), rel=1e-3)
    side = 80 - 20 * math.log10(2)
    floored = math.sqrt((80**2 + 2 * side**2) / 1025)
    assert metrics.lsd_db(reference, np.zeros(SAMPLES)) == pytest.approx(floored, rel=1e-3)
    moved = math.sqrt(2 * (80**2 + 2 * side**2) / 1025)
    assert metrics.lsd_db(reference, sine(2000.0)) == pytest.approx(moved, rel=1e-3)


def test_lsd_is_a_mean_over_frames():
    """Four of the 121 frames have the impulse in them; the others are at the floor in both."""
    expected = 4 / 121 * 20 * math.log10(2)
    assert metrics.lsd_db(impulse(0.8), impulse(0.4)) == pytest.approx(expected, rel=1e-9)


def test_lsd_floor_is_the_references():
    """What is 90 dB below the reference's maximum does not count, whatever the audio's maximum is."""
    reference = sine(1000.0)
    assert metrics.lsd_db(reference, reference + 10 ** (-90 / 20) * sine(3000.0)) == pytest.approx(0.0, abs=1e-3)
    assert metrics.lsd_db(10 ** (-90 / 20) * reference, sine(3000.0)) > 1.0


def test_mss_of_impulses():
    """A frame's spectrum is flat: the impulse's level times the window's value there."""
    a, b = 0.8, 0.3
    expected = 0.0
    for length in (2048, 1024, 512, 256, 128, 64):
        step, frames = length // 4, 1 + 4 * (63488 - length) // length
        places = [32000 % step + k * step for k in range(4)]
        window = [0.5 - 0.5 * math.cos(2 * math.pi * place / length) for place in places]
        linear = sum(abs(a - b) * w for w in window)
        logarithm = sum(abs(math.log(a * w + 1e-3) - math.log(b * w + 1e-3)) for w in window)
        expected += (linear + logarithm) / frames
    assert metrics.mss(impulse(a), impulse(b)) == pytest.approx(expected, rel=1e-9)


def test_log_mel_l1_is_the_features_difference():
    config = AudioConfig()
    notes = [NOISE, (NOISE * np.exp(-2 * TIME)).astype(np.float32)]
    a, b = (log_mel(note[:63488], config).numpy() * config.log_mel_scale for note in notes)
    assert a.shape == (249, 128)
    assert metrics.log_mel_l1(*notes) == pytest.approx(float(np.abs(a - b).mean()), rel=1e-5)


def test_log_mel_l1_of_half_the_level():
    """Where the offset is nothing beside the mel, ln 2."""
    assert metrics.log_mel_l1(NOISE, NOISE / 2) == pytest.approx(math.log(2), rel=1e-3)


def test_power_off_the_harmonics():
    for level in (0.1, 0.01, 1.0):
        audio = sine(500.0, 0.4) + sine(1000.0, 0.3) + sine(750.0, 0.5 * level)
        expected = 10 * math.log10(level**2 / (1 + level**2))
        assert metrics.off_harmonic_db(audio, 500.0) == pytest.approx(expected, abs=1e-3)
        assert metrics.off_harmonic_db(audio, 250.0) < -90
    assert metrics.off_harmonic_db(np.zeros(SAMPLES) + 0.1, 440.0) < -90, "0 Hz is a multiple"
    assert math.isnan(metrics.off_harmonic_db(np.zeros(SAMPLES), 440.0))
    assert metrics.off_harmonic_db(sine(500.0, 1e-9) + sine(500.0), 500.0) >= -120.0


def test_width_of_a_harmonic():
    """0.06 f0 either way, but at least 3 Hz; it does not grow with the harmonic's number."""
    for f0, off in ((500.0, 30.0), (20.0, 3.0)):
        for k in (1, 5):
            assert metrics.off_harmonic_db(sine(k * f0 + off - 1.5), f0) < -30
            assert metrics.off_harmonic_db(sine(k * f0 + off + 1.5), f0) > -0.1


def test_only_samples_4000_to_36767_are_off_harmonic():
    audio = sine(500.0)
    audio[:4000] = NOISE[:4000]
    audio[36768:] = NOISE[36768:]
    assert metrics.off_harmonic_db(audio, 500.0) < -90


def test_f0_is_the_notes_if_it_is_in_tune():
    hertz = pitch_to_hertz(60)
    for shift in (-35, 0, 30):
        found = metrics.note_f0(sine(cents(hertz, shift)), 60)
        assert abs(1200 * math.log2(found / hertz) - shift) < 12
    for audio in (sine(cents(hertz, 80)), sine(2 * hertz), NOISE, np.zeros(SAMPLES)):
        assert metrics.note_f0(audio, 60) == pytest.approx(hertz)


@pytest.mark.parametrize("pitch", [45, 60, 76])
def test_wobble_of_a_known_vibrato(pitch):
    """A sine's standard deviation is its depth over the square root of 2; the tracker smooths a little."""
    rate, depth = 3.0, 40.0
    hertz = cents(pitch_to_hertz(pitch), depth * np.sin(2 * np.pi * rate * TIME))
    phase = 2 * np.pi * np.cumsum(hertz) / 16000
    audio = sum(0.3 / k * np.sin(k * phase) for k in range(1, 8))
    assert metrics.wobble_cents(audio, pitch) == pytest.approx(depth / math.sqrt(2), rel=0.15)
    steady = sum(0.3 / k * np.sin(2 * np.pi * k * pitch_to_hertz(pitch) * TIME) for k in range(1, 8))
    assert metrics.wobble_cents(steady, pitch) < 2.0


def test_wobble_outside_8_to_60_percent_does_not_count():
    audio = sine(pitch_to_hertz(60))
    for part in (slice(0, 3500), slice(42000, None)):
        audio[part] = sine(pitch_to_hertz(60.7))[part]
    assert metrics.wobble_cents(audio, 60) < 2.0


def test_wobble_of_unvoiced_frames_does_not_count():
    audio = sine(pitch_to_hertz(52))
    audio[15000:] = 0.1 * NOISE[15000:]
    assert metrics.wobble_cents(audio, 52) < 4.0


def test_wobble_of_what_is_not_at_the_pitch():
    audio = sine(pitch_to_hertz(60))
    assert math.isnan(metrics.wobble_cents(audio, 62)), "all of it is more than 100 cents off"
    assert math.isnan(metrics.wobble_cents(np.zeros(SAMPLES), 60))
    assert math.isnan(metrics.wobble_cents(sine(pitch_to_hertz(33)), 33))
    assert math.isnan(metrics.wobble_cents(sine(pitch_to_hertz(95)), 95))
    audio[20000:24000] = sine(pitch_to_hertz(67))[20000:24000]
    assert metrics.wobble_cents(audio, 60) < 20.0, "a jump of 700 cents is dropped"


def test_onset_of_an_exponential_attack():
    """34 dB at 8.686 dB a time constant; 2 kHz, so that every window holds whole periods."""
    for constant in (0.01, 0.02):
        audio = sine(2000.0) * np.minimum(1.0, np.exp((TIME - 0.15) / constant))
        assert metrics.onset_seconds(audio) == pytest.approx(constant * math.log(10 ** (34 / 20)), abs=0.0011)


@pytest.mark.parametrize(("before", "expected"), [(0.0, 0.071), (0.02, 0.091 - 0.019)])
def test_onset_of_a_linear_attack(before, expected):
    """From 0 to 1 in 145 ms: -6 dB where a window's middle is at 0.501, so the window begins at 70.2 ms.

    It starts at 0 where the first window, 5 ms / 145 ms / sqrt(3), is above -40 dB already; after 20 ms of silence,
    with the window that has the ramp's first 3.2 ms in it: (3.2 ms)^3 / (3 * 5 ms) is (0.01 * 145 ms)^2.
    """
    audio = sine(2000.0) * np.clip((TIME - before) / 0.145, 0.0, 1.0)
    assert metrics.onset_seconds(audio) == pytest.approx(expected, abs=1e-9)


def test_onset_at_once_and_never():
    assert metrics.onset_seconds(sine(2000.0)) == 0.0
    assert math.isnan(metrics.onset_seconds(np.zeros(SAMPLES)))
    late = sine(2000.0)
    late[:3200] = 0.0
    assert math.isnan(metrics.onset_seconds(late)), "the first 200 ms are silent"


def test_compare_gives_every_measure():
    reference = sine(2000.0) * np.minimum(1.0, np.exp((TIME - 0.15) / 0.01))
    audio = sine(2000.0) * np.minimum(1.0, np.exp((TIME - 0.15) / 0.02))
    found = metrics.compare(reference, audio, 95)
    assert list(found) == list(metrics.DEFINITIONS)
    assert {type(value) for value in found.values()} == {float}
    for name in ("lsd_db", "mss", "log_mel_l1"):
        assert found[name] == getattr(metrics, name)(reference, audio) > 0.0
    assert found["in_tune"] == 1.0
    assert metrics.compare(audio, audio, 93)["in_tune"] == 0.0
    assert math.isnan(found["wobble_cents"])
    assert found["off_harmonic_db"] < -50
    assert found["onset_seconds"] == metrics.onset_seconds(audio)
    assert found["onset_error_seconds"] == pytest.approx(
        metrics.onset_seconds(audio) - metrics.onset_seconds(reference)
    )
    assert found["onset_error_seconds"] == pytest.approx(0.039, abs=0.002)
    itself = metrics.compare(reference, reference, 95)
    assert [itself[name] for name in metrics.DISTANCES] == [0.0] * 5
    alone = metrics.measure(audio, 95)
    assert alone == {name: found[name] for name in metrics.OWN}


def test_level_is_that_of_the_first_three_seconds():
    # A sine of amplitude 0.5 has an RMS of 0.5 / sqrt(2).
    held = sine(2000.0) * (TIME < 3.0)
    assert metrics.level_db(held) == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-6)
    assert metrics.level_db(sine(2000.0)) == pytest.approx(metrics.level_db(held), abs=1e-6)
    assert metrics.level_db(np.zeros(SAMPLES)) == -120.0
    quieter = metrics.compare(held, held * 10 ** (-4.5 / 20), 95)
    assert quieter["level_error_db"] == pytest.approx(-4.5, abs=1e-6)


def test_motion_is_measured_at_the_notes_own_f0():
    """40 cents beside the target the eighth partial is 2.3 % off, outside the window's main lobe."""
    hertz = cents(440.0, 40.0)
    steady = sum(sine(k * hertz, 0.1) for k in range(1, 9)).astype(np.float32)
    found = metrics.measure(steady, 69)
    assert found["shimmer_db"] < 0.01
    assert found["phase_wobble_cents"] < 0.1


ONE_NOTE = (
    lambda audio: metrics.off_harmonic_db(audio, 440.0),
    lambda audio: metrics.note_f0(audio, 69),
    lambda audio: metrics.wobble_cents(audio, 69),
    lambda audio: metrics.measure(audio, 69),
    metrics.onset_seconds,
    metrics.level_db,
)
BAD_AUDIO = {
    "int16": (np.zeros(SAMPLES, np.int16), "found int16, expected a numpy array of floats"),
    "list": ([0.0] * SAMPLES, "found list, expected a numpy array of floats"),
    "batch": (np.zeros((1, SAMPLES)), r"found shape \(1, 64000\), expected \[samples\] with at least 63488"),
    "short": (np.zeros(63487), r"found shape \(63487,\), expected \[samples\] with at least 63488"),
    "NaN": (impulse(math.nan), "found NaN or infinite samples, expected finite ones"),
    "infinite": (impulse(math.inf), "found NaN or infinite samples, expected finite ones"),
}


@pytest.mark.parametrize("bad", BAD_AUDIO)
def test_bad_audio_is_named(bad):
    audio, message = BAD_AUDIO[bad]
    for measure in ONE_NOTE:
        with pytest.raises(ValueError, match=f"^audio: {message}"):
            measure(audio)
    for measure in (*DISTANCES, lambda reference, audio: metrics.compare(reference, audio, 69)):
        with pytest.raises(ValueError, match=f"^audio: {message}"):
            measure(NOISE, audio)
        with pytest.raises(ValueError, match=f"^reference: {message}"):
            measure(audio, NOISE)


def test_other_bad_arguments_are_named():
    for measure in DISTANCES:
        with pytest.raises(ValueError, match=r"^audio: found 63488 samples, expected the reference's 64000"):
            measure(NOISE, NOISE[:63488])
    with pytest.raises(ValueError, match=r"^reference: found silence, expected a note"):
        metrics.lsd_db(np.zeros(SAMPLES), NOISE)
    for f0 in (0.0, -440.0, 6.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"^f0_hertz: found {f0}, expected a frequency above 6 Hz"):
            metrics.off_harmonic_db(NOISE, f0)
    for pitch in (-1, 128, 60.0, True, "60"):
        for measure in (metrics.note_f0, metrics.wobble_cents):
            with pytest.raises(ValueError, match=f"^pitch: found {pitch!r}, expected an integer from 0 to 127"):
                measure(NOISE, pitch)
