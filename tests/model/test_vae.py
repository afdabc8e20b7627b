"""Parts of the VAE: shapes and values, serialisation, z, and the effect of a step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig, Config, ModelConfig, TrainConfig
from nsynth_vae.model.decoder import Decoder, condition_features, harmonic_template
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.model.vae import LOSS_NAMES, VAE, Sampling
from nsynth_vae.nn.layers import ResidualBlock
from nsynth_vae.notes import pitch_to_hertz

AUDIO = AudioConfig()
SMALL = Config(model=ModelConfig(latent_dim=6, channels=16, kl_warmup_steps=4))


def batch(notes: int = 4, seed: int = 0) -> dict:
    generator = np.random.default_rng(seed)
    return {
        "log_mel": tf.constant(generator.normal(size=(notes, 251, 128)), tf.float32),
        "pitch": tf.constant(generator.integers(21, 109, notes), tf.int32),
        "velocity": tf.constant(generator.integers(25, 128, notes), tf.int32),
    }


def make_vae(config: Config = SMALL) -> VAE:
    keras.utils.set_random_seed(0)
    vae = VAE(config)
    vae.build()
    return vae


@pytest.fixture(scope="module")
def vae():
    return make_vae()


@pytest.mark.parametrize("pitch", [33, 60, 84])
def test_template_is_the_log_mel_of_that_harmonic_series(pitch):
    seconds = np.arange(AUDIO.num_samples) / 16000
    generator = np.random.default_rng(0)
    frequencies = np.arange(1, 8000 / pitch_to_hertz(pitch)) * pitch_to_hertz(pitch)
    phases = generator.uniform(0, 2 * np.pi, len(frequencies))
    audio = np.sum(np.cos(2 * np.pi * frequencies[:, None] * seconds + phases[:, None]), axis=0)
    spectrogram = features.magnitude(tf.constant(audio, tf.float32), AUDIO).numpy()
    power = np.sqrt(np.mean(np.square(spectrogram[20:200]), axis=0))  # over time, partials add up in power
    measured = np.log(power @ features.mel_weight_matrix(AUDIO) / 256 + 1e-3)
    template = harmonic_template(AUDIO)[pitch]
    loud = template > -4
    assert loud.sum() > 15
    np.testing.assert_allclose(template[loud], measured[loud], atol=0.15)


def test_template_above_half_the_sample_rate_is_empty():
    np.testing.assert_allclose(harmonic_template(AUDIO)[125], np.log(1e-3), atol=1e-6)


def test_condition_features_are_distinct_smooth_and_bounded():
    pitch = tf.range(128)
    values = condition_features(pitch, tf.range(128)).numpy()
    assert values.shape == (128, 11)
    assert np.abs(values).max() <= 2.0
    steps = np.linalg.norm(np.diff(values, axis=0), axis=1)
    assert steps.min() > 0.05
    assert steps.max() < 1.0


def test_sampling_is_the_reparameterisation():
    noise = tf.constant([[1.0, -2.0]])
    z = Sampling()(tf.constant([[0.5, 1.0]]), tf.math.log([[4.0, 9.0]]), noise)
    np.testing.assert_allclose(z, [[2.5, -5.0]], rtol=1e-6)


def test_log_variance_is_bounded_for_any_input(vae):
    loud = tf.constant(np.random.default_rng(0).normal(size=(3, 251, 128)) * 1e4, tf.float32)
    z_mean, z_log_var = vae.encoder(loud)
    assert np.isfinite(z_mean).all()
    assert np.abs(z_log_var).max() <= 6.0


def test_decoder_puts_a_notes_energy_on_its_partials(vae):
    z = tf.zeros([2, 6])
    low, high = vae.decoder(z, tf.constant([48, 84]), tf.constant([100, 100])).numpy().mean(axis=1)
    template = harmonic_template(AUDIO)
    difference = template[84] - template[48]
    assert np.corrcoef(high - low, difference)[0, 1] > 0.7


def test_decoder_never_goes_below_silence(vae):
    z = tf.constant(np.random.default_rng(0).normal(size=(8, 6)) * 30, tf.float32)
    log_mel = vae.decoder(z, tf.range(8) * 15, tf.range(8) * 18).numpy()
    assert np.isfinite(log_mel).all()
    assert log_mel.min() >= (np.log(1e-4) + 4) / 4 - 1e-5


def test_a_note_does_not_depend_on_its_batch(vae):
    notes = batch(5)
    together = vae(notes).numpy()
    for i in range(5):
        alone = vae({name: value[i : i + 1] for name, value in notes.items()}).numpy()
        np.testing.assert_allclose(alone[0], together[i], atol=2e-5)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (lambda: ResidualBlock(8), [tf.ones([2, 5, 8])]),
        (lambda: ResidualBlock(8, conditioned=True), [[tf.ones([2, 5, 8]), tf.ones([2, 3])]]),
        (lambda: Encoder(AUDIO, SMALL.model), [tf.ones([2, 251, 128])]),
        (
            lambda: Decoder(AUDIO, SMALL.model),
            [tf.ones([2, 6]), tf.constant([60, 61]), tf.constant([100, 25])],
        ),
        (Sampling, [tf.ones([2, 6]), tf.zeros([2, 6]), tf.ones([2, 6])]),
    ],
)
def test_every_layer_survives_a_round_trip_through_its_config(layer, inputs):
    first = layer()
    expected = first(*inputs)
    config = keras.saving.serialize_keras_object(first)
    second = keras.saving.deserialize_keras_object(config, safe_mode=True)
    second(*inputs)
    second.set_weights(first.get_weights())
    for value, again in zip(tf.nest.flatten(expected), tf.nest.flatten(second(*inputs)), strict=True):
        np.testing.assert_array_equal(value, again)


def test_the_model_survives_saving_as_keras_and_as_weights(vae, tmp_path):
    notes = batch()
    expected = vae(notes).numpy()
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(notes), expected)
    vae.save_weights(tmp_path / "vae.weights.h5")
    other = VAE(SMALL)
    other.build()
    assert not np.allclose(other(notes), expected)
    other.load_weights(tmp_path / "vae.weights.h5")
    np.testing.assert_array_equal(other(notes), expected)


def test_noise_is_a_function_of_seed_step_and_row():
    vae = make_vae()
    eight = vae.noise(8, tf.constant(3)).numpy()
    np.testing.assert_array_equal(eight[:4], vae.noise(4, tf.constant(3)))
    assert not np.allclose(eight, vae.noise(8, tf.constant(4)))
    other = make_vae(Config(model=SMALL.model, train=TrainConfig(seed=1)))
    assert not np.allclose(eight, other.noise(8, tf.constant(3)))
    many = vae.noise(5000, tf.constant(0)).numpy()
    assert abs(many.mean()) < 0.02
    assert abs(many.std() - 1) < 0.02


def test_losses_are_those_of_the_reconstruction():
    vae, notes = make_vae(), batch(seed=1)
    _, values, z_mean, _ = vae.note_losses(notes, noise=None, kl_weight=1.0)
    prediction = vae.decoder(z_mean, notes["pitch"], notes["velocity"])
    expected = 4 * np.abs(prediction - notes["log_mel"]).mean(axis=(1, 2))
    np.testing.assert_allclose(values["log_mel_l1"], expected, rtol=1e-5)
    np.testing.assert_allclose(values["loss"], values["reconstruction_loss"] + values["kl_loss"], rtol=1e-6)


def test_a_constant_timbre_is_learnt_by_fit_and_measured_by_evaluate():
    vae = make_vae()
    vae.compile(optimizer=keras.optimizers.Adam(6e-3))
    # As training does: variables made inside the step would have it traced twice.
    vae.optimizer.build(vae.trainable_variables)
    note = features.log_mel(tf.sin(tf.range(64000.0) * 0.1727) * 0.3, AUDIO)[None]
    data = tf.data.Dataset.from_tensors(
        {"log_mel": tf.repeat(note, 2, 0), "pitch": tf.fill([2], 69), "velocity": tf.fill([2], 100)}
    )
    before = vae.evaluate(data, return_dict=True, verbose=0)
    history = vae.fit(data.repeat(30), epochs=1, verbose=0).history
    after = vae.evaluate(data, return_dict=True, verbose=0)
    assert set(after) >= set(LOSS_NAMES)
    assert set(history) >= set(LOSS_NAMES)
    assert after["log_mel_l1"] < 0.5 * before["log_mel_l1"]
    np.testing.assert_allclose(after["loss"], after["reconstruction_loss"] + after["kl_loss"], rtol=1e-5)


def test_evaluate_is_the_mean_over_notes():
    vae = make_vae()
    vae.compile(optimizer="sgd")
    notes = batch(6)
    values = vae.note_losses(notes, noise=None, kl_weight=1.0).reported
    data = tf.data.Dataset.from_tensor_slices(notes).batch(4)
    found = vae.evaluate(data, return_dict=True, verbose=0)
    for name in LOSS_NAMES:
        np.testing.assert_allclose(found[name], np.mean(values[name]), rtol=1e-5)


def test_the_warm_up_lets_the_kl_in_step_by_step():
    gradients = []
    for steps in (1, 1000):
        config = Config(model=ModelConfig(latent_dim=6, channels=16, kl_warmup_steps=steps, free_nats=0.0, beta=1e4))
        vae = make_vae(config)
        vae.compile(optimizer=keras.optimizers.SGD(1e-3))
        before = vae.encoder.to_posterior.kernel.numpy()
        vae.train_step(batch())
        gradients.append(np.abs(vae.encoder.to_posterior.kernel.numpy() - before).max())
    assert gradients[0] > 20 * gradients[1]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_half_and_keeps_losses_in_float32(precision):
    if precision == "mixed_float16" and not tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow has no float16 convolutions on CPUs")
    config = Config(model=SMALL.model, train=TrainConfig(precision=precision))
    vae = make_vae(config)
    assert vae.encoder.blocks[0].compute_dtype == precision.removeprefix("mixed_")
    assert vae.decoder.convolutions[0].compute_dtype == precision.removeprefix("mixed_")
    vae.compile(optimizer=keras.optimizers.Adam(1e-3))
    losses = vae.train_step(batch())
    assert all(value.dtype == tf.float32 and np.isfinite(value) for value in losses.values())
    assert vae.encoder.to_posterior.kernel.dtype == "float32"
    exact = make_vae(Config(model=SMALL.model))
    exact.set_weights(make_vae(config).get_weights())
    np.testing.assert_allclose(make_vae(config)(batch()), exact(batch()), atol=0.1)
