"""What can be trained on beside the starter set: no note of a held-out instrument, none out of tune."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import synthetic

ROOT = Path(__file__).parents[3]
PRESETS = ROOT / "scripts" / "starter_presets.json"
SOUNDFONTS = [Path(f"/usr/share/sounds/sf3/{name}.sf3") for name in ("FluidR3Mono_GM", "MuseScore_General")]


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("make_wide_set")


def played(wide, notes, name="mallet_acoustic_500"):
    instrument = wide.Instrument(name, "Bar", "mallet", "acoustic", 0, 12, "g", "train", tuple(notes))
    return wide.Played(instrument, 0.0, {note: audio.astype(np.float64) for note, audio in notes.items()})


def test_presets_are_those_of_the_starter_sets_training_groups(wide):
    starter = wide.plan_starter_set(PRESETS)
    held_out = {each.sample_group.removeprefix("fluidr3mono-") for each in starter if each.split != "train"}
    learnt = {(each.bank, each.program) for each in starter if each.split == "train"}
    names = []
    for kind in ("fluidr3mono", "musescore"):
        planned = wide.plan_presets(PRESETS, kind)
        assert not {each.sample_group.removeprefix(f"{kind}-") for each in planned} & held_out
        found = {(each.bank, each.program) for each in planned}
        assert learnt < found
        assert not found & wide.NOT_IN_TUNE
        assert all("Drawbar" not in each.instrument_name for each in planned)
        names += [each.instrument_str for each in planned]
    assert len(names) == len(set(names)) > 180
    [piccolo] = [each for each in planned if each.instrument_name == "Piccolo"]
    assert piccolo.notes == (
        (75, 100),
        (79, 50),
        (83, 127),
        (87, 75),
        (91, 100),
        (95, 25),
        (99, 100),
        (103, 50),
        (107, 127),
    )


def test_notes_that_are_not_at_their_pitch_are_left_out(wide):
    notes = {(pitch, 100): synthetic.tone(pitch, decay=3.0) for pitch in (60, 64, 68)}
    notes |= {(72, 100): synthetic.tone(71, decay=3.0), (76, 100): 1e-4 * synthetic.tone(76)}
    assert list(wide.in_tune(played(wide, notes)).notes) == [(60, 100), (64, 100), (68, 100)]
    del notes[60, 100]
    assert wide.in_tune(played(wide, notes)) is None


def test_presets_of_the_same_samples_are_the_same(wide):
    one = played(wide, {(pitch, 100): synthetic.tone(pitch) for pitch in (60, 64)})
    same = played(wide, {(pitch, 100): 0.95 * synthetic.tone(pitch) for pitch in (64, 68)})
    other = played(wide, {(pitch, 100): synthetic.tone(pitch, (1.0, 0.0, 0.8, 0.0, 0.5)) for pitch in (60, 64)})
    elsewhere = played(wide, {(90, 100): synthetic.tone(90)})
    assert wide.is_same(one, same)
    assert not wide.is_same(one, other)
    assert not wide.is_same(one, elsewhere)
    found = wide.log_mels(one)
    silence = wide.log_mels(played(wide, {(60, 100): np.zeros(64000)}))[60, 100]
    np.testing.assert_allclose(silence - silence.max(), 0, atol=1e-5)
    assert found.keys() == one.notes.keys()
    assert found[60, 100].max() - silence.max() > np.log(1e3)


def test_a_file_that_is_missing_is_named(wide, tmp_path, capsys):
    assert wide.main(["--fluid", str(tmp_path / "no.sf3"), "-o", str(tmp_path / "wide")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'no.sf3'}: not found\n"
    assert not (tmp_path / "wide").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not all(path.is_file() for path in SOUNDFONTS),
    reason="needs FluidSynth and the sound fonts",
)
def test_a_preset_is_played_in_tune(wide):
    [planned] = [each for each in wide.plan_presets(PRESETS, "musescore") if each.instrument_name == "Bassoon"]
    found = wide.play_soundfont([planned], SOUNDFONTS[1], 1)
    [bassoon] = found.values()
    assert (bassoon.instrument.bank, bassoon.instrument.program) in found
    assert len(bassoon.notes) >= len(planned.notes) - 1
    assert max(np.abs(audio).max() for audio in bassoon.notes.values()) == pytest.approx(wide.PEAK)
