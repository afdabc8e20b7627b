"""Modulation energies of log-mels: they grow with the motion of a tone, and with nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.analysis.modulation import F0_EDGES, LEVEL_EDGES
from nsynth_vae.config import AudioConfig
from nsynth_vae.features.modulation import FEATURES, POWERS, modulation_energies

AUDIO = AudioConfig()
TIME = np.arange(AUDIO.num_samples) / AUDIO.sample_rate
LEVEL_BANDS, F0_BANDS = len(LEVEL_EDGES) - 1, len(F0_EDGES) - 1


def energies(*, tremolo_db=0.0, vibrato_cents=0.0, gain=1.0, rate=5.5):
    """Return, for the first of POWERS: own, common and f0 energies by band, as natural logarithms."""
    wave = np.sin(2 * np.pi * rate * TIME)
    phase = 2 * np.pi * 440 * np.cumsum(2 ** (vibrato_cents / 1200 * wave)) / AUDIO.sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 7)) * 10 ** (tremolo_db * wave / 20) * 0.2 * gain
    log_mel = features.log_mel(tf.constant(tone[None].astype(np.float32)), AUDIO)
    found = modulation_energies(log_mel, AUDIO).numpy()[0]
    assert len(found) == FEATURES == len(POWERS) * (2 * LEVEL_BANDS + F0_BANDS)
    values = 3.0 * found - 7.0
    return values, np.split(values[: 2 * LEVEL_BANDS + F0_BANDS], [LEVEL_BANDS, 2 * LEVEL_BANDS])


def test_a_tremolo_has_its_energy_in_its_band():
    _, (own, common, _) = energies(tremolo_db=2.0)
    band = int(np.digitize(5.5, LEVEL_EDGES)) - 1
    # A sine of 2 dB, 0.23 nats, has a power of 0.0265; the frame of 64 ms flattens it a little.
    for found in (own, common):
        assert np.exp(found[band]) == pytest.approx(0.0265, rel=0.35)
        assert found[band] > np.delete(found, band).max() + 2.0


def test_a_vibrato_has_its_energy_in_its_band_of_the_f0():
    _, (_, _, f0) = energies(vibrato_cents=30.0)
    band = int(np.digitize(5.5, F0_EDGES)) - 1
    assert f0.argmax() == band
    _, (_, _, steady) = energies()
    assert f0[band] > steady[band] + 4.0
    twice = energies(vibrato_cents=60.0)[1][2]
    assert twice[band] - f0[band] == pytest.approx(np.log(4.0), abs=0.4)


def test_the_level_does_not_matter():
    np.testing.assert_allclose(energies(tremolo_db=2.0, gain=0.25)[0], energies(tremolo_db=2.0)[0], atol=0.2)


def test_silence_has_no_energy_and_no_nan():
    silent = modulation_energies(features.log_mel(tf.zeros([1, AUDIO.num_samples]), AUDIO), AUDIO).numpy()
    np.testing.assert_allclose(3.0 * silent - 7.0, np.log(1e-7), atol=0.01)
