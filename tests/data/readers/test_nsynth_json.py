"""NSynth's JSON/audio layout, and the checks of the files."""

import json
import pathlib

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import read_audio, sine, write_folder

from nsynth_vae.data.decoding.decode import decode, tensorflow_io_operators
from nsynth_vae.data.readers.nsynth_json import JsonAudioSource, split_of
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import BadNoteError, InputError
from nsynth_vae.notes import FAMILIES, UNKNOWN

NAME = "guitar_acoustic_001-069-100"


def open_folder(path, config, bad_notes=None, log=print):
    return JsonAudioSource(path, audio=config, bad_notes=bad_notes or BadNotes(), log=log)


def edit(folder, note_str, **labels):
    path = folder / "examples.json"
    examples = json.loads(path.read_text())
    examples.setdefault(note_str, {}).update(labels)
    path.write_text(json.dumps(examples))


def test_table_has_the_labels(nsynth, audio_config):
    table = open_folder(nsynth, audio_config).table
    assert list(table.note_str[:6]) == sorted(table.note_str[:6])
    assert table.split.tolist() == [0] * 6 + [1] * 2 + [2] * 2
    row = list(table.note_str).index("guitar_acoustic_001-060-100")
    assert (table.pitch[row], table.velocity[row], table.instrument_str[row]) == (
        60,
        100,
        "guitar_acoustic_001",
    )
    assert table.qualities[row].tolist() == [1, 0, -1, 0, 0, 0, 0, 0, 0, 1]
    assert table.sample_group[row] == "g1"
    # Families and sources: by number, by string, by name, or unknown and then not 0.
    assert table.instrument_family[row] == FAMILIES.index("guitar")
    assert table.instrument_source[row] == 0
    flute = list(table.note_str).index("flute_x-060-100")
    assert table.instrument_family[flute] == 2
    assert table.instrument_source[flute] == 2
    other = list(table.note_str).index("flute_x-064-100")
    assert table.instrument_family[other] == UNKNOWN
    assert table.instrument_source[other] == UNKNOWN
    assert table.qualities[other].tolist() == [UNKNOWN] * 10
    assert table.sample_group[other] == "flute_x"


def test_one_split_folder(nsynth, audio_config):
    assert open_folder(nsynth / "nsynth-valid", audio_config).table.split.tolist() == [1, 1]
    (nsynth / "nsynth-valid").rename(nsynth / "mine")
    assert open_folder(nsynth / "mine", audio_config).table.split.tolist() == [UNKNOWN] * 2


def test_split_names():
    names = (
        "starter-train",
        "nsynth-test",
        "x_valid",
        "trainers",
        "nsynth-train.tfrecord-00000-of-00010",
        "VALID",
    )
    assert [split_of(name) for name in names] == [0, 2, 1, UNKNOWN, 0, 1]


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg"])
def test_audio_is_what_soundfile_reads(tmp_path, audio_config, extension):
    notes = {f"guitar_acoustic_001-{pitch:03d}-100": sine(440 * 2 ** ((pitch - 69) / 12)) for pitch in (57, 69, 81)}
    source = open_folder(write_folder(tmp_path / "a-train", notes, extension=extension), audio_config)
    for order in (None, (3, 7)):
        rows = np.array([2, 0, 1])
        found = read_audio(source, rows, order)
        assert [row for row, _, _ in found] == source.order_of(rows, order).tolist()
        assert sorted(row for row, _, _ in found) == [0, 1, 2]
        for row, audio, problem in found:
            expected, _ = soundfile.read(source.location(row), dtype="float32")
            assert problem == ""
            np.testing.assert_allclose(audio, expected, atol=2e-4 if extension == "ogg" else 0)
            assert np.abs(audio - notes[source.table.note_str[row]]).max() < (0.1 if extension == "ogg" else 1e-4)


