"""Background of recordings: offset, rumble, hum and noise are estimated and removed; notes without them are left."""

import numpy as np
import pytest
from recorded import RATE, db, note

from nsynth_vae.analysis import background

pytestmark = pytest.mark.player


@pytest.mark.parametrize("offset", [0.01, -0.05])
def test_an_offset_is_that_of_silence_and_not_the_mean(offset):
    one_sided = note() * (1 + 0.3 * np.sign(note()))
    assert abs(one_sided.mean()) > 1e-3 * np.abs(one_sided).max()
    audio, said = background.remove_offset(one_sided + offset, RATE)
    np.testing.assert_allclose(audio, one_sided, atol=1e-12)
    assert said == f"offset of {100 * offset:.2g} % removed"


def test_what_has_no_offset_is_left():
    noise = 0.1 * np.random.default_rng(0).normal(size=32000)
    lowest = note(27.5, silence=0.0, decay=0.3)
    for audio in (note(), note(silence=0.0), noise, np.zeros(32000), np.zeros(10), lowest):
        found, said = background.remove_offset(audio, RATE)
        np.testing.assert_array_equal(found, audio)
        assert said == ""


def test_rumble_is_removed_without_sound_before_the_note():
    audio = note(55.0)
    rumble = 0.03 * np.sin(2 * np.pi * 6 * np.arange(audio.size) / RATE)
    found, said = background.remove_offset(audio + rumble + 0.02, RATE)
    assert said == "offset and rumble removed"
    assert db(found[8000:23000]) < db(rumble) - 40
    assert db(found[24000:]) == pytest.approx(db(audio[24000:]), abs=0.1)
    assert db(found[23000:23900]) < db(rumble) - 40


@pytest.mark.parametrize("seconds", [0.3, 2.0, 6.0])
def test_an_offset_that_drifts_is_removed(seconds):
    """As of a converter that was just switched on: its offset at the note is another than before it."""
    clean = note()
    drift = 0.02 * np.exp(-np.arange(clean.size) / RATE / seconds)
    found, said = background.remove_offset(clean + drift, RATE)
    assert said == "offset and rumble removed"
    assert np.abs(found[8000:23000]).max() < 1e-6
    assert db(found - background.high_pass(clean, RATE)) < db(drift) - 45
    assert background.remove_offset(clean, RATE)[1] == ""


def test_the_high_pass_is_a_butterworth_filter():
    """|H|^2 = 1 / (1 + (fc / f)^20), which is -3 dB at 18 Hz and less than 0.001 dB at A0."""
    time = np.arange(8 * RATE) / RATE
    for hertz in (9.0, 18.0, 27.5, 440.0):
        tone = np.sin(2 * np.pi * hertz * time)
        gain = db(background.high_pass(tone, RATE)[4 * RATE :]) - db(tone[4 * RATE :])
        assert gain == pytest.approx(-10 * np.log10(1 + (18.0 / hertz) ** 20), abs=0.02)


@pytest.mark.parametrize("level_db", [-38.0, -55.0])
def test_noise_is_measured_and_reduced_and_the_note_is_left(level_db):
    audio = note()
    noisy = audio + np.random.default_rng(0).normal(scale=10 ** (level_db / 20), size=audio.size)
    where = background.find_quiet(noisy, RATE).cleanest(RATE)
    assert where.start == 0
    assert 20000 < where.stop <= 24000
    found, level, said = background.remove_noise(noisy, where, RATE, before=True)
    assert 20 * np.log10(level) == pytest.approx(level_db, abs=0.7)
    assert said == f"noise at {20 * np.log10(level):.0f} dB reduced"
    # What is left is noise: an encoder finds another timbre in holes.
    assert db(found[:20000]) == pytest.approx(level_db - background.REDUCED_DB, abs=1.5)
    assert db((found - audio)[24000:40000]) < level_db - 3
    assert db(found[24000:40000]) == pytest.approx(db(audio[24000:40000]), abs=0.1)


def test_without_noise_the_spectra_give_the_audio_back():
    audio = note()
    found, _, said = background.remove_noise(audio, slice(0, 20000), RATE, before=True, always=True)
    np.testing.assert_allclose(found, audio, atol=1e-9)
    assert said == ""


def test_steady_notes_and_silence_are_no_noise():
    time = np.arange(4 * RATE) / RATE
    organ = 0.3 * sum(np.sin(2 * np.pi * k * 220 * time) / k for k in range(1, 6))
    slow = note(440.0, silence=0.0, decay=0.3)
    noise = 0.1 * np.random.default_rng(0).normal(size=time.size)
    for audio in (organ, slow, noise, note(), np.zeros(32000), np.zeros(100)):
        assert background.find_quiet(audio, RATE) == background.Quiet(None, None)
    struck = np.concatenate([organ[:16000], 0.03 * organ])
    where = background.find_quiet(struck, RATE).cleanest(RATE)
    assert where.stop == struck.size
    found, level, said = background.remove_noise(struck, where, RATE, before=False)
    assert found is struck
    assert (level, said) == (0.0, "")
    hiss = struck + 0.003 * np.random.default_rng(0).normal(size=struck.size)
    assert background.remove_noise(hiss, where, RATE, before=False)[0] is hiss
    hiss[16000:] -= 0.03 * organ
    assert 20 * np.log10(background.remove_noise(hiss, where, RATE, before=False)[1]) == pytest.approx(-50.5, abs=0.7)
