"""Arrays with a JSON value in one file: what was written is read, and every damage is a ValueError."""

from __future__ import annotations

import io
import json
import pathlib

import numpy as np
import pytest

from nsynth_vae.files import read_arrays

pytestmark = pytest.mark.player

WEIGHTS = np.arange(30, dtype=np.float32).reshape(5, 6)


def content(text: str = '{"step": 3}', **arrays: np.ndarray) -> bytes:
    """Return a file of the weights and a JSON text."""
    buffer = io.BytesIO()
    np.savez(buffer, **{"weights": WEIGHTS, "state.json": np.frombuffer(text.encode(), np.uint8), **arrays})
    return buffer.getvalue()


def test_arrays_and_the_value_are_read(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.npz").write_bytes(content())
    arrays, state = read_arrays(tmp_path / "a.npz", "state.json")
    assert state == {"step": 3}
    assert list(arrays) == ["weights"]
    np.testing.assert_array_equal(arrays["weights"], WEIGHTS)


def test_any_bit_that_is_another_gives_the_same_or_an_error(tmp_path: pathlib.Path) -> None:
    """In the ZIP's headers, it can be a compression, an encryption or a version that zipfile has not."""
    path, whole, refused = tmp_path / "a.npz", content(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        try:
            arrays, state = read_arrays(path, "state.json")
        except (OSError, ValueError):
            refused += 1
        else:
            assert state == {"step": 3}
            assert all(np.array_equal(each, WEIGHTS) for each in arrays.values())
    assert refused > 0.5 * len(whole)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"PK",
        content()[:-1],
        content("[" * 100_000),
        content("half {"),
        json.dumps({"weights": 1}).encode(),
        content(**{"state.json": np.array([print], object)}),
    ],
    ids=["empty", "short", "cut", "deep", "no JSON", "JSON", "pickle"],
)
def test_what_is_damaged_or_another_file_is_a_value_error(damaged: bytes, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"\w"):
        read_arrays(tmp_path / "a.npz", "state.json")


def test_a_single_array_or_no_value_is_a_value_error(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", WEIGHTS)
    for path, name in ((tmp_path / "a.npy", "state.json"), (tmp_path / "b.npz", "other.json")):
        (tmp_path / "b.npz").write_bytes(content())
        with pytest.raises(ValueError, match=r"\w"):
            read_arrays(path, name)
