"""Reader of prepared features: labels, features, copies and audio are the source's; what is wrong is said in a line."""

import pathlib
import shutil

import numpy as np
import prepared_notes
import pytest
import synthetic

from nsynth_vae.config import AudioConfig
from nsynth_vae.data import prepared_index
from nsynth_vae.data.batching.feature_batches import open_features
from nsynth_vae.data.open_sources import open_source, open_sources
from nsynth_vae.data.readers.transposed import with_pitch_shifts
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.data.streaming import stream_audio
from nsynth_vae.errors import BadNoteError, InputError

CONFIG = AudioConfig()
LABELS = [
    "note_str",
    "pitch",
    "velocity",
    "instrument_str",
    "instrument_family",
    "instrument_source",
    "qualities",
    "sample_group",
    "split",
]


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("nsynth"), train_pitches=(48, 60, 100))


@pytest.fixture(scope="module")
def prepared(notes, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nsynth_vae.data.preparation.plan.SHARD_NOTES", 10)
        return prepared_notes.prepare(tmp_path_factory.mktemp("prepared"), notes, copies=2)


def open_quietly(path, config=CONFIG):
    return open_source(path, audio=config, bad_notes=BadNotes(), log=lambda line: None)


def by_name(source, rows):
    return {source.table.note_str[row]: int(row) for row in rows}


def test_labels_features_and_copies_are_those_of_the_notes(notes, prepared):
    source, found = open_quietly(notes), open_quietly(prepared)
    assert len(found.table) == len(source.table) == 26
    for copies in (0, 1, 2):
        expected, rows = with_pitch_shifts(source, np.flatnonzero(source.table.split == 0), copies, seed=0)
        joined, prepared_rows = with_pitch_shifts(found, np.flatnonzero(found.table.split == 0), copies, seed=0)
        here, there = by_name(joined, prepared_rows), by_name(expected, rows)
        assert here.keys() == there.keys()
        assert len(here) == len(prepared_rows)
        if copies:
            assert any(name.endswith(" +1") for name in here)
        order = [here[name] for name in there]
        for label in LABELS:
            np.testing.assert_array_equal(
                np.array(getattr(joined.table, label))[order], getattr(expected.table, label)[list(there.values())]
            )
    # With all copies.
    computed = open_features(expected, np.array(list(there.values())), CONFIG, BadNotes(), memory=True).read_all()
    np.testing.assert_allclose(joined.features(np.array(order)), computed["log_mel"], atol=1e-5)


def test_more_copies_than_were_prepared_are_an_error(prepared):
    source = open_quietly(prepared)
    with pytest.raises(
        InputError, match="prepared with 2 pitch-shifted copies of a note, expected at least 3: --pitch"
    ):
        source.with_copies(np.arange(3), 3)


def test_the_audio_of_some_notes_is_kept_bit_for_bit(notes, prepared, tmp_path):
    source, found = open_quietly(notes), open_quietly(prepared)
    rows = np.arange(len(found.table))
    names = by_name(source, rows)
    with_audio = rows[found.has_audio(rows)]
    assert len(with_audio) == 26  # Files of ten notes, of which up to 16 have audio.
    for row, audio in stream_audio(found, with_audio, BadNotes()):
        expected, problem = source.read(names[found.table.note_str[row]])
        assert not problem
        np.testing.assert_array_equal(audio, expected)
    few = open_quietly(prepared_notes.prepare(tmp_path / "few", notes))
    has = few.has_audio(rows)
    assert has.sum() == 16 + 4 + 4  # One file a split, of 18, 4 and 4 notes.
    with pytest.raises(BadNoteError, match=r"record \d+: was prepared without its audio, expected .*--keep-audio all"):
        list(stream_audio(few, rows[~has], BadNotes()))
    whole = open_quietly(prepared_notes.prepare(tmp_path / "all", notes, keep_audio="all"))
    assert whole.has_audio(rows).all()


def test_a_location_is_a_file_and_a_record_in_it(prepared):
    source = open_quietly(prepared)
    seen = [source.location(row).rpartition(": record ") for row in range(len(source.table))]
    for path, _, record in seen:
        assert pathlib.Path(path).is_file()
        assert 0 <= int(record) < 10
    assert len(set(seen)) == len(seen)


def test_damaged_folders_are_named(prepared, tmp_path):
    def damaged(change) -> pathlib.Path:
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(prepared, folder)
        change(folder, sorted(folder.glob("train-*.features"))[0])
        return folder

    def cut(folder, file):
        file.write_bytes(file.read_bytes()[:-1])

    for change, message in (
        (cut, r"train-00000-of-\d+-\w+.features: is damaged, expected \d+ prepared notes: the same prepare command"),
        (
            lambda folder, file: [path.unlink() for path in folder.glob("*.features")],
            r"copy: has only an index, expected train-00000",
        ),
        (lambda folder, file: (folder / "index.npz").write_bytes(b"PK"), "index.npz: cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            open_quietly(damaged(change))
    with pytest.raises(
        InputError, match=r"its features have num_mel_bins 128 \(expected 64\); expected to be prepared"
    ):
        open_quietly(prepared, AudioConfig(num_mel_bins=64))


def test_prepared_notes_are_the_only_source(prepared, notes):
    options = {"audio": CONFIG, "bad_notes": BadNotes(), "log": lambda line: None}
    with pytest.raises(InputError, match=r"holds features, expected as the only --data"):
        open_sources([str(prepared), str(notes)], **options)


def test_the_index_is_small(prepared, monkeypatch, tmp_path):
    """Of 300,000 notes of 1,000 instruments: on disk at most 100 bytes a note, and in memory."""
    from nsynth_vae.notes import Note

    count = 30_000
    notes = (
        Note(
            f"guitar_acoustic_{i % 1000:03d}-{i % 88:03d}-{i % 127:03d}",
            i % 88,
            i % 127,
            f"guitar_{i % 1000}",
            3,
            0,
            (0,) * 10,
        )
        for i in range(count)
    )
    table = NoteTable.from_notes(notes, [0] * count)
    zeros = np.zeros(count, np.int8)
    size = prepared_index.write_index(tmp_path, table, zeros, zeros, {"copies": 0})
    assert size == (tmp_path / "index.npz").stat().st_size <= 100 * count
    found = prepared_index.to_table(prepared_index.read_index(tmp_path)[0])
    arrays = {id(values): values for values in (getattr(found, name) for name in LABELS)}
    assert sum(getattr(values, "values", values).nbytes for values in arrays.values()) <= 60 * count
    assert list(found.note_str) == list(table.note_str)
    # A run of rows takes no memory again.
    assert found.take(np.arange(10, count)).pitch.base is not None
