"""`prepare`: finished files are kept, stale ones go, invalid notes are listed, and what is wrong is said in a line."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import prepared_notes
import pytest
import soundfile
import synthetic

from nsynth_vae import prepare
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.feature_batches import open_features
from nsynth_vae.data.feature_shards import read_header
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import BadNoteError, InputError

CONFIG = AudioConfig()


@pytest.fixture
def notes(tmp_path):
    return synthetic.write_nsynth(tmp_path / "nsynth", train_pitches=(48, 60))


def open_quietly(path, policy="error"):
    return open_source(path, audio=CONFIG, bad_notes=BadNotes(policy), log=lambda line: None)


def write_records(folder: pathlib.Path, notes: pathlib.Path, compression: str = "") -> pathlib.Path:
    """Write the notes as NSynth's TFRecord files, those to train on as two."""
    import tensorflow as tf

    def feature(kind, values):
        lists = {"int64": tf.train.Int64List, "float": tf.train.FloatList, "bytes": tf.train.BytesList}
        return tf.train.Feature(**{f"{kind}_list": lists[kind](value=values)})

    folder.mkdir()
    source = open_quietly(notes)
    for split, name in enumerate(("train", "valid", "test")):
        rows = np.flatnonzero(source.table.split == split)
        for number, part in enumerate(np.array_split(rows, 2 if name == "train" else 1)):
            with tf.io.TFRecordWriter(str(folder / f"{number}-nsynth-{name}.tfrecord"), compression) as writer:
                for row in part:
                    fields = {
                        "note_str": feature("bytes", [source.table.note_str[row].encode()]),
                        "pitch": feature("int64", [source.table.pitch[row]]),
                        "audio": feature("float", source.read(row)[0]),
                    }
                    example = tf.train.Example(features=tf.train.Features(feature=fields))
                    writer.write(example.SerializeToString())
    return folder


def test_finished_files_are_kept_and_those_of_other_notes_removed(notes, tmp_path, capsys):
    folder = prepared_notes.prepare(tmp_path / "prepared", notes)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.features")}
    next(folder.glob("train-*.features")).unlink()
    valid = next(folder.glob("valid-*.features"))
    valid.write_bytes(valid.read_bytes()[:-4])
    prepared_notes.prepare(folder, notes)
    assert "20 notes in 3 files, of which 1 are there" in capsys.readouterr().out
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.features")}
    assert before.keys() == after.keys()
    assert {name.partition("-")[0] for name in after if before[name] == after[name]} == {"test"}
    # Another sound in a file: another hash in its name, and the old file goes.
    train = sorted((notes / "nsynth-train" / "audio").iterdir())[0]
    soundfile.write(train, synthetic.tone(50), 16000, subtype="PCM_16")
    prepared_notes.prepare(folder, notes)
    assert "of which 2 are there" in capsys.readouterr().out
    assert len(list(folder.glob("*.features"))) == len(list(folder.glob("*.audio"))) == 3
    assert len({*folder.glob("train-*.features")} - {folder / name for name in before}) == 1


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_records_are_read_from_where_a_file_begins(notes, tmp_path, compression, monkeypatch):
    monkeypatch.setattr("nsynth_vae.data.preparation.plan.SHARD_NOTES", 4)
    records = write_records(tmp_path / "records", notes, compression)
    folder = prepared_notes.prepare(tmp_path / "prepared", records)
    source, expected = open_quietly(folder), open_quietly(notes)
    assert len(list(folder.glob("train-*.features"))) == 4
    computed = open_features(expected, np.arange(20), CONFIG, BadNotes(), memory=True).read_all()["log_mel"]
    place = {name: row for row, name in enumerate(expected.table.note_str)}
    order = [place[name] for name in source.table.note_str]
    assert sorted(order) == list(range(20))
    np.testing.assert_allclose(source.features(np.arange(20)), computed[order], atol=1e-5)
    np.testing.assert_array_equal(source.table.split, expected.table.split[order])


