"""Plans of an epoch: every note once, and mixup with others of its pitch."""

import collections

import numpy as np
import pytest

from nsynth_vae.data.batching.epoch_plan import Mixup, mix, plan_epoch, plan_mixup


def test_plan_is_a_pure_function_of_seed_and_epoch():
    first = plan_epoch(36, 8, (3, 7))
    np.testing.assert_array_equal(first, plan_epoch(36, 8, (3, 7)))
    assert not np.array_equal(first, plan_epoch(36, 8, (3, 8)))
    assert not np.array_equal(first, plan_epoch(36, 8, (4, 7)))


def test_plan_has_every_note_at_most_once():
    notes = plan_epoch(41, 8, (0, 0))
    assert notes.shape == (5, 8)
    assert len(set(notes.ravel())) == 40
    assert set(notes.ravel()) < set(range(41))


def test_plan_repeats_notes_only_if_they_are_fewer_than_a_batch():
    notes = plan_epoch(3, 8, (0, 0))
    assert notes.shape == (1, 8)
    assert sorted(collections.Counter(notes.ravel()).values()) == [2, 3, 3]


INSTRUMENTS = np.array(["a"] * 6 + ["b"] * 6 + ["c"] * 3 + ["d"], object)
PITCH = np.array([60, 62, 64] * 5 + [99])


def plan(probability: float, order: tuple[int, int] = (0, 0)) -> tuple[np.ndarray, Mixup]:
    notes = plan_epoch(len(INSTRUMENTS), 4, order)
    return notes, plan_mixup(INSTRUMENTS, PITCH, notes, probability, order)


def test_partners_are_of_other_instruments_at_the_same_pitch():
    seen: collections.Counter[int] = collections.Counter()
    for epoch in range(300):
        notes, mixup = plan(1.0, (0, epoch))
        # The only note of its pitch stays as it is, and its fraction is 0.
        alone = PITCH[notes] == 99
        assert (mixup.fraction[alone] == 0).all()
        assert (mixup.partners[alone] == notes[alone]).all()
        assert (mixup.fraction[~alone] > 0).all()
        assert (mixup.fraction < 1).all()
        np.testing.assert_array_equal(PITCH[mixup.partners], PITCH[notes])
        assert (INSTRUMENTS[mixup.partners] != INSTRUMENTS[notes])[~alone].all()
        seen.update(mixup.partners[notes == 0].tolist())
    # The first note, an "a" at 60, meets one of b's two or c's only one: instruments, not notes, are equally likely.
    assert sorted(seen) == [6, 9, 12]
    total = sum(seen.values())
    assert abs(seen[12] - total / 2) < 5 * np.sqrt(total / 4)
    assert abs(seen[6] - total / 4) < 5 * np.sqrt(total * 3 / 16)


def test_a_fraction_of_the_notes_is_mixed_by_fractions_from_0_to_1():
    fractions = np.concatenate([plan(0.25, (0, epoch))[1].fraction.ravel() for epoch in range(500)])
    some = fractions[fractions > 0]
    # Of 16 notes one is alone.
    assert len(some) / len(fractions) == pytest.approx(0.25 * 15 / 16, abs=0.02)
    assert np.mean(some) == pytest.approx(0.5, abs=0.02)
    assert np.std(some) == pytest.approx(12**-0.5, abs=0.02)
    assert not plan(0.0)[1].fraction.any()


def test_a_plan_of_mixup_is_a_pure_function_of_seed_and_epoch():
    one, same, other, another = (plan(0.5, order)[1] for order in ((3, 7), (3, 7), (3, 8), (4, 7)))
    np.testing.assert_array_equal(one.partners, same.partners)
    np.testing.assert_array_equal(one.fraction, same.fraction)
    assert not np.array_equal(one.fraction, other.fraction)
    assert not np.array_equal(one.fraction, another.fraction)


def test_mixup_is_the_geometric_mean_of_two_spectra():
    """In ln(mel); velocities lie between as well."""
    generator = np.random.default_rng(0)
    one, other = np.log(generator.random([2, 3, 5, 4], np.float32))
    velocity = np.array([25, 100, 127]), np.array([127, 100, 50])
    fraction = np.array([0.0, 0.5, 1.0], np.float32)
    log_mel, velocities = mix(one, velocity[0], other, velocity[1], fraction)
    np.testing.assert_array_equal(log_mel[0], one[0])
    np.testing.assert_allclose(np.exp(log_mel[1]), np.sqrt(np.exp(one[1]) * np.exp(other[1])), rtol=1e-6)
    np.testing.assert_allclose(log_mel[2], other[2], rtol=1e-6)
    assert velocities.tolist() == [25, 100, 50]
    assert velocities.dtype == np.int32
