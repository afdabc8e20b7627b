"""Tests of `python -m nsynth_vae.attributes` on a small model: the written file, names that are kept, errors."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import soundfile
import timbres
from conftest import write_folder

from nsynth_vae import attributes as command
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import BadNotes
from nsynth_vae.directions import learn
from nsynth_vae.directions.dataset import HELD_OUT_NOTES, MIN_HELD_OUT, hold_out
from nsynth_vae.directions.learn import Options, learn_attributes
from nsynth_vae.errors import InputError
from nsynth_vae.exporters.saved_model_backend import load_exports
from nsynth_vae.notes import pitch_to_hertz

INSTRUMENTS = [
    f"{family}_{source}_00{i}" for i in (1, 2) for family, source in (("flute", "acoustic"), ("organ", "electronic"))
]
PITCHES = range(57, 63)


def tone(pitch: int, slope: float) -> np.ndarray:
    """Return a decaying note whose partials fall by `slope` dB an octave."""
    seconds = np.arange(64000) / 16000
    partials = np.arange(1, 12)
    levels = 0.2 * partials ** (-slope / 6.02)
    waves = np.sin(2 * np.pi * pitch_to_hertz(pitch) * partials[:, None] * seconds)
    return (levels @ waves * np.exp(-seconds) * np.minimum(1, seconds / 0.01)).astype(np.float32)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """Return a model folder after the command, its exports, and the notes that were learnt from."""
    folder = tmp_path_factory.mktemp("attributes")
    model, exports = timbres.export_model(folder)
    notes = {
        f"{name}-{pitch:03d}-100": tone(pitch, 6 + 3 * number)
        for number, name in enumerate(INSTRUMENTS)
        for pitch in PITCHES
    }
    data = write_folder(folder / "nsynth-train", notes)
    patch = pytest.MonkeyPatch()
    patch.setattr(learn, "PERTURBATIONS", 24)
    assert command.main(["--data", str(data), "--model", str(model), "--exports", str(exports)]) == 0
    patch.undo()
    return model, exports, data


def test_centroids_are_the_means_of_what_was_learnt_from(learnt):
    model, exports, data = learnt
    found = json.loads((model / "attributes.json").read_text())
    assert (found["format_version"], found["latent_dim"]) == (3, timbres.DIM)
    source = open_source(str(data), audio=timbres.AUDIO, bad_notes=BadNotes())
    rows, held_out = hold_out(source.table, np.arange(len(source.table)), np.zeros(0, np.int64))
    assert not set(source.table.instrument_str[rows]) & set(source.table.instrument_str[held_out])
    z = {}
    for note in source.audio(rows):
        z[int(note["row"])] = load_exports(exports).encode(note["audio"].numpy()[None])[0]
    for kind, values, names in (
        ("instruments", source.table.instrument_str, set(source.table.instrument_str[rows])),
        ("families", np.where(source.table.instrument_family == 2, "flute", "organ"), {"flute", "organ"}),
    ):
        for name in names:
            of = [z[row] for row in rows.tolist() if values[row] == name]
            assert found[kind][name]["notes"] == len(of)
            np.testing.assert_allclose(found[kind][name]["centroid"], np.mean(of, axis=0), atol=2e-5)


def test_names_that_the_notes_lack_are_kept_and_exports_have_the_same_file(learnt):
    model, exports, _ = learnt
    found = json.loads((model / "attributes.json").read_text())
    assert found["instruments"]["My Cello"] == timbres.ATTRIBUTES["instruments"]["My Cello"]
    assert found["directions"]["tempo-synced"] == timbres.ATTRIBUTES["directions"]["tempo-synced"]
    assert not set(found["not_learnt"]) & set(found["directions"])
    copy = next((exports / "encoder").iterdir()) / "assets.extra" / "attributes.json"
    assert json.loads(copy.read_text()) == found
    mixture = found["mixture"]
    assert sum(mixture["weights"]) == pytest.approx(1.0, abs=1e-3)
    assert np.array(mixture["means"]).shape == np.array(mixture["standard_deviations"]).shape
    assert np.array(mixture["means"]).shape[1] == timbres.DIM


def test_held_out_notes_are_of_other_instruments_and_few(learnt):
    _, _, data = learnt
    table = open_source(str(data), audio=timbres.AUDIO, bad_notes=BadNotes()).table
    many = table.take(np.resize(np.arange(len(table)), 300))
    rows, others = hold_out(many, np.arange(100), np.arange(100, 300))
    assert rows.tolist() == list(range(100))
    assert len(others) == HELD_OUT_NOTES
    assert others.min() >= 100
    rows, others = hold_out(many, np.arange(100), np.arange(100, 100 + MIN_HELD_OUT))
    assert rows.tolist() == list(range(100))
    assert sorted(others) == list(range(100, 100 + MIN_HELD_OUT))


def test_errors_are_one_line_and_write_nothing(learnt, tmp_path, capsys):
    model, exports, data = learnt
    written = (model / "attributes.json").read_bytes()
    silent = tmp_path / "silent" / "nsynth-train"
    write_folder(silent, {"flute_acoustic_001-060-100": tone(60, 6)})
    soundfile.write(silent / "audio" / "flute_acoustic_001-060-100.wav", np.zeros(64000), 16000)
    options = ["--model", str(model), "--exports", str(exports)]
    for arguments, message in (
        (["--data", str(data), "--split", "test"], "no note of these is in the split test, expected at least one"),
        (["--data", "nowhere"], "nowhere: no such file or folder"),
        (["--data", str(silent)], "is silent"),
        (["--data", str(data), "--seed", "-1"], "--seed: found -1, expected an integer from 0 to 2147483647"),
        (["--data", str(data), "--classifier", str(tmp_path)], "config.json"),
    ):
        assert command.main([*arguments, *options]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ")
        assert message in error
    assert (model / "attributes.json").read_bytes() == written
    with pytest.raises(InputError, match=r"found no config\.json"):
        learn_attributes(Options(model=tmp_path / "none", exports=exports))


def test_help_answers_in_two_seconds():
    import subprocess
    import sys
    import time

    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "nsynth_vae.attributes", "--help"], check=True, capture_output=True)
    assert time.monotonic() - started < 2.0
