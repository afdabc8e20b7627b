"""The starter set: sampled instruments in this package, in NSynth's layout; it needs no download.

It is not NSynth: see the README in its folder.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.nsynth_json import JsonAudioSource, split_folders
from nsynth_vae.data.source import BadNotes, Source
from nsynth_vae.errors import InputError

PATH = pathlib.Path(__file__).parents[1] / "starter_set"
"""Where the package keeps it."""


def open_starter_set(
    *, audio: AudioConfig, bad_notes: BadNotes, log: Callable[[str], None] = print, path: pathlib.Path = PATH
) -> Source:
    """Opens the packaged notes.

    Raises:
        InputError: if they are not there.
    """
    if not split_folders(path):
        raise InputError(f"{path}: the starter set is not there, expected it in the package (see scripts/)")
    return JsonAudioSource(path, audio=audio, bad_notes=bad_notes, log=log, name="starter")
