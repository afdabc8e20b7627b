"""NSynth's TFRecord files."""

import gzip
import zlib

import numpy as np
import pytest
import tensorflow as tf
from conftest import read_audio, sine

from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.readers import record_files
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import BadNoteError, InputError
from nsynth_vae.notes import QUALITIES, UNKNOWN


def example(pitch=69, velocity=100, /, instrument="guitar_acoustic_001", audio=None, **changes) -> bytes:
    """Returns a record with all of the official fields; a change to None leaves the field out."""
    fields = {
        "audio": sine(440 * 2 ** ((pitch - 69) / 12)) if audio is None else audio,
        "note": [pitch],
        "note_str": [f"{instrument}-{pitch:03d}-{velocity:03d}".encode()],
        "pitch": [pitch],
        "velocity": [velocity],
        "sample_rate": [16000],
        "instrument": [7],
        "instrument_str": [instrument.encode()],
        "instrument_family": [3],
        "instrument_family_str": [b"guitar"],
        "instrument_source": [0],
        "instrument_source_str": [b"acoustic"],
        "qualities": [1, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        "qualities_str": [b"bright", b"tempo-synced"],
    } | changes
    features = {}
    for name, values in fields.items():
        if values is None:
            continue
        if name == "audio" or isinstance(values[0], float):
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        elif isinstance(values[0], bytes):
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        else:
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write(path, examples, compression="") -> str:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for serialised in examples:
            writer.write(serialised)
    return str(path)


def open_it(spec, config, bad_notes=None):
    return open_source(spec, audio=config, bad_notes=bad_notes or BadNotes(), log=lambda text: None)


def test_table_and_audio(tmp_path, audio_config):
    path = write(tmp_path / "nsynth-valid.tfrecord", [example(60), example(64, 25), example(69)])
    source = open_it(path, audio_config)
    table = source.table
    assert table.note_str.tolist() == [f"guitar_acoustic_001-{n}" for n in ("060-100", "064-025", "069-100")]
    assert table.pitch.tolist() == [60, 64, 69]
    assert table.velocity.tolist() == [100, 25, 100]
    assert set(table.instrument_str) == {"guitar_acoustic_001"}
    assert table.instrument_family.tolist() == [3] * 3
    assert table.instrument_source.tolist() == [0] * 3
    assert table.qualities.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0, 0, 1]] * 3
    assert table.split.tolist() == [1] * 3
    assert source.location(1) == f"{path}: record 1"
    found = read_audio(source, [2, 0])
    assert [row for row, _, _ in found] == [0, 2] == source.order_of([2, 0], None).tolist()
    for row, audio, problem in found:
        assert problem == ""
        np.testing.assert_array_equal(audio, sine(440 * 2 ** ((table.pitch[row] - 69) / 12)))
    fingerprints = {source.fingerprint(row) for row in range(3)}
    assert len(fingerprints) == 3
    assert all(path in fingerprint for fingerprint in fingerprints)


def test_whole_numbers_may_be_stored_as_floats(tmp_path, audio_config):
    floats = {"velocity": [100.0], "sample_rate": [16000.0], "qualities": [0.0] * 9 + [1.0], "instrument_family": [3.0]}
    path = write(tmp_path / "a.tfrecord", [example(60, pitch=[60.0], **floats), example(64, pitch=[64.0], **floats)])
    source = open_it(path, audio_config)
    assert source.table.pitch.tolist() == [60, 64]
    assert source.table.velocity.tolist() == [100, 100]
    assert source.table.instrument_family.tolist() == [3, 3]
    assert source.table.qualities.tolist() == [[0] * 9 + [1]] * 2
    assert [(row, problem) for row, _, problem in read_audio(source)] == [(0, ""), (1, "")]
    for odd in (60.5, float("nan"), float("inf")):
        path = write(tmp_path / "b.tfrecord", [example(59), example(60, pitch=[odd])])
        with pytest.raises(BadNoteError, match=rf"b.tfrecord: record 1: has pitch {odd}, expected a whole number"):
            open_it(path, audio_config)
        path = write(tmp_path / "b.tfrecord", [example(60, pitch=[odd])])
        with pytest.raises(BadNoteError, match=rf"b.tfrecord: record 0: has pitch {odd}, expected a whole number"):
            open_it(path, audio_config)