def test_sources_together_and_what_has_no_split_are_prepared_as_they_are(notes, tmp_path):
    samples = tmp_path / "samples"
    for name in ("oboe", "lute", "horn"):
        (samples / name).mkdir(parents=True)
        for pitch in ("C4", "E4"):
            midi = {"C4": 60, "E4": 64}[pitch]
            soundfile.write(samples / name / f"{name} {pitch}.wav", synthetic.tone(midi), 16000)
    folder = prepared_notes.prepare(tmp_path / "prepared", notes, samples)
    source = open_quietly(folder)
    assert len(source.table) == 26
    unsplit = source.table.split == -1
    assert set(source.table.instrument_str[unsplit]) == {"oboe", "lute", "horn"}


def test_invalid_notes_are_listed_by_all_runs_and_end_one_without_an_index(notes, tmp_path, capsys):
    audio = notes / "nsynth-train" / "audio"
    first, second = sorted(audio.iterdir())[:2]
    soundfile.write(first, np.zeros(64000), 16000, subtype="PCM_16")
    second.write_bytes(second.read_bytes()[:1000])
    folder = tmp_path / "prepared"
    with pytest.raises(BadNoteError, match=rf"{first.name}: is silent.*--on-bad-note skip"):
        prepared_notes.prepare(folder, notes)
    out = capsys.readouterr().out
    assert first.name in out
    assert second.name in out
    assert "invalid_notes 2" in out
    assert not (folder / "index.npz").exists()
    prepared_notes.prepare(folder, notes, on_bad_note="skip")
    out = capsys.readouterr().out
    assert "20 notes in 3 files, of which 3 are there" in out
    assert first.name in out
    source, expected = open_quietly(folder), open_quietly(notes)
    assert set(expected.table.note_str) - set(source.table.note_str) == {first.stem, second.stem}


def test_copies_stay_with_their_notes_when_some_are_invalid(notes, tmp_path):
    first = sorted((notes / "nsynth-train" / "audio").iterdir())[0]
    first.write_bytes(b"")
    source = open_quietly(prepared_notes.prepare(tmp_path / "prepared", notes, copies=2, on_bad_note="skip"))
    joined, rows = source.with_copies(np.flatnonzero(source.table.split == 0), 2)
    assert len(rows) == 3 * 11
    names = [name.partition(" +")[0] for name in joined.table.note_str[rows]]
    assert all(names.count(name) == 3 for name in names)
    assert not any(first.stem in name for name in names)
    one, rows = source.with_copies(rows[:1], 1)
    assert len(rows) == 2
    assert one.table.note_str[rows[1]].startswith(one.table.note_str[rows[0]])


def test_other_folders_and_prepared_notes_are_refused(notes, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "song.txt").write_text("la")
    with pytest.raises(InputError, match=r"mine: found song.txt in it, expected a new folder, or one that prepare"):
        prepared_notes.prepare(tmp_path / "mine", notes)
    folder = prepared_notes.prepare(tmp_path / "prepared", notes)
    with pytest.raises(InputError, match="prepared: is prepared already, expected the notes themselves"):
        prepared_notes.prepare(tmp_path / "again", folder)
    assert not (tmp_path / "again").exists()


def test_without_beam_the_command_says_how_to_get_it(notes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, inner=prepare.importlib.util.find_spec: None if name == "apache_beam" else inner(name),
    )
    assert prepare.main(["--data", str(notes), "-o", str(tmp_path / "prepared")]) == 2
    error = capsys.readouterr().err
    assert "found no Apache Beam, expected pip install 'nsynth-vae[train,beam]'" in error
    assert error.count("\n") == 1


