"""Features against closed forms in float64, against librosa, and against themselves in other batches."""

import librosa
import numpy as np
import pytest
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig

CONFIG = AudioConfig()


def noise(notes: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((notes, CONFIG.num_samples))).astype(np.float32)


def test_frames_are_one_every_step_and_one_more():
    assert CONFIG.num_frames == 251
    assert features.log_mel(tf.constant(noise(2)), CONFIG).shape == (2, 251, 128)
    odd = AudioConfig(num_samples=5000, frame_length=512, frame_step=200, fft_length=512, num_mel_bins=40)
    assert features.log_mel(tf.zeros([5000]), odd).shape == (odd.num_frames, 40) == (26, 40)


def test_log_mel_is_the_float64_closed_form():
    audio = noise(1)[0].astype(np.float64)
    padded = np.pad(audio, 512)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = np.stack([padded[i * 256 : i * 256 + 1024] * window for i in range(251)])
    hertz = np.arange(513) * 16000 / 1024
    mel = 1127 * np.log1p(hertz / 700)
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 130)
    rising = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0  # tf.signal leaves out the bin of 0 Hz
    expected = (np.log(np.abs(np.fft.rfft(frames)) @ weights + 1e-4) + 4.0) / 4.0
    np.testing.assert_allclose(features.log_mel(tf.constant(audio, tf.float32), CONFIG), expected, atol=2e-5)


def test_magnitude_is_librosas():
    audio = noise(1)[0]
    expected = np.abs(librosa.stft(audio, n_fft=1024, hop_length=256, center=True, pad_mode="constant")).T
    np.testing.assert_allclose(features.magnitude(tf.constant(audio), CONFIG), expected, atol=1e-4)


def test_log_mel_is_librosas_around_a_shared_matrix():
    audio = noise(1)[0]
    spectrogram = np.abs(librosa.stft(audio, n_fft=1024, hop_length=256, pad_mode="constant")).T
    mel = spectrogram @ features.mel_weight_matrix(CONFIG)
    expected = (np.log(mel + CONFIG.log_offset) + 4.0) / 4.0
    np.testing.assert_allclose(features.log_mel(tf.constant(audio), CONFIG), expected, atol=1e-5)


def test_mel_matrix_is_near_librosas_and_has_no_empty_filter():
    weights = features.mel_weight_matrix(CONFIG)
    theirs = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=128, fmin=20, fmax=8000, htk=True, norm=None).T
    np.testing.assert_allclose(weights, theirs, atol=1e-2)
    assert (weights.max(axis=0) > 0.1).all()


def test_the_mel_product_in_blocks_is_the_whole_one():
    spectrogram = np.abs(np.random.default_rng(0).normal(size=(2, 9, 513))).astype(np.float32)
    expected = spectrogram.astype(np.float64) @ features.mel_weight_matrix(CONFIG)
    np.testing.assert_allclose(features.magnitude_to_mel(tf.constant(spectrogram), CONFIG), expected, rtol=1e-5)


def test_an_empty_mel_filter_is_an_error():
    with pytest.raises(ValueError, match=r"mel filters \[.*\] hold no FFT bin: num_mel_bins 256 is too many"):
        features.mel_weight_matrix(AudioConfig(num_mel_bins=256))


def test_a_note_is_the_same_alone_batched_and_in_a_dataset():
    audio = noise(7)
    batched = features.log_mel(tf.constant(audio), CONFIG).numpy()
    alone = np.stack([features.log_mel(tf.constant(note), CONFIG) for note in audio])
    compute = tf.function(lambda note: features.log_mel(note, CONFIG))
    dataset = tf.data.Dataset.from_tensor_slices(audio).map(compute, num_parallel_calls=2)
    louder = features.log_mel(tf.constant(np.concatenate([audio[:1], 9 * audio[1:]])), CONFIG).numpy()
    np.testing.assert_array_equal(alone, batched)
    np.testing.assert_array_equal(np.stack(list(dataset)), batched)
    np.testing.assert_array_equal(louder[0], batched[0])


def test_the_attack_at_time_zero_is_in_the_first_frame():
    click = np.zeros(CONFIG.num_samples, np.float32)
    click[0] = 1.0
    spectrogram = features.magnitude(tf.constant(click), CONFIG).numpy()
    np.testing.assert_allclose(spectrogram[0], 1.0, atol=1e-5)  # the window's middle, where it is 1
    assert spectrogram[2:].max() == 0.0


def test_silence_and_full_scale_are_the_range():
    silence = features.log_mel(tf.zeros([CONFIG.num_samples]), CONFIG).numpy()
    np.testing.assert_allclose(silence, (np.log(1e-4) + 4) / 4, atol=1e-6)
    sine = np.sin(2 * np.pi * 440 * np.arange(CONFIG.num_samples) / 16000).astype(np.float32)
    log_mel = features.log_mel(tf.constant(sine), CONFIG).numpy()
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 130)[1:-1]
    assert abs(int(log_mel[100].argmax()) - int(np.abs(edges - 1127 * np.log1p(440 / 700)).argmin())) <= 1
    # A sine's magnitude is half the window's sum, 256, at its peak; the mel filter takes the main lobe in.
    assert 256 <= np.exp(log_mel[100].max() * 4 - 4) <= 512


def test_log_mel_to_mel_undoes_the_logarithm_and_is_never_negative():
    audio = tf.constant(noise(2))
    mel = tf.matmul(features.magnitude(audio, CONFIG), features.mel_weight_matrix(CONFIG))
    np.testing.assert_allclose(
        features.log_mel_to_mel(features.log_mel(audio, CONFIG), CONFIG), mel, rtol=1e-4, atol=1e-5
    )
    assert features.log_mel_to_mel(tf.constant([[-9.0, -1.4, 0.0]]), CONFIG).numpy().min() == 0.0