def test_integers_and_floats_may_be_mixed(tmp_path, audio_config, skip):
    """In one file and in several, whichever is first."""
    whole = {"velocity": [100.0], "sample_rate": [16000.0], "qualities": [0.0] * 9 + [1.0], "instrument_source": [2.0]}
    floats = [example(pitch, pitch=[float(pitch)], **whole) for pitch in (60, 61, 62)]
    integers = [example(pitch) for pitch in (70, 71, 72)]
    silent = example(63, pitch=[63.0], audio=np.zeros(64000))
    for records in (
        [*integers, *floats, silent],
        [*floats, *integers, silent],
        [integers[0], floats[0], integers[1], floats[1], floats[2], integers[2], silent],
    ):
        write(tmp_path / "a.tfrecord-0-of-2", records[:4])
        write(tmp_path / "a.tfrecord-1-of-2", records[4:])
        skip.skipped.clear()
        source = open_it(tmp_path, audio_config, skip)
        assert sorted(source.table.pitch) == [60, 61, 62, 70, 71, 72]
        assert source.table.qualities[source.table.pitch < 70].tolist() == [[0] * 9 + [1]] * 3
        assert source.table.instrument_source.tolist() == [2 if pitch < 70 else 0 for pitch in source.table.pitch]
        assert (source.table.velocity == 100).all()
        assert list(skip.skipped.values()) == ["is silent, expected a peak of at least 0.001"]
        for row, audio, problem in read_audio(source):
            assert problem == ""
            np.testing.assert_array_equal(audio, sine(440 * 2 ** ((source.table.pitch[row] - 69) / 12)))


def test_missing_fields_are_unknown(tmp_path, audio_config):
    few = dict.fromkeys(("note", "sample_rate", "instrument_family", "instrument_source", "qualities"))
    only_instrument = example(60, instrument="my pad", note_str=None, velocity=None, **few)
    only_name = example(61, 77, instrument="flute_synthetic_002", instrument_str=None, **few)
    table = open_it(write(tmp_path / "a.tfrecord", [only_instrument, only_name]), audio_config).table
    assert table.note_str.tolist() == ["my pad-060-100", "flute_synthetic_002-061-077"]
    assert table.instrument_family.tolist() == [UNKNOWN, 2]
    assert table.instrument_source.tolist() == [
        UNKNOWN,
        2,
    ]
    assert (table.qualities == UNKNOWN).all()
    assert table.qualities.shape == (2, len(QUALITIES))
    assert table.split.tolist() == [UNKNOWN] * 2


def shards(tmp_path, count=3, notes=4):
    for index in range(count):
        write(
            tmp_path / f"nsynth-train.tfrecord-{index:05d}-of-{count:05d}",
            [example(40 + notes * index + k) for k in range(notes)],
        )
    write(tmp_path / "nsynth-test.tfrecord", [example(30)])


def test_folder_file_and_glob(tmp_path, audio_config):
    shards(tmp_path)
    source = open_it(tmp_path, audio_config)
    assert source.table.pitch.tolist() == [30, *range(40, 52)]
    assert source.table.split.tolist() == [2] + [0] * 12
    pattern = str(tmp_path / "*train.tfrecord*")
    assert open_it(pattern, audio_config).table.pitch.tolist() == list(range(40, 52))
    assert open_it(tmp_path / "nsynth-test.tfrecord", audio_config).table.pitch.tolist() == [30]


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_records(tmp_path, audio_config, compression):
    """They are found out by their contents; compressed and plain files may stand side by side."""
    notes = [example(pitch) for pitch in range(50, 56)]
    write(tmp_path / "a-train.tfrecord-00000-of-00002", notes[:4], compression)
    write(tmp_path / "a-train.tfrecord-00001-of-00002", notes[4:])
    source = open_it(tmp_path, audio_config)
    assert source.table.pitch.tolist() == list(range(50, 56))
    for order in (None, (0, 0)):
        found = read_audio(source, [1, 3, 4], order)
        assert sorted(row for row, _, _ in found) == [1, 3, 4]
        for row, audio, problem in found:
            assert problem == ""
            np.testing.assert_array_equal(audio, sine(440 * 2 ** ((50 + row - 69) / 12)))
    assert len({source.fingerprint(row) for row in range(6)}) == 6


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_damaged_compressed_records(tmp_path, audio_config, skip, compression):
    path = tmp_path / "a.tfrecord.gz"
    write(path, [example(50), example(51), example(52)], compression)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    assert open_it(path, audio_config, skip).table.pitch.tolist() == [50, 51]
    ((place, problem),) = skip.skipped.items()
    assert place.startswith(f"{path}: record ")
    assert problem == (
        f"is corrupt or truncated, as is what follows; expected a whole {compression}-compressed TFRecord file"
    )


