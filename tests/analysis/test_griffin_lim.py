"""Griffin-Lim in numpy, without TensorFlow: round trips, extremes, and parity with the graph's."""

import numpy as np
import pytest

from nsynth_vae.analysis import griffin_lim, spectra
from nsynth_vae.config import AudioConfig

pytestmark = pytest.mark.player

CONFIG = AudioConfig(num_samples=8000)
OTHERS = [
    AudioConfig(num_samples=5001, frame_length=512, frame_step=100, fft_length=512, num_mel_bins=40),
    AudioConfig(num_samples=6000, frame_length=800, frame_step=200, fft_length=1024, num_mel_bins=40),
    AudioConfig(num_samples=8000, lower_edge_hertz=500.0, num_mel_bins=64),
]


def make_notes(count: int, config: AudioConfig = CONFIG) -> np.ndarray:
    """Return decaying harmonic notes with a little noise, float32 `[count, num_samples]`."""
    time = np.arange(config.num_samples) / config.sample_rate
    hertz = 110.0 * 2.0 ** (np.arange(count) * 5 / 12)
    partials = sum(np.sin(2 * np.pi * k * hertz[:, None] * time + k) / k for k in range(1, 9))
    noise = np.random.default_rng(3).normal(size=[count, time.size])
    return (0.25 * partials * np.exp(-2.0 * time) + 1e-3 * noise).astype(np.float32)


def test_a_note_sounds_as_it_was():
    """The log-mel and the level of the round trip."""
    notes = make_notes(3)
    log_mel = spectra.log_mel(notes, CONFIG)
    audio = griffin_lim.log_mel_to_audio(log_mel, CONFIG)
    assert audio.shape == notes.shape
    assert audio.dtype == np.float32
    error = np.abs(spectra.log_mel(audio, CONFIG) - log_mel) * CONFIG.log_mel_scale
    assert error.mean() < 0.2
    level = np.sqrt(np.mean(audio**2, axis=1) / np.mean(notes**2, axis=1))
    np.testing.assert_allclose(level, 1.0, atol=0.05)
    np.testing.assert_array_equal(audio[1:2], griffin_lim.log_mel_to_audio(log_mel[1:2], CONFIG))


def test_silence_stays_silent_and_no_note_clips():
    silence = spectra.log_mel(np.zeros([1, CONFIG.num_samples]), CONFIG)
    note = spectra.log_mel(make_notes(1), CONFIG)
    cases = np.concatenate([silence, silence - 5.0, note, note + 1.0, np.full_like(note, 100.0)])
    audio = griffin_lim.log_mel_to_audio(cases, CONFIG, iterations=16)
    assert np.all(np.isfinite(audio))
    peaks = np.abs(audio).max(axis=1)
    assert peaks[0] < 1e-6
    assert peaks[1] == 0.0
    assert 0.1 < peaks[2] < 1.0
    np.testing.assert_allclose(peaks[3:], 1.0, atol=1e-6)
    assert griffin_lim.log_mel_to_audio(cases[:0], CONFIG).shape == (0, CONFIG.num_samples)


@pytest.mark.parametrize("config", [CONFIG, *OTHERS], ids=range(4))
def test_inverse_stft_gives_back_the_audio(config):
    audio = np.random.default_rng(0).uniform(-1, 1, config.num_samples).astype(np.float32)
    padded = np.pad(audio, config.frame_length // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.frame_length)[:: config.frame_step]
    spectrogram = np.fft.rfft(frames * spectra.hann(config.frame_length), config.fft_length)
    np.testing.assert_allclose(griffin_lim.inverse_stft(spectrogram, config), audio, atol=1e-5)


@pytest.mark.parametrize("config", [AudioConfig(), *OTHERS], ids=range(4))
def test_it_is_the_graphs(config):
    """From the same phases, sample by sample as far as rounding lets them."""
    tensorflow = pytest.importorskip("tensorflow")
    from nsynth_vae.synthesis import griffin_lim as graph

    log_mel = spectra.log_mel(make_notes(2, config), config)
    for iterations, tolerance in ((0, 1e-6), (3, 1e-4), (32, 1e-2)):
        found = griffin_lim.log_mel_to_audio(log_mel, config, iterations=iterations)
        expected = graph.log_mel_to_audio(tensorflow.constant(log_mel), config, iterations=iterations).numpy()
        np.testing.assert_allclose(found, expected, atol=tolerance)
