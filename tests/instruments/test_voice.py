"""Tests of cross-fades, sustain loops and voices: notes whose sound is known, sustained and released."""

from __future__ import annotations

import numpy as np
import pytest

from nsynth_vae.instruments import crossfade, sustain_loop, voice

pytestmark = pytest.mark.player

RATE = 16000
SAMPLES = 64000


def tone(samples: int, hertz: float = 320.0, harmonics: int = 1) -> np.ndarray:
    """Return a tone of harmonics 1/k; 320 Hz has a period of 50 samples."""
    angle = 2 * np.pi * hertz * np.arange(samples) / RATE
    return 0.3 * sum(np.sin(k * angle) / k for k in range(1, harmonics + 1))


def make_note(slope: float = 0.0, fall: float = 200.0, **keywords) -> np.ndarray:
    """Return a note: 50 ms of attack, then `slope` dB a second; from 3 s on `fall` dB a second down as well."""
    seconds = np.arange(SAMPLES) / RATE
    decibels = slope * seconds - fall * np.maximum(seconds - 3.0, 0.0)
    return tone(SAMPLES, **keywords) * np.minimum(seconds / 0.05, 1.0) * 10 ** (decibels / 20)


def level(audio: np.ndarray, seconds: float, window: float = 0.1) -> float:
    """Return the level in dB around a time."""
    first = round((seconds - window / 2) * RATE)
    return 20 * np.log10(crossfade.rms(audio[first : first + round(window * RATE)]) + 1e-12)


def steepest(audio: np.ndarray, first: float, last: float) -> float:
    """Return the largest step from a sample to the next between two times."""
    return float(np.abs(np.diff(audio[round(first * RATE) : round(last * RATE)])).max())


PIANO_LIKE = {"slope": -12.0, "harmonics": 4}


def test_crossfade_keeps_a_sound_and_the_power_of_two_unlike_ones():
    rng = np.random.default_rng(0)
    noise, other = rng.normal(size=[2, 200000])
    np.testing.assert_allclose(crossfade.crossfade(noise, noise), noise, atol=1e-12)
    mixed = crossfade.crossfade(noise, other)
    for part in np.split(mixed, 10):
        assert abs(crossfade.rms(part) - 1.0) < 0.03
    assert crossfade.crossfade(noise[:3], np.zeros(3)).shape == (3,)
    # The middle of a plain raised cosine would be 3 dB lower.
    assert abs(crossfade.rms(0.5 * (noise + other)) - np.sqrt(0.5)) < 0.01


def test_correlations_find_where_a_sound_is_from():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=5000)
    alike = crossfade.correlations(-3.0 * noise[700:900], -noise)
    assert alike.shape == (4801,)
    assert alike.argmax() == 700
    assert alike[700] == pytest.approx(1.0, abs=1e-9)
    assert np.abs(np.delete(alike, 700)).max() < 0.4
    expected = np.corrcoef(noise[700:900] + noise[700:900].mean(), noise[40:240])[0, 1]
    assert crossfade.correlations(noise[700:900], noise)[40] == pytest.approx(expected, abs=0.02)
    assert not crossfade.correlations(np.zeros(10), noise).any()


def test_levels_are_root_mean_squares_in_db():
    audio = np.concatenate([np.full(1000, 0.1), np.full(1000, -1.0)])
    found = crossfade.levels(audio, 100)
    assert found[[0, 500, 1500, 1999]] == pytest.approx([-20.0, -20.0, 0.0, 0.0], abs=1e-9)
    assert found[1000] == pytest.approx(10 * np.log10((0.01 + 1.0) / 2), abs=1e-9)
    assert crossfade.levels(np.zeros(5), 2) == pytest.approx([-180.0] * 5)


@pytest.mark.parametrize("pitch", [0, 21, 60, 127])
def test_a_level_is_measured_over_two_periods(pitch):
    assert crossfade.level_window(pitch) >= max(480, 2 * RATE / (440 * 2 ** ((pitch - 69) / 12)) - 1)


