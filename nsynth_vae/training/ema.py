"""Exponential moving average (EMA) of a model's weights."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


class WeightEma:
    """The exponential moving average of some variables, which starts at their values.

    Made in the scope of the strategy that holds the variables.
    """

    def __init__(self, variables: Sequence[tf.Variable], decay: float) -> None:
        """Take the variables, and the decay per step, 0 to 1."""
        self.averages = [tf.Variable(tf.convert_to_tensor(variable)) for variable in variables]
        self._variables, self._decay = variables, decay
        self._update = tf.function(self._update_averages, autograph=False)

    def update(self, steps: int) -> None:
        """Add the variables' values; `steps` were added before.

        The decay is shorter at the start, where the weights still move far.
        """
        self._update(tf.constant(min(self._decay, (1 + steps) / (10 + steps)), tf.float32))

    def _update_averages(self, decay: tf.Tensor) -> None:
        for average, variable in zip(self.averages, self._variables, strict=True):
            average.assign(decay * average + (1.0 - decay) * tf.convert_to_tensor(variable))
