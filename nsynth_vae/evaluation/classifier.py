"""Classifier of notes by pitch, instrument family and source, and its features, which evaluations measure with.

It shares no weights with the timbre model, so that its figures, "own-classifier figures", are independent of it. They
compare systems that are measured in one run; they are not those of other papers' classifiers.
"""

from __future__ import annotations

import os

import keras
import numpy as np
import tensorflow as tf

from nsynth_vae import features, pretrained
from nsynth_vae.config import ClassificationConfig
from nsynth_vae.features import log_frequency
from nsynth_vae.nn.replicas import replica_rows
from nsynth_vae.nn.trainable_model import BatchLosses, TrainableModel
from nsynth_vae.notes import FAMILIES, SOURCES, UNKNOWN
from nsynth_vae.pretrained import CLASSIFIER

LABELS = {"pitch": 128, "instrument_family": len(FAMILIES), "instrument_source": len(SOURCES)}
"""Columns of `NoteTable` that are predicted, and the number of their classes."""

DEFINITIONS = {
    "loss": "nats a note: the sum of the cross-entropies of pitch, family and source; an unknown label has none",
    "pitch_accuracy": "fraction of the notes whose pitch is predicted exactly",
    "pitch_within_1": "fraction of the notes whose pitch is predicted to within a semitone",
    "family_accuracy": "fraction of the notes of known family whose family is predicted",
    "source_accuracy": "fraction of the notes of known source whose source is predicted",
}
"""Measures of steps and evaluations."""

GAIN_NATS, TILT_NATS = 0.7, 1.0
"""In training a note is up to this much louder or softer, and its log-mel's ends raised or lowered by so much."""


