"""Strings in little memory, read as an object array of strings is."""

import numpy as np

from nsynth_vae.data.packed_strings import PackedStrings

NAMES = ["guitar_acoustic_010-055-025", "Käse", "", "a\udce4b"]


def test_they_are_read_as_an_object_array():
    packed, array = PackedStrings.pack(NAMES), np.array(NAMES, object)
    assert len(packed) == 4
    assert list(packed) == NAMES
    assert [packed[number] for number in range(4)] == NAMES
    assert type(packed[np.int64(1)]) is str
    for key in (slice(1, 3), np.array([3, 0, 0]), array != "", slice(0, 0)):
        assert list(packed[key]) == list(array[key])
        assert isinstance(packed[key], PackedStrings)
    joined = np.concatenate([packed, packed[:1]])
    assert joined.dtype == object
    assert list(joined) == [*NAMES, NAMES[0]]
    assert set(packed) == set(NAMES)


def test_a_name_of_nsynth_takes_its_own_bytes():
    packed = PackedStrings.pack([NAMES[0]] * 1000)
    assert packed.values.nbytes == 27 * 1000
