"""Configuration: frozen dataclasses that are saved beside the weights."""

from nsynth_vae.config.limits import LARGEST_MOTION, LARGEST_SAMPLE, LARGEST_Z, PEAK
from nsynth_vae.config.sections import (
    MOST_SEMITONES,
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
    "LARGEST_MOTION",
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
