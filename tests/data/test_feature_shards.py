"""Files of features: what was written is read, and a header that is not a whole file's is none."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.feature_shards import feature_shape, read_header, read_note, write_shard

AUDIO = AudioConfig(num_samples=4096)
FEATURES = [np.full(feature_shape(AUDIO), value, np.float32) for value in (1.0, 2.0)]
PROBLEMS = {"1": "is silent"}


@pytest.fixture
def shard(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a file of three notes, the second of which is invalid."""
    write_shard(tmp_path / "log-mel-1", FEATURES, PROBLEMS)
    return tmp_path / "log-mel-1"


def test_the_header_and_the_notes_are_read(shard: pathlib.Path) -> None:
    header, offset = read_header(shard, AUDIO, 3)
    assert header == {"notes": 2, "problems": PROBLEMS}
    for number, expected in enumerate(FEATURES):
        np.testing.assert_array_equal(read_note(shard, offset, number, AUDIO), expected)
    assert read_header(shard, AUDIO) == (header, offset)
    assert read_header(shard, AUDIO, 2) is None
    assert read_header(shard, AudioConfig()) is None


@pytest.mark.parametrize(
    "header",
    [
        {"notes": 2},
        {"notes": 2, "problems": None},
        {"notes": 2, "problems": {"3": "is silent"}},
        {"notes": 2, "problems": {"one": "is silent"}},
        {"notes": 2, "problems": {"1": 3}},
        {"notes": 1, "problems": PROBLEMS},
        {"notes": "2", "problems": PROBLEMS},
        {"notes": 2.0, "problems": PROBLEMS},
        [],
        "half",
    ],
    ids=str,
)
def test_a_header_that_is_not_that_of_a_whole_file_is_none(header: object, shard: pathlib.Path) -> None:
    line, _, rest = shard.read_bytes().partition(b"\n")
    shard.write_bytes(json.dumps(header).encode().ljust(len(line)) + b"\n" + rest)
    assert read_header(shard, AUDIO) is None
