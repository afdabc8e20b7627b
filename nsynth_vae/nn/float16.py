"""Rounding of values and weights to float16."""

from __future__ import annotations

import keras
import numpy as np


def round_to_half(values: np.ndarray) -> np.ndarray:
    """Return values rounded to float16 (11 bits), as float32."""
    return np.asarray(values).astype(np.float16).astype(np.float32)


def round_weights(model: keras.Model) -> None:
    """Round all weights of a model to float16, so that a file with float16 weights computes what the model does.

    The rounding, half a thousandth, is small compared with a model's errors. But phases add up over a note: an error of
    the log-mel in the fourth digit moves the pitch by thousandths of a cent, and a high partial, four seconds later, by
    a tenth of a radian.
    """
    for weight in model.weights:
        weight.assign(round_to_half(weight))