def test_releases_end_in_silence():
    ringing = np.ones(10000)
    ended = crossfade.fade_to_silence(ringing, 1.0)
    assert ended[0] == 1.0
    assert ended[-1] == 0.0
    assert np.all(np.diff(ended) <= 0)
    assert 20 * np.log10(crossfade.rms(ended[9300:9800])) < -60
    quiet = np.concatenate([ringing, 1e-5 * ringing])
    np.testing.assert_array_equal(crossfade.fade_to_silence(quiet, 1.0)[:-160], quiet[:-160])
    np.testing.assert_array_equal(crossfade.fade_out(np.zeros(0)), np.zeros(0))


def test_the_loop_of_a_tone_is_whole_periods_and_continues_exactly():
    note = make_note()
    loop = sustain_loop.find_loop(note, 63)
    assert loop.kind == "sustained"
    assert abs(loop.slope) < 0.01
    assert (loop.end - loop.start) % 50 == 0
    assert loop.end - loop.start >= 0.4 * RATE
    assert loop.start >= 1.0 * RATE
    assert loop.end <= 2.9 * RATE
    sound = sustain_loop.sustain(note, loop, 10 * RATE)
    np.testing.assert_allclose(sound[RATE:], tone(10 * RATE)[RATE:], atol=1e-6)
    np.testing.assert_array_equal(sound[:RATE], note[:RATE])


def test_noise_is_looped_without_a_dip_or_a_bump():
    rng = np.random.default_rng(3)
    note = rng.normal(size=SAMPLES) * np.abs(make_note(fall=0.0)).max()
    loop = sustain_loop.find_loop(note, 60)
    once, repeated = sustain_loop.split_loop(note, loop)
    for joint in (np.concatenate([once, repeated]), np.concatenate([repeated, repeated])):
        place = len(joint) - len(repeated)
        around = np.array([crossfade.rms(joint[place + k : place + k + 1600]) for k in range(-3200, 1600, 400)])
        assert np.ptp(20 * np.log10(around)) < 1.0


def test_a_note_that_swells_stays_at_the_level_it_has_reached():
    note = make_note(slope=2.0, harmonics=4)
    loop = sustain_loop.find_loop(note, 63)
    assert loop.kind == "sustained"
    assert loop.slope == pytest.approx(2.0, abs=0.05)
    sound = sustain_loop.sustain(note, loop, 9 * RATE)
    assert level(sound, 2.5) - level(sound, 1.5) == pytest.approx(2.0, abs=0.1)
    reached = level(note, loop.end / RATE)
    for seconds in np.arange(3.0, 8.9, 0.13):
        assert level(sound, seconds) == pytest.approx(reached, abs=0.2)
    assert steepest(sound, 2.0, 9.0) < 1.05 * steepest(sound, 2.0, loop.end / RATE - 0.2)


def test_a_note_that_decays_decays_on():
    note = make_note(**PIANO_LIKE)
    loop = sustain_loop.find_loop(note, 63)
    assert loop.kind == "decaying"
    assert loop.decay == pytest.approx(12.0, abs=0.1)
    sound = sustain_loop.sustain(note, loop, 5 * RATE)
    expected = make_note(**(PIANO_LIKE | {"fall": 0.0}))
    np.testing.assert_allclose(sound[: 4 * RATE], expected, atol=2e-3 * np.abs(expected).max())
    assert level(sound, 4.8) - level(sound, 3.8) == pytest.approx(-12.0, abs=0.1)
    whole = sustain_loop.ring_out(note, loop)
    assert len(whole) / RATE == pytest.approx(70 / 12, abs=0.3)
    assert whole[-1] == 0.0
    assert level(whole, len(whole) / RATE - 0.05) < level(whole, 0.1) - 65
    # The slowest of them: it ends, too.
    slow = make_note(slope=-3.0)
    assert len(sustain_loop.ring_out(slow, sustain_loop.find_loop(slow, 63))) < 25 * RATE


