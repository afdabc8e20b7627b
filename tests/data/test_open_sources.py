"""From `--data` to a source, several sources as one, filters and splits."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import read_audio, sine, write_folder

from nsynth_vae.config import DataConfig
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.open_sources import open_source, open_sources
from nsynth_vae.data.readers import starter_set
from nsynth_vae.data.source import SPLITS, BadNotes, NoteTable
from nsynth_vae.data.splits import select, shared_instruments
from nsynth_vae.errors import InputError
from nsynth_vae.notes import UNKNOWN, Note, format_note_str


def open_it(spec, config, **keywords):
    return open_source(spec, audio=config, bad_notes=BadNotes(), log=lambda text: None, **keywords)


def table(instruments: dict[str, int], split=UNKNOWN, groups: dict[str, str] | None = None, velocity=100) -> NoteTable:
    """Returns a table with so many notes of each instrument, from pitch 40 up."""
    notes = [
        Note(
            format_note_str(name, 40 + k, velocity),
            40 + k,
            velocity,
            name,
            sample_group=(groups or {}).get(name),
        )
        for name, count in instruments.items()
        for k in range(count)
    ]
    return NoteTable.from_notes(notes, [split] * len(notes))


def names_of(notes: NoteTable, rows: dict[str, np.ndarray]) -> dict[str, set[str]]:
    return {split: set(notes.instrument_str[rows[split]]) for split in SPLITS}


def test_dispatch(tmp_path, nsynth, audio_config):
    assert open_it(nsynth, audio_config).name == str(nsynth)
    assert len(open_it(str(nsynth / "nsynth-test"), audio_config).table) == 2
    samples = tmp_path / "samples"
    samples.mkdir()
    soundfile.write(samples / "x C4.wav", sine(262), 16000)
    assert type(open_it(samples, audio_config)).__name__ == "SamplesSource"


def test_starter_set(tmp_path, nsynth, audio_config, monkeypatch):
    keywords = {"audio": audio_config, "bad_notes": BadNotes(), "log": print}
    assert starter_set.open_starter_set(path=nsynth, **keywords).name == "starter"
    with pytest.raises(InputError, match="the starter set is not there, expected it in the package"):
        starter_set.open_starter_set(path=tmp_path / "nowhere", **keywords)
    monkeypatch.setattr(starter_set, "open_starter_set", lambda **keywords: open_it(nsynth, audio_config))
    assert len(open_it("starter", audio_config).table) == 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda root: root / "missing",
            "no such file or folder, expected `starter`, a folder in NSynth's layout",
        ),
        (lambda root: root / "notes.txt", "found a file, expected `starter`"),
        (lambda root: root / "*.tfrecord", "no file matches, expected .tfrecord files"),
        (lambda root: root / "empty", "a folder with nothing in it, expected"),
        (lambda root: root / "texts", r"a folder with a, b, c, d, ... \(6 in all\) in it, expected"),
        (lambda root: root / "starter", "a folder with nothing in it"),
    ],
)
def test_what_is_not_a_source(tmp_path, audio_config, make, message):
    (tmp_path / "notes.txt").write_text("x")
    for name in ("empty", "texts", "starter"):
        (tmp_path / name).mkdir()
    for name in "abcdef":
        (tmp_path / "texts" / name).write_text("x")
    with pytest.raises(InputError, match=message) as error:
        open_it(make(tmp_path), audio_config)
    assert str(error.value).startswith(str(make(tmp_path)))
    assert "\n" not in str(error.value)


def test_no_usable_note(tmp_path, audio_config):
    folder = write_folder(tmp_path / "x-train", {"a-060-100": sine(262)}, {"a-060-100": {"pitch": 1}})
    with pytest.raises(InputError, match=r"x-train: no usable note in it \(1 invalid ones\), expected at least one"):
        open_source(folder, audio=audio_config, bad_notes=BadNotes("skip"))
    with pytest.raises(InputError, match="--data: found nothing"):
        open_sources([], audio=audio_config, bad_notes=BadNotes())


def test_several_sources_are_one(tmp_path, nsynth, audio_config):
    other = write_folder(tmp_path / "other", {f"my_pad-{pitch:03d}-100": sine(pitch * 6) for pitch in (50, 60, 70)})
    source = open_sources([nsynth, other], audio=audio_config, bad_notes=BadNotes())
    parts = [open_it(nsynth, audio_config), open_it(other, audio_config)]
    assert len(source.table) == 13
    assert source.name == f"{nsynth} + {other}"
    assert source.location(11) == parts[1].location(1)
    assert source.fingerprint(11) == parts[1].fingerprint(1)
    assert source.location(9) == parts[0].location(9)
    rows = np.array([12, 3, 10, 0, 9, 8, 11, 1])
    for order in (None, (0, 0), (0, 1)):
        found = read_audio(source, rows, order)
        assert [row for row, _, _ in found] == source.order_of(rows, order).tolist()
        assert sorted(row for row, _, _ in found) == sorted(rows)
        for row, audio, _ in found:
            np.testing.assert_array_equal(audio, soundfile.read(source.location(row), dtype="float32")[0])
    assert source.order_of(rows, None).tolist() == [3, 0, 9, 8, 1, 12, 10, 11]
    assert source.order_of(rows, (0, 0)).tolist() != source.order_of(rows, (0, 1)).tolist()
    assert [row for row, _, _ in read_audio(source, [12, 10])] == [12, 10]
    assert read_audio(source, np.zeros(0, np.int64)) == []


def test_help_is_quick():
    """What `--help` needs does not import TensorFlow."""
    code = "import sys, nsynth_vae.data.open_sources, nsynth_vae.data.splits; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_official_splits_are_kept(nsynth, audio_config):
    notes = open_it(nsynth, audio_config).table
    rows = select(notes, DataConfig())
    assert {name: index.tolist() for name, index in rows.items()} == {
        "train": list(range(6)),
        "valid": [6, 7],
        "test": [8, 9],
    }
    assert shared_instruments(notes, rows) == {"train/valid": 0, "train/test": 0, "valid/test": 0}


def test_shared_instruments_are_counted():
    notes = NoteTable.concatenate([table({"a": 2, "b": 1, "c": 1}, 0), table({"b": 1}, 1), table({"a": 1, "b": 1}, 2)])
    assert shared_instruments(notes, select(notes, DataConfig())) == {
        "train/valid": 1,
        "train/test": 2,
        "valid/test": 1,
    }


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"families": ("guitar",)}, ["guitar_acoustic_001-060-100"] * 0 + ["guitar"] * 3),
        ({"families": ("guitar", "brass")}, ["guitar"] * 3 + ["brass"] * 2),
        ({"sources": ("electronic",)}, ["organ"] * 2),
        ({"instruments": ("flute_x",)}, ["flute"] * 3),
        ({"pitches": (57, 60)}, ["flute", "guitar", "organ", "organ", "brass"]),
        ({"velocities": (50, 127)}, ["organ"] * 2 + ["brass"] * 2),
        ({"velocities": (100,), "pitches": (69, 69)}, ["flute", "guitar"]),
    ],
)
def test_filters(nsynth, audio_config, config, kept):
    notes = open_it(nsynth, audio_config).table
    rows = np.concatenate(list(select(notes, DataConfig(**config)).values()))
    assert sorted(name.split("_")[0] for name in notes.instrument_str[rows]) == sorted(kept)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"families": ("gitar",)}, "--families: found 'gitar', expected bass, brass"),
        ({"sources": ("live",)}, "--sources: found 'live', expected acoustic, electronic, synthetic"),
        ({"instruments": ("flute_y",)}, "--instruments: found 'flute_y', expected brass_acoustic_004"),
        ({"velocities": (1,)}, "--velocities: found '1', expected 50, 100, 127"),
        ({"pitches": (0, 3)}, "no note is left of 10 by --pitches 0-3, expected at least one"),
        ({"families": ("vocal",)}, "no note is left of 10 by --families vocal"),
    ],
)
def test_wrong_filters(nsynth, audio_config, config, message):
    with pytest.raises(InputError) as error:
        select(open_it(nsynth, audio_config).table, DataConfig(**config))
    assert message in str(error.value)


def test_unknown_instrument_of_many_names_close_ones():
    with pytest.raises(InputError, match=r"found 'pad_7x', expected pad_7.* \(40 in all\)"):
        select(table({f"pad_{k}": 1 for k in range(40)}), DataConfig(instruments=("pad_7x",)))


def test_own_split_is_by_instrument_stable_and_about_80_10_10():
    many = table({f"instrument {k}": 2 for k in range(400)})
    rows = select(many, DataConfig())
    names = names_of(many, rows)
    assert sum(map(len, names.values())) == 400
    assert sorted(np.concatenate(list(rows.values()))) == list(range(800))
    assert shared_instruments(many, rows) == {"train/valid": 0, "train/test": 0, "valid/test": 0}
    assert 290 < len(names["train"]) < 350
    assert 25 < len(names["valid"]) < 60
    assert 25 < len(names["test"]) < 60
    for name in ("instrument 3", "instrument 77"):
        place = stable_hash("split", name) / 2**63
        assert name in names["train" if place < 0.8 else "valid" if place < 0.9 else "test"]
    # The others do not matter: half of the instruments go where they went before.
    half = table({f"instrument {k}": 2 for k in range(0, 400, 2)})
    again = names_of(half, select(half, DataConfig()))
    assert all(again[split] == {n for n in names[split] if int(n.split()[1]) % 2 == 0} for split in SPLITS)


def test_split_by_instrument_ignores_official_splits():
    notes = NoteTable.concatenate(
        [table({f"i{k}": 1 for k in range(60)}, 0), table({f"i{k}": 1 for k in range(60)}, 2)]
    )
    shared = shared_instruments(notes, select(notes, DataConfig()))
    assert shared == {"train/valid": 0, "train/test": 60, "valid/test": 0}
    rows = select(notes, DataConfig(split_by="instrument"))
    assert shared_instruments(notes, rows) == {"train/valid": 0, "train/test": 0, "valid/test": 0}
    assert min(map(len, rows.values())) > 0


def test_sample_groups_stay_together():
    groups = {f"i{k}": f"group {k // 4}" for k in range(80)}
    notes = table({f"i{k}": 1 for k in range(80)}, groups=groups)
    names = names_of(notes, select(notes, DataConfig()))
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not {groups[name] for name in names[first]} & {groups[name] for name in names[second]}


@pytest.mark.parametrize("count", [3, 4, 5])
def test_few_instruments_leave_no_split_empty(count):
    for seed in range(6):
        notes = table({f"{seed} {k}": 5 for k in range(count)})
        rows = select(notes, DataConfig())
        assert min(map(len, rows.values())) >= 5
        assert sum(map(len, rows.values())) == 5 * count
        assert shared_instruments(notes, rows) == {"train/valid": 0, "train/test": 0, "valid/test": 0}


def test_fewer_than_three_instruments_are_split_by_note(messages):
    notes = table({"a": 30, "b": 30})
    rows = select(notes, DataConfig(), log=messages.append)
    assert len(messages) == 1
    assert messages[0].startswith("warning: 2 instruments to split, expected at least 3")
    assert sorted(np.concatenate(list(rows.values()))) == list(range(60))
    assert 40 <= len(rows["train"]) <= 57
    assert len(rows["valid"])
    assert len(rows["test"])
    tiny = select(table({"a": 3}), DataConfig(), log=messages.append)
    assert [len(tiny[split]) for split in SPLITS] == [1, 1, 1]
    with pytest.raises(InputError, match="2 notes without a split, expected at least 3"):
        select(table({"a": 2}), DataConfig(), log=messages.append)


def test_own_instruments_beside_official_ones(messages):
    """A known instrument goes where it is; two notes of an unknown one go to train."""
    official = NoteTable.concatenate([table({"a": 5}, 0), table({"b": 5}, 1), table({"c": 5}, 2)])
    notes = NoteTable.concatenate([official, table({"c": 2}, velocity=50), table({"mine": 2})])
    rows = select(notes, DataConfig(), log=messages.append)
    names = names_of(notes, rows)
    assert names == {"train": {"a", "mine"}, "valid": {"b"}, "test": {"c"}}
    assert [len(rows[split]) for split in SPLITS] == [7, 5, 7]
    assert len(messages) == 1


def test_max_notes_is_spread_over_instruments():
    notes = table({"a": 40, "b": 40, "c": 2}, 0)
    rows = select(notes, DataConfig(max_notes=12))["train"]
    counts = {name: int((notes.instrument_str[rows] == name).sum()) for name in "abc"}
    assert counts == {"a": 5, "b": 5, "c": 2}
    assert list(rows) == sorted(set(rows)) == select(notes, DataConfig(max_notes=12))["train"].tolist()
    assert set(rows) > set(select(notes, DataConfig(max_notes=7))["train"])
    assert set(notes.pitch[rows[:5]]) != set(range(40, 45))
    assert len(select(notes, DataConfig(max_notes=1000))["train"]) == 82
