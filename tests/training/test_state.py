"""A run's progress: sums of an epoch, the best validation loss, and the form it has in checkpoints."""

import json

import pytest

from nsynth_vae.training.state import TrainerState

WRITTEN_BY_0_1 = """{
    "step": 6, "seed": 0, "best_valid_loss": 3.5, "best_step": 4, "epochs_since_best": 1, "seconds": 2.25,
    "stopped": "6 steps done", "converged": false, "epoch_sums": null, "last_losses": {"loss": 3.0},
    "history": [{"step": 4, "seconds": 1.5, "train": {"loss": 4.0}, "valid": {"loss": 3.5}}]
}"""


def test_the_state_in_a_checkpoint_of_version_0_1_is_read_and_written_again():
    values = json.loads(WRITTEN_BY_0_1)
    state = TrainerState.from_dict(values)
    assert (state.step, state.best_step, state.stopped, state.seconds) == (6, 4, "6 steps done", 2.25)
    assert json.loads(json.dumps(state.to_dict())) == values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "not a state: .*epochs"),
        ({"step": "6"}, "step is '6'"),
        ({"step": None}, "step is None"),
        ({"best_valid_loss": []}, r"best_valid_loss is \[\]"),
        ({"seconds": "long"}, "seconds is 'long'"),
        ({"converged": 0}, "converged is 0"),
        ({"history": {}}, r"history is \{\}"),
        ({"last_losses": None}, "last_losses is None"),
    ],
)
def test_what_is_no_state_is_a_value_error(change, message):
    with pytest.raises(ValueError, match=message):
        TrainerState.from_dict(json.loads(WRITTEN_BY_0_1) | change)
    without_seed = {name: value for name, value in json.loads(WRITTEN_BY_0_1).items() if name != "seed"}
    for values in (None, [], without_seed):
        with pytest.raises(ValueError, match="not a state: "):
            TrainerState.from_dict(values)
    assert TrainerState.from_dict(json.loads(WRITTEN_BY_0_1) | {"seconds": 2, "best_valid_loss": 3}).seconds == 2


def test_an_epoch_has_the_means_of_its_steps():
    state = TrainerState(seed=1)
    for loss in (1.0, 2.0, 6.0):
        state.add_step({"loss": loss, "kl_loss": 2 * loss})
    assert state.epoch_sums == {"loss": 9.0, "kl_loss": 18.0, "steps": 3}
    assert state.last_losses == {"loss": 6.0, "kl_loss": 12.0}
    record = state.end_epoch({"loss": 5.0})
    assert record == {"step": 3, "seconds": 0.0, "train": {"loss": 3.0, "kl_loss": 6.0}, "valid": {"loss": 5.0}}
    assert state.epoch_sums is None
    assert state.history == [record]


def test_the_best_epoch_is_that_of_the_lowest_validation_loss():
    state = TrainerState(seed=1)
    seen = []
    for loss in (5.0, 3.0, 3.0, 4.0, 2.0):
        state.add_step({"loss": 1.0})
        state.end_epoch({"loss": loss})
        seen.append((state.best_valid_loss, state.best_step, state.epochs_since_best))
    assert seen == [(5.0, 1, 0), (3.0, 2, 0), (3.0, 2, 1), (3.0, 2, 2), (2.0, 5, 0)]