def test_missing_shards_and_copies(tmp_path, audio_config):
    shards(tmp_path)
    copy = tmp_path / "nsynth-train.tfrecord-00000-of-00003.bak"
    copy.write_bytes((tmp_path / "nsynth-train.tfrecord-00000-of-00003").read_bytes())
    for spec in (tmp_path, f"{tmp_path}/*.tfrecord*"):
        lines: list[str] = []
        source = open_source(spec, audio=audio_config, bad_notes=BadNotes(), log=lines.append)
        assert source.table.pitch.tolist() == [30, *range(40, 52)]
        assert lines[0] == f"{copy}: is a copy or no whole file by its name, and is not read"
    with pytest.raises(InputError, match=r"\*\.bak: no file matches, expected \.tfrecord files"):
        open_it(f"{tmp_path}/*.bak", audio_config)
    missing = tmp_path / "nsynth-train.tfrecord-00001-of-00003"
    missing.unlink()
    for spec in (tmp_path, f"{tmp_path}/*train*", f"{tmp_path}/*00000*"):
        with pytest.raises(InputError) as error:
            open_it(spec, audio_config)
        assert str(error.value).startswith(f"{missing}: is not there, expected all 3 shards of nsynth-train.tfrecord-")
    # Who names one file wants no more.
    alone = tmp_path / "nsynth-train.tfrecord-00002-of-00003"
    lines = []
    assert len(open_source(alone, audio=audio_config, bad_notes=BadNotes(), log=lines.append).table) == 4
    assert lines[0] == f"{alone}: 1 of 3 shards, the others are not read"


def test_shuffled_order(tmp_path, audio_config):
    shards(tmp_path)
    source, rows = open_it(tmp_path, audio_config), np.array([0, 1, 2, 5, 6, 7, 8, 12])
    orders = {}
    for order in ((0, 0), (0, 1), (0, 0), None):
        found = read_audio(source, rows, order)
        assert sorted(row for row, _, _ in found) == rows.tolist()
        for row, audio, _ in found:
            np.testing.assert_array_equal(audio, sine(440 * 2 ** ((source.table.pitch[row] - 69) / 12)))
        if order in orders:
            assert orders[order] == [row for row, _, _ in found]
        orders[order] = [row for row, _, _ in found]
    assert orders[0, 0] != orders[0, 1]
    assert orders[None] == rows.tolist()
    assert source.order_of(rows, (0, 0)) is None
    stream = source.audio(rows, (0, 0))
    assert [int(note["row"]) for note in stream] == [int(note["row"]) for note in stream]


def test_shuffle_buffer_is_bounded(tmp_path, audio_config, monkeypatch):
    """With a buffer of two records, no record of a single file can come more than one place early."""
    monkeypatch.setattr(record_files, "SHUFFLE_RECORDS", 2)
    source = open_it(write(tmp_path / "a.tfrecord", [example(40 + k) for k in range(12)]), audio_config)
    found = [row for row, _, _ in read_audio(source, None, (0, 0))]
    assert all(row <= place + 1 for place, row in enumerate(found))
    assert found != sorted(found)


def with_audio(values: list[int]) -> bytes:
    """Returns a record with integers for audio, or without audio."""
    found = tf.train.Example.FromString(example(60))
    del found.features.feature["audio"]
    if values:
        found.features.feature["audio"].int64_list.value.extend(values)
    return found.SerializeToString()


def bad_records() -> list[tuple[bytes, str]]:
    """Returns records and what is wrong with them."""
    return [
        (example(60, note_str=[b"guitar-61-100"]), "not a note's name"),
        (
            example(60, note_str=[b"guitar_acoustic_001-061-100"]),
            "has pitch 60, expected 61 by its name",
        ),
        (example(60, velocity=[3]), "has velocity 3, expected 100 by its name"),
        (
            example(60, instrument_str=[b"other"]),
            "has instrument_str 'other', expected 'guitar_acoustic_001'",
        ),
        (example(60, sample_rate=[44100]), "has a sample_rate of 44100 Hz, expected 16000"),
        (example(60, pitch=None), "has no pitch, expected a MIDI pitch"),
        (example(60, pitch=[200], note_str=None), "pitch is 200, expected an integer from 0 to 127"),
        (example(60, note_str=None, instrument_str=None), "has neither note_str nor instrument_str"),
        (example(60, qualities=[0, 1]), "qualities are (0, 1), expected 10 flags"),
        (example(60, qualities=[7] * 10), "expected 10 flags"),
        (example(60, instrument_family=[11]), "instrument_family is 11, expected 0 to 10"),
        (example(60, audio=sine(262)[:-9]), "holds 63991 samples, expected 64000"),
        (example(60, audio=np.zeros(64000)), "is silent"),
        (example(60, audio=np.full(64000, np.nan)), "holds NaN or infinite samples"),
        (example(60, audio=16384 * sine(262)), "holds samples up to 8"),
        (with_audio([]), "has no audio, expected 64000 samples"),
        (b"", "has no audio, expected 64000 samples"),
        (example(60, other=[1], pitch=[b"60"]), "has pitch as bytes, expected integers or floats"),
        (example(60, qualities=[b"bright"]), "has qualities as bytes, expected integers or floats"),
        (example(60, note_str=[60]), "has note_str as integers, expected bytes"),
        (with_audio([1] * 64000), "has audio as integers, expected floats"),
        (b"not an example", "is no tf.train.Example, expected one with NSynth's fields"),
    ]


