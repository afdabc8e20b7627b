"""Root keys in the chunks of sound files."""

import struct

import numpy as np
import pytest
import soundfile

from nsynth_vae.analysis.root_keys import read_root_key

pytestmark = pytest.mark.player


def chunk(name: bytes, contents: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(contents)) + contents + bytes(len(contents) % 2)


def riff(*chunks: bytes, magic: bytes = b"RIFF", order: str = "<") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack(f"{order}I", len(body)) + body


def smpl(note: int, cents: float = 0.0, order: str = "<") -> bytes:
    fraction = int(cents / 100 * 2**32)
    return chunk(b"smpl", struct.pack(f"{order}9I", 0, 0, 22675, note, fraction, 0, 0, 0, 0), order)


SOUND = chunk(b"data", bytes(33))
FILES = {
    "smpl after the sound": (riff(chunk(b"fmt ", bytes(16)), SOUND, smpl(57)), 57),
    "smpl, 60 cents above": (riff(smpl(57, 60.0), SOUND), 58),
    "smpl of a RIFX": (riff(smpl(57, order=">"), magic=b"RIFX", order=">"), 57),
    "inst": (riff(SOUND, chunk(b"inst", struct.pack("7b", 61, 0, 0, 0, 127, 1, 127))), 61),
    "acid": (riff(chunk(b"acid", struct.pack("<IHHfIHHf", 2, 50, 0, 0.0, 4, 4, 4, 120.0)), SOUND), 50),
    "acid of a loop": (riff(chunk(b"acid", struct.pack("<IHHfIHHf", 0, 60, 0, 0.0, 4, 4, 4, 120.0)), SOUND), None),
    "smpl before inst": (riff(chunk(b"inst", bytes([61, 0, 0, 0, 127, 1, 127])), SOUND, smpl(57)), 57),
    "0": (riff(smpl(0), SOUND), None),
    "200": (riff(smpl(200), SOUND), None),
    "smpl that is cut off": (riff(SOUND, smpl(57))[:-30], None),
    "no chunk": (riff(SOUND), None),
    "AIFF": (b"FORM" + struct.pack(">I", 999) + b"AIFF" + chunk(b"INST", bytes([62, 0]) + bytes(18), ">"), 62),
    "AIFF, tuned up": (b"FORM" + bytes(4) + b"AIFF" + chunk(b"INST", struct.pack("Bb", 62, 70), ">"), 61),
    "CAF": (b"caff" + bytes(4) + b"inst" + struct.pack(">Qf", 24, 64.0) + bytes(20), 64),
    "W64": (
        b"riff" + bytes(36) + b"smpl" + bytes(12) + struct.pack("<Q", 60) + struct.pack("<9I", *[0] * 3, 65, *[0] * 5),
        65,
    ),
    "streamed": (riff(smpl(57), b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(100)), 57),
    "RF64": (
        riff(
            chunk(b"ds64", struct.pack("<QQQI", 0, 20, 10, 0)),
            b"data" + bytes([255] * 4) + bytes(20),
            smpl(58),
            magic=b"RF64",
        ),
        58,
    ),
    "smpl after an odd chunk without padding": (riff(chunk(b"LIST", b"INFOabc")[:-1], SOUND[:-1], smpl(57)), 57),
    "smpl after an odd chunk with padding": (riff(chunk(b"LIST", b"INFOabc"), SOUND, smpl(57)), 57),
    "text": (b"text", None),
    "nothing": (b"", None),
}


@pytest.mark.parametrize("name", FILES)
def test_root_keys(name, tmp_path):
    contents, expected = FILES[name]
    path = tmp_path / "file"
    path.write_bytes(contents)
    assert read_root_key(path) == expected


def test_files_without_one(tmp_path):
    assert read_root_key(tmp_path / "missing.wav") is None
    for kind in ("WAV", "FLAC", "OGG", "AIFF", "W64", "CAF"):
        soundfile.write(tmp_path / "a", np.zeros(100), 16000, format=kind)
        assert read_root_key(tmp_path / "a") is None


def test_the_product_writes_what_it_reads(tmp_path):
    """A WAV cut at any byte is no error."""
    whole = FILES["smpl after the sound"][0]
    for size in range(len(whole)):
        (tmp_path / "cut.wav").write_bytes(whole[:size])
        assert read_root_key(tmp_path / "cut.wav") in (None, 57)
