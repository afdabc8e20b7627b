"""How the starter set is coded: Ogg Vorbis, the same bytes every time, and what the coding costs."""

from __future__ import annotations

import hashlib
import io
import struct

import numpy as np
import soundfile
from starter_render import SAMPLE_RATE

# libsndfile's compression level: 0.1 is Vorbis quality 0.9, about 21 kB a note.
COMPRESSION_LEVEL = 0.1


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1
        table.append(value & 0xFFFFFFFF)
    return table


_CRC_TABLE = _crc_table()


def with_serial(ogg: bytes, serial: int) -> bytes:
    """An Ogg file with another stream serial number in all its pages (and their checksums put right).

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
        crc = 0
        for byte in out[start:end]:
            crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC_TABLE[(crc >> 24) ^ byte]
        struct.pack_into("<I", out, start + 22, crc)
        start = end
    return bytes(out)


def encode_note(audio: np.ndarray, note_str: str) -> bytes:
    """A note as an Ogg Vorbis file.

    Args:
        audio: [num_samples], 16 kHz, within -1..1.
        note_str: Its name; gives the stream's serial number.
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


def _mel_weights(num_bins: int, fft_length: int, low: float, high: float) -> np.ndarray:
    """Triangles linear in mel (HTK's formula) as in `tf.signal.linear_to_mel_weight_matrix`: [bins, mel]."""

    def mel(hertz):
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    centers = mel(np.fft.rfftfreq(fft_length, 1 / SAMPLE_RATE))[:, None]
    edges = np.linspace(mel(low), mel(high), num_bins + 2)
    lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((centers - lower) / (center - lower), (upper - centers) / (upper - center))
    weights[0] = 0.0
    return np.maximum(weights, 0.0)


def log_mel(audio: np.ndarray) -> np.ndarray:
    """ln(mel + 1e-4) of magnitudes: 1024-sample Hann frames every 256, 128 bins from 20 to 8000 Hz.

    Args:
        audio: [num_samples], 16 kHz; padded by 512 zeros a side.

    Returns:
        float64 [num_frames, 128].
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio, 512), 1024)[::256]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    return np.log(np.abs(np.fft.rfft(frames * hann)) @ _mel_weights(128, 1024, 20.0, 8000.0) + 1e-4)


def coding_error(notes: list[np.ndarray]) -> float:
    """Mean |difference| of `log_mel` (nats) between notes and their coded selves."""
    errors = []
    for audio in notes:
        decoded, _ = soundfile.read(io.BytesIO(encode_note(audio, "")))
        errors.append(np.abs(log_mel(decoded) - log_mel(audio)).mean())
    return float(np.mean(errors))
