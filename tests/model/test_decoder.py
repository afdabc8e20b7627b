"""Decoder's envelope over the ratio to the pitch: partials that are at no multiple of it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nsynth_vae.config import AudioConfig, Config, ModelConfig
from nsynth_vae.model.decoder import RATIO_OCTAVES, RATIO_STEPS, ratio_weights
from nsynth_vae.model.motion import mel_hertz
from nsynth_vae.model.vae import VAE
from nsynth_vae.notes import pitch_to_hertz

AUDIO = AudioConfig()


@pytest.mark.parametrize("pitch", [33, 60, 84])
@pytest.mark.parametrize("ratio", [0.5, 1.5, 2.756, 5.404])  # An organ's stops; a free bar's second and third modes.
def test_ratio_weights_take_a_ratio_to_its_frequency(pitch, ratio):
    weights = ratio_weights(tf.constant([pitch]), AUDIO).numpy()[0]
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-6)
    place = (np.log2(ratio) - RATIO_OCTAVES[0]) * RATIO_STEPS
    envelope = np.exp(-0.5 * np.square((np.arange(len(weights)) - place) / 4.0))
    found, target = envelope @ weights, ratio * pitch_to_hertz(pitch)
    # Between the two bins around the frequency, as near to its peak as linear interpolation gets.
    bins = np.searchsorted(mel_hertz(AUDIO), target) + np.array([-1, 0])
    assert found.argmax() in bins
    places = (np.log2(mel_hertz(AUDIO) / pitch_to_hertz(pitch)) - RATIO_OCTAVES[0]) * RATIO_STEPS
    inside = (places > 0) & (places < len(weights) - 1)
    expected = np.interp(places[inside], np.arange(len(weights)), envelope)
    np.testing.assert_allclose(found[inside], expected, atol=0.02)


def test_inharmonic_partials_move_with_the_pitch():
    vae = VAE(Config(model=ModelConfig(latent_dim=12, channels=16)))
    vae.build()
    bias = np.full(vae.decoder.to_ratios.bias.shape, -3.0, np.float32)
    bias[round((np.log2(2.756) - RATIO_OCTAVES[0]) * RATIO_STEPS)] = 2.0
    vae.decoder.to_ratios.bias.assign(bias)
    z = tf.zeros([3, 12])
    pitches = tf.constant([50, 60, 70])
    with_mode = vae.decoder(z, pitches, tf.fill([3], 100)).numpy().mean(axis=1)
    vae.decoder.to_ratios.bias.assign(np.full_like(bias, -3.0))
    without = vae.decoder(z, pitches, tf.fill([3], 100)).numpy().mean(axis=1)
    found = mel_hertz(AUDIO)[(with_mode - without).argmax(axis=1)]
    np.testing.assert_allclose(found, 2.756 * pitch_to_hertz(np.array(pitches)), rtol=0.05)


def test_models_of_before_have_no_inharmonic_partials():
    config = Config().to_dict()
    del config["model"]["inharmonic_partials"]
    assert not Config.from_dict(config).model.inharmonic_partials
    assert Config().model.inharmonic_partials
    assert (
        VAE(Config(model=ModelConfig(latent_dim=4, channels=16, inharmonic_partials=False))).decoder.to_ratios is None
    )
