"""Adam that limits the norm of the gradients of all replicas together."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("nsynth_vae")
class ClippedAdam(keras.optimizers.Adam):
    """Adam whose `global_clipnorm` limits the sum of the replicas' gradients; Keras's limits each replica's part.

    So the workers of a cluster take the step that one process takes on the same batch, and add up their gradients
    once. Gradients of a loss that is scaled for float16 come here unscaled.
    """

    def _clip_gradients(self, grads: list[tf.Tensor]) -> list[tf.Tensor]:
        return grads

    def _all_reduce_sum_gradients(self, grads_and_vars: list[tuple]) -> list[tuple]:
        pairs = super()._all_reduce_sum_gradients(grads_and_vars)
        sums = super()._clip_gradients([gradient for gradient, _ in pairs])
        return [(gradient, variable) for gradient, (_, variable) in zip(sums, pairs, strict=True)]
