"""Adam of a limited norm: what its first moments say of the gradients it has taken."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsynth_vae.nn.clipped_adam import ClippedAdam

GRADIENTS = [np.float32([3.0, 0.0]), np.float32([[4.0]])]  # Of norm 5.


def taken(optimizer: keras.optimizers.Optimizer, gradients: list[np.ndarray]) -> list[np.ndarray]:
    """Return the gradients that an optimizer takes in its first step: m = (1 - beta_1) g."""
    variables = [keras.Variable(np.zeros_like(gradient)) for gradient in gradients]
    optimizer.build(variables)
    optimizer.apply([tf.constant(gradient) for gradient in gradients], variables)
    adam = getattr(optimizer, "inner_optimizer", optimizer)
    return [np.array(moment) / (1.0 - adam.beta_1) for moment in adam._momentums]


@pytest.mark.parametrize(("norm", "factor"), [(1.0, 0.2), (2.5, 0.5), (7.0, 1.0), (None, 1.0)])
def test_global_norm_is_limited(norm: float | None, factor: float) -> None:
    for found, gradient in zip(taken(ClippedAdam(0.1, global_clipnorm=norm), GRADIENTS), GRADIENTS, strict=True):
        np.testing.assert_allclose(found, factor * gradient, rtol=1e-6)


def test_what_is_limited_is_not_scaled_for_float16() -> None:
    optimizer = keras.optimizers.LossScaleOptimizer(ClippedAdam(0.1, global_clipnorm=2.5), initial_scale=2.0**15)
    scaled = [gradient * np.float32(2.0**15) for gradient in GRADIENTS]
    for found, gradient in zip(taken(optimizer, scaled), GRADIENTS, strict=True):
        np.testing.assert_allclose(found, 0.5 * gradient, rtol=1e-6)
