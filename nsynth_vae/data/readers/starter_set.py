"""Reader of the starter set: sampled instruments in this package, in NSynth's layout, without a download.

It is not NSynth: see the README in its folder.
"""

from __future__ import annotations

import pathlib
from typing import Unpack

from nsynth_vae.data.readers.nsynth_json import JsonAudioSource, split_folders
from nsynth_vae.data.source import ReaderOptions, Source
from nsynth_vae.errors import InputError

PATH = pathlib.Path(__file__).parents[1] / "starter_set"
"""Its folder in the package."""


def open_starter_set(path: pathlib.Path = PATH, **options: Unpack[ReaderOptions]) -> Source:
    """Open the packaged notes.

    Raises:
        InputError: if they are not there.
    """
    if not split_folders(path):
        raise InputError(f"{path}: the starter set is not there, expected it in the package (see scripts/)")
    return JsonAudioSource(path, name="starter", **options)
