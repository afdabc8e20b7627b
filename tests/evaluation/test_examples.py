"""Choice of the examples of a report."""

import numpy as np

from nsynth_vae.evaluation import examples


def test_best_median_and_worst():
    values = np.random.default_rng(0).permutation(101)
    chosen = examples.choose(values)
    assert list(values[chosen["best"]]) == list(range(10))
    assert list(values[chosen["median"]]) == list(range(45, 55))
    assert list(values[chosen["worst"]]) == list(range(100, 90, -1))
    few = examples.choose([3.0, 1.0, 2.0, 0.0])
    assert {kind: list(places) for kind, places in few.items()} == {"best": [3], "median": [1], "worst": [0]}
