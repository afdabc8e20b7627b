"""Motion of decoded notes: draws that have the predicted powers, smoothing, takes, the level coordinate."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.analysis.modulation import F0_EDGES, LEVEL_EDGES, band_powers
from nsynth_vae.config import AudioConfig, Config, ModelConfig
from nsynth_vae.errors import InputError
from nsynth_vae.model import level
from nsynth_vae.model.decoder import SMOOTHED_FROM, smoothing_matrix
from nsynth_vae.model.motion import F0_BANDS, LEVEL_BANDS, MotionDecoder
from nsynth_vae.model.vae import VAE

CONFIG = Config(model=ModelConfig(latent_dim=12, channels=16))
AUDIO = CONFIG.audio
FRAME_RATE = AUDIO.sample_rate / AUDIO.frame_step


@pytest.fixture(scope="module")
def vae():
    model = small_models.make_vae(CONFIG)
    model.decoder.motion.to_powers.bias.assign(np.zeros(2 * LEVEL_BANDS + F0_BANDS))
    return model


@pytest.fixture(scope="module")
def motion():
    layer = MotionDecoder(AUDIO, CONFIG.model)
    layer.build()
    return layer


def draw(motion, common=-12.0, own=-12.0, f0=-12.0, *, notes=64, amount=1.0, pitch=60):
    """Return gain and deviation of many seeds, powers alike in all bands."""
    powers = [
        np.full([notes, n], x, np.float32) for x, n in ((common, LEVEL_BANDS), (own, LEVEL_BANDS), (f0, F0_BANDS))
    ]
    seed, amounts = tf.range(notes), tf.fill([notes], amount)
    return [x.numpy() for x in motion.draw(tuple(map(tf.constant, powers)), tf.fill([notes], pitch), seed, amounts)]


def test_draws_have_the_predicted_powers(motion):
    gain, deviation = draw(motion, common=np.log(2.0), f0=np.log(30.0))
    decibels = gain[:, 16:, 60] * 20 / np.log(10)
    found = np.mean([_bands(note - note.mean(), LEVEL_EDGES) for note in decibels], axis=0)
    np.testing.assert_allclose(found, 2.0, rtol=0.25)
    cents = 1200 / np.log(2) * deviation[:, 16:]
    found = np.mean([_bands(note - note.mean(), F0_EDGES) for note in cents], axis=0)
    np.testing.assert_allclose(found, 30.0, rtol=0.35)


def _bands(values, edges):
    # `band_powers` counts frames of 80 a second.
    return band_powers(values, tuple(edge * 80 / FRAME_RATE for edge in edges))[0]


def test_the_common_motion_is_that_of_all_bins_and_the_own_one_is_not(motion):
    common, _ = draw(motion, common=0.0)
    assert np.corrcoef(common[0, 16:, 20], common[0, 16:, 90])[0, 1] > 0.999
    own, _ = draw(motion, own=0.0, pitch=72)
    correlations = [np.corrcoef(note[16:, 30], note[16:, 50])[0, 1] for note in own]
    assert abs(np.mean(correlations)) < 0.1


def test_the_mean_energy_of_a_draw_is_that_of_the_steady_note(motion):
    gain, _ = draw(motion, common=1.0, own=0.5, notes=256)
    energy = np.exp(2.0 * gain[:, 16:]).mean(axis=(0, 1))
    np.testing.assert_allclose(10 * np.log10(energy), 0.0, atol=0.4)


def test_amount_scales_the_motion_and_0_is_none(motion):
    one, cents = draw(motion, common=-3.0, f0=1.0)
    two, twice = draw(motion, common=-3.0, f0=1.0, amount=2.0)
    np.testing.assert_allclose(two[:, 16:].std(axis=1), 2.0 * one[:, 16:].std(axis=1), rtol=1e-3)
    np.testing.assert_allclose(twice, 2.0 * cents, rtol=1e-5, atol=1e-9)
    for found in draw(motion, common=3.0, own=3.0, f0=3.0, amount=0.0):
        assert not found.any()


def test_a_draw_is_a_function_of_seed_and_pitch(motion):
    gain, _ = draw(motion, common=0.0)
    again, _ = draw(motion, common=0.0)
    np.testing.assert_array_equal(gain, again)
    other, _ = draw(motion, common=0.0, pitch=61)
    each = np.array([np.corrcoef(a[16:, 60], b[16:, 60])[0, 1] for a, b in zip(gain, other, strict=True)])
    pairs = np.corrcoef(gain[:, 16:, 60])[np.triu_indices(len(gain), 1)]
    for correlation in (each, pairs):
        assert np.abs(correlation).mean() < 0.25
        assert np.abs(correlation).max() < 0.95


def test_smoothing_keeps_the_attack_straight_decays_and_the_release():
    matrix = smoothing_matrix(AUDIO).astype(np.float64)
    frames = np.arange(AUDIO.num_frames)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)
    first, _, end = (round(seconds * FRAME_RATE) for seconds in SMOOTHED_FROM)
    np.testing.assert_allclose((matrix @ frames)[first:end], frames[first:end], atol=1e-3)
    np.testing.assert_array_equal(matrix[:first], np.eye(len(frames))[:first])
    np.testing.assert_array_equal(matrix[end:], np.eye(len(frames))[end:])
    assert not matrix[first:end, end:].any()
    noise = np.random.default_rng(0).normal(size=len(frames))
    assert (matrix @ noise)[40 : end - 20].std() < 0.3


def test_takes_of_a_note_share_their_median_and_nothing_else(vae):
    z = tf.random.stateless_normal([1, 12], [1, 2])
    given = [tf.repeat(z, 3, axis=0), tf.fill([3], 60), tf.fill([3], 100)]
    take = vae.decoder.take(*given, tf.constant([0, 1, 0]), tf.constant([1.0, 1.0, 0.0]))
    log_mel = take.log_mel.numpy()
    np.testing.assert_array_equal(take.median[0], take.median[1])
    np.testing.assert_allclose(take.median, vae.decoder(*given), atol=1e-6)
    assert np.abs(log_mel[0] - log_mel[1]).max() > 0.01
    np.testing.assert_allclose(log_mel[2], take.median[2], atol=1e-5)
    assert not np.any(take.deviation[2])


def test_a_gain_moves_the_level_coordinate_and_no_other(vae):
    note = _note()
    quiet = note * 10 ** (-40 / 20)
    loud_z, quiet_z = (vae.encoder(features.log_mel(tf.constant(x), AUDIO))[0].numpy()[0] for x in (note, quiet))
    assert loud_z[0] - quiet_z[0] == pytest.approx(40 / level.LEVEL_SCALE, rel=1e-3)
    assert np.linalg.norm(loud_z[1:] - quiet_z[1:]) < 0.02 * np.linalg.norm(loud_z)


def _note():
    time = np.arange(AUDIO.num_samples) / AUDIO.sample_rate
    partials = sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 9))
    return (0.3 * np.exp(-time) * partials)[None].astype(np.float32)


def test_decoded_notes_have_the_level_of_the_first_coordinate(vae):
    z = np.random.default_rng(0).normal(size=[3, 12]).astype(np.float32)
    z[:, 0] = [-2.0, 0.0, 1.0]
    log_mel = vae.decoder(tf.constant(z), tf.constant([50, 60, 70]), tf.constant([100, 100, 100]))
    _, coordinate = level.normalize_level(log_mel, AUDIO)
    np.testing.assert_allclose(coordinate, z[:, 0], atol=0.02)


def test_small_latent_spaces_are_all_timbre():
    small = ModelConfig(latent_dim=7)
    assert (small.level, small.motion, small.timbre) == (False, 0, slice(0, 7))
    divided = ModelConfig(latent_dim=12, motion_dim=3)
    assert (divided.level, divided.motion, divided.timbre, divided.timbre_dim) == (True, 3, slice(1, 9), 8)


def test_motion_needs_notes_in_which_it_can_be_measured():
    with pytest.raises(InputError, match="motion_dim: found 4, expected 0 for notes of 16000 samples at 16000 Hz"):
        Config(audio=AudioConfig(num_samples=16000), model=ModelConfig(latent_dim=12))
    Config(audio=AudioConfig(num_samples=16000), model=ModelConfig(latent_dim=12, motion_dim=0))


def test_what_was_not_fitted_does_not_move():
    vae = VAE(CONFIG)
    vae.build()
    z = tf.random.stateless_normal([2, 12], [1, 2])
    take = vae.decoder.take(z, tf.constant([50, 70]), tf.constant([100, 100]), tf.constant([0, 1]), tf.ones([2]))
    np.testing.assert_allclose(take.log_mel, take.median, atol=1e-3)
    assert np.abs(take.deviation).max() < 5e-5  # 0.1 cents.
