"""Checkpoints are whole or not there, and a damaged one is passed over."""

import numpy as np
import pytest

from nsynth_vae.training.checkpoints import Checkpoint, load_newest, save


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint({"weights/0": np.full(1000, step, np.float32)}, {"step": step, "history": [{"loss": 1.5}]})


def test_round_trip_and_only_the_newest_two_are_kept(tmp_path):
    for step in (5, 10, 117):
        save(tmp_path, checkpoint(step), step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010.npz", "step-00000117.npz"]
    found = load_newest(tmp_path)
    assert found.state == {"step": 117, "history": [{"loss": 1.5}]}
    np.testing.assert_array_equal(found.arrays["weights/0"], np.full(1000, 117, np.float32))
    assert list(found.arrays) == ["weights/0"]


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_checkpoint_falls_back_to_the_one_before(tmp_path, kept):
    save(tmp_path, checkpoint(1), 1)
    path = save(tmp_path, checkpoint(2), 2)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    said = []
    assert load_newest(tmp_path, said.append).state["step"] == 1
    assert len(said) == 1
    assert "step-00000002.npz: damaged" in said[0]


def test_a_flipped_bit_falls_back_too(tmp_path):
    save(tmp_path, checkpoint(1), 1)
    path = save(tmp_path, checkpoint(2), 2)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(bytes(data))
    assert load_newest(tmp_path, lambda line: None).state["step"] == 1


def test_an_unfinished_write_is_never_seen(tmp_path):
    save(tmp_path, checkpoint(1), 1)
    (tmp_path / ".tmp-999999999-step-00000002.npz").write_bytes(b"half")
    assert load_newest(tmp_path).state["step"] == 1


def test_no_checkpoint_is_none(tmp_path):
    assert load_newest(tmp_path / "none") is None


def test_nothing_pickled_is_loaded(tmp_path):
    np.savez(tmp_path / "step-00000003.npz", bad=np.array([print], dtype=object))
    said = []
    assert load_newest(tmp_path, said.append) is None
    assert "damaged" in said[0]