def test_order_is_a_function_of_seed_and_epoch(nsynth, audio_config):
    source, rows = open_folder(nsynth, audio_config), np.arange(10)
    orders = [tuple(source.order_of(rows, order)) for order in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert orders[0] == orders[3]
    assert len(set(orders)) == 3
    assert all(sorted(order) == list(range(10)) for order in orders)


def test_fingerprint_changes_with_the_file(nsynth, audio_config):
    source = open_folder(nsynth, audio_config)
    before = source.fingerprint(0)
    assert before == source.fingerprint(0) != source.fingerprint(1)
    with pathlib.Path(source.location(0)).open("ab") as file:
        file.write(b"more")
    assert source.fingerprint(0) != before
    (nsynth / "nsynth-train" / "audio" / f"{source.table.note_str[1]}.wav").unlink()
    with pytest.raises(InputError, match="expected the file that was there before"):
        source.fingerprint(1)


def test_files_not_in_the_json_are_ignored_and_counted(nsynth, audio_config, messages):
    folder = nsynth / "nsynth-train" / "audio"
    soundfile.write(folder / "other-060-100.wav", sine(262), 16000)
    (folder / "readme.txt").write_text("not audio")
    assert len(open_folder(nsynth, audio_config, log=messages.append).table) == 10
    assert messages == [f"{folder}: 1 audio files are not in examples.json and are ignored"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "found list"),
        ('{"pitch": 3}', "found one note"),
        (b"\xff\xfe", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5000, "not JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_bad_json(nsynth, audio_config, text, message):
    path = nsynth / "nsynth-valid" / "examples.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as error:
        open_folder(nsynth, audio_config)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_not_this_layout(tmp_path, audio_config, nsynth):
    with pytest.raises(InputError, match=r"no examples\.json"):
        open_folder(tmp_path / "nothing", audio_config)
    (nsynth / "nsynth-test" / "audio").rename(nsynth / "nsynth-test" / "sounds")
    with pytest.raises(InputError, match=r"audio: No such file or directory, expected a folder of NOTE\.wav"):
        open_folder(nsynth, audio_config)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"pitch": 61}, "pitch in examples.json is 61, expected 69 by its name"),
        ({"pitch": "69"}, "pitch in examples.json is '69', expected 69"),
        ({"velocity": 99}, "velocity in examples.json is 99, expected 100"),
        ({"note_str": "x"}, "note_str in examples.json is 'x'"),
        ({"instrument_str": "x"}, "instrument_str in examples.json is 'x'"),
        ({"sample_rate": 44100}, "sample_rate in examples.json is 44100, expected 16000"),
        ({"instrument_family": 11}, "instrument_family in examples.json is 11, expected 0 to 10 or null"),
        (
            {"instrument_family_str": "gitar"},
            "instrument_family_str in examples.json is 'gitar', expected one of bass",
        ),
        (
            {"instrument_family": 0, "instrument_family_str": "guitar"},
            "instrument_family in examples.json is 0, but",
        ),
        ({"instrument_source": True}, "instrument_source in examples.json is True, expected 0 to 2 or null"),
        ({"qualities": [0, 1]}, "expected 10 flags"),
        ({"qualities": "bright"}, "qualities in examples.json are 'bright', expected a list"),
    ],
)
def test_wrong_labels(tmp_path, audio_config, skip, labels, message):
    folder = write_folder(tmp_path / "a-train", {NAME: sine(440), "flute_x-069-100": sine(440)}, {NAME: labels})
    source = open_folder(folder, audio_config, skip)
    assert list(source.table.note_str) == ["flute_x-069-100"]
    file = str(folder / "audio" / f"{NAME}.wav")
    assert message in skip.skipped[file]
    with pytest.raises(BadNoteError) as error:
        open_folder(folder, audio_config)
    assert str(error.value).startswith(file)
    assert "--on-bad-note skip" in str(error.value)


def test_labels_as_other_writers_have_them(tmp_path, audio_config):
    """An empty list of qualities, numbers with a point, a byte order mark, Windows' UTF-16: all mean the same."""
    labels = {"pitch": 69.0, "velocity": 100.0, "sample_rate": 16000.0, "instrument_family": 3.0}
    folder = write_folder(tmp_path / "a-train", {NAME: sine(440)}, {NAME: {**labels, "qualities": []}})
    path = folder / "examples.json"
    text = path.read_text(encoding="utf-8")
    assert "69.0" in text
    for encoding in ("utf-16", "utf-8-sig", "utf-8"):
        path.write_bytes(text.encode(encoding))
        table = open_folder(folder, audio_config).table
        assert (table.pitch[0], table.velocity[0], table.instrument_family[0]) == (69, 100, 3)
        assert table.qualities[0].tolist() == [UNKNOWN] * 10
    edit(folder, NAME, qualities=[1.0, 0.0] + [None] * 8)
    assert open_folder(folder, audio_config).table.qualities[0].tolist() == [1, 0] + [UNKNOWN] * 8
    for pitch in (69.5, 1e300):
        edit(folder, NAME, pitch=pitch)
        with pytest.raises(BadNoteError, match=r"pitch in examples\.json is .*, expected 69 by its name"):
            open_folder(folder, audio_config)


