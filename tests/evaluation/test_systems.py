"""Requests of systems, and families by name."""

import numpy as np

from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation import systems
from nsynth_vae.evaluation.systems import family_names
from nsynth_vae.notes import parse_note_str

NAMES = ("bass_synthetic_001", "flute_acoustic_002", "organ_electronic_003", "kazoo")
TABLE = NoteTable.from_notes(
    [
        *(parse_note_str(f"{name}-{pitch:03d}-{velocity:03d}") for name in NAMES for pitch, velocity in
          ((40, 25), (40, 127), (50, 75), (60, 100))),
        parse_note_str("reed_acoustic_005-070-050"),
    ],
    [2] * 17,
)  # fmt: skip


def test_families_by_name():
    assert list(family_names(TABLE)) == ["bass"] * 4 + ["flute"] * 4 + ["organ"] * 4 + ["other"] * 4 + ["reed"]


def test_every_note_is_requested_at_its_own_pitch():
    requests = systems.request_own(TABLE)
    np.testing.assert_array_equal(requests.note, requests.reference)
    np.testing.assert_array_equal(requests.pitch, TABLE.pitch)
    np.testing.assert_array_equal(requests.velocity, TABLE.velocity)


def test_other_pitches_are_another_notes_of_the_instrument():
    requests = systems.request_other_pitches(TABLE, seed=0)
    # The reed has one note only.
    np.testing.assert_array_equal(requests.note, np.arange(16))
    assert (TABLE.instrument_str[requests.note] == TABLE.instrument_str[requests.reference]).all()
    assert (TABLE.pitch[requests.note] != requests.pitch).all()
    np.testing.assert_array_equal(requests.pitch, TABLE.pitch[requests.reference])
    np.testing.assert_array_equal(requests.velocity, TABLE.velocity[requests.reference])
    again, other = (systems.request_other_pitches(TABLE, seed) for seed in (0, 1))
    np.testing.assert_array_equal(requests.reference, again.reference)
    assert (requests.reference != other.reference).any()


def test_paths_are_between_families_at_one_pitch():
    requests = systems.request_interpolations(TABLE, 0, 30)
    assert len(requests) == 30 * systems.STEPS
    assert requests.reference is None
    families = family_names(TABLE)
    for start in range(0, len(requests), systems.STEPS):
        path = requests.take(slice(start, start + systems.STEPS))
        np.testing.assert_array_equal(path.step, np.arange(9))
        assert len({tuple(ends) for ends in path.ends.tolist()}) == 1
        first, second = path.ends[0]
        assert families[first] != families[second]
        assert TABLE.pitch[first] == TABLE.pitch[second] == path.pitch[0] != 70
        assert set(path.velocity) == {round((TABLE.velocity[first] + TABLE.velocity[second]) / 2)}
    assert len({tuple(ends) for ends in requests.ends.tolist()}) > 10


def test_there_is_no_path_where_no_pitch_has_two_families():
    assert len(systems.request_interpolations(TABLE.take(np.arange(4)), 0, 5)) == 0
    assert len(systems.request_other_pitches(TABLE.take(np.array([16])), 0)) == 0
