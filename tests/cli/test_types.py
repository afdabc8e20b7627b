"""Types and checks of arguments, and the options of a lookup."""

import argparse

import pytest

from nsynth_vae.cli.options import add_lookup_options
from nsynth_vae.cli.types import check_midi, check_seed
from nsynth_vae.errors import InputError

pytestmark = pytest.mark.player


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
