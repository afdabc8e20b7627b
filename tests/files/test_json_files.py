"""JSON that is read: values as they are, and ValueError for all that is none."""

from __future__ import annotations

import pathlib

import pytest

from nsynth_vae.files import parse_json, read_json

pytestmark = pytest.mark.player


def test_a_file_is_read_with_and_without_a_byte_order_mark(tmp_path: pathlib.Path) -> None:
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "a.json").write_bytes(start + b'{"a": [1, 2.5]}\r\n')
        assert read_json(tmp_path / "a.json") == {"a": [1, 2.5]}
    assert parse_json(b"[1.5]", parse_float=str) == ["1.5"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000],
    ids=["empty", "half", "no UTF-8", "lists", "objects", "number"],
)
def test_what_is_no_json_is_a_value_error(content: bytes, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"\w"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(content)
