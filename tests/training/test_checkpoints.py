"""Checkpoints are whole or not there, and a damaged one is passed over."""

import numpy as np
import pytest

from nsynth_vae.errors import InputError
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
    save(tmp_path, checkpoint(1), 1)
    np.savez(tmp_path / "step-00000003.npz", bad=np.array([print], dtype=object))
    said = []
    assert load_newest(tmp_path, said.append).state["step"] == 1
    assert "damaged" in said[0]


def test_all_checkpoints_damaged_are_an_error_and_not_a_new_start(tmp_path):
    for step in (1, 2):
        save(tmp_path, checkpoint(step), step).write_bytes(b"half")
    said = []
    with pytest.raises(InputError, match=r": all checkpoints are damaged, expected another --name, or --no-resume"):
        load_newest(tmp_path, said.append)
    assert len(said) == 2


def test_what_the_run_refuses_falls_back_too(tmp_path):
    for step in (1, 2):
        save(tmp_path, checkpoint(step), step)

    def check(found):
        if found.state["step"] == 2:
            raise ValueError("of another model")

    said = []
    assert load_newest(tmp_path, said.append, check).state["step"] == 1
    assert "step-00000002.npz: damaged (of another model), going back" in said[0]


def test_a_damaged_checkpoint_of_a_later_step_costs_none_of_those_after_it(tmp_path):
    for step in (10, 20):
        path = save(tmp_path, checkpoint(step), step)
    path.write_bytes(b"half")
    for step in (12, 14):
        save(tmp_path, checkpoint(step), step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000012.npz", "step-00000014.npz"]


@pytest.mark.parametrize(
    "value",
    [None, b"bytes", np.zeros([2, 3], np.float32), np.array(["a", "b", "c"])],
    ids=["none", "bytes", "2", "text"],
)
def test_arrays_of_another_model_are_refused(value):
    found = Checkpoint({"weights/0": np.zeros([2, 2]), "weights/1": np.zeros([3])}, {})
    found.check_part("weights", [(2, 2), (3,)])
    found.check_part("weights", [(2, 2)])
    found.arrays["weights/1"] = value
    with pytest.raises(ValueError, match="weights/1 is not that of this model"):
        found.check_part("weights", [(2, 2), (3,)])
