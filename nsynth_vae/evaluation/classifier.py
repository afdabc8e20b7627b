"""The classifier that evaluations measure with: a note's pitch, instrument family and source, and features of it.

It shares no weights with the timbre model, so that its figures, "own-classifier figures", say something about it. They
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
from nsynth_vae.notes import FAMILIES, SOURCES, UNKNOWN
from nsynth_vae.pretrained import CLASSIFIER

LABELS = {"pitch": 128, "instrument_family": len(FAMILIES), "instrument_source": len(SOURCES)}
"""Columns of `NoteTable` that are told, and the number of their classes."""

DEFINITIONS = {
    "loss": "nats a note: the sum of the cross-entropies of pitch, family and source; an unknown label has none",
    "pitch_accuracy": "share of the notes whose pitch is told exactly",
    "pitch_within_1": "share of the notes whose pitch is told to within a semitone",
    "family_accuracy": "share of the notes of known family whose family is told",
    "source_accuracy": "share of the notes of known source whose source is told",
}
"""What steps and evaluations report."""

GAIN_NATS, TILT_NATS = 0.7, 1.0
"""In training a note is up to this much louder or softer, and its log-mel's ends raised or lowered by so much."""


@keras.saving.register_keras_serializable("nsynth_vae")
class Classifier(keras.Model):
    """Audio to logits of pitch, family and source, and features.

    Pitch is told from a log-magnitude spectrogram on a semitone axis, harmonics laid over one another, by convolutions
    that treat all pitches alike, so that those of rare pitches are told as well as those of common ones. Family and
    source are told from `feature_dim` features, which are made of a log-mel and of what the convolutions over the
    semitones say at any pitch. A batch is {`audio`: float32 `[batch, samples]`, and `LABELS`: int32 `[batch]`}.
    """

    def __init__(self, config: ClassificationConfig | dict, **kwargs) -> None:
        """Makes the layers."""
        super().__init__(**kwargs)
        self.config = config if isinstance(config, ClassificationConfig) else ClassificationConfig.from_dict(config)
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
        self.step_metrics = [keras.metrics.Mean(name=name) for name in DEFINITIONS]

    def build(self, input_shape=None) -> None:
        """Makes all weights."""
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

    def call(self, audio, draws=None):
        """Returns what is told of notes.

        Args:
            audio: float32 `[batch, samples]`, -1..1.
            draws: uniform 0..1 `[batch, 2 + feature_dim]` in training: what of a note is changed and left out.

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
        told = self.to_features(tf.concat(pooled, axis=-1))
        rate = self.config.classifier.dropout
        kept = told if draws is None else told * tf.cast(draws[:, 2:] >= rate, tf.float32) / (1.0 - rate)
        return {
            "pitch": pitch,
            "instrument_family": self.to_family(kept),
            "instrument_source": self.to_source(kept),
            "features": told,
        }

    def draws(self, batch: int | tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns this replica's rows of the global batch's random numbers, a pure function of (seed, step, row)."""
        replica = tf.distribute.get_replica_context()
        count = replica.num_replicas_in_sync
        seed = tf.stack([tf.constant(self.config.train.seed, tf.int32), tf.cast(step, tf.int32)])
        rows = tf.random.stateless_uniform([batch * count, 2 + self.config.classifier.feature_dim], seed)
        index = tf.cast(replica.replica_id_in_sync_group, tf.int32)
        return rows[index * batch : (index + 1) * batch]

    def train_step(self, data: dict) -> dict:
        """Takes one optimizer step. Returns the means of `DEFINITIONS` over this replica's notes of this batch."""
        draws = self.draws(tf.shape(data["audio"])[0], self.optimizer.iterations)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            values = self._judged(data, draws)
            # The optimizer adds the replicas' gradients up: each replica gives its share of the global mean.
            loss = self.optimizer.scale_loss(tf.reduce_mean(values["loss"][0]) / replicas)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {
            name: tf.math.divide_no_nan(tf.reduce_sum(value * known), tf.reduce_sum(known))
            for name, (value, known) in values.items()
        }

    def assess(self, data: dict) -> tuple[dict, tf.Tensor]:
        """Adds a batch to the running means of `DEFINITIONS`; returns these, and each note's loss."""
        values = self._judged(data, None)
        for metric in self.step_metrics:
            value, known = values[metric.name]
            metric.update_state(value, sample_weight=known)
        return {metric.name: metric.result() for metric in self.step_metrics}, values["loss"][0]

    def test_step(self, data: dict) -> dict:
        """Returns the running means of `DEFINITIONS`."""
        return self.assess(data)[0]

    @property
    def metrics(self) -> list:
        """Returns the running means that `evaluate` resets."""
        return self.step_metrics

    def _judged(self, data: dict, draws: tf.Tensor | None) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """Returns `DEFINITIONS` of each note, and 1 where it counts, 0 where its label is unknown: `[batch]` each."""
        told = self(data["audio"], draws)
        loss, right, known = 0.0, {}, {}
        for name in LABELS:
            known[name] = tf.cast(tf.not_equal(data[name], UNKNOWN), tf.float32)
            label = tf.maximum(data[name], 0)
            loss += tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=told[name]) * known[name]
            right[name] = tf.abs(tf.argmax(told[name], axis=-1, output_type=tf.int32) - data[name])
        everywhere = tf.ones_like(known["pitch"])
        return {
            "loss": (loss, everywhere),
            "pitch_accuracy": (tf.cast(right["pitch"] == 0, tf.float32), known["pitch"]),
            "pitch_within_1": (tf.cast(right["pitch"] <= 1, tf.float32), known["pitch"]),
            "family_accuracy": (tf.cast(right["instrument_family"] == 0, tf.float32), known["instrument_family"]),
            "source_accuracy": (tf.cast(right["instrument_source"] == 0, tf.float32), known["instrument_source"]),
        }

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {"config": self.config.to_dict()}


def load(folder: str | os.PathLike | None = None) -> Classifier:
    """Returns the trained classifier of a folder; by default the one that comes with the package.

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