def test_bad_records(tmp_path, audio_config, skip):
    cases = bad_records()
    path = write(tmp_path / "a-train.tfrecord", [example(50), *(record for record, _ in cases), example(51)])
    source = open_it(path, audio_config, skip)
    assert source.table.pitch.tolist() == [50, 51]
    assert list(skip.skipped) == [f"{path}: record {number + 1}" for number in range(len(cases))]
    for problem, (_, message) in zip(skip.skipped.values(), cases, strict=True):
        assert message in problem
        assert "\n" not in problem
    assert source.location(1) == f"{path}: record {len(cases) + 1}"
    found = read_audio(source, None, (0, 0))
    assert sorted(row for row, _, _ in found) == [0, 1]
    for row, audio, _ in found:
        np.testing.assert_array_equal(audio, sine(440 * 2 ** ((50 + row - 69) / 12)))
    with pytest.raises(BadNoteError) as error:
        open_it(path, audio_config)
    assert str(error.value).startswith(f"{path}: record 1: not") or "record 1: guitar-61-100" in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "corrupt"])
def test_damaged_files_keep_their_readable_beginning(tmp_path, audio_config, skip, damage):
    path = tmp_path / "nsynth-train.tfrecord-00000-of-00002"
    write(path, [example(50), example(51), example(52), example(53)])
    write(tmp_path / "nsynth-train.tfrecord-00001-of-00002", [example(60)])
    contents = bytearray(path.read_bytes())
    if damage == "truncated":
        contents = contents[: len(contents) * 5 // 8]
    else:
        contents[len(contents) * 5 // 8] ^= 0xFF
    path.write_bytes(contents)
    source = open_it(tmp_path, audio_config, skip)
    assert source.table.pitch.tolist() == [50, 51, 60]
    assert list(skip.skipped) == [f"{path}: record 2"]
    assert "corrupt or truncated" in skip.skipped[f"{path}: record 2"]
    for order in (None, (0, 0)):
        assert sorted(row for row, _, _ in read_audio(source, None, order)) == [0, 1, 2]
    with pytest.raises(BadNoteError, match="record 2: is corrupt or truncated"):
        open_it(tmp_path, audio_config)


def test_not_records_at_all(tmp_path, audio_config, skip):
    path = tmp_path / "a.tfrecord"
    path.write_text("hello" * 100)
    with pytest.raises(BadNoteError, match=r"a\.tfrecord: record 0: is corrupt"):
        open_it(path, audio_config)
    with pytest.raises(InputError, match=r"no usable note in it \(1 invalid ones\)"):
        open_it(path, audio_config, skip)
    path.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(BadNoteError, match="record 0: is a ZIP archive; expected a whole TFRecord file"):
        open_it(path, audio_config)
    for other in (b"hello", b""):
        for compress, compression in ((gzip.compress, "GZIP"), (zlib.compress, "ZLIB")):
            path.write_bytes(compress(other))
            if other:
                expected = f"record 0: is no record; expected a whole {compression}-compressed TFRecord file"
                with pytest.raises(BadNoteError, match=expected):
                    open_it(path, audio_config)
            else:
                with pytest.raises(InputError, match="no note in it, expected at least one"):
                    open_it(path, audio_config)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="no note in it, expected at least one"):
        open_it(path, audio_config)


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_an_empty_shard_is_named(tmp_path, audio_config, compression):
    """Pipelines write some; they may as well be lost notes."""
    shards(tmp_path)
    empty = write(tmp_path / "nsynth-train.tfrecord-00001-of-00003", [], compression)
    lines: list[str] = []
    source = open_source(tmp_path, audio=audio_config, bad_notes=BadNotes(), log=lines.append)
    assert source.table.pitch.tolist() == [30, *range(40, 44), *range(48, 52)]
    assert lines == [f"{tmp_path}: reading the labels of 4 record files", f"{empty}: is empty"]
