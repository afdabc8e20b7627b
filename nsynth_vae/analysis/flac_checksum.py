"""MD5 of the samples of FLAC files, which states what was encoded.

libsndfile checks the checksums of frames, and not this one: a file whose frames are whole, but of another recording or
missing, has the wrong MD5.
"""

from __future__ import annotations

import hashlib

import numpy as np

MISMATCH = "decodes to other samples than were encoded (MD5): damaged FLAC"

BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}
"""libsndfile's subtypes of FLAC, and their bits a sample."""


def stated_md5(head: bytes) -> bytes:
    """Return the MD5 of the unencoded samples by a FLAC's first 42 bytes; empty where it is not stated (all zero)."""
    md5 = head[26:42]
    return md5 if any(md5) else b""


class SampleDigest:
    """MD5 of decoded samples as FLAC defines it: interleaved, little-endian, whole bytes a sample.

    Formula: RFC 9639, section 8.2.
    """

    def __init__(self, bits: int) -> None:
        """Begin with no samples, of `bits` (8, 16 or 24) each."""
        self._bits = bits
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, samples: np.ndarray) -> None:
        """Add samples `[samples, channels]`: integers, or float32 of -1..1, which holds 24 bits exactly."""
        if samples.dtype.kind == "f":
            samples = np.rint(samples * np.float32(2 ** (self._bits - 1)))
        packed = np.ascontiguousarray(samples, "<i4" if self._bits == 24 else f"<i{self._bits // 8}")
        if self._bits == 24:
            packed = np.ascontiguousarray(packed.view(np.uint8).reshape(-1, 4)[:, :3])
        self._md5.update(packed.data)

    def digest(self) -> bytes:
        """Return the MD5, 16 bytes."""
        return self._md5.digest()