@pytest.mark.tools
class TestBeam:
    """What needs Apache Beam itself: requirements-dev.txt."""

    @pytest.fixture(autouse=True)
    def beam(self):
        pytest.importorskip("apache_beam")

    def run(self, *arguments) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "nsynth_vae.prepare", *map(str, arguments)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)

    def test_options_that_nobody_has_and_unknown_runners_are_refused(self, notes, tmp_path, capsys):
        def message(*options: str) -> str:
            assert prepare.main(["--data", str(notes), "-o", str(tmp_path / "prepared"), *options]) == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1
            return error

        assert "--max-note: no option of this command, nor of Apache Beam's" in message("--max-note", "3")
        assert "argument --direct_num_workers: invalid int value: 'two'" in message("--direct_num_workers", "two")
        assert "--runner NoRunner:" in message("--runner", "NoRunner")
        assert not (tmp_path / "prepared" / "index.npz").exists()

    def test_metrics_count_and_list_the_invalid_notes(self, notes, tmp_path):
        from nsynth_vae.data.preparation.pipeline import make_options, run_pipeline
        from nsynth_vae.data.preparation.run import PrepareOptions, prepare_by

        first = sorted((notes / "nsynth-train" / "audio").iterdir())[0]
        first.write_bytes(b"")
        found = {}

        def compute(messages: list[bytes]) -> dict:
            options = make_options("DirectRunner", 1, ["--direct_running_mode", "in_memory"])
            found.update(run_pipeline(messages, "DirectRunner", options))
            return found

        prepare_by(compute, prepared_notes.config_of(notes), PrepareOptions(tmp_path / "out", on_bad_note="skip"))
        assert {name: found[name] for name in ("files", "notes", "invalid_notes")} == {
            "files": 3,
            "notes": 19,
            "invalid_notes": 1,
        }
        (invalid,) = getattr(found["invalid"], "string_set", found["invalid"])
        assert re.fullmatch(rf"{re.escape(str(first))}: .+", invalid)

    @pytest.mark.slow
    def test_two_processes_give_the_features_of_this_one(self, notes, tmp_path):
        done = self.run("--data", notes, "-o", tmp_path / "beam", "--workers", "2", "--pitch-shift-copies", "1")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        here = prepared_notes.prepare(tmp_path / "here", notes, copies=1)
        for path in here.iterdir():
            if path.suffix in (".features", ".audio"):
                assert (tmp_path / "beam" / path.name).stat().st_size == path.stat().st_size
        source, expected = open_quietly(tmp_path / "beam"), open_quietly(here)
        rows = np.arange(20)
        np.testing.assert_allclose(source.features(rows), expected.features(rows), atol=1e-5)
        assert list(source.table.note_str) == list(expected.table.note_str)

    @pytest.mark.slow
    def test_a_workers_own_error_is_one_line(self, notes, tmp_path):
        audio = tmp_path / "prepared"
        audio.mkdir()
        # Every file of features is in the way of a folder of its name.
        prepared_notes.prepare(audio, notes)
        for path in audio.glob("*.features"):
            path.unlink()
            path.mkdir()
        done = self.run("--data", notes, "-o", audio, "--pitch-shift-copies", "0")
        assert done.returncode == 2
        assert re.fullmatch(r"error: .*\.features: is a folder, expected .*\n", done.stderr)

    @pytest.mark.slow
    def test_a_kill_leaves_only_whole_files_and_the_rest_is_done_by_the_same_command(self, tmp_path):
        notes = synthetic.write_nsynth(tmp_path / "nsynth", train_pitches=range(30, 90))
        folder = tmp_path / "prepared"
        command = [sys.executable, "-m", "nsynth_vae.prepare", "--data", str(notes), "-o", str(folder)]
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        # Hidden ones are not finished.
        while not list(folder.glob("train-*.features")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done = list(folder.glob("[a-z]*.features"))
        assert done
        assert all(read_header(path, CONFIG) is not None for path in done)
        assert not (folder / "index.npz").exists()
        again = self.run(*command[3:])
        assert again.returncode == 0, again.stderr
        there = int(re.search(r"of which (\d+) are there", again.stdout)[1])
        # A worker may have renamed one while the list was made.
        assert len(done) <= there <= len(done) + 1
        assert not list(folder.glob(".tmp-*"))
        assert len(open_quietly(folder).table) == 60 * 6 + 8
