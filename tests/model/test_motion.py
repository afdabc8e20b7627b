"""Motion of decoded notes: draws that have the predicted powers, smoothing, takes, the level coordinate."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import small_models
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.analysis.modulation import F0_EDGES, LEVEL_EDGES, band_powers
from nsynth_vae.config import AudioConfig, Config, ModelConfig
from nsynth_vae.errors import InputError
from nsynth_vae.model import level
from nsynth_vae.model.decoder import SMOOTHED_FROM, SMOOTHED_SECONDS, STILL_SMOOTHINGS, smoothing_matrix
from nsynth_vae.model.motion import AUDIBLE_LEVEL, F0_BANDS, LEVEL_BANDS, SKEW, MotionDecoder
from nsynth_vae.model.vae import VAE

CONFIG = Config(model=ModelConfig(latent_dim=12, channels=16))
AUDIO = CONFIG.audio
FRAME_RATE = AUDIO.sample_rate / AUDIO.frame_step


@pytest.fixture(scope="module")
def vae():
    model = small_models.make_vae(CONFIG)
    model.decoder.motion.to_powers.bias.assign(np.zeros(2 * (LEVEL_BANDS + F0_BANDS)))
    return model


@pytest.fixture(scope="module")
def motion():
    layer = MotionDecoder(AUDIO, CONFIG.model)
    layer.build()
    return layer


def draw(motion, common=-12.0, own=-12.0, f0=-12.0, own_f0=-12.0, *, notes=64, amount=1.0, pitch=60):
    """Return gain, deviation and phase of many seeds, powers alike in all bands."""
    levels, frequencies = (
        ((power, LEVEL_BANDS) for power in (common, own)),
        ((power, F0_BANDS) for power in (f0, own_f0)),
    )
    powers = [np.full([notes, bands], power, np.float32) for power, bands in (*levels, *frequencies)]
    seed, amounts = tf.range(notes), tf.fill([notes], amount)
    drawn = motion.draw(tuple(map(tf.constant, powers)), tf.fill([notes], pitch), seed, amounts)
    return drawn.gain.numpy(), drawn.partials.deviation.numpy(), drawn.partials.phase.numpy()


def test_draws_have_the_predicted_powers(motion):
    gain, deviation, _ = draw(motion, common=np.log(2.0), f0=np.log(30.0))
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
    common, _, _ = draw(motion, common=0.0)
    assert np.corrcoef(common[0, 16:, 20], common[0, 16:, 90])[0, 1] > 0.999
    own, _, _ = draw(motion, own=0.0, pitch=72)
    correlations = [np.corrcoef(note[16:, 30], note[16:, 50])[0, 1] for note in own]
    assert abs(np.mean(correlations)) < 0.1


def test_partials_have_frequencies_of_their_own(motion):
    _, _, phase = draw(motion, own_f0=np.log(100.0), pitch=69)
    hertz = np.diff(phase[:, 16:], axis=1) * FRAME_RATE / (2 * np.pi)
    # 100 cents^2 in each of the bands, of the f0, whatever the partial.
    expected = 10.0 * np.sqrt(F0_BANDS) * 440 * np.log(2) / 1200
    for partial in (0, 5, 19):
        assert hertz[:, :, partial].std() == pytest.approx(expected, rel=0.1)
    assert abs(np.mean([np.corrcoef(note[:, 1], note[:, 2])[0, 1] for note in hertz])) < 0.15


def test_the_mean_energy_of_a_draw_is_that_of_the_steady_note(motion):
    gain, _, _ = draw(motion, common=1.0, own=0.5, notes=256)
    energy = np.exp(2.0 * gain[:, 16:]).mean(axis=(0, 1))
    np.testing.assert_allclose(10 * np.log10(energy), 0.0, atol=0.4)


@pytest.mark.parametrize("decibels", [1.5, 3.0, 5.0])
def test_partials_dip_deeper_than_they_rise(motion, decibels):
    gain, _, _ = draw(motion, common=np.log(decibels**2 / LEVEL_BANDS), notes=256)
    found = gain[:, 16:, 60].ravel() * 20 / np.log(10)
    assert scipy.stats.skew(found) == pytest.approx(-6 * SKEW * decibels * np.log(10) / 20, rel=0.25)
    assert found.std() == pytest.approx(decibels, rel=0.1)


def test_amount_scales_the_motion_and_0_is_none(motion):
    one, cents, _ = draw(motion, common=-8.0, f0=1.0)
    two, twice, _ = draw(motion, common=-8.0, f0=1.0, amount=2.0)
    np.testing.assert_allclose(two[:, 16:].std(axis=1), 2.0 * one[:, 16:].std(axis=1), rtol=1e-2)
    np.testing.assert_allclose(twice, 2.0 * cents, rtol=1e-5, atol=1e-9)
    for found in draw(motion, common=3.0, own=3.0, f0=3.0, amount=0.0):
        assert not found.any()


def test_a_draw_is_a_function_of_seed_and_pitch(motion):
    gain, _, _ = draw(motion, common=0.0)
    again, _, _ = draw(motion, common=0.0)
    np.testing.assert_array_equal(gain, again)
    other, _, _ = draw(motion, common=0.0, pitch=61)
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
    # Another level, and nothing else: notes that would move are not smoothed further.
    steady = log_mel[2] - take.median[2]
    np.testing.assert_allclose(steady, steady[0, 0], atol=4e-3)
    assert not np.any(take.partials.deviation[2])


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
    given = tf.constant(z), tf.constant([50, 60, 70]), tf.constant([100, 100, 100])
    for amount in (0.0, 1.0):
        take = vae.decoder.take(*given, tf.constant([0, 1, 2]), tf.fill([3], amount))
        _, coordinate = level.normalize_level(take.log_mel, AUDIO)
        np.testing.assert_allclose(coordinate, z[:, 0], atol=0.02)


def test_notes_without_motion_have_the_level_of_the_first_coordinate_too():
    vae = small_models.make_vae(Config(model=ModelConfig(latent_dim=12, channels=16, motion_dim=0)))
    z = np.random.default_rng(0).normal(size=[2, 12]).astype(np.float32)
    given = tf.constant(z), tf.constant([50, 70]), tf.constant([100, 100]), tf.constant([0, 0]), tf.ones(2)
    take = vae.decoder.take(*given)
    assert take.partials is None
    np.testing.assert_allclose(level.normalize_level(take.log_mel, AUDIO)[1], z[:, 0], atol=0.02)


def test_the_level_coordinate_moves_the_median_and_changes_nothing_else(vae):
    z = np.random.default_rng(0).normal(size=[2, 12]).astype(np.float32)
    z[1, 1:] = z[0, 1:]
    z[:, 0] = [0.5, 1.5]
    nats = vae.decoder(tf.constant(z), tf.constant([60, 60]), tf.constant([100, 100])).numpy() * AUDIO.log_mel_scale
    np.testing.assert_allclose(nats[1] - nats[0], level.LEVEL_SCALE * np.log(10) / 20, atol=0.01)


def test_a_sine_has_the_level_of_its_rms():
    time = np.arange(AUDIO.num_samples) / AUDIO.sample_rate
    for hertz in (100.0, 440.0, 1234.0, 5000.0):
        note = (0.1 * np.sin(2 * np.pi * hertz * time))[None].astype(np.float32)
        _, coordinate = level.normalize_level(features.log_mel(tf.constant(note), AUDIO), AUDIO)
        found = float(coordinate[0]) * level.LEVEL_SCALE + level.LEVEL_CENTER
        assert found == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=1.5)


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
    assert np.abs(take.partials.deviation).max() < 5e-5  # 0.1 cents.
    steady = vae.decoder.take(z, tf.constant([50, 70]), tf.constant([100, 100]), tf.constant([0, 1]), tf.zeros([2]))
    np.testing.assert_allclose(take.log_mel, steady.log_mel, atol=3e-3)


def test_partials_of_a_note_without_motion_are_smoothed_further_but_for_attack_and_release():
    vae = VAE(CONFIG)
    vae.build()
    harmonic = tf.random.stateless_normal([1, AUDIO.num_frames, AUDIO.num_mel_bins], [3, 4])
    still = vae.decoder._stilled(harmonic)[0].numpy()
    first, whole, end = (round(seconds * FRAME_RATE) for seconds in SMOOTHED_FROM)
    np.testing.assert_array_equal(still[:first], harmonic[0, :first])
    np.testing.assert_array_equal(still[end:], harmonic[0, end:])
    # White noise has 1 / (2 sqrt(pi) width) of its variance left behind a Gaussian kernel.
    width = SMOOTHED_SECONDS * np.sqrt(STILL_SMOOTHINGS) * FRAME_RATE
    left = still[whole + 40 : end - 40].std()
    assert left == pytest.approx((2.0 * np.sqrt(np.pi) * width) ** -0.5, rel=0.15)


@pytest.mark.parametrize("decibels", [0.1, 1.0, 4.0])
def test_motion_that_nobody_hears_is_not_drawn(motion, decibels):
    power = np.log(decibels**2 / LEVEL_BANDS)
    gain, _, _ = draw(motion, common=power, notes=256)
    found = (gain[:, 16:, 60] * 20 / np.log(10)).std()
    assert found == pytest.approx(decibels * np.sqrt(decibels**2 / (decibels**2 + AUDIBLE_LEVEL)), rel=0.1)
    steady = np.full([1, F0_BANDS], -12.0, np.float32)
    powers = np.full([1, LEVEL_BANDS], power, np.float32), np.full([1, LEVEL_BANDS], -30.0, np.float32), steady, steady
    expected = AUDIBLE_LEVEL / (AUDIBLE_LEVEL + decibels**2)
    assert motion.stillness(powers).numpy() == pytest.approx([expected], rel=1e-3)
