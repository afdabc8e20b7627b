"""What an epoch's batches hold: every note once, partners of its instrument, blends with others of its pitch."""

import collections

import numpy as np
import pytest

from nsynth_vae.data.batching.epoch_plan import blended, plan_blends, plan_epoch


def test_plan_is_a_pure_function_of_seed_and_epoch():
    instruments = np.array(["a"] * 20 + ["b"] * 15 + ["c"], object)
    first, again = (plan_epoch(instruments, 8, 0.5, (3, 7)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], plan_epoch(instruments, 8, 0.5, (3, 8))[0])
    assert not np.array_equal(first[0], plan_epoch(instruments, 8, 0.5, (4, 7))[0])


def test_plan_has_every_note_at_most_once_and_pairs_within_the_instrument():
    instruments = np.array(["a", "b"] * 20 + ["c"], object)
    notes, targets = plan_epoch(instruments, 8, 0.5, (0, 0))
    assert notes.shape == targets.shape == (5, 8)
    assert len(set(notes.ravel())) == 40
    assert (instruments[notes] == instruments[targets]).all()
    np.testing.assert_array_equal(notes[:, 4:], targets[:, 4:])
    paired = instruments[notes[:, :4]] != "c"
    assert (notes[:, :4] != targets[:, :4])[paired].all()
    assert (notes[:, :4] == targets[:, :4])[~paired].all()


def test_partners_are_spread_evenly_over_the_instruments_other_notes():
    instruments = np.array(["a"] * 5 + ["b"] * 3, object)
    pairs = collections.Counter()
    for epoch in range(2000):
        notes, targets = plan_epoch(instruments, 8, 1.0, (0, epoch))
        pairs.update(zip(notes.ravel(), targets.ravel(), strict=True))
    of_first = np.array([pairs[0, other] for other in (1, 2, 3, 4)])
    assert of_first.sum() == 2000
    assert pairs[0, 0] == 0
    assert (abs(of_first - 500) < 5 * np.sqrt(500)).all()


def test_plan_repeats_notes_only_if_they_are_fewer_than_a_batch():
    notes, _ = plan_epoch(np.array(["a", "b", "c"], object), 8, 0.0, (0, 0))
    assert notes.shape == (1, 8)
    assert sorted(collections.Counter(notes.ravel()).values()) == [2, 3, 3]


INSTRUMENTS = np.array(["a"] * 6 + ["b"] * 6 + ["c"] * 3 + ["d"], object)
PITCH = np.array([60, 62, 64] * 5 + [99])


def plan(share, order=(0, 0), cross_note_share=0.5):
    notes, targets = plan_epoch(INSTRUMENTS, 4, cross_note_share, order)
    return notes, targets, plan_blends(INSTRUMENTS, PITCH, notes, targets, share, order)


def test_blends_are_of_other_instruments_at_the_same_pitches():
    seen = collections.Counter()
    for epoch in range(300):
        notes, targets, blends = plan(1.0, (0, epoch))
        # The only note of its pitch stays as it is, and its fraction is 0.
        alone = PITCH[notes] == 99
        assert (blends.fraction[alone] == 0).all()
        assert (blends.notes[alone] == notes[alone]).all()
        assert (blends.fraction[~alone] > 0).all()
        assert (blends.fraction < 1).all()
        np.testing.assert_array_equal(PITCH[blends.notes], PITCH[notes])
        np.testing.assert_array_equal(PITCH[blends.targets], PITCH[targets])
        assert (INSTRUMENTS[blends.notes] != INSTRUMENTS[notes])[~alone].all()
        np.testing.assert_array_equal(INSTRUMENTS[blends.notes], INSTRUMENTS[blends.targets])
        own = notes == targets
        np.testing.assert_array_equal(blends.notes[own], blends.targets[own])
        seen.update(blends.notes[notes == 0].tolist())
    # The first note, an "a" at 60, meets one of b's two or c's only one: instruments, not notes, are alike likely.
    assert sorted(seen) == [6, 9, 12]
    total = sum(seen.values())
    assert abs(seen[12] - total / 2) < 5 * np.sqrt(total / 4)
    assert abs(seen[6] - total / 4) < 5 * np.sqrt(total * 3 / 16)


def test_a_share_is_blended_by_fractions_from_0_to_1():
    fractions = np.concatenate([plan(0.25, (0, epoch))[2].fraction.ravel() for epoch in range(500)])
    some = fractions[fractions > 0]
    # Of 16 notes one is alone.
    assert len(some) / len(fractions) == pytest.approx(0.25 * 15 / 16, abs=0.02)
    assert np.mean(some) == pytest.approx(0.5, abs=0.02)
    assert np.std(some) == pytest.approx(12**-0.5, abs=0.02)
    assert not plan(0.0)[2].fraction.any()


def test_a_plan_of_blends_is_a_pure_function_of_seed_and_epoch():
    one, same, other, another = (plan(0.5, order)[2] for order in ((3, 7), (3, 7), (3, 8), (4, 7)))
    for name in ("notes", "targets", "fraction"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.fraction, other.fraction)
    assert not np.array_equal(one.fraction, another.fraction)


def test_a_blend_is_the_geometric_mean_of_two_spectra():
    """In ln(mel); velocities lie between as well."""
    generator = np.random.default_rng(0)
    one, other = np.log(generator.random([2, 3, 5, 4], np.float32))
    pitch = np.array([60, 61, 62])
    velocity = np.array([25, 100, 127]), np.array([127, 100, 50])
    fraction = np.array([0.0, 0.5, 1.0], np.float32)
    log_mel, pitches, velocities = blended((one, pitch, velocity[0]), (other, pitch, velocity[1]), fraction)
    np.testing.assert_array_equal(log_mel[0], one[0])
    np.testing.assert_allclose(np.exp(log_mel[1]), np.sqrt(np.exp(one[1]) * np.exp(other[1])), rtol=1e-6)
    np.testing.assert_allclose(log_mel[2], other[2], rtol=1e-6)
    np.testing.assert_array_equal(pitches, pitch)
    assert velocities.tolist() == [25, 100, 50]
    assert velocities.dtype == np.int32
