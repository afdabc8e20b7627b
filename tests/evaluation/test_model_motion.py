"""Figures of motion of a fake model: takes, the touch, and the network's accuracy."""

import dataclasses

import fake_model
import numpy as np
import pytest
import synthetic

from nsynth_vae import api
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.load_notes import load_notes
from nsynth_vae.data.source import BadNotes
from nsynth_vae.evaluation import systems, told_apart
from nsynth_vae.evaluation.model_motion import measure_model_motion
from nsynth_vae.timbre_model import DecodedNotes


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithTakes(api.TimbreModel):
    """The fake model, whose takes are louder by their number."""

    def decode(self, z, pitch, velocity, *, take=None) -> DecodedNotes:
        """Return the notes of the fake backend, 1 + take times as loud."""
        plain = super().decode(z, pitch, velocity)
        return DecodedNotes(plain.log_mel, plain.audio * (1 + np.reshape(0 if take is None else take, [-1, 1])))


@pytest.fixture
def data(tmp_path):
    return DataConfig(data=(str(synthetic.write_nsynth(tmp_path)),))


def open_notes(data: DataConfig):
    return load_notes(data, "test", audio=AudioConfig(), bad_notes=BadNotes(), log=lambda line: None)


def test_each_note_is_played_in_a_take_of_its_own(data):
    notes = open_notes(data)
    z = np.ones([len(notes.loaded.table), fake_model.DIM], np.float32)
    model = fake_model.make_model()
    fields = {field.name: getattr(model, field.name) for field in dataclasses.fields(model) if field.init}
    plain, takes = (systems.model_systems(notes, each, z, seed=0, pairs=1)[0] for each in (model, WithTakes(**fields)))
    rows = np.array([3, 0])
    expected, found = (system.play(system.requests.take(rows)).audio for system in (plain, takes))
    np.testing.assert_allclose(found, expected * [[4], [1]], rtol=1e-6)


def test_a_model_is_measured_with_and_without_a_network(data, monkeypatch):
    # One epoch, of eight notes: that it is trained and asked is tested, and not how well it learns.
    monkeypatch.setattr(told_apart, "EPOCHS", 1)
    notes, model, lines = open_notes(data), fake_model.make_model(), []
    z = model.encode(systems.audio_of(notes, np.arange(len(notes.loaded.table))))
    reconstruction = systems.model_systems(notes, model, z, seed=0, pairs=1)[0]
    options = {"data": data, "seed": 0, "log": lines.append}
    found = measure_model_motion(notes, model, z, reconstruction, told_apart_notes=0, **options)
    assert found == {"velocity": {"pairs": 0, "distinct_pairs": 0}}
    found = measure_model_motion(notes, model, z, reconstruction, told_apart_notes=8, **options)
    assert set(found["told_apart_by_network"]) == {"all", "sustained", "brass", "reed"}
    assert all(0.0 <= accuracy <= 1.0 for accuracy in found["told_apart_by_network"].values())
    assert lines == ["A network is trained to tell 8 training notes from decoded ones"]
