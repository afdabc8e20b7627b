"""Batches of audio: the same numbers from memory and from a stream, in an order that is a function of (seed, epoch)."""

import itertools

import numpy as np
import pytest
import soundfile
import synthetic

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.batching.audio_batches import (
    MemoryAudio,
    StreamedAudio,
    audio_megabytes,
    dequantize,
    open_audio,
    quantize,
)
from nsynth_vae.data.open_sources import open_source, open_sources
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import BadNoteError, InputError

CONFIG = AudioConfig()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("nsynth"))


@pytest.fixture
def source(folder):
    return open_source(str(folder), audio=CONFIG, bad_notes=BadNotes())


def train_rows(source):
    return np.flatnonzero(source.table.split == 0)


def kinds(source, rows):
    return [open_audio(source, rows, CONFIG, BadNotes(), memory=memory) for memory in (True, False)]


def take(dataset, count):
    return [{name: value.numpy() for name, value in batch.items()} for batch in itertools.islice(dataset, count)]


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        assert batch.keys() == other.keys() == {"audio", "pitch"}
        for name in batch:
            np.testing.assert_array_equal(batch[name], other[name])


def test_both_kinds_give_every_note_in_order_as_it_is_in_the_file(source):
    rows = train_rows(source)
    memory, streamed = kinds(source, rows)
    assert isinstance(memory, MemoryAudio)
    assert isinstance(streamed, StreamedAudio)
    batches = take(memory.batches(16), 9)
    assert [len(batch["pitch"]) for batch in batches] == [16, 16, 4]
    assert batches[0]["audio"].dtype == np.float32
    assert batches[0]["pitch"].dtype == np.int32
    assert_same(batches, take(streamed.batches(16), 9))
    joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    np.testing.assert_array_equal(joined["pitch"], source.table.pitch[rows])
    for row, audio in zip(rows, joined["audio"], strict=True):
        np.testing.assert_array_equal(audio, soundfile.read(source.location(int(row)), dtype="float32")[0])


def test_both_kinds_give_the_same_training_batches_and_can_be_entered_in_the_middle(source):
    memory, streamed = kinds(source, train_rows(source))
    assert memory.steps_per_epoch(8) == streamed.steps_per_epoch(8) == 4
    whole = take(memory.training(batch_size=8, seed=1), 9)
    assert_same(whole, take(streamed.training(batch_size=8, seed=1), 9))
    for way in (memory, streamed):
        assert_same(whole[6:], take(way.training(batch_size=8, seed=1, first_step=6), 3))
    first, second, other = whole[0], whole[4], take(memory.training(batch_size=8, seed=2), 1)[0]
    assert not np.array_equal(first["audio"], second["audio"])
    assert not np.array_equal(first["audio"], other["audio"])


def test_shards_of_a_batch_are_the_parts_of_the_whole(source):
    for notes in kinds(source, train_rows(source)):
        whole, *parts = (
            take(notes.training(batch_size=8, seed=2, first_step=3, **shard), 3)
            for shard in ({}, *({"shard": (index, 4)} for index in range(4)))
        )
        joined = [
            {name: np.concatenate([part[name] for part in step]) for name in step[0]}
            for step in zip(*parts, strict=True)
        ]
        assert_same(joined, whole)


def test_an_epoch_has_every_note_once(source):
    def notes_of(batches):
        return sorted(
            (int(pitch), float(audio.sum()))
            for batch in batches
            for pitch, audio in zip(batch["pitch"], batch["audio"], strict=True)
        )

    for way in kinds(source, train_rows(source)):
        expected = notes_of(take(way.batches(36), 1))
        for epoch in (0, 1):
            batches = take(way.training(batch_size=12, seed=3, first_step=3 * epoch), 3)
            assert notes_of(batches) == expected


def test_notes_fewer_than_a_batch_are_repeated(source):
    for way in kinds(source, train_rows(source)[[0, 2, 4]]):
        assert way.steps_per_epoch(8) == 1
        (batch,) = take(way.training(batch_size=8, seed=0), 1)
        np.testing.assert_array_equal(batch["pitch"], np.resize(batch["pitch"][:3], 8))
        assert sorted(batch["pitch"][:3]) == [48, 52, 56]


