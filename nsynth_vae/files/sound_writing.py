"""Sound files as they are written: WAV and FLAC of 16 bits."""

from __future__ import annotations

import io
import os
import pathlib
from typing import TYPE_CHECKING

from nsynth_vae.errors import InputError
from nsynth_vae.files.atomic_writes import atomic_write
from nsynth_vae.files.places import check_output_file

if TYPE_CHECKING:
    import numpy as np

_READ = ".wav .wave .bwf .rf64 .w64 .flac .ogg .oga .opus .mp3 .mp2 .aif .aiff .aifc .au .snd .caf .voc"
_CONVERTED = ".m4a .m4b .aac .wma .ape .wv .mpc .tta .amr .ra .mka .ac3 .dts .dsf .dff"

AUDIO_EXTENSIONS = (*_READ.split(), *_CONVERTED.split())
"""File name extensions of audio, in lower case; some are recognised, but must be converted."""

_WRITTEN = {".wav": "WAV", ".flac": "FLAC"}


def write_wav(path: pathlib.Path, audio: np.ndarray, sample_rate: int) -> None:
    """Write audio, float `[samples]`, -1..1, as a 16-bit mono WAV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by libsndfile: it takes no names that are not UTF-8, and soundfile prints tracebacks for a full disk.
    path.write_bytes(_encoded(audio, sample_rate, "WAV"))


def save_sound(path: str | os.PathLike, audio: np.ndarray, sample_rate: int) -> None:
    """Write audio, float `[samples]`, -1..1, as 16-bit mono WAV or FLAC by the path's suffix, atomically.

    Raises:
        InputError: for another suffix, or if it cannot be written; nothing is left then.
    """
    kind = _kind_of(pathlib.Path(path))
    with atomic_write(path, kind) as temporary:
        if kind == "FLAC":
            temporary.write_bytes(flac(audio, sample_rate))
        else:
            write_wav(temporary, audio, sample_rate)


def check_sound_file(output: pathlib.Path) -> None:
    """Check, before anything is computed, that `save_sound` can write a file; raises as it does."""
    check_output_file(output, "WAV or FLAC file")
    _kind_of(output)


def _kind_of(path: pathlib.Path) -> str:
    kind = _WRITTEN.get(path.suffix.lower())
    if kind is None:
        found = f"the suffix {path.suffix}" if path.suffix else "no suffix"
        raise InputError(f"{path}: found {found}, expected a name that ends in {' or '.join(_WRITTEN)}")
    return kind


def flac(audio: np.ndarray, sample_rate: int) -> bytes:
    """Return audio, float `[samples]`, -1..1, as a FLAC file of 16 bits."""
    return _encoded(audio, sample_rate, "FLAC")


def _encoded(audio: np.ndarray, sample_rate: int, file_format: str) -> bytes:
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    audio = np.clip(np.nan_to_num(audio), -1.0, 1.0)
    soundfile.write(buffer, audio, sample_rate, subtype="PCM_16", format=file_format)
    return buffer.getvalue()
