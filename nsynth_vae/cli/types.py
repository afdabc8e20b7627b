"""Types of command-line arguments."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    pass


def names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected names separated by commas")
    return names


def pitch_range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not (low.isdigit() and (high or low).isdigit()):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected MIDI pitches such as 24-84")
    return int(low), int(high or low)


def velocity_list(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) <= 127 for part in parts):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected MIDI velocities such as 25,100")
    return tuple(int(part) for part in parts)


def positive_int(text: str) -> int:
    """Parses an integer above zero."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a positive integer")
    return int(text)


def positive_float(text: str) -> float:
    """Parses a finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a positive number")
    return value


def midi_number(text: str) -> int:
    """Parses a MIDI pitch or velocity."""
    if not (text.isascii() and text.isdigit() and int(text) <= 127):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a MIDI number, 0 to 127")
    return int(text)


def check_midi(flag: str, value: int) -> None:
    """Raises InputError for a pitch or velocity that MIDI does not have."""
    if not 0 <= value <= 127:
        raise InputError(f"{flag}: found {value}, expected a MIDI number, 0 to 127")


def check_seed(seed: int) -> None:
    """Raises InputError for a seed that is no integer of 31 bits."""
    if not 0 <= seed < 2**31:
        raise InputError(f"--seed: found {seed}, expected an integer from 0 to 2147483647")
