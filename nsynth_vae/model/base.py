"""Base of the encoder and the decoder: the configuration, and the frames that their strides need."""

from __future__ import annotations

import keras

from nsynth_vae.config import AudioConfig, ModelConfig

STRIDES = 5
"""The encoder halves the frames this many times, the decoder doubles them again."""


def padded_frames(audio: AudioConfig) -> int:
    """Return the frames of a note, rounded up to a multiple of 2^STRIDES."""
    return -(-audio.num_frames // 2**STRIDES) * 2**STRIDES


class ConfiguredLayer(keras.layers.Layer):
    """Layer made from the audio and the model configuration, which its `get_config` holds."""

    def __init__(self, audio: AudioConfig | dict, model: ModelConfig | dict, **kwargs) -> None:
        """Read the configurations, from their dictionaries if need be."""
        super().__init__(**kwargs)
        self.audio = AudioConfig.from_dict(audio) if isinstance(audio, dict) else audio
        self.model = ModelConfig.from_dict(model) if isinstance(model, dict) else model

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "audio": self.audio.to_dict(), "model": self.model.to_dict()}
