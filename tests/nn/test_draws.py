"""Draws: places in a table by a hash of seed and pitch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nsynth_vae.nn.draws import draw_offsets, draw_strides

SIZE = 4096


def offsets(seed, pitch, count=8):
    return draw_offsets(tf.constant(seed, tf.int32), tf.constant(pitch, tf.int32), count, SIZE).numpy()


def test_places_are_in_the_table_for_every_seed_of_32_bits():
    seeds = [0, 1, -1, 2**31 - 1, -(2**31), 4093, 4093**2, -4093]
    found = offsets(seeds, [0, 127, 60, 60, 60, 60, 60, 60])
    assert found.min() >= 0
    assert found.max() < SIZE
    assert len({tuple(row) for row in found}) == len(seeds)


def test_places_are_spread_evenly_and_do_not_depend_on_their_neighbours():
    found = offsets(np.arange(20000), np.full(20000, 60))
    for column in found.T:
        counts = np.bincount(column * 16 // SIZE, minlength=16)
        # 1,250 each; chi-square of 15 degrees of freedom is below 50 but for one in 100,000.
        assert np.sum((counts - 1250) ** 2 / 1250) < 50
    step = np.diff(found[:, 0]) % SIZE
    assert len(np.unique(step)) > SIZE // 2


def test_pitches_and_places_are_independent_of_each_other():
    seeds = np.zeros(128, int)
    found = offsets(seeds, np.arange(128))
    assert len(np.unique(found[:, 0])) > 120
    assert abs(np.corrcoef(found[:, 0], found[:, 1])[0, 1]) < 0.3
    same_seed = offsets([5], [60])
    np.testing.assert_array_equal(same_seed, offsets([5], [60]))


def test_all_seeds_of_32_bits_are_others():
    # One place of each digit, and beyond the product of two of them.
    seeds = np.array([0, 4093**2, -(4093**2), 5 * 4093**2, 128 * 4093**2, -128 * 4093**2, 2**31 - 1, -(2**31)])
    found = offsets(seeds, np.full(len(seeds), 60), count=4)
    assert len(np.unique(found, axis=0)) == len(seeds)


@pytest.mark.parametrize("size", [64256, 4096, 251, 2**20])
def test_strides_read_all_of_a_table_in_31_bits(size):
    seeds = tf.range(2000)
    found = draw_strides(seeds, tf.zeros_like(seeds), 2, size).numpy()
    assert found.min() >= 1
    assert np.all(np.gcd(found, size) == 1)
    assert found.max().astype(np.int64) * size + size < 2**31
    # Two notes that have one stride are as rare as there are strides.
    candidates = np.arange(1, min(size, 2**31 // size - 1))
    assert len(np.unique(found[:, 0])) > min(800, 0.3 * np.sum(np.gcd(candidates, size) == 1))
