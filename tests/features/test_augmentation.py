"""Augmentation of log-mels: changes, invariants, and the dependence on the seed."""

import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.features import augmentation
from nsynth_vae.notes import pitch_to_hertz

AUDIO = AudioConfig()


def notes() -> tf.Tensor:
    """Return the log-mels of four decaying notes."""
    time = np.arange(64000) / 16000
    audio = [
        0.2 * np.exp(-time) * sum(np.sin(2 * np.pi * pitch_to_hertz(pitch) * k * time + k) / k for k in range(1, 8))
        for pitch in (45, 57, 69, 81)
    ]
    return features.log_mel(tf.constant(np.stack(audio), tf.float32), AUDIO)


def nats(log_mel: tf.Tensor) -> np.ndarray:
    return log_mel.numpy() * AUDIO.log_mel_scale + AUDIO.log_mel_center


def test_blurring():
    log_mel = notes()
    seed = tf.constant([0, 3])
    np.testing.assert_array_equal(augmentation.blur(log_mel, seed, probability=0.0), log_mel)
    blurred = augmentation.blur(log_mel, seed, probability=1.0).numpy()
    np.testing.assert_array_equal(blurred, augmentation.blur(log_mel, seed, probability=1.0))
    assert not np.allclose(blurred, augmentation.blur(log_mel, seed + [0, 1], probability=1.0))
    error = np.abs(blurred - log_mel).mean(axis=(1, 2)) * AUDIO.log_mel_scale
    assert (error > 0.02).all()
    assert (error < 1.0).all()
    # The mean level stays: the change is random around 0, and a moving mean keeps it.
    assert np.abs(np.mean(blurred - log_mel)) < 0.05


def equalized(log_mel, seed=(0, 3), probability=1.0):
    return augmentation.augment_eq(log_mel, tf.constant(seed), AUDIO, probability=probability)


def test_eq_augmentation_is_a_filter_and_a_decay():
    """Where a note is loud, the change is a sum of a function of the bin and a multiple of the time."""
    log_mel = notes()
    found = equalized(log_mel)
    added, loud = nats(found) - nats(log_mel), nats(log_mel) > -4.0
    steepness = []
    for note in range(4):
        bins = np.flatnonzero(loud[note, 10:150].all(axis=0))
        gain = added[note, 10:150][:, bins]
        slope = np.diff(gain, axis=0)
        steepness.append(slope.mean() / 0.016)
        np.testing.assert_allclose(slope, slope.mean(), atol=2e-3)
        assert gain.mean(axis=0).std() > 0.05, "bins have gains of their own"
    assert np.std(steepness) > 0.1


def test_eq_augmentation_makes_no_note_louder_and_leaves_silence():
    log_mel = notes()
    for step in range(8):
        found = equalized(log_mel, seed=(1, step))
        assert (nats(found).max(axis=(1, 2)) <= nats(log_mel).max(axis=(1, 2)) + 1e-4).all()
    silence = features.log_mel(tf.zeros([2, 64000]), AUDIO)
    np.testing.assert_allclose(equalized(silence), silence, atol=1e-6)


def test_eq_augmentation_is_a_function_of_the_seed_and_of_the_probability():
    log_mel = notes()
    np.testing.assert_array_equal(equalized(log_mel), equalized(log_mel))
    assert not np.allclose(equalized(log_mel), equalized(log_mel, seed=(0, 4)))
    np.testing.assert_array_equal(equalized(log_mel, probability=0.0), log_mel)
    many = tf.repeat(log_mel[:1], 400, axis=0)
    changed = np.abs(equalized(many, probability=0.5) - many).max(axis=(1, 2)) > 0
    assert 0.4 < changed.mean() < 0.6


def floored(log_mel, seed=(0, 3), probability=1.0):
    return augmentation.augment_floor(log_mel, tf.constant(seed), AUDIO, probability=probability)


def test_noise_floors_scatter_as_noise_does():
    """Bins of the spectrum of real noise are Rayleigh distributed, a mel bin is a mean of some of them."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=[4, 64000]).astype(np.float32)
    real = nats(features.log_mel(tf.constant(noise), AUDIO))[:, 5:-5].std(axis=1).mean(axis=0)
    # One loud frame decides the floor's level; the other frames are the floor alone.
    frame = tf.one_hot([0], AUDIO.num_frames)[:, :, None] * tf.ones([32, 1, AUDIO.num_mel_bins])
    found = nats(floored(frame * 12.0 - 6.0))[:, 1:]
    kept = found[(found > np.log(AUDIO.log_offset) + 5.0).all(axis=(1, 2))]
    assert len(kept) >= 4
    # Lower ones share a bin of the spectrum. Real noise scatters a fifth more: Hann's window makes neighbours alike.
    heard = slice(16, None)
    np.testing.assert_allclose(kept.std(axis=1).mean(axis=0)[heard], real[heard], rtol=0.35)


def test_noise_floors_hide_what_is_below_and_leave_what_is_above():
    log_mel = tf.repeat(notes()[1:2], 64, axis=0)
    before, after = nats(log_mel), nats(floored(log_mel))
    loud = before > before.max() - np.log(10)
    assert np.median(np.abs(after - before)[loud]) < 0.02
    assert np.abs(after - before)[loud].max() < 1.0
    # Steady: a decaying note is below it later, if not from the beginning.
    early, late = (np.median(after[:, part, 20:], axis=1) for part in (slice(50, 100), slice(100, 150)))
    assert (late >= before[:, 100:150, 20:].min(axis=1) - 1e-3).all()
    hidden = before[:, 50:150, 20:].max(axis=1) < late
    assert hidden.mean() > 0.2
    assert np.median(np.abs(early - late)[hidden]) < 0.15


def test_noise_floors_are_a_function_of_the_seed_and_of_the_probability():
    log_mel = notes()
    np.testing.assert_array_equal(floored(log_mel), floored(log_mel))
    assert not np.allclose(floored(log_mel), floored(log_mel, seed=(0, 4)))
    np.testing.assert_array_equal(floored(log_mel, probability=0.0), log_mel)
    assert np.isfinite(floored(features.log_mel(tf.zeros([2, 64000]), AUDIO)).numpy()).all()
