"""Batches of features: their order, mixup, and the same features from memory, from disk and streamed."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import synthetic

from nsynth_vae import features
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.feature_batches import CachedFeatures, StreamedFeatures, open_features
from nsynth_vae.data.batching.feature_cache import DiskStore, stream_features
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import BadNoteError, InputError
from nsynth_vae.files import atomic_write

CONFIG = AudioConfig()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("nsynth"))


@pytest.fixture
def source(folder):
    return open_source(str(folder), audio=CONFIG, bad_notes=BadNotes())


def train_rows(source):
    return np.flatnonzero(source.table.split == 0)


def open_kind(kind, source, tmp_path):
    options = {
        "memory": {"memory": True},
        "disk": {"memory": False, "cache_dir": tmp_path / "cache"},
        "streamed": {"memory": False},
    }
    return open_features(source, train_rows(source), CONFIG, BadNotes(), **options[kind])


def test_all_kinds_give_the_same_notes_in_the_same_order(source, tmp_path):
    expected = None
    for kind in ("memory", "disk", "streamed"):
        notes = open_kind(kind, source, tmp_path)
        batches = list(notes.batches(8))
        assert [len(batch["pitch"]) for batch in batches] == [8, 8, 8, 8, 4]
        joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        expected = expected or joined
        for name, values in expected.items():
            np.testing.assert_array_equal(joined[name], values)
        np.testing.assert_array_equal(notes.table.pitch[joined["row"]], joined["pitch"])
    audio = synthetic.tone(int(expected["pitch"][0]))
    assert expected["log_mel"].shape == (36, *features.log_mel(audio, CONFIG).shape)


def test_the_features_are_those_of_the_file(source):
    import soundfile

    row = int(train_rows(source)[5])
    audio, _ = soundfile.read(source.location(row), dtype="float32")
    ((found, log_mel),) = stream_features(source, np.array([row]), CONFIG, BadNotes())
    assert found == row
    np.testing.assert_array_equal(log_mel, features.log_mel(audio, CONFIG))


@pytest.mark.parametrize("kind", ["memory", "disk", "streamed"])
def test_training_batches_repeat_and_can_be_entered_in_the_middle(source, tmp_path, kind):
    notes = open_kind(kind, source, tmp_path)

    def take(first_step, count):
        batches = notes.training(batch_size=8, mixup_probability=0.5, seed=1, first_step=first_step).take(count)
        return [{name: value.numpy() for name, value in batch.items()} for batch in batches]

    whole, tail = take(0, 7), take(5, 2)
    for batch, again in zip(whole[5:], tail, strict=True):
        for name in batch:
            np.testing.assert_array_equal(batch[name], again[name])
    assert notes.steps_per_epoch(8) == 4
    rows = np.concatenate([batch["row"] for batch in whole[:4]])
    assert len(set(rows)) == len(rows) == 32
    np.testing.assert_array_equal(np.concatenate([batch["pitch"] for batch in whole[:4]]), notes.table.pitch[rows])


@pytest.mark.parametrize("kind", ["memory", "disk", "streamed"])
def test_shards_of_a_batch_are_the_parts_of_the_whole(source, tmp_path, kind):
    notes = open_kind(kind, source, tmp_path)

    def take(**shard):
        batches = notes.training(batch_size=8, mixup_probability=0.5, seed=1, first_step=3, **shard).take(3)
        return [{name: value.numpy() for name, value in batch.items()} for batch in batches]

    whole, first, second = take(), take(shard=(0, 2)), take(shard=(1, 2))
    for batch, parts in zip(whole, zip(first, second, strict=True), strict=True):
        for name, values in batch.items():
            assert len(parts[0][name]) == len(parts[1][name]) == 4
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)


@pytest.mark.parametrize("kind", ["memory", "disk", "streamed"])
def test_mixup_is_between_two_notes_of_one_pitch(source, tmp_path, kind):
    """And differs from the plain note by no more than that."""
    notes = open_kind(kind, source, tmp_path)
    (everything,) = notes.batches(100)
    every = everything["log_mel"].numpy()

    def take(probability):
        batches = notes.training(batch_size=8, seed=1, mixup_probability=probability).take(8)
        batches = [{name: value.numpy() for name, value in batch.items()} for batch in batches]
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    plain, mixed, again = take(0.0), take(1.0), take(1.0)
    assert mixed.keys() == {"log_mel", "pitch", "velocity", "row"}
    for name, values in mixed.items():
        np.testing.assert_array_equal(values, again[name])
    for name in ("pitch", "row"):
        np.testing.assert_array_equal(mixed[name], plain[name])
    changed = 0
    for pitch, row, log_mel, was in zip(mixed["pitch"], mixed["row"], mixed["log_mel"], plain["log_mel"], strict=True):
        np.testing.assert_array_equal(every[row], was)
        same = (everything["pitch"].numpy() == pitch) & (notes.table.instrument_str != notes.table.instrument_str[row])
        apart = every[same] - was
        # The note plus a fraction of the difference to one of the others.
        fraction = ((log_mel - was) * apart).sum(axis=(1, 2)) / (apart**2).sum(axis=(1, 2))
        errors = np.abs(was + fraction[:, None, None] * apart - log_mel).max(axis=(1, 2))
        best = errors.argmin()
        assert errors[best] < 1e-4
        assert -1e-5 <= fraction[best] <= 1 + 1e-5
        changed += fraction[best] > 1e-5
    # A stream's first notes have no notes before them.
    assert changed == 64 if kind != "streamed" else changed > 32


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_training_batch_reads_each_note_once(source, tmp_path, monkeypatch, kind):
    notes = open_kind(kind, source, tmp_path)
    read, store_read = [], notes.store.read
    monkeypatch.setattr(notes.store, "read", lambda index: read.append(index) or store_read(index))
    batches = list(notes.training(batch_size=8, seed=1, mixup_probability=1.0).take(4))
    # The pipeline reads a few steps ahead, and batches in parallel: in any order.
    assert 4 <= len(read) <= 8
    assert all(len(index) == len(set(index)) <= 16 for index in read)
    for batch in batches:
        assert any(set(batch["row"].numpy()) <= set(index) for index in read)


def test_a_stream_mixes_with_the_latest_notes_of_a_pitch(source, monkeypatch):
    monkeypatch.setattr("nsynth_vae.data.batching.feature_batches.RESERVOIR_PER_PITCH", 2)
    notes = open_features(source, train_rows(source), CONFIG, BadNotes(), memory=False)
    assert isinstance(notes, StreamedFeatures)
    plain = {int(note["row"]): note["log_mel"] for note in notes._notes()}
    before: list[int] = []
    changed = 0
    for _, note in zip(range(36), notes._mixed((0, 0), 1.0), strict=False):
        row = int(note["row"])
        recent = [other for other in before if notes.table.pitch[other] == notes.table.pitch[row]][-2:]
        others = [other for other in recent if notes.table.instrument_str[other] != notes.table.instrument_str[row]]
        difference = note["log_mel"] - plain[row]
        if others:
            changed += 1
            apart = np.stack([plain[other] - plain[row] for other in others])
            fraction = (difference * apart).sum(axis=(1, 2)) / (apart**2).sum(axis=(1, 2))
            assert np.abs(fraction[:, None, None] * apart - difference).max(axis=(1, 2)).min() < 1e-4
        else:
            assert not difference.any()
        before.append(row)
    assert changed > 10


def test_shards_are_reused_and_a_changed_file_costs_its_shard_only(source, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("nsynth_vae.data.batching.feature_cache.SHARD_NOTES", 10)
    rows, cache = train_rows(source), tmp_path / "cache"
    computed = []
    monkeypatch.setattr(
        "nsynth_vae.data.batching.feature_cache.stream_features",
        lambda *arguments: computed.append(len(arguments[1])) or stream_features(*arguments),
    )

    def build():
        computed.clear()
        progress = []
        opened = open_source(str(folder), audio=CONFIG, bad_notes=BadNotes())
        store = DiskStore(opened, rows, CONFIG, BadNotes(), progress.append, cache)
        assert sum(progress) == len(rows)
        return store.read(np.arange(len(rows)))

    first = build()
    assert computed == [36]
    assert len(list(cache.iterdir())) == 4
    np.testing.assert_array_equal(build(), first)
    assert computed == []
    path = source.location(int(rows[12]))
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(build(), first)
    assert computed == [10]
    shard = max(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    shard.write_bytes(shard.read_bytes()[:-1])
    np.testing.assert_array_equal(build(), first)
    assert computed == [10]
    with atomic_write(cache / "log-mel-0123") as temporary:
        abandoned = re.sub(r"^\.tmp-\d+", ".tmp-999999999", temporary.name)
        temporary.write_bytes(b"half")
    (cache / abandoned).write_bytes(b"half")
    (cache / "log-mel-0123").unlink()
    build()
    assert not list(cache.glob(".tmp-*"))


def test_other_features_never_come_from_these_shards(source, tmp_path):
    rows = train_rows(source)[:3]
    for config in (CONFIG, AudioConfig(log_offset=1e-3)):
        store = DiskStore(source, rows, config, BadNotes(), lambda notes: None, tmp_path)
        expected = [log_mel for _, log_mel in stream_features(source, rows, config, BadNotes())]
        np.testing.assert_array_equal(store.read(np.arange(3)), expected)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("memory", [True, False])
def test_bad_notes_are_named_and_left_out_now_and_from_the_cache(tmp_path, memory):
    folder = synthetic.write_nsynth(tmp_path / "nsynth")
    audio = sorted((folder / "nsynth-train" / "audio").iterdir())
    audio[3].write_bytes(audio[3].read_bytes()[:5000])
    audio[7].write_bytes(b"RIFF nonsense")
    rows = np.arange(36)
    for _ in range(2):
        bad = BadNotes("skip")
        source = open_source(str(folder), audio=CONFIG, bad_notes=bad)
        rows = train_rows(source)
        notes = open_features(
            source, rows, CONFIG, bad, memory=memory, cache_dir=None if memory else tmp_path / "cache"
        )
        assert isinstance(notes, CachedFeatures)
        assert len(notes.table) == 34
        assert {pathlib.PurePath(name).name for name in bad.skipped} == {audio[3].name, audio[7].name}
    source = open_source(str(folder), audio=CONFIG, bad_notes=BadNotes())
    with pytest.raises(BadNoteError, match=audio[3].stem):
        open_features(source, train_rows(source), CONFIG, BadNotes(), memory=True)


def test_a_split_of_bad_notes_only_is_an_error(tmp_path):
    folder = synthetic.write_nsynth(tmp_path / "nsynth", train_pitches=(60,))
    bad = BadNotes("skip")
    source = open_source(str(folder), audio=CONFIG, bad_notes=bad)
    for path in (folder / "nsynth-train" / "audio").iterdir():
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="no note can be used, expected at least one"):
        open_features(source, train_rows(source), CONFIG, bad, memory=True)


def test_a_kill_while_writing_costs_one_shard_and_blocks_nothing(folder, tmp_path):
    script = textwrap.dedent(f"""
        import os, pathlib, signal
        import numpy as np
        from nsynth_vae.config import AudioConfig
        from nsynth_vae.data.batching import feature_cache as cache
        from nsynth_vae.data.open_sources import open_source
        from nsynth_vae.data.source import BadNotes
        cache.SHARD_NOTES = 10
        source = open_source({str(folder)!r}, audio=AudioConfig(), bad_notes=BadNotes())
        done = []
        def progress(notes):
            done.append(notes)
            if len(done) == 25:
                os.kill(os.getpid(), signal.SIGKILL)
        rows = np.flatnonzero(source.table.split == 0)
        cache.DiskStore(source, rows, AudioConfig(), BadNotes(), progress, pathlib.Path({str(tmp_path)!r}))
    """)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("log-mel-*"))) == 2
    store = DiskStore(
        source := open_source(str(folder), audio=CONFIG, bad_notes=BadNotes()),
        train_rows(source),
        CONFIG,
        BadNotes(),
        lambda notes: None,
        tmp_path,
    )
    assert store.read(np.arange(36)).shape == (36, 251, 128)


MEASURE = """
import resource, sys
import numpy as np
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.batching.feature_batches import open_features
from nsynth_vae.data.source import BadNotes
source = open_source(sys.argv[1], audio=AudioConfig(), bad_notes=BadNotes())
rows = np.arange(len(source.table))
notes = open_features(source, rows, AudioConfig(), BadNotes(), memory=False, cache_dir=sys.argv[2] or None)
steps = notes.steps_per_epoch(32)
for batch in notes.training(batch_size=32, mixup_probability=0.5, seed=0).take(steps):
    pass
print(len(rows), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_memory_does_not_grow_with_the_number_of_notes(tmp_path, cached):
    import json

    peaks = {}
    note = tmp_path / "note.wav"
    synthetic.soundfile.write(note, synthetic.tone(60), 16000, subtype="PCM_16")
    for count in (1000, 10_000):
        folder = tmp_path / str(count) / "nsynth-train"
        (folder / "audio").mkdir(parents=True)
        examples = {}
        for i in range(count):
            name = f"guitar_acoustic_{i // 128:03d}-{i % 128:03d}-100"
            os.link(note, folder / "audio" / f"{name}.wav")
            examples[name] = {
                "pitch": i % 128,
                "velocity": 100,
                "instrument_str": name[:-8],
                "sample_rate": 16000,
            }
        (folder / "examples.json").write_text(json.dumps(examples))
        cache = str(tmp_path / "cache" / str(count)) if cached else ""
        ran = subprocess.run(
            [sys.executable, "-c", MEASURE, str(folder.parent), cache],
            capture_output=True,
            text=True,
            check=True,
        )
        notes, peaks[count] = map(int, ran.stdout.split())
        assert notes == count
    assert peaks[10_000] <= 1.1 * peaks[1000], peaks