def test_joined_sources_come_in_one_order_too(folder, tmp_path):
    other = synthetic.write_nsynth(tmp_path / "other", train_pitches=(70, 80))
    source = open_sources([str(folder), str(other)], audio=CONFIG, bad_notes=BadNotes())
    memory, streamed = kinds(source, train_rows(source))
    batches = take(memory.training(batch_size=8, seed=1), 7)
    assert_same(batches, take(streamed.training(batch_size=8, seed=1), 7))
    assert {70, 80} < {int(pitch) for batch in batches for pitch in batch["pitch"]}


def test_where_only_the_stream_knows_its_order_memory_has_one_of_its_own(source, monkeypatch):
    monkeypatch.setattr(source, "order_of", lambda rows, order: rows if order is None else None)
    notes = open_audio(source, train_rows(source), CONFIG, BadNotes(), memory=True)
    orders = [notes._order((0, epoch)) for epoch in (0, 0, 1)]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    np.testing.assert_array_equal(np.sort(orders[2]), np.arange(36))


def test_rounding_is_exact_for_16_bits_and_half_a_step_for_others():
    generator = np.random.default_rng(0)
    exact = (generator.integers(-(2**15), 2**15, 1000) / 2**15).astype(np.float32)
    np.testing.assert_array_equal(dequantize(*quantize(exact)), exact)
    fine = generator.uniform(-0.9, 0.9, 1000).astype(np.float32)
    values, step = quantize(fine)
    assert values.dtype == np.int16
    assert step == 2.0**-15
    assert np.abs(dequantize(values, step) - fine).max() <= 2.0**-16
    loud = 2.5 * fine / np.abs(fine).max()
    assert np.abs(dequantize(*quantize(loud)) - loud).max() <= 2.5 * 2.0**-15
    assert not dequantize(*quantize(np.zeros(10, np.float32))).any()


def test_sizes():
    assert audio_megabytes(1000, CONFIG) == 128.0


def test_bad_notes_are_named_or_left_out(tmp_path):
    folder = synthetic.write_nsynth(tmp_path / "nsynth")
    files = sorted((folder / "nsynth-train" / "audio").iterdir())
    files[3].write_bytes(files[3].read_bytes()[:5000])
    soundfile.write(files[7], np.zeros(64000), 16000, subtype="PCM_16")

    def opened(bad, memory):
        source = open_source(str(folder), audio=CONFIG, bad_notes=bad)
        return open_audio(source, train_rows(source), CONFIG, bad, memory=memory)

    bad = BadNotes("skip")
    notes = opened(bad, True)
    assert len(notes.table) == 34
    assert list(bad.skipped) == [str(files[3]), str(files[7])]
    assert "is silent" in bad.skipped[str(files[7])]
    streamed = opened(BadNotes("skip"), False)
    assert_same(take(notes.batches(8), 9), take(streamed.batches(8), 9))
    with pytest.raises(BadNoteError, match=files[3].stem):
        opened(BadNotes(), True)
    streamed = opened(BadNotes(), False)
    with pytest.raises(BadNoteError, match=f"{files[3].stem}|{files[7].stem}"):
        list(streamed.checked(streamed.batches(8)))


@pytest.mark.parametrize("memory", [True, False])
def test_no_good_note_at_all_is_an_error(tmp_path, memory):
    folder = synthetic.write_nsynth(tmp_path / "nsynth", train_pitches=(60,))
    bad = BadNotes("skip")
    source = open_source(str(folder), audio=CONFIG, bad_notes=bad)
    for path in (folder / "nsynth-train" / "audio").iterdir():
        path.write_bytes(path.read_bytes()[:2000])

    def read_one() -> None:
        notes = open_audio(source, train_rows(source), CONFIG, bad, memory=memory)
        next(notes.checked(notes.training(batch_size=2, seed=0)))

    with pytest.raises(InputError, match="no note can be used, expected at least one"):
        read_one()