@keras.saving.register_keras_serializable("nsynth_vae")
class Classifier(TrainableModel):
    """Audio to logits of pitch, family and source, and features.

    Pitch is predicted from a log-magnitude spectrogram on a semitone axis, with its harmonics stacked, by convolutions
    that treat all pitches alike: rare pitches are predicted as well as common ones. Family and source are predicted
    from `feature_dim` features of a log-mel and of these convolutions' outputs, pooled over the pitches. A batch is
    {`audio`: float32 `[batch, samples]`, and `LABELS`: int32 `[batch]`}.
    """

    config: ClassificationConfig
    config_type = ClassificationConfig
    loss_names = tuple(DEFINITIONS)

    def __init__(self, config: ClassificationConfig | dict, **kwargs) -> None:
        """Make the layers."""
        super().__init__(config, **kwargs)
        width = self.config.classifier.channels

        def convolution(channels: int, size: tuple, strides: tuple) -> keras.layers.Layer:
            return keras.layers.Conv2D(
                channels, size, strides, padding="same", activation="silu", kernel_initializer="he_normal"
            )

        per_pitch = (1, log_frequency.BINS_A_PITCH)
        self.harmonic_layers = [
            convolution(24, (3, 5), (2, per_pitch[1])),
            convolution(48, (3, 5), (2, 1)),
            convolution(48, (3, 3), (2, 1)),
        ]
        self.across_pitches = keras.layers.Conv1D(64, 25, padding="same", activation="silu")
        self.to_pitch = keras.layers.Dense(1)
        self.mel_layers = [convolution(width, (5, 5), (2, 2))]
        self.mel_layers += [convolution(times * width, (3, 3), (2, 2)) for times in (2, 4, 6, 8)]
        self.to_features = keras.layers.Dense(self.config.classifier.feature_dim, activation="silu")
        self.to_family = keras.layers.Dense(LABELS["instrument_family"])
        self.to_source = keras.layers.Dense(LABELS["instrument_source"])

    def build(self, input_shape: object = None) -> None:
        """Make all weights."""
        audio = self.config.audio
        frames = log_frequency.num_frames(audio.num_samples)
        pooled = 0
        for layers, shape in (
            (self.harmonic_layers, (None, frames, log_frequency.NUM_BINS, len(log_frequency.HARMONICS))),
            (self.mel_layers, (None, audio.num_frames, audio.num_mel_bins, 1)),
        ):
            for layer in layers:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
            pooled = shape[2] * shape[3]
        self.across_pitches.build((None, 128, self.harmonic_layers[-1].filters))
        self.to_pitch.build((None, 128, self.across_pitches.filters))
        self.to_features.build((None, 2 * pooled + 2 * self.across_pitches.filters))
        for head in (self.to_family, self.to_source):
            head.build((None, self.config.classifier.feature_dim))
        self.built = True

    def call(self, audio: tf.Tensor, draws: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Return the predictions of notes.

        Args:
            audio: float32 `[batch, samples]`, -1..1.
            draws: uniform 0..1 `[batch, 2 + feature_dim]` in training: gain, tilt and dropout of each note.

        Returns:
            {`pitch`: `[batch, 128]`, `instrument_family`: `[batch, 11]`, `instrument_source`: `[batch, 3]`, all logits;
            `features`: `[batch, feature_dim]`}.
        """
        log_mel = features.log_mel(audio, self.config.audio)
        if draws is not None:
            nats = (2.0 * draws[:, :2] - 1.0) * [GAIN_NATS, TILT_NATS] / self.config.audio.log_mel_scale
            ramp = np.linspace(-1.0, 1.0, self.config.audio.num_mel_bins, dtype=np.float32)
            log_mel += nats[:, :1, None] + nats[:, 1:, None] * ramp
        x = log_frequency.stack_harmonics(log_frequency.log_spectrogram(audio))
        for layer in self.harmonic_layers:
            x = layer(x)
        x = self.across_pitches(tf.reduce_mean(x, axis=1))
        pitch = self.to_pitch(x)[:, :, 0]
        y = log_mel[..., None]
        for layer in self.mel_layers:
            y = layer(y)
        y = tf.reshape(y, [-1, y.shape[1], y.shape[2] * y.shape[3]])
        pooled = [pool(part, axis=1) for part in (y, x) for pool in (tf.reduce_mean, tf.reduce_max)]
        found = self.to_features(tf.concat(pooled, axis=-1))
        rate = self.config.classifier.dropout
        kept = found if draws is None else found * tf.cast(draws[:, 2:] >= rate, tf.float32) / (1.0 - rate)
        return {
            "pitch": pitch,
            "instrument_family": self.to_family(kept),
            "instrument_source": self.to_source(kept),
            "features": found,
        }

    def draws(self, batch: int | tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Return this replica's rows of the global batch's random numbers, a pure function of (seed, step, row)."""
        rows, own = replica_rows(batch)
        return tf.random.stateless_uniform([rows, 2 + self.config.classifier.feature_dim], self.step_seed(step))[own]

    def compute_losses(self, batch: dict, step: tf.Tensor | None) -> BatchLosses:
        """Return `DEFINITIONS` of each note; an unknown label has no loss, and weight 0 in its accuracy."""
        predicted = self(batch["audio"], None if step is None else self.draws(tf.shape(batch["audio"])[0], step))
        loss, error, known = 0.0, {}, {}
        for name in LABELS:
            known[name] = tf.cast(tf.not_equal(batch[name], UNKNOWN), tf.float32)
            label = tf.maximum(batch[name], 0)
            loss += tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=predicted[name]) * known[name]
            error[name] = tf.abs(tf.argmax(predicted[name], axis=-1, output_type=tf.int32) - batch[name])
        accuracies = {
            "pitch_accuracy": ("pitch", 0),
            "pitch_within_1": ("pitch", 1),
            "family_accuracy": ("instrument_family", 0),
            "source_accuracy": ("instrument_source", 0),
        }
        reported = {name: tf.cast(error[label] <= most, tf.float32) for name, (label, most) in accuracies.items()}
        weights = {name: known[label] for name, (label, _) in accuracies.items()}
        return BatchLosses(loss, {"loss": loss} | reported, loss, weights)


def load_classifier(folder: str | os.PathLike | None = None) -> Classifier:
    """Rebuild the trained classifier of a folder; by default the one that comes with the package.

    Raises:
        InputError: if the folder or a file is missing or broken, or the weights are another classifier's.
    """
    classifier, _ = pretrained.load(
        CLASSIFIER if folder is None else folder,
        ClassificationConfig.load,
        Classifier,
        kind="classifier",
        expected="a classifier's",
    )
    return classifier
