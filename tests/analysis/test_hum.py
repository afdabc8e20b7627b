"""Mains hum is found in silence or beneath the note, and subtracted; notes near its frequencies are left."""

import numpy as np
import pytest
from recorded import RATE, db, hum, note

from nsynth_vae.analysis import background
from nsynth_vae.analysis.hum import remove_hum

pytestmark = pytest.mark.player


@pytest.mark.parametrize("hertz", [49.97, 60.04])
@pytest.mark.parametrize("silence", [1.5, 0.0])
def test_hum_is_subtracted_in_phase(hertz, silence):
    """From the lead-in, or where there is none, from the end of a note that has faded."""
    audio = note(331.0, silence=silence, decay=6.0)
    mains = hum(audio.size, hertz)
    where = background.find_quiet(audio + mains, RATE).cleanest(RATE)
    assert (where.start == 0) == (silence > 0)
    found, said = remove_hum(audio + mains, where, RATE)
    assert said == f"hum of {round(hertz / 10) * 10} Hz at -36 dB removed"
    assert db(found - audio) < -36 - 35


def test_an_offset_that_is_left_beside_hum_bends_nothing():
    """Measured in frames of parts of a period, an offset is a little off: 0.01 in 1 % of it."""
    audio = note()
    recorded = audio + hum(audio.size, 50.02) + 1e-4
    found, _ = remove_hum(recorded, slice(0, 22000), RATE)
    assert db(found - audio) < -120


@pytest.mark.parametrize(
    ("fundamental", "decay", "hertz"), [(331.0, 0.0, 49.97), (196.0, 1.0, 60.04), (65.4, 0.0, 50.0)]
)
def test_hum_is_found_beneath_a_note_that_sounds_all_the_time(fundamental, decay, hertz):
    audio = note(fundamental, silence=0.0, decay=decay)
    mains = hum(audio.size, hertz)
    found, said = remove_hum(audio + mains, None, RATE)
    assert said == f"hum of {round(hertz / 10) * 10} Hz at -36 dB removed"
    assert db(found - audio) < -36 - 20


def test_the_buzz_of_a_coil_is_subtracted_up_to_half_the_sample_rate():
    audio, seconds = note(331.0, silence=0.0, decay=0.0), np.arange(4 * RATE) / RATE
    rng = np.random.default_rng(0)
    buzz = 0.003 * sum(np.cos(2 * np.pi * (49.96 * k * seconds + rng.uniform())) for k in range(1, 120))
    found, _ = remove_hum(audio + buzz[: audio.size], None, RATE)
    assert db(found - audio) < db(buzz) - 20


def test_a_partial_at_a_multiple_of_mains_is_left():
    """A4's third partial, 1320 Hz, is 22 times 60 Hz, and as steady as hum is."""
    audio = note(440.0, silence=0.0, decay=0.0)
    assert remove_hum(audio, None, RATE)[1] == ""
    mains = hum(audio.size, 60.0)
    found, _ = remove_hum(audio + mains, None, RATE)
    assert db(found - audio) < -36 - 20


@pytest.mark.parametrize("samples", [0, 100, round(0.39 * RATE)])
def test_too_short_sounds_are_left(samples):
    audio = hum(max(samples, 1), 50.0)[:samples]
    np.testing.assert_array_equal(remove_hum(audio, None, RATE)[0], audio)


def test_low_notes_are_no_hum():
    """B1 and G1 are 3 % from the mains' frequencies, and decay to a steady end."""
    for hertz in (61.74, 49.0, 98.0, 123.47):
        audio = note(hertz, silence=0.0, decay=0.5)
        assert remove_hum(audio, slice(32000, 48000), RATE)[1] == ""
        assert remove_hum(audio, None, RATE)[1] == ""
