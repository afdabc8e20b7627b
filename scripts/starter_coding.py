"""Coding of the starter set: reproducible Ogg Vorbis, and its error in log-mel."""

from __future__ import annotations

import hashlib
import io
import struct

import numpy as np
import soundfile
from starter_render import SAMPLE_RATE

from nsynth_vae.analysis import spectra
from nsynth_vae.analysis.ogg_pages import checksum
from nsynth_vae.config import AudioConfig

# libsndfile's compression level: 0.1 is Vorbis quality 0.9, about 21 kB a note.
COMPRESSION_LEVEL = 0.1


def with_serial(ogg: bytes, serial: int) -> bytes:
    """Return an Ogg file with another stream serial number, and the checksums that belong to it, in all pages.

    Args:
        ogg: A file of one logical stream.
        serial: 0 to 2**32 - 1.
    """
    out, start = bytearray(ogg), 0
    while start < len(out):
        if out[start : start + 4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {start}")
        segments = out[start + 26]
        end = start + 27 + segments + sum(out[start + 27 : start + 27 + segments])
        struct.pack_into("<I", out, start + 14, serial)
        struct.pack_into("<I", out, start + 22, 0)
        struct.pack_into("<I", out, start + 22, checksum(bytes(out[start:end])))
        start = end
    return bytes(out)


def encode_note(audio: np.ndarray, note_str: str) -> bytes:
    """Return a note as an Ogg Vorbis file.

    Args:
        audio: [num_samples], 16 kHz, within -1..1.
        note_str: Its name, which decides the stream's serial number.
    """
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        audio.astype(np.float32),
        SAMPLE_RATE,
        format="OGG",
        subtype="VORBIS",
        compression_level=COMPRESSION_LEVEL,
    )
    serial = int.from_bytes(hashlib.sha256(note_str.encode()).digest()[:4], "little")
    return with_serial(buffer.getvalue(), serial)


def coding_error(notes: list[np.ndarray]) -> float:
    """Return the mean |difference| of log-mels, in nats, between notes and their coded versions."""
    config, errors = AudioConfig(), []
    for audio in notes:
        decoded, _ = soundfile.read(io.BytesIO(encode_note(audio, "")))
        difference = spectra.log_mel(decoded, config) - spectra.log_mel(audio, config)
        errors.append(config.log_mel_scale * np.abs(difference).mean())
    return float(np.mean(errors))
