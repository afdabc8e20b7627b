"""Checksums of TFLite files: any changed byte is noticed before LiteRT sees it."""

from __future__ import annotations

import json
import pathlib
import random

import pytest

from nsynth_vae.files import read_tflite
from nsynth_vae.files.checksum import KEY, UNKNOWN, with_checksum

pytestmark = pytest.mark.player


def make_file() -> bytes:
    rng = random.Random(0)
    return rng.randbytes(500) + json.dumps({"model": "decoder", KEY: UNKNOWN}).encode() + rng.randbytes(500)


def test_a_whole_file_is_read_and_a_changed_one_is_not(tmp_path: pathlib.Path) -> None:
    path, whole = tmp_path / "a.tflite", with_checksum(make_file())
    assert len(whole) == len(make_file())
    assert UNKNOWN.encode() not in whole
    path.write_bytes(whole)
    assert read_tflite(path) == whole
    in_the_key = range(whole.index(b'"checksum"'), whole.index(b'"checksum"') + len(b'"checksum": "'))
    for place in set(range(len(whole))) - set(in_the_key):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            read_tflite(path)
    for damaged in (whole[:-1], whole + b"\0", whole[:600]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            read_tflite(path)


def test_a_file_without_a_checksum_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(b"other tools' files")
    assert read_tflite(path) == with_checksum(b"other tools' files") == b"other tools' files"
