"""Accuracies of telling two sets of sounds apart: chance for equal sets, certainty for distant ones."""

import math

import numpy as np
import pytest

from nsynth_vae.evaluation import told_apart


def draw(seed: int, shift: float = 0.0, notes: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal([notes, 5]) + shift


def test_sets_of_one_distribution_cannot_be_told_apart():
    assert told_apart.by_numbers(draw(0), draw(1)).mean() == pytest.approx(0.5, abs=0.06)


def test_distant_sets_are_told_apart():
    assert told_apart.by_numbers(draw(0), draw(1, shift=10.0)).mean() == 1.0


@pytest.mark.parametrize("shift", [0.5, 1.0])
def test_two_gaussians_are_told_as_well_as_they_can_be(shift):
    """Means that are d apart are told apart by the nearer one: Phi(d / 2), with d = shift sqrt(5)."""
    best = 0.5 * (1 + math.erf(shift * math.sqrt(5) / 2 / math.sqrt(2)))
    assert told_apart.by_numbers(draw(0, notes=2000), draw(1, shift, 2000)).mean() == pytest.approx(best, abs=0.02)


def test_sets_that_differ_in_spread_alone_are_told_apart():
    # The best guess of N(0, 1) or N(0, 3^2) in five dimensions: the radius, right in 93 %.
    assert told_apart.by_numbers(draw(0, notes=1000), 3 * draw(1, notes=1000)).mean() > 0.9


def test_a_note_is_not_judged_by_its_other_half():
    """Numbers that only say which note it is tell nothing: a copy must not be told from its original."""
    notes = np.eye(40)
    assert told_apart.by_numbers(notes, notes).mean() == 0.5


def test_the_same_seed_gives_the_same_folds():
    real, made = draw(0), draw(1, 0.5)
    first, again, other = (told_apart.by_numbers(real, made, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_network_tells_noise_from_tones_and_not_noise_from_noise():
    times = np.arange(64000) / 16000
    generator = np.random.default_rng(0)

    def noise(notes: int) -> np.ndarray:
        return 0.1 * generator.standard_normal([notes, 64000])

    def tones(notes: int) -> np.ndarray:
        return 0.1 * np.sin(2 * np.pi * generator.uniform(100, 2000, [notes, 1]) * times)

    inputs = told_apart.network_inputs
    shown = inputs(noise(16))
    # 0.3 to 2.8 s in frames 16 ms apart.
    assert shown.shape == (16, 156, 128)
    network = told_apart.train_network(shown, inputs(tones(16)))
    assert network.count_params() < 100_000
    told = told_apart.by_network(network, inputs(noise(8)), inputs(tones(8)))
    assert told.mean() >= 0.9
    assert told_apart.by_network(network, inputs(noise(8)), inputs(noise(8))).mean() == pytest.approx(0.5, abs=0.1)