def test_misnamed_and_missing(tmp_path, audio_config, skip):
    names = ("guitar", "guitar-69-100", "guitar-200-100")
    folder = write_folder(tmp_path / "a-train", {NAME: sine(440)})
    for name in names:
        soundfile.write(folder / "audio" / f"{name}.wav", sine(440), 16000)
        edit(folder, name, pitch=69)
    edit(folder, "gone-069-100", pitch=69, velocity=100)
    (folder / "examples.json").write_text(
        json.dumps(json.loads((folder / "examples.json").read_text()) | {"odd-069-100": 3})
    )
    soundfile.write(folder / "audio" / "odd-069-100.wav", sine(440), 16000)
    assert list(open_folder(folder, audio_config, skip).table.note_str) == [NAME]
    problems = {file.rsplit("/", 1)[1]: problem for file, problem in skip.skipped.items()}
    assert set(problems) == {f"{name}.wav" for name in (*names, "gone-069-100", "odd-069-100")}
    assert "not a note's name" in problems["guitar-69-100.wav"]
    assert "expected INSTRUMENT-PPP-VVV" in problems["guitar.wav"]
    assert "pitch is 200, expected an integer from 0 to 127" in problems["guitar-200-100.wav"]
    assert "no such file" in problems["gone-069-100.wav"]
    assert "is '3', expected an object" in problems["odd-069-100.wav"]


def bad_files() -> dict:
    """Returns name -> (function that writes the file, the problem's text)."""
    loud = sine(440)
    noise = (loud + 0.01 * np.random.default_rng(0).standard_normal(loud.size)).astype(np.float32)

    def write(audio, rate=16000, **options):
        return lambda path: soundfile.write(path, audio, rate, **options)

    def damage(change, **options):
        def make(path):
            soundfile.write(path, noise, 16000, **options)
            path.write_bytes(change(path.read_bytes()))

        return make

    def flip(share):
        def change(contents):
            at = int(len(contents) * share)
            return contents[:at] + bytes(byte ^ 0x5A for byte in contents[at : at + 8]) + contents[at + 8 :]

        return change

    def cut(share):
        return lambda contents: contents[: int(len(contents) * share)]

    nan = loud.copy()
    nan[5000] = np.nan
    cases = {
        "rate.wav": (write(loud, 44100), "has a sample rate of 44100 Hz, expected 16000"),
        "rate.flac": (write(loud, 22050), "has a sample rate of 22050 Hz, expected 16000"),
        "rate.ogg": (write(loud, 8000), "has a sample rate of 8000 Hz, expected 16000"),
        "stereo.wav": (write(np.stack([loud, loud], 1)), "has 2 channels, expected 1"),
        "stereo.ogg": (write(np.stack([loud, loud], 1)), "has 2 channels, expected 1"),
        "short.wav": (write(loud[:-1]), "holds 63999 samples, expected 64000 (truncated?)"),
        "long.flac": (write(np.append(loud, 0.0)), "holds 64001 samples, expected 64000"),
        "silent.wav": (write(np.zeros(64000)), "is silent"),
        "quiet.flac": (write(loud * 1e-3), "is silent"),
        "nan.wav": (write(nan, subtype="FLOAT"), "holds NaN or infinite samples"),
        "adpcm.wav": (write(loud, subtype="IMA_ADPCM"), "holds 64071 samples, expected 64000"),
        "truncated.wav": (damage(cut(0.9)), "truncated WAV"),
        "header.wav": (damage(lambda contents: contents[:30]), "truncated WAV"),
        "truncated.flac": (damage(cut(0.9)), None),
        "header.flac": (damage(lambda contents: contents[:30]), "damaged FLAC"),
        "flipped.flac": (damage(flip(0.1)), "damaged FLAC"),
        "truncated.ogg": (damage(cut(0.9)), "truncated Ogg"),
        "page.ogg": (
            damage(lambda contents: contents[: contents.rindex(b"OggS")]),
            "without a last page: truncated Ogg",
        ),
        "flipped.ogg": (damage(flip(0.3)), "has a damaged page at byte"),
        "text.ogg": (lambda path: path.write_text("not audio"), "is of an unknown format, expected a sound file"),
        "empty.ogg": (lambda path: path.write_bytes(b""), "is empty, expected a sound file"),
        "empty.wav": (lambda path: path.write_bytes(b""), "is empty, expected a sound file"),
        "mp3.wav": (write(loud[:32000], format="MP3"), "holds 32000 samples, expected 64000"),
        "m4a.wav": (lambda path: path.write_bytes(bytes(4) + b"ftypM4A " + bytes(99)), "is AAC or ALAC in M4A, which"),
        "scaled.wav": (write(loud * 32768, subtype="FLOAT"), "holds samples up to 16292.2, expected -1 to 1: integers"),
    }
    return cases


