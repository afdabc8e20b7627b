"""Names and labels of notes."""

import numpy as np
import pytest

from nsynth_vae.errors import InputError
from nsynth_vae.notes import (
    FAMILIES,
    QUALITIES,
    SOURCES,
    Note,
    format_note_str,
    highest_pitch,
    parse_instrument_str,
    parse_note_str,
    pitch_to_hertz,
    silent_notes,
)

pytestmark = pytest.mark.player


def test_nsynth_lists():
    assert (len(FAMILIES), len(SOURCES), len(QUALITIES)) == (11, 3, 10)
    assert FAMILIES.index("synth_lead") == 9
    assert SOURCES.index("synthetic") == 2
    assert QUALITIES[9] == "tempo-synced"


def test_parse_note_str():
    note = parse_note_str("guitar_acoustic_010-055-025")
    assert (note.instrument_str, note.pitch, note.velocity) == ("guitar_acoustic_010", 55, 25)
    assert (note.instrument_family, note.instrument_source) == (3, 0)
    assert note.qualities is None
    assert note.sample_group is None
    other = parse_note_str("my-own pad-000-127")
    assert (other.instrument_str, other.pitch, other.velocity) == ("my-own pad", 0, 127)
    assert other.instrument_family is None
    assert other.instrument_source is None
    assert format_note_str(note.instrument_str, note.pitch, note.velocity) == note.note_str


@pytest.mark.parametrize("name", ["guitar", "guitar-55-25", "-055-025", "guitar-055-025.wav", "guitar-055", ""])
def test_not_a_note_str(name):
    with pytest.raises(InputError, match="not a note's name, expected INSTRUMENT-PPP-VVV"):
        parse_note_str(name)


@pytest.mark.parametrize(("name", "what"), [("a-128-100", "pitch is 128"), ("a-060-200", "velocity is 200")])
def test_out_of_range(name, what):
    with pytest.raises(InputError, match=f"{name}: {what}, expected an integer from 0 to 127"):
        parse_note_str(name)


def test_parse_instrument_str():
    assert parse_instrument_str("synth_lead_synthetic_004") == (9, 2)
    assert parse_instrument_str("string_acoustic_1") == (8, 0)
    for name in (
        "guitar",
        "guitar_acoustic",
        "guitar_live_001",
        "my_guitar_acoustic_001",
        "guitar_acoustic_001b",
    ):
        assert parse_instrument_str(name) == (None, None)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pitch", 60.0, "pitch is 60.0"),
        ("pitch", True, "pitch is True"),
        ("velocity", -1, "velocity is -1"),
        ("instrument_family", 11, "instrument_family is 11, expected 0 to 10 or null"),
        ("instrument_source", 3, "instrument_source is 3, expected 0 to 2 or null"),
        ("qualities", (0, 1), "expected 10 flags"),
        ("qualities", (2,) * 10, "expected 10 flags"),
    ],
)
def test_note_checks_its_labels(field, value, message):
    labels = {"note_str": "n", "pitch": 60, "velocity": 100, "instrument_str": "i"} | {field: value}
    with pytest.raises(InputError, match=f"n: .*{message}"):
        Note(**labels)


def test_pitch_to_hertz():
    assert pitch_to_hertz(69) == 440.0
    assert pitch_to_hertz(57) == 220.0
    np.testing.assert_allclose(pitch_to_hertz(np.array([60, 0, 127])), [261.6256, 8.1758, 12543.8540], rtol=1e-6)


def test_pitches_above_half_the_sample_rate_are_silent():
    assert [highest_pitch(rate) for rate in (16000, 8000, 48000)] == [119, 107, 127]
    assert silent_notes([60, 119, 119.2], 16000) == silent_notes([127], 48000) == ""
    assert silent_notes([60, 119.3], 16000) == "1 note above B8 (7902 Hz) cannot sound at 16 kHz"
    assert silent_notes([120, 127], 16000) == "2 notes above B8 (7902 Hz) cannot sound at 16 kHz"
