"""Exponential moving average of weights: a short memory at first, then the given decay."""

import pytest
import tensorflow as tf

from nsynth_vae.training.ema import WeightEma


def test_the_decay_grows_to_its_value():
    variable = tf.Variable([1.0, 2.0])
    ema = WeightEma([variable], 0.5)
    expected = 1.0
    for steps in range(20):
        variable.assign([float(steps), 2.0])
        ema.update(steps)
        decay = min(0.5, (1 + steps) / (10 + steps))
        expected = decay * expected + (1 - decay) * steps
        [average] = ema.averages
        assert average.numpy() == pytest.approx([expected, 2.0], rel=1e-6)
    assert variable.numpy().tolist() == [19.0, 2.0]
