"""Log-mel features in TensorFlow."""

from nsynth_vae.analysis.spectra import loudest_log_mel, mel_weight_matrix
from nsynth_vae.features.mel import (
    VERSION,
    log_mel,
    log_mel_to_mel,
    log_mels,
    magnitude,
    magnitude_to_log_mel,
    magnitude_to_mel,
    mel_to_log_mel,
    modulus,
    pitch_shifted_log_mel,
    stft,
)

__all__ = [
    "VERSION",
    "log_mel",
    "log_mel_to_mel",
    "log_mels",
    "loudest_log_mel",
    "magnitude",
    "magnitude_to_log_mel",
    "magnitude_to_mel",
    "mel_to_log_mel",
    "mel_weight_matrix",
    "modulus",
    "pitch_shifted_log_mel",
    "stft",
]
