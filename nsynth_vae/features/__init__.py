"""Log-mel features in TensorFlow."""

from nsynth_vae.features.mel import (
    MOST_SEMITONES,
    VERSION,
    log_mel,
    log_mel_to_mel,
    log_mels,
    loudest_log_mel,
    magnitude,
    magnitude_to_log_mel,
    magnitude_to_mel,
    mel_weight_matrix,
    stft,
    transposed_log_mel,
)

__all__ = [
    "MOST_SEMITONES",
    "VERSION",
    "log_mel",
    "log_mel_to_mel",
    "log_mels",
    "loudest_log_mel",
    "magnitude",
    "magnitude_to_log_mel",
    "magnitude_to_mel",
    "mel_weight_matrix",
    "stft",
    "transposed_log_mel",
]
