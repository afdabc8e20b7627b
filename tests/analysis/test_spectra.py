"""Tests of numpy spectra: against scipy, librosa, `tf.signal` and the features that models are trained on."""

import librosa
import numpy as np
import pytest
import tensorflow as tf
from scipy import signal

from nsynth_vae import features
from nsynth_vae.analysis import spectra
from nsynth_vae.config import AudioConfig

CONFIG = AudioConfig()
ODD = AudioConfig(num_samples=5000, frame_length=500, frame_step=200, fft_length=512, num_mel_bins=30)
NOISE = (0.1 * np.random.default_rng(0).standard_normal(64000)).astype(np.float32)


@pytest.mark.parametrize(("length", "step"), [(2048, 512), (1024, 256), (64, 16)])
def test_magnitude_is_scipys(length, step):
    audio = NOISE[:63488].astype(np.float64)
    window = signal.get_window("hann", length)
    _, _, spectrum = signal.stft(audio, window=window, nperseg=length, noverlap=length - step, boundary=None)
    expected = np.abs(spectrum).T * window.sum()
    found = spectra.magnitude(audio, length, step)
    assert found.shape == expected.shape == (1 + (63488 - length) // step, length // 2 + 1)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("config", [CONFIG, ODD, AudioConfig(sample_rate=22050, upper_edge_hertz=11000.0)])
def test_mel_filters_are_tf_signals(config):
    bands, bins, rate = config.num_mel_bins, config.num_spectrogram_bins, config.sample_rate
    edges = config.lower_edge_hertz, config.upper_edge_hertz
    expected = tf.signal.linear_to_mel_weight_matrix(bands, bins, rate, *edges, dtype=tf.float64).numpy()
    np.testing.assert_array_equal(spectra.mel_weight_matrix(config), expected.astype(np.float32))


@pytest.mark.parametrize("level", [0.0, 1e-4, 1.0, 10.0])
@pytest.mark.parametrize("config", [CONFIG, ODD])
def test_log_mel_is_the_features(config, level):
    audio = level * NOISE[: config.num_samples]
    expected = features.log_mel(tf.constant(audio), config).numpy()
    found = spectra.log_mel(audio, config)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_log_mel_of_many_sounds_is_each_ones():
    audio = np.stack([NOISE, NOISE[::-1], np.zeros_like(NOISE)])
    found = spectra.log_mel(audio, CONFIG)
    for sound, expected in zip(audio, found, strict=True):
        np.testing.assert_array_equal(spectra.log_mel(sound, CONFIG), expected)
    assert spectra.log_mel(audio[:0], CONFIG).shape == (0, 251, 128)


def test_log_mel_is_librosas_around_a_shared_matrix_and_near_its_own():
    spectrogram = np.abs(librosa.stft(NOISE, n_fft=1024, hop_length=256, pad_mode="constant")).T
    own = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=128, fmin=20, fmax=8000, htk=True, norm=None).T
    np.testing.assert_allclose(spectra.mel_weight_matrix(CONFIG), own, atol=1e-2)
    expected = (np.log(spectrogram @ spectra.mel_weight_matrix(CONFIG) + 1e-4) + 4.0) / 4.0
    np.testing.assert_allclose(spectra.log_mel(NOISE, CONFIG), expected, atol=1e-5)


@pytest.mark.parametrize("vertex", [-0.5, -0.2, 0.0, 0.3, 0.5])
def test_the_vertex_of_a_parabola(vertex):
    left, center, right = (-0.7 * (place - vertex) ** 2 for place in (-1, 0, 1))
    assert spectra.parabolic_peak(left, center, right) == pytest.approx(vertex, abs=1e-12)
    assert spectra.parabolic_peak(np.ones(2), np.ones(2), np.ones(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("config", [CONFIG, ODD, AudioConfig(sample_rate=22050, upper_edge_hertz=11000.0)])
def test_mel_power_weights_give_the_mean_square_of_sines(config):
    time = np.arange(config.num_samples) / config.sample_rate
    errors = []
    for hertz in np.geomspace(4 * config.sample_rate / config.frame_length, 0.9 * config.upper_edge_hertz, 40):
        mel = spectra.mel_spectrogram(0.3 * np.sin(2 * np.pi * hertz * time), config)[4:-4]
        errors.append(10 * np.log10(np.mean(mel**2 @ spectra.mel_power_weights(config)) / (0.3**2 / 2)))
    assert np.abs(errors).max() < 1.5
    assert np.abs(np.median(errors)) < 0.15
