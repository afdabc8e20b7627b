"""Batches of prepared features: every note once an epoch, any step at once, and each worker its own files."""

import pathlib
import shutil

import numpy as np
import prepared_notes
import pytest
import synthetic

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching import prepared_features
from nsynth_vae.data.batching.prepared_features import PreparedFeatures, number_of_lanes
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.readers import prepared
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.training import notes_record

CONFIG = AudioConfig()
BATCH = 8


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """66 training notes in files of at most five: sixteen files, for eight lanes."""
    notes = synthetic.write_nsynth(tmp_path_factory.mktemp("nsynth"), train_pitches=range(40, 62, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nsynth_vae.data.preparation.plan.SHARD_NOTES", 5)
        folder = prepared_notes.prepare(tmp_path_factory.mktemp("prepared"), notes)
    return open_source(folder, audio=CONFIG, bad_notes=BadNotes(), log=lambda line: None)


def training(source, rows=None, **options):
    """Return the notes, and their training batches."""
    notes = PreparedFeatures(source, np.flatnonzero(source.table.split == 0) if rows is None else rows)
    return notes, notes.training(batch_size=BATCH, seed=1, **options)


def take(dataset, count):
    return [{name: value.numpy() for name, value in batch.items()} for batch in dataset.take(count)]


def test_an_epoch_has_every_note_once_and_the_next_another_order(source):
    notes, batches = training(source)
    steps = notes.steps_per_epoch(BATCH)
    assert steps == 8
    epochs = [
        np.concatenate([batch["row"] for batch in take(batches, 2 * steps)][start : start + steps])
        for start in (0, steps)
    ]
    for rows in epochs:
        assert len(set(rows)) == len(rows) == 64
    assert not np.array_equal(*epochs)
    for batch in take(batches, 2):
        np.testing.assert_array_equal(batch["log_mel"], notes.read(batch["row"])["log_mel"])
        np.testing.assert_array_equal(batch["pitch"], notes.table.pitch[batch["row"]])


def test_any_step_is_entered_at_once_and_is_the_same(source, monkeypatch):
    _, batches = training(source, mixup_probability=0.5)
    whole = take(batches, 20)
    reads = []
    read = source.features
    monkeypatch.setattr(source, "features", lambda rows: reads.append(len(rows)) or read(rows))
    for first in (0, 3, 8, 13, 19):
        reads.clear()
        (again,) = take(training(source, first_step=first, mixup_probability=0.5)[1], 1)
        for name, values in again.items():
            np.testing.assert_array_equal(values, whole[first][name])
        # That batch, and those read ahead: four, and two in hand.
        assert sum(reads) <= 6 * 2 * BATCH


def test_workers_read_files_of_their_own_and_together_the_batches_of_one_process(source, monkeypatch):
    read, inner = set(), prepared.read_note
    monkeypatch.setattr(prepared, "read_note", lambda path, *rest: read.add(path) or inner(path, *rest))
    whole = take(training(source, mixup_probability=0.5)[1], 12)
    everything = set(read)
    assert len(everything) == 16
    for workers in (2, 8):
        parts, files = [], []
        for index in range(workers):
            read.clear()
            parts.append(take(training(source, mixup_probability=0.5, shard=(index, workers))[1], 12))
            files.append(set(read))
        assert set.union(*files) == everything
        assert sum(map(len, files)) == len(everything)
        for step, batch in enumerate(whole):
            for name, values in batch.items():
                np.testing.assert_array_equal(np.concatenate([part[step][name] for part in parts]), values)


def test_a_worker_needs_its_own_files_only_and_names_one_that_is_missing(source, tmp_path):
    folder = tmp_path / "half"
    shutil.copytree(pathlib.Path(source.name), folder)
    lanes = {path.name: int(path.name.split("-")[1]) % 8 for path in folder.glob("train-*.features")}
    for name, lane in lanes.items():
        if lane >= 4:
            (folder / name).unlink()
    lines = []
    half = open_source(folder, audio=CONFIG, bad_notes=BadNotes(), log=lines.append)
    assert "in 18 files, of which 8 are not here" in lines[0]
    mine, expected = (take(training(each, mixup_probability=0.5, shard=(0, 2))[1], 9) for each in (half, source))
    for batch, other in zip(mine, expected, strict=True):
        np.testing.assert_array_equal(batch["log_mel"], other["log_mel"])
    assert notes_record.describe(half, {"train": np.arange(66)}) == notes_record.describe(
        source, {"train": np.arange(66)}
    )
    notes, theirs = training(half, shard=(1, 2))
    with pytest.raises(
        InputError, match=r"half/train-\d+-of-\d+-\w+.features: No such file.*, expected prepared notes"
    ):
        list(notes.checked(theirs.take(9)))


def test_mixup_is_with_another_instruments_note_of_the_pitch(source):
    notes, plain = training(source)
    mixed = take(training(source, mixup_probability=1.0)[1], 8)
    everything = notes.read_all()
    changed = 0
    for before, after in zip(take(plain, 8), mixed, strict=True):
        np.testing.assert_array_equal(before["row"], after["row"])
        for row, was, log_mel in zip(before["row"], before["log_mel"], after["log_mel"], strict=True):
            others = (notes.table.pitch == notes.table.pitch[row]) & (
                notes.table.instrument_str != notes.table.instrument_str[row]
            )
            apart = everything["log_mel"][others] - was
            fraction = ((log_mel - was) * apart).sum(axis=(1, 2)) / (apart**2).sum(axis=(1, 2))
            errors = np.abs(was + fraction[:, None, None] * apart - log_mel).max(axis=(1, 2))
            assert errors.min() < 1e-4
            changed += bool(np.abs(log_mel - was).max() > 1e-3)
    # Not all: the partner has to be in the window of ten notes.
    assert changed > 8


def test_fewer_notes_than_a_batch_are_repeated_and_filters_keep_batches_whole(source):
    train = np.flatnonzero(source.table.split == 0)
    _, batches = training(source, train[:3])
    for batch in take(batches, 3):
        assert set(batch["row"]) == {0, 1, 2}
        assert len(batch["row"]) == BATCH
    # One instrument: lanes have unequal numbers of notes.
    rows = train[source.table.instrument_str[train] == "flute_synthetic_002"]
    notes, batches = training(source, rows)
    found = np.concatenate([batch["row"] for batch in take(batches, 3 * notes.steps_per_epoch(BATCH))])
    assert set(found) == set(range(len(rows)))


def test_validation_is_every_note_once_in_order(source):
    notes, _ = training(source)
    rows = np.concatenate([batch["row"] for batch in notes.batches(7)])
    np.testing.assert_array_equal(rows, np.arange(66))


@pytest.mark.parametrize(
    ("batch", "files", "lanes"),
    [(32, 1136, 8), (32, 8, 8), (32, 4, 4), (32, 3, 1), (32, 10, 2), (12, 8, 4), (7, 8, 1), (32, 1, 1)],
)
def test_lanes_divide_the_batch_and_the_files(batch, files, lanes):
    assert number_of_lanes(batch, files) == lanes


def test_a_window_is_bounded(source):
    notes, _ = training(source)
    lane = prepared_features._Lane(notes, 0, 4, (1, 0), 0.0)
    windows, ends = lane._plan_pass(0)
    assert [len(window) for window in windows] == [prepared_features.WINDOW_FILES] * 2
    assert ends[-1] == lane._size