def test_a_note_that_is_over_is_not_sustained():
    note = make_note(slope=-40.0)
    loop = sustain_loop.find_loop(note, 63)
    assert loop.kind == "over"
    assert sustain_loop.ring_out(note, loop).shape == (SAMPLES,)
    sound = sustain_loop.sustain(note, loop, 6 * RATE)
    assert sound.shape == (6 * RATE,)
    assert not sound[SAMPLES:].any()
    np.testing.assert_array_equal(sound[: 2 * RATE], note[: 2 * RATE])


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.234, 2.9, 2.97, 3.0, 3.2, 7.77])
@pytest.mark.parametrize("kind", [{}, {"harmonics": 8}, {"slope": -9.0, "harmonics": 4}, {"slope": 2.5, "hertz": 66.0}])
def test_a_released_note_has_no_step_and_the_decoded_release(kind, seconds):
    note = make_note(**kind)
    pitch = 36 if "hertz" in kind else 63
    sound = voice.sustain_and_release(note, pitch, seconds)
    early = seconds < 2.9
    if early:
        np.testing.assert_array_equal(sound[: round(seconds * RATE)], note[: round(seconds * RATE)])
    start = level(sound, seconds - 0.03, 0.06)
    assert steepest(sound, seconds, len(sound) / RATE) <= 1.1 * steepest(sound, seconds - 0.06, seconds)
    # 200 dB a second from 3 s on, cut out at 2.97 s or up to a period before, and what the note itself falls or rises.
    for after in (0.1, 0.2):
        fall = 200 * (after - 0.03) - kind.get("slope", 0.0) * after
        assert level(sound, seconds + after, 0.02) == pytest.approx(start - fall, abs=4.5 if pitch == 36 else 2.0)
    assert level(sound, seconds + 0.5, 0.02) < start - 60
    assert sound[-1] == 0.0
    assert len(sound) <= round(seconds * RATE) + RATE * 1.2


def test_a_released_note_far_above_its_release_is_damped():
    note = make_note(slope=-25.0, harmonics=3)
    sound = voice.sustain_and_release(note, 63, 0.3)
    assert len(sound) == round(0.8 * RATE)
    assert level(sound, 0.55, 0.02) == pytest.approx(level(note, 0.55, 0.02) - 35, abs=1.0)
    assert steepest(sound, 0.3, 0.8) <= steepest(sound, 0.2, 0.3)
    # Half a second before its release it has one.
    assert len(voice.sustain_and_release(note, 63, 2.5)) > round(3.4 * RATE)


def test_notes_of_no_length_and_no_sound_are_played():
    note = make_note()
    sound = voice.sustain_and_release(note, 63, 0.0)
    np.testing.assert_array_equal(sound[:480], note[:480])
    for seconds in (0.0, 1.0, 5.0):
        silent = voice.sustain_and_release(np.zeros(SAMPLES, np.float32), 63, seconds)
        assert not silent.any()
        assert len(silent) >= seconds * RATE
    over = voice.sustain_and_release(make_note(slope=-40.0), 63, 6.0)
    assert np.all(np.isfinite(over))
    assert not over[5 * RATE :].any()


@pytest.mark.parametrize("pitch", [0, 127])
def test_the_lowest_and_the_highest_pitch_are_played(pitch):
    note = make_note(hertz=440 * 2 ** ((pitch - 69) / 12))
    for seconds in (0.02, 2.0, 6.0):
        sound = voice.sustain_and_release(note, pitch, seconds)
        assert np.all(np.isfinite(sound))
        assert np.abs(sound).max() < 0.4


def test_release_times_are_measured():
    assert voice.release_seconds(make_note(fall=200.0), 63) == pytest.approx(0.3, abs=0.04)
    assert voice.release_seconds(make_note(fall=30.0), 63) == pytest.approx(2.0, abs=0.15)
    assert voice.release_seconds(make_note(fall=0.0), 63) == voice.LONGEST_RELEASE_SECONDS
    assert voice.release_seconds(make_note(slope=-40.0), 63) == voice.DAMPED_SECONDS
