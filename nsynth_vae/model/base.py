"""Base of the configured layers, and the frames that strides need."""

from __future__ import annotations

import keras

from nsynth_vae.config import AudioConfig, ModelConfig

STRIDES = 5
"""The encoder halves the frames this many times, the decoder doubles them again."""


def padded_frames(audio: AudioConfig) -> int:
    return -(-audio.num_frames // 2**STRIDES) * 2**STRIDES


class ConfiguredLayer(keras.layers.Layer):
    """A layer made from the audio and the model configuration, which its `get_config` gives back."""

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.audio = audio if isinstance(audio, AudioConfig) else AudioConfig.from_dict(audio)
        self.model = model if isinstance(model, ModelConfig) else ModelConfig.from_dict(model)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "audio": self.audio.to_dict(), "model": self.model.to_dict()}
