"""Tests of the comparison of notes within family and pitch, and of held-out notes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from direction_cases import make_table

from nsynth_vae.directions import dataset


def test_the_standard_deviation_is_within_a_family_at_a_pitch():
    table = make_table({"flute": 60, "organ": 60, "reed": 60}, range(40, 80))
    generator = np.random.default_rng(0)
    # Between families there is much, over the pitches too; reeds have clicks.
    scale = np.array([0.5, 0.4, 9.0])[np.searchsorted(np.unique(table.instrument_family), table.instrument_family)]
    values = 10.0 * table.instrument_family + 0.01 * table.pitch + scale * generator.normal(size=len(table))
    assert dataset.local_standard_deviation(values, table) == pytest.approx(0.5, rel=0.03)
    values[::7] = np.nan
    assert dataset.local_standard_deviation(values, table) == pytest.approx(0.5, rel=0.03)
    # Of two notes, half their difference squared, twice: n - 1 is divided by.
    eight = make_table({"flute": 8}, range(60, 61))
    assert dataset.local_standard_deviation(np.arange(8.0), eight) == pytest.approx(np.arange(8.0).std(ddof=1))
    assert np.isnan(dataset.local_standard_deviation(np.arange(7.0), eight.take(np.arange(7))))


def test_quarters_are_of_a_family_within_three_semitones():
    table = make_table({"flute": 8}, range(60, 61))
    top, bottom = dataset.quarters(np.array([3.0, 1, 8, 2, 7, 4, 6, 5]), table)
    assert np.flatnonzero(top).tolist() == [2, 4]
    assert np.flatnonzero(bottom).tolist() == [1, 3]
    top, bottom = dataset.quarters(np.array([0.0, 0, 0, 0, 0, 0, 0, 1]), table)
    assert np.flatnonzero(top).tolist() == [7]
    assert not bottom.any()
    # What a high note has more of than low ones makes it no high one among its own; families do not mix.
    table = make_table({"flute": 4, "organ": 4}, range(40, 80))
    number = np.array([int(name[-3:]) for name in table.instrument_str])
    values = 100.0 * table.instrument_family + 0.001 * table.pitch + number
    top, bottom = dataset.quarters(values, table)
    assert set(number[top]) == {3}
    assert set(number[bottom]) == {0}
    assert top.sum() == bottom.sum() == np.sum(number == 3)
    # Seven notes within reach are too few, at the ends of a family that has one instrument.
    top, bottom = dataset.quarters(np.arange(7.0), make_table({"flute": 1}, range(60, 67)))
    assert not top.any()
    assert not bottom.any()


def test_spread_takes_from_every_family_in_turn():
    table = make_table({"flute": 10, "organ": 1, "reed": 2}, range(60, 64))
    rows = dataset.spread(table, 15)
    assert len(set(rows)) == 15
    counts = np.unique(table.instrument_family[rows], return_counts=True)[1]
    assert counts.tolist() == [6, 4, 5] or counts.tolist() == [5, 4, 6]
    assert sorted(dataset.spread(table, 1000)) == list(range(len(table)))
    shuffled = np.random.default_rng(0).permutation(len(table))
    other = table.take(shuffled)
    assert set(other.note_str[dataset.spread(other, 15)]) == set(table.note_str[rows])


def test_held_out_notes_are_of_other_instruments():
    table = make_table({"flute": 5, "organ": 5}, range(60, 70))
    rows, held_out = dataset.hold_out(table, np.arange(100), np.array([], np.int64))
    assert set(table.instrument_str[rows]).isdisjoint(table.instrument_str[held_out])
    assert len(rows) == 80
    assert len(held_out) == 20
    # Instruments that share recordings stay together.
    joined = dataclasses.replace(table, sample_group=np.repeat(np.array(["a", "b"], dtype=object), 50))
    rows, held_out = dataset.hold_out(joined, np.arange(100), np.array([], np.int64))
    assert len(set(joined.sample_group[rows])) == len(set(joined.sample_group[held_out])) == 1
    # One instrument: other notes of it. One note: itself, there is no other.
    rows, held_out = dataset.hold_out(table, np.arange(10), np.array([], np.int64))
    assert len(rows) == 8
    assert len(held_out) == 2
    assert not set(rows) & set(held_out)
    rows, held_out = dataset.hold_out(table, np.arange(1), np.array([], np.int64))
    assert rows.tolist() == held_out.tolist() == [0]
