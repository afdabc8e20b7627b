"""Types and checks of arguments, and the options of a lookup."""

import argparse

import pytest

from nsynth_vae.cli.options import add_lookup_options
from nsynth_vae.cli.types import (
    check_midi,
    check_seed,
    midi_list,
    midi_number,
    midi_pitch,
    midi_range,
    names,
    octave_shift,
    positive_int,
)
from nsynth_vae.errors import InputError


def test_what_is_no_midi_number_or_seed_is_named():
    for value in (0, 127):
        check_midi("--pitch", value)
    for value in (-1, 128):
        with pytest.raises(InputError, match=f"--pitch: found {value}, expected a MIDI number, 0 to 127"):
            check_midi("--pitch", value)
    for value in (-1, 2**31):
        with pytest.raises(InputError, match=f"--seed: found {value}, expected an integer from 0 to 2147483647"):
            check_seed(value)


def test_no_data_means_that_nothing_is_looked_up():
    parser = argparse.ArgumentParser()
    add_lookup_options(parser)
    assert parser.parse_args([]).data is None
    assert parser.parse_args(["--data", "a", "--data", "b"]).data == ["a", "b"]


pytestmark = pytest.mark.player


def test_ranges_and_lists_of_midi_numbers():
    assert midi_range("24-84") == (24, 84)
    assert midi_range("60") == (60, 60)
    assert midi_range("C2-C6") == (36, 84)
    assert midi_range("C-1-24") == (0, 24)
    assert midi_range("Bb-1-G9") == (10, 127)
    assert midi_range("F#3") == (54, 54)
    assert midi_list("25, 100") == (25, 100)
    assert names("guitar, flute,") == ("guitar", "flute")


@pytest.mark.parametrize(
    ("text", "pitch"),
    [
        ("60", 60),
        ("C4", 60),
        ("c4", 60),
        ("A#3", 58),
        ("Bb3", 58),
        ("Fs3", 54),
        ("Csharp4", 61),
        ("C-1", 0),
        ("G9", 127),
    ],
)
def test_pitches_are_numbers_or_names(text, pitch):
    assert midi_pitch(text) == pitch


def test_octave_shifts():
    assert [octave_shift(text) for text in ("1", "-2", "+1", "0", "auto")] == [1, -2, 1, 0, "auto"]


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (midi_range, "60-", "found '60-', expected a MIDI pitch or a range, LOW-HIGH"),
        (midi_range, "1-2-3", "found '1-2-3', expected a MIDI pitch or a range, LOW-HIGH"),
        (midi_range, "24-128", "found '128', expected a MIDI number, 0 to 127, or a name such as C4"),
        (midi_range, "C2-", "found 'C2-', expected a MIDI pitch or a range, LOW-HIGH"),
        (midi_range, "C-12", "found 'C-12', expected a MIDI pitch or a range, LOW-HIGH"),
        (midi_pitch, "H4", "found 'H4', expected a MIDI number, 0 to 127, or a name such as C4"),
        (midi_pitch, "G#9", "found 'G#9', expected a MIDI number, 0 to 127, or a name such as C4"),
        (midi_pitch, "-1", "found '-1', expected a MIDI number, 0 to 127, or a name such as C4"),
        (midi_number, "C4", "found 'C4', expected a MIDI number, 0 to 127"),
        (midi_number, "²", "found '²', expected a MIDI number, 0 to 127"),
        (midi_number, "1" * 5000, f"found {'1' * 5000!r}, expected a MIDI number, 0 to 127"),
        *((positive_int, text, f"found {text!r}, expected a positive integer") for text in ("0", "²", "٣", "-1", "")),
        (positive_int, "1" * 5000, f"found {'1' * 5000!r}, expected a positive integer"),
        (octave_shift, "12", "found '12', expected octaves, -4 to 4, or auto"),
        (octave_shift, "up", "found 'up', expected octaves, -4 to 4, or auto"),
        (midi_list, "25,,100", "found '', expected a MIDI number, 0 to 127"),
        (names, " , ", "found ' , ', expected names separated by commas"),
    ],
)
def test_what_is_none_is_named(parse, text, message):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        parse(text)
    assert str(error.value) == message
