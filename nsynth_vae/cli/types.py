"""Types and checks of command-line arguments."""

from __future__ import annotations

import argparse
import glob
import os
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nsynth_vae import config
from nsynth_vae.errors import InputError
from nsynth_vae.files.places import expand
from nsynth_vae.notes import parse_note_name, silent_notes

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre


def path(text: str) -> pathlib.Path:
    """Parse the path of a file or folder; a leading `~` is the home folder, also in `--output=~/morph`."""
    return expand(text)


def names(text: str) -> tuple[str, ...]:
    """Parse names separated by commas."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected names separated by commas")
    return found


def midi_number(text: str) -> int:
    """Parse a MIDI velocity."""
    return _midi(text, "a MIDI number, 0 to 127")


def midi_pitch(text: str) -> int:
    """Parse a MIDI pitch: a number, or a note's name such as C4 = 60, F#3, Bb2 or C-1."""
    pitch = parse_note_name(text.strip())
    return _midi(text, "a MIDI number, 0 to 127, or a name such as C4") if pitch is None else pitch


def _midi(text: str, expected: str) -> int:
    if not re.fullmatch(r"[0-9]{1,100}", text) or int(text) > 127:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
    return int(text)


def midi_range(text: str) -> tuple[int, int]:
    """Parse a range of MIDI pitches, `24-84` or `C2-C6`; one pitch is a range of its own."""
    # The hyphen of C-1 does not separate.
    parts = re.findall(r"[A-Ga-g][^-\d]*-1|[^-]+", text)
    if not 1 <= len(parts) <= 2 or "-".join(parts) != text:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a MIDI pitch or a range, LOW-HIGH")
    return midi_pitch(parts[0]), midi_pitch(parts[-1])


def midi_list(text: str) -> tuple[int, ...]:
    """Parse MIDI numbers separated by commas: `25,100`."""
    return tuple(midi_number(part.strip()) for part in text.split(","))


def octave_shift(text: str) -> int | str:
    """Parse octaves by which names of files are wrong: -4 to 4, or `auto`."""
    if text == "auto":
        return text
    if not re.fullmatch(r"[+-]?[0-4]", text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected octaves, -4 to 4, or auto")
    return int(text)


def positive_int(text: str) -> int:
    """Parse an integer above zero."""
    # int() takes 4300 digits at most; what is too much for an option is its own to say.
    if not re.fullmatch(r"[0-9]{1,100}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a positive integer")
    return int(text)


def positive_float(text: str) -> float:
    """Parse a finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a positive number")
    return value


def int32(text: str) -> int:
    """Parse an integer of 32 bits."""
    try:
        value = int(text)
    except ValueError:
        value = 2**31
    if not -(2**31) <= value < 2**31:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected an integer of 32 bits")
    return value


def motion(text: str) -> float:
    """Parse a factor of the motion of notes."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= config.LARGEST_MOTION:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected 0 to {config.LARGEST_MOTION:g}")
    return value


def find_files(names: Sequence[str]) -> list[pathlib.Path]:
    """Return the files of names and of patterns such as `*.wav`, which Windows' shells do not expand."""
    found = []
    for name in map(str, map(expand, names)):
        # os.path takes names that no file can have, for which Path raises OSError, and glob absolute patterns.
        matches = [] if os.path.exists(name) else sorted(glob.glob(name))  # noqa: PTH110, PTH207
        found += matches or [name]
    return [pathlib.Path(name) for name in found]


def check_midi(flag: str, value: int) -> None:
    """Raise InputError for a pitch or velocity that MIDI does not have."""
    if not 0 <= value <= 127:
        raise InputError(f"{flag}: found {value}, expected a MIDI number, 0 to 127")


def warn_of_silence(pitches: Iterable[int], sample_rate: int) -> None:
    """Print how many notes are silent, being too high for the sample rate."""
    if silent := silent_notes(pitches, sample_rate):
        print(f"warning: {silent}")


def print_timbres(timbres: Iterable[Timbre]) -> None:
    """Print what each timbre is; of a file also what was done to its sound."""
    for timbre in timbres:
        print(f"{timbre.name}: {timbre.description}")


def check_seed(seed: int) -> None:
    """Raise InputError for a `--seed` that is no integer of 31 bits."""
    config.check_seed(seed, "--seed")
