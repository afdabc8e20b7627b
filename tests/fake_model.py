"""A timbre model in numpy, for tests of commands: its encoder measures levels, its decoder plays sines."""

from __future__ import annotations

import numpy as np
import pytest

from nsynth_vae import api
from nsynth_vae.config import AudioConfig
from nsynth_vae.notes import pitch_to_hertz
from nsynth_vae.timbre_model import DecodedNotes

DIM = 3
ATTRIBUTES = {
    "format_version": 3,
    "latent_dim": DIM,
    "families": {
        "flute": {"centroid": [1.0, 0.0, 0.0], "notes": 40},
        "guitar": {"centroid": [0.0, 1.0, 0.0], "notes": 20},
    },
    "instruments": {
        "flute_acoustic_001": {"centroid": [0.9, 0.0, 0.0], "notes": 30},
        "broken": {"centroid": [1.0]},
    },
    "directions": {
        "bright": {
            "direction": [0.0, 0.0, 1.0],
            "descriptor": "spectral_centroid",
            "learnt_from": "the quality bright",
            "effect": {"median_change": 0.4, "unit": "octaves above f0", "effect_rate": 0.98},
        }
    },
    "not_learnt": {"reverb": "too few notes"},
}


class Backend:
    """Encodes a note as (its peak, 0, 0), and decodes z[0] as the level of a sine."""

    def encode(self, audio: np.ndarray) -> np.ndarray:
        return np.abs(audio).max(axis=1, keepdims=True) * np.eye(DIM, dtype=np.float32)[:1]

    def decode(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray, **take: np.ndarray) -> DecodedNotes:
        config = AudioConfig()
        time = np.arange(config.num_samples) / config.sample_rate
        audio = z[:, :1] * np.sin(2 * np.pi * pitch_to_hertz(pitch)[:, None] * time) * np.exp(-time)
        return DecodedNotes(self.decode_log_mel(z, pitch, velocity), audio.astype(np.float32))

    def decode_log_mel(self, z: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        config = AudioConfig()
        return np.zeros([len(z), config.num_frames, config.num_mel_bins], np.float32)


def make_model() -> api.TimbreModel:
    return api.TimbreModel(name="fake", config=AudioConfig(), latent_dim=DIM, attributes=ATTRIBUTES, backend=Backend())


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> api.TimbreModel:
    """Let commands open the fake model, whatever their options."""
    model = make_model()
    monkeypatch.setattr(api, "load_model", lambda *arguments, **options: model)
    return model
