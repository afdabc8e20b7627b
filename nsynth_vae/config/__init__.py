"""Configuration: frozen dataclasses that are saved beside the weights."""

from nsynth_vae.config.sections import (
    LARGEST_SAMPLE,
    LARGEST_Z,
    MOST_SEMITONES,
    PEAK,
    AnyConfig,
    AudioConfig,
    Budget,
    ClassificationConfig,
    ClassifierConfig,
    Config,
    DataConfig,
    ModelConfig,
    SynthesisConfig,
    SynthesizerConfig,
    TrainConfig,
    check_seed,
)

__all__ = [
    "LARGEST_SAMPLE",
    "LARGEST_Z",
    "MOST_SEMITONES",
    "PEAK",
    "AnyConfig",
    "AudioConfig",
    "Budget",
    "ClassificationConfig",
    "ClassifierConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "SynthesisConfig",
    "SynthesizerConfig",
    "TrainConfig",
    "check_seed",
]
