"""Kinds of input by their names."""

from __future__ import annotations

from campaigns import model_inputs, note_inputs
from campaigns.target import Target

TARGETS: dict[str, type[Target]] = {
    "wav": note_inputs.Sound,
    "flac": note_inputs.Flac,
    "ogg": note_inputs.Ogg,
    "mp3": note_inputs.Mp3,
    "aiff": note_inputs.Aiff,
    "z.json": model_inputs.LatentVectors,
    "examples.json": note_inputs.Labels,
    "tfrecord": note_inputs.Records,
    "midi": note_inputs.Midi,
    "config.json": model_inputs.Model,
    "attributes.json": model_inputs.Attributes,
    "tflite": model_inputs.Tflite,
    "weights": model_inputs.Weights,
    "expressions": model_inputs.Expressions,
}
