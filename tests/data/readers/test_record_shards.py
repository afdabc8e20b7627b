"""Sets of files of records, by their names."""

import pytest

from nsynth_vae.data.readers.record_shards import check_shards, leave_out_copies
from nsynth_vae.errors import InputError


def checked(tmp_path, *names: str, there: tuple[str, ...] = (), alone: bool = False) -> list[str]:
    """Returns what is logged of files in a folder, less its path."""
    for name in (*names, *there):
        (tmp_path / name).touch()
    lines: list[str] = []
    check_shards([str(tmp_path / name) for name in names], lines.append, alone=alone)
    return [line.replace(f"{tmp_path}/", "") for line in lines]


def problem(tmp_path, *names: str, there: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as error:
        checked(tmp_path, *names, there=there)
    return str(error.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    "names",
    [
        ("a.tfrecord", "b.tfrecord"),
        ("a.tfrecord-00000-of-00002", "a.tfrecord-00001-of-00002"),
        ("a.tfrecord-1-of-2", "a.tfrecord-2-of-2"),
        ("a-0-of-2.tfrecord.gz", "a-1-of-2.tfrecord.gz", "b-0-of-1.tfrecord.gz"),
        tuple(f"a.tfrecord-{index}-of-12" for index in range(12)),
        tuple(f"a.tfrecord-{index:02}-of-12" for index in range(12)),
    ],
)
def test_whole_sets(names, tmp_path):
    """Numbered from 0 or 1, padded or not; other sets beside them do not count."""
    assert checked(tmp_path, *names, there=("c.tfrecord-00000-of-00007",)) == []


def test_missing_shards(tmp_path):
    expected = "a.tfrecord-00001-of-00003: is not there, expected all 3 shards of a.tfrecord-00002-of-00003"
    assert problem(tmp_path, "a.tfrecord-00002-of-00003", "a.tfrecord-00000-of-00003") == expected
    expected = "b.tfrecord-10-of-12: is not there, expected all 12 shards of b.tfrecord-0-of-12"
    names = [f"b.tfrecord-{index}-of-12" for index in range(12) if index != 10]
    assert problem(tmp_path, *names) == expected
    expected = "c-0-of-3.tfrecord: is not there, expected all 3 shards of c-1-of-3.tfrecord"
    assert problem(tmp_path, "c-1-of-3.tfrecord") == expected


def test_shards_that_are_not_read(tmp_path):
    there = tuple(f"a.tfrecord-{index:05}-of-00003" for index in range(3))
    assert checked(tmp_path, there[1], there=there) == [f"{there[1]}: 1 of 3 shards, the others are not read"]
    assert checked(tmp_path, *there[:2]) == [f"{there[0]}: 2 of 3 shards, the others are not read"]
    assert checked(tmp_path, *there) == []
    alone = "b.tfrecord-00002-of-00003"
    assert checked(tmp_path, alone, alone=True) == [f"{alone}: 1 of 3 shards, the others are not read"]


def test_shards_too_many(tmp_path):
    names = [f"a.tfrecord-{index:05}-of-00003" for index in range(4)]
    expected = f"{names[3]}: is number 3 of 3 by its name, expected 3 files, numbered from 0 on"
    assert problem(tmp_path, *names) == expected
    expected = "b.tfrecord-4-of-3: is number 4 of 3 by its name, expected 3 files, numbered from 1 on"
    assert problem(tmp_path, *(f"b.tfrecord-{index}-of-3" for index in range(1, 5))) == expected


def test_two_sets_of_the_same_notes(tmp_path):
    three, one = [f"a.tfrecord-{index:05}-of-00003" for index in range(3)], "a.tfrecord-00000-of-00001"
    expected = "a.tfrecord: found {}, expected one of them: they hold the same notes"
    assert problem(tmp_path, *three, one) == expected.format("1 shards and 3 shards")
    assert problem(tmp_path, *three, "a.tfrecord") == expected.format("one file and 3 shards")


def test_copies_are_left_out():
    lines: list[str] = []
    copies = ["d/a.tfrecord.bak", "d/a.tfrecord~", "d/.a.tfrecord", "d/a.tfrecord-00000-of-00003.part"]
    kept = ["d/a.tfrecord", "d/a.bak.tfrecord", "d/a.tfrecord-00000-of-00003", "d.bak/a.tfrecord.gz"]
    assert leave_out_copies([*copies, *kept], lines.append) == kept
    assert lines == [f"{copy}: is a copy or no whole file by its name, and is not read" for copy in copies]
