"""Accuracy with which a classifier tells real notes from a system's: 0.5 is the aim, 1 is certainty.

Once from the five numbers of motion, by logistic regression; once from the log-mel, by a small convolutional network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis.spectra import log_mel
from nsynth_vae.config import AudioConfig

if TYPE_CHECKING:
    import keras

FOLDS = 5

NETWORK_SECONDS = (0.3, 2.8)
"""What the network is given of a note."""

EPOCHS = 12

CHANNELS = (16, 32, 64, 64)
"""Of the network's convolutions, 3 x 3 with stride 2 each: 65,000 parameters."""


def by_numbers(real: np.ndarray, made: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return which of the notes a logistic regression on some numbers of each tells apart, cross-validated.

    It is given their squares and products too: two sets can have one mean and differ in spread. Without these it tells
    the synthesizer's notes from real ones in 84 % instead of 92 %.

    Both versions of a note are in the same of `FOLDS` folds, so that none is judged by its own other half.

    Args:
        real: float `[notes, numbers]`, finite; at least `FOLDS` notes.
        made: those of the same notes as a system plays them.
        seed: divides the notes into folds.

    Returns:
        float `[notes]`: 1 where both versions are recognised, 0.5 where one is, 0 where none is; the mean is accuracy.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    told = np.empty(len(real))
    for fold in np.array_split(np.random.default_rng([seed, 4]).permutation(len(real)), FOLDS):
        rest = np.setdiff1d(np.arange(len(real)), fold)
        labels = np.repeat([0, 1], len(rest))
        terms = (StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler())
        model = make_pipeline(*terms, LogisticRegression(max_iter=5000))
        model.fit(np.concatenate([real[rest], made[rest]]), labels)
        told[fold] = 0.5 * ((model.predict(real[fold]) == 0) + 1.0 * (model.predict(made[fold]) == 1))
    return told


def network_inputs(audio: np.ndarray) -> np.ndarray:
    """Return what the network is given of notes `[notes, samples]`: log-mels, float32 `[notes, frames, mel_bins]`."""
    config = AudioConfig()
    first, last = (round(seconds * config.sample_rate / config.frame_step) for seconds in NETWORK_SECONDS)
    return log_mel(audio, config)[:, first:last]


def train_network(real: np.ndarray, made: np.ndarray, *, seed: int = 0) -> keras.Model:
    """Train a small convolutional network to tell real log-mels from a system's.

    Args:
        real: float32 `[notes, frames, mel_bins]` of `network_inputs`.
        made: those of the same notes as a system plays them.
        seed: of the weights and of the batches.

    Returns:
        The network: log-mels to logits `[notes, 1]`, above 0 for the system's.
    """
    import keras

    keras.utils.set_random_seed(seed)
    layers: list[keras.layers.Layer] = [keras.layers.Input([*real.shape[1:], 1])]
    for channels in CHANNELS:
        layers += [
            keras.layers.Conv2D(channels, 3, 2, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    network = keras.Sequential(layers)
    inputs = np.concatenate([real, made])[..., None]
    labels = np.repeat(np.array([0.0, 1.0], np.float32), len(real))
    batch = 32
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * -(-len(inputs) // batch))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss)
    network.fit(inputs, labels, batch_size=batch, epochs=EPOCHS, verbose=0)
    return network


def by_network(network: keras.Model, real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return which notes the network tells apart, `[notes]` as in `by_numbers`; arguments as in `train_network`."""
    logits = [network.predict(part[..., None], batch_size=64, verbose=0)[:, 0] for part in (real, made)]
    return 0.5 * ((logits[0] < 0) + 1.0 * (logits[1] > 0))
