"""Probes of the latent space: classifiers of pitch and family, trained on some notes and tested on others.

A probe is meaningful only compared with the same probe of other inputs: of pitch, from the one-hot true family (what
the instrument alone reveals) and from time-averaged log-mels; of the family, from the latter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

NOTES_A_PITCH = 20
"""Training notes of each pitch, drawn with replacement, so that common pitches are no better a guess."""

PITCH_DRAWS = 8
"""Draws of these notes whose accuracies are averaged: those of single draws scatter by a point."""

NEIGHBOURS = 5
"""Neighbours that vote for the family."""


def pitch_accuracy(
    train: np.ndarray, test: np.ndarray, train_pitch: np.ndarray, test_pitch: np.ndarray, *, seed: int = 0
) -> dict[str, float]:
    """Return the accuracy of a linear and an MLP probe of pitch, class-balanced over the pitches in both splits.

    Each pitch has `NOTES_A_PITCH` training notes, and accuracy is averaged over the pitches and over `PITCH_DRAWS`.

    Args:
        train: float `[notes, n]`.
        test: float `[other notes, n]`.
        train_pitch: int `[notes]`.
        test_pitch: int `[other notes]`.
        seed: of the first draw of the notes, and of its MLP; the others have the next ones.

    Returns:
        {`linear`, `mlp`, `chance`: accuracy; `pitches`: the number of them in both splits}.

    Raises:
        ValueError: if the splits have fewer than two pitches in common.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    both = np.intersect1d(train_pitch, test_pitch)
    if both.size < 2:
        raise ValueError(f"pitches: found {both.size} in both splits, expected at least 2")
    by_pitch = [np.flatnonzero(train_pitch == pitch) for pitch in both]
    tested = np.isin(test_pitch, both)

    def accuracy(model: ClassifierMixin, drawn: np.ndarray) -> float:
        right = _predict(model, train[drawn], train_pitch[drawn], test[tested]) == test_pitch[tested]
        return float(np.mean([right[test_pitch[tested] == pitch].mean() for pitch in both]))

    found = []
    for draw in range(PITCH_DRAWS):
        generator = np.random.default_rng(seed + draw)
        drawn = np.concatenate([generator.choice(rows, NOTES_A_PITCH) for rows in by_pitch])
        models = LogisticRegression(max_iter=500, C=0.3), MLPClassifier((128,), max_iter=100, random_state=seed + draw)
        found.append([accuracy(model, drawn) for model in models])
    linear, mlp = np.mean(found, axis=0).tolist()
    return {"linear": linear, "mlp": mlp, "chance": 1.0 / both.size, "pitches": int(both.size)}


def family_accuracy(
    train: np.ndarray, test: np.ndarray, train_family: np.ndarray, test_family: np.ndarray, *, seed: int = 0
) -> dict[str, float]:
    """Return the accuracy of the family by a vote of the nearest training notes, and by an MLP.

    Args:
        train: float `[notes, n]`.
        test: float `[other notes, n]`.
        train_family: int `[notes]`, known families only.
        test_family: int `[other notes]`, likewise.
        seed: initialises the MLP.

    Returns:
        {`nearest`: by the `NEIGHBOURS` nearest training notes, `mlp`: by an MLP, `chance`: by always naming the
        training notes' most common family}.

    Raises:
        ValueError: if there are fewer training notes than neighbours, or no test note.
    """
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    if len(train) < NEIGHBOURS or not len(test):
        raise ValueError(f"families: found {len(train)} and {len(test)} notes, expected at least {NEIGHBOURS} and 1")

    def accuracy(model: ClassifierMixin) -> float:
        return float(np.mean(_predict(model, train, train_family, test) == test_family))

    names, counts = np.unique(train_family, return_counts=True)
    return {
        "nearest": accuracy(KNeighborsClassifier(NEIGHBOURS)),
        "mlp": accuracy(MLPClassifier((128,), max_iter=100, random_state=seed)),
        "chance": float(np.mean(test_family == names[counts.argmax()])),
    }


def pitch_r2(train: np.ndarray, test: np.ndarray, train_pitch: np.ndarray, test_pitch: np.ndarray) -> float:
    """Return R2 of the test notes' pitch by ridge regression; arguments as in `pitch_accuracy`."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    return float(model.fit(train, train_pitch).score(test, test_pitch))


def _predict(model: ClassifierMixin, train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return a classifier's labels of the test inputs; inputs are standardised by the training ones."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        # 100 iterations are the probe's definition, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(StandardScaler(), model).fit(train, labels).predict(test)
