"""Mains hum is estimated where no note sounds, and subtracted; notes near its frequencies are left."""

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


def test_low_notes_are_no_hum():
    """B1 and G1 are 3 % from the mains' frequencies, and decay to a steady end."""
    for hertz in (61.74, 49.0, 98.0, 123.47):
        audio = note(hertz, silence=0.0, decay=0.5)
        assert remove_hum(audio, slice(32000, 48000), RATE)[1] == ""
