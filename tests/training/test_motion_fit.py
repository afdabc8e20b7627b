"""Fit of the motion part: powers of notes with known motion are learnt, and told from steady ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import small_models
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import Config, ModelConfig
from nsynth_vae.data.source import BadNotes
from nsynth_vae.training import motion_fit
from nsynth_vae.training.notes import Selection

CONFIG = Config(model=ModelConfig(latent_dim=12, channels=16))
TIME = np.arange(64000) / 16000


@dataclasses.dataclass
class _Table:
    instrument_str: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray


class _Source:
    """Tones, every second of which has vibrato and tremolo."""

    needs_tensorflow = False
    name = "tones"

    def __init__(self, count: int) -> None:
        pitch = 50 + np.arange(count, dtype=np.int32) % 20
        names = np.array([f"tone_{i % 8}" for i in range(count)], object)
        self.table = _Table(names, pitch, np.full(count, 100, np.int32))

    def read(self, row: int) -> tuple[np.ndarray, str]:
        generator = np.random.default_rng(row)
        moving = row % 2
        wave = np.sin(2 * np.pi * 5.5 * TIME + 6 * generator.random())
        f0 = 440 * 2 ** ((self.table.pitch[row] - 69) / 12)
        phase = 2 * np.pi * f0 * np.cumsum(2 ** (moving * 25 / 1200 * wave)) / 16000
        tone = sum(np.sin(k * phase) / k for k in range(1, 8)) * 10 ** (moving * 3 * wave / 20)
        return (0.2 * tone).astype(np.float32), ""


@pytest.fixture(scope="module")
def fitted():
    monkeypatch = pytest.MonkeyPatch()
    vae, count = small_models.make_vae(CONFIG), 64
    rows = {"train": np.arange(48), "valid": np.arange(48, count)}
    source = _Source(count)
    selection = Selection(source=source, rows=rows, shared={}, bad_notes=BadNotes(), record={}, changed=False)
    # One batch an epoch: as many steps as thousands of notes have.
    monkeypatch.setattr(motion_fit, "EPOCHS", 600)
    try:
        return vae, source, motion_fit.fit_motion(vae, selection, seed=0)
    finally:
        monkeypatch.undo()


def test_it_learns_which_notes_move_and_how_far(fitted):
    vae, source, result = fitted
    assert result["notes"] == 48
    rows = np.arange(48, 64)
    audio = np.stack([source.read(row)[0] for row in rows])
    z, _ = vae.encoder(features.log_mel(tf.constant(audio), CONFIG.audio))
    model = CONFIG.model
    labels = [tf.constant(values[rows]) for values in (source.table.pitch, source.table.velocity)]
    common, _, f0, own_f0 = vae.decoder.motion(z[:, model.latent_dim - model.motion :], z[:, model.timbre], *labels)
    for powers, expected in ((common, 3**2 / 2), (f0, 25**2 / 2)):
        total = np.exp(powers.numpy()).sum(axis=1)
        moving, steady = np.median(total[rows % 2 == 1]), np.median(total[rows % 2 == 0])
        assert np.sqrt(moving) == pytest.approx(np.sqrt(expected), rel=0.4)
        assert steady < 0.05 * moving
    # All partials of these tones move together.
    assert np.median(np.exp(own_f0.numpy()).sum(axis=1)) < 0.05 * 25**2 / 2


def test_the_other_weights_stay_and_nothing_of_it_is_trainable(fitted):
    vae, *_ = fitted
    fresh = small_models.make_vae(CONFIG)
    np.testing.assert_array_equal(vae.encoder.to_posterior.kernel, fresh.encoder.to_posterior.kernel)
    np.testing.assert_array_equal(vae.decoder.start.kernel, fresh.decoder.start.kernel)
    trainable = {variable.path for variable in vae.trainable_variables}
    assert not any(id(w) in map(id, vae.trainable_variables) for w in vae.decoder.motion.weights)
    assert trainable


def test_a_model_without_motion_is_refused(fitted):
    _, source, _ = fitted
    rows = {"train": np.arange(4), "valid": np.arange(4, 8)}
    selection = Selection(source=source, rows=rows, shared={}, bad_notes=BadNotes(), record={}, changed=False)
    with pytest.raises(ValueError, match="found a motion_dim of 0, expected a model with motion"):
        motion_fit.fit_motion(small_models.make_vae(small_models.CONFIG), selection, seed=0)