def test_bad_audio_is_never_accepted(tmp_path, audio_config):
    """Every kind of bad file is a problem or an error in its place, and the stream goes on after it."""
    cases = bad_files()
    folder = tmp_path / "a-train"
    notes = {f"good-{pitch:03d}-100": sine(440) for pitch in range(3)}
    write_folder(folder, notes)
    expected = {}
    for index, (name, (write, problem)) in enumerate(cases.items()):
        note_str = f"bad-{index:03d}-100"
        write(folder / "audio" / f"{note_str}.{name.split('.')[1]}")
        edit(folder, note_str, pitch=index, velocity=100)
        expected[note_str] = (name, problem)
    source = open_folder(folder, audio_config)
    rows = np.arange(len(source.table))
    order = source.order_of(rows, (0, 0))
    iterator = iter(source.audio(rows, (0, 0)).map(lambda note: note, num_parallel_calls=4).prefetch(3))
    raised = []
    for row in order:
        note_str = source.table.note_str[row]
        try:
            note = next(iterator)
        except tf.errors.OpError:
            raised.append(expected[note_str][0])
            continue
        assert int(note["row"]) == row
        problem = note["problem"].numpy().decode()
        if note_str.startswith("good"):
            assert problem == ""
            assert np.abs(note["audio"]).max() > 0.1
        else:
            name, text = expected[note_str]
            assert (text or "damaged FLAC") in problem, name
            assert "\n" not in problem
            assert not np.any(note["audio"].numpy())
    # tensorflow-io's operator raises where libsndfile says what is wrong.
    assert raised == (["truncated.flac"] if tensorflow_io_operators() else [])
    with pytest.raises(StopIteration):
        next(iterator)


@pytest.mark.parametrize(
    ("extension", "subtype", "tolerance"),
    [
        *(("wav", subtype, 0.0) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")),
        *(("flac", subtype, 0.0) for subtype in ("PCM_S8", "PCM_16", "PCM_24")),
        ("ogg", "VORBIS", 0.0),
        ("ogg", "OPUS", 0.0),
        ("aiff", "PCM_16", 0.0),
    ],
)
def test_decode_is_soundfile(tmp_path, extension, subtype, tolerance):
    path = tmp_path / f"a.{extension}"
    stereo = np.stack([sine(440, 48000, 1), -0.5 * sine(300, 48000, 1)], 1)
    soundfile.write(path, stereo, 48000, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    audio, sample_rate, problem = decode(tf.constant(path.read_bytes()))
    assert problem == b""
    assert sample_rate == 48000
    np.testing.assert_allclose(audio.numpy(), expected, rtol=0, atol=tolerance)


def test_flac_without_a_checksum_is_checked_by_its_frames(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 20000), 16000)
    contents = bytearray(path.read_bytes())
    contents[26:42] = bytes(16)
    audio, _, problem = decode(tf.constant(bytes(contents)))
    assert problem == b""
    assert audio.shape == (20000, 1)
    contents[len(contents) // 2] ^= 0x5A
    assert b"damaged FLAC" in decode(tf.constant(bytes(contents)))[2].numpy()
