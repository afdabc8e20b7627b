"""Velocity pairs on models whose touch is known."""

import numpy as np
import pytest
import synthetic

from nsynth_vae.data.source import NoteTable
from nsynth_vae.evaluation import velocity_pairs
from nsynth_vae.notes import parse_note_str

NOTES = ["flute_acoustic_002-060-025", "flute_acoustic_002-060-100", "flute_acoustic_002-061-100",
         "reed_acoustic_003-060-025"]  # fmt: skip
TABLE = NoteTable.from_notes([parse_note_str(name) for name in NOTES], [2] * len(NOTES))


def play(row: int, velocity: int) -> np.ndarray:
    """Return a note that is louder and brighter the harder it is struck."""
    high = velocity / 127
    return synthetic.tone(int(TABLE.pitch[row]), (1.0, 0.1 + high, high), decay=3.0, level=0.5 * high)


def real(rows: np.ndarray) -> np.ndarray:
    return np.stack([play(row, int(TABLE.velocity[row])) for row in rows])


def test_pairs_are_of_one_instrument_and_pitch_in_both_orders():
    assert velocity_pairs.velocity_pairs(TABLE).tolist() == [[0, 1], [1, 0]]
    assert velocity_pairs.velocity_pairs(TABLE.take(np.array([0, 2, 3]))).shape == (0, 2)


def test_a_model_that_knows_the_touch_gains_all_of_it():
    def decode(rows, pitch, velocity):
        return np.stack([play(row, int(each)) for row, each in zip(rows, velocity, strict=True)])

    found = velocity_pairs.measure_pairs(TABLE, real, decode)
    assert (found["pairs"], found["distinct_pairs"]) == (2, 2)
    assert found["target_nats"] == pytest.approx(0.0, abs=1e-6)
    assert found["gain_nats"] == pytest.approx(found["own_nats"])
    assert found["own_nats"] > velocity_pairs.LEAST_NATS
    assert found["brightness"] == 1.0


def test_a_model_without_touch_gains_nothing_and_the_wrong_way_is_wrong():
    def deaf(rows, pitch, velocity):
        return real(rows)

    found = velocity_pairs.measure_pairs(TABLE, real, deaf)
    assert found["gain_nats"] == 0.0
    assert found["brightness"] == 0.0

    def reversed_touch(rows, pitch, velocity):
        return np.stack([play(row, 125 - int(each)) for row, each in zip(rows, velocity, strict=True)])

    found = velocity_pairs.measure_pairs(TABLE, real, reversed_touch)
    assert found["gain_nats"] < 0.0
    assert found["brightness"] == 0.0


def test_pairs_that_sound_alike_do_not_count():
    found = velocity_pairs.measure_pairs(TABLE, lambda rows: np.stack([play(0, 100)] * len(rows)), None)
    assert found == {"pairs": 2, "distinct_pairs": 0}
