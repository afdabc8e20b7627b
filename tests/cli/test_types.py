"""Types of command-line arguments."""

import argparse

import pytest

from nsynth_vae.cli.types import midi_list, midi_range, names

pytestmark = pytest.mark.player


def test_ranges_and_lists_of_midi_numbers():
    assert midi_range("24-84") == (24, 84)
    assert midi_range("60") == (60, 60)
    assert midi_list("25, 100") == (25, 100)
    assert names("guitar, flute,") == ("guitar", "flute")


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (midi_range, "60-", "found '60-', expected a MIDI pitch or a range, LOW-HIGH"),
        (midi_range, "1-2-3", "found '1-2-3', expected a MIDI pitch or a range, LOW-HIGH"),
        (midi_range, "24-128", "found '128', expected a MIDI number, 0 to 127"),
        (midi_list, "25,,100", "found '', expected a MIDI number, 0 to 127"),
        (names, " , ", "found ' , ', expected names separated by commas"),
    ],
)
def test_what_is_none_is_named(parse, text, message):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        parse(text)
    assert str(error.value) == message
