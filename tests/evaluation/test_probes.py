"""The probes: what is there is read, what is not is not, and a common class is no advantage."""

import numpy as np
import pytest

from nsynth_vae.evaluation import probes

RNG = np.random.default_rng(1)
PITCH = RNG.integers(40, 50, 600)
FAMILY = RNG.integers(0, 4, 600)
TRAIN, TEST = slice(0, 400), slice(400, 600)


def code(labels: np.ndarray, noise: float = 0.1) -> np.ndarray:
    """Returns inputs that the labels can be read from: a point of its own for each, and noise."""
    points = np.random.default_rng(2).standard_normal([128, 16])
    return points[labels] + noise * np.random.default_rng(3).standard_normal([len(labels), 16])


def read_pitch(inputs: np.ndarray, pitch: np.ndarray = PITCH) -> dict[str, float]:
    return probes.pitch_accuracy(inputs[TRAIN], inputs[TEST], pitch[TRAIN], pitch[TEST])


def read_family(inputs: np.ndarray, family: np.ndarray = FAMILY) -> dict[str, float]:
    return probes.family_accuracy(inputs[TRAIN], inputs[TEST], family[TRAIN], family[TEST])


def test_pitch_that_is_there_is_read():
    assert read_pitch(code(PITCH)) == {"linear": 1.0, "mlp": 1.0, "chance": 0.1, "pitches": 10}


def test_shuffled_pitches_give_chance():
    found = read_pitch(code(PITCH), RNG.permutation(PITCH))
    # 200 notes of chance 0.1: a standard deviation of 0.02.
    assert found["linear"] == pytest.approx(0.1, abs=0.07)
    assert found["mlp"] == pytest.approx(0.1, abs=0.07)


def test_pitch_accuracy_is_the_mean_of_draws(monkeypatch):
    inputs, found = code(PITCH, noise=1.5), []
    for draws, seed in ((1, 3), (1, 4), (2, 3)):
        monkeypatch.setattr(probes, "PITCH_DRAWS", draws)
        found.append(probes.pitch_accuracy(inputs[TRAIN], inputs[TEST], PITCH[TRAIN], PITCH[TEST], seed=seed))
    for name in ("linear", "mlp"):
        first, second, both = (each[name] for each in found)
        assert 0.1 < first != second < 1.0
        assert both == pytest.approx((first + second) / 2)


def test_a_common_pitch_is_no_advantage():
    """Nine notes of ten have one pitch: without balance, a constant prediction would be right nine times of ten."""
    pitch = np.where(RNG.random(600) < 0.9, 40, PITCH)
    found = read_pitch(RNG.standard_normal([600, 4]), pitch)
    assert max(found["linear"], found["mlp"]) < 0.3


def test_pitches_of_one_split_alone_do_not_count():
    pitch = PITCH.copy()
    pitch[TRAIN] = np.where(pitch[TRAIN] == 49, 30, pitch[TRAIN])
    assert read_pitch(code(pitch), pitch)["pitches"] == 9


def test_family_that_is_there_is_read():
    found = read_family(code(FAMILY))
    assert found["nearest"] == found["mlp"] == 1.0
    assert 0.2 < found["chance"] < 0.32


def test_shuffled_families_give_chance():
    found = read_family(code(FAMILY), RNG.permutation(FAMILY))
    assert found["nearest"] == pytest.approx(0.25, abs=0.1)
    assert found["mlp"] == pytest.approx(0.25, abs=0.1)


def test_the_scale_of_an_input_does_not_matter():
    """Inputs are standardised: a latent dimension weighs no more for its variance."""
    inputs = code(FAMILY, noise=0.5)
    scaled = inputs * np.logspace(-2, 2, 16)
    assert read_family(inputs)["nearest"] == read_family(scaled)["nearest"]


def test_ridge_regression_reads_a_linear_pitch_and_no_shuffled_one():
    inputs = np.stack([PITCH, RNG.standard_normal(600)], axis=1).astype(float)
    assert probes.pitch_r2(inputs[TRAIN], inputs[TEST], PITCH[TRAIN], PITCH[TEST]) == pytest.approx(1.0, abs=1e-4)
    shuffled = RNG.permutation(PITCH)
    assert probes.pitch_r2(inputs[TRAIN], inputs[TEST], shuffled[TRAIN], shuffled[TEST]) < 0.05


def test_too_little_in_common_is_an_error():
    with pytest.raises(ValueError, match="found 1 in both splits, expected at least 2"):
        read_pitch(code(PITCH), np.full(600, 60))
    with pytest.raises(ValueError, match="found 4 and 2 notes, expected at least 5 and 1"):
        probes.family_accuracy(np.zeros([4, 2]), np.zeros([2, 2]), np.zeros(4), np.zeros(2))
