"""What the latent tools share: a folder gets all files or none, and the pictures show what they are given."""

import argparse
import json
import pathlib

import matplotlib.image
import numpy as np
import pytest
import soundfile
import synthetic

from nsynth_vae.analysis.descriptors import describe_all
from nsynth_vae.cli.options import add_lookup_options
from nsynth_vae.cli.types import check_midi, check_seed
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import check_output, to_json, writing
from nsynth_vae.rendering import plots, sounds

CONFIG = AudioConfig()


def test_files_are_numbered_row_by_row():
    assert sounds.numbered("step", 3) == ["step-00.wav", "step-01.wav", "step-02.wav"]
    assert sounds.numbered("step", 2, 2) == [f"step-{place}.wav" for place in ("00-00", "00-01", "01-00", "01-01")]
    # Names sort as the notes do.
    many = sounds.numbered("sample", 101)
    assert many[0] == "sample-000.wav"
    assert many == sorted(many)


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(folder: pathlib.Path, files: dict[str, str], **record) -> None:
    with writing(folder, "record.json", record) as aside:
        for name, text in files.items():
            (aside / name).write_text(text)


def test_what_a_former_run_left_is_replaced_and_nothing_else(tmp_path):
    folder = tmp_path / "new" / "folder"
    write(folder, {"a.wav": "1", "b.wav": "1"}, seed=1)
    (folder / "mine.wav").write_text("kept")
    write(folder, {"a.wav": "2", "c.wav": "2"}, seed=2)
    assert names(folder) == ["a.wav", "c.wav", "mine.wav", "record.json"]
    assert (folder / "a.wav").read_text() == "2"
    assert (folder / "mine.wav").read_text() == "kept"
    assert json.loads((folder / "record.json").read_text()) == {"seed": 2, "files": ["a.wav", "c.wav"]}


def test_what_is_not_a_former_runs_is_not_replaced(tmp_path):
    (tmp_path / "b.wav").write_text("a recording")
    with pytest.raises(InputError, match=r"b.wav: is there, and not of a former run \(no record.json lists it\)"):
        write(tmp_path, {"a.wav": "1", "b.wav": "1"})
    assert names(tmp_path) == ["b.wav"]
    assert (tmp_path / "b.wav").read_text() == "a recording"
    (tmp_path / "record.json").mkdir()
    with pytest.raises(InputError, match=r"record.json: found a folder, expected a place for a file"):
        write(tmp_path, {"a.wav": "1"})
    assert names(tmp_path) == ["b.wav", "record.json"]


@pytest.mark.parametrize(
    "record",
    [
        {"files": ["../outside.wav", "..", "", "b.wav"]},
        {"files": ["{outside}"]},
        {"files": ["b.wav", 7]},
        {"files": "b.wav"},
        {"files": None},
        ["b.wav"],
    ],
)
def test_a_record_cannot_name_files_elsewhere(tmp_path, record):
    outside, folder = tmp_path / "outside.wav", tmp_path / "folder"
    outside.write_text("kept")
    folder.mkdir()
    (folder / "b.wav").write_text("of a former run" if ".." in str(record) else "kept")
    (folder / "record.json").write_text(json.dumps(record).replace("{outside}", str(outside)))
    write(folder, {"a.wav": "1"})
    assert outside.read_text() == "kept"
    assert names(folder) == ["a.wav", *["b.wav"] * (".." not in str(record)), "record.json"]


def test_a_folder_in_the_folder_is_a_former_runs_too(tmp_path):
    for number in "12":
        with writing(tmp_path, "record.json", {}) as aside:
            (aside / "samples").mkdir()
            (aside / "samples" / f"{number}.wav").write_text(number)
    assert names(tmp_path / "samples") == ["2.wav"]
    assert json.loads((tmp_path / "record.json").read_text()) == {"files": ["samples/2.wav"]}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), soundfile.LibsndfileError(7)])
def test_a_run_that_fails_leaves_nothing(tmp_path, error):
    def fail(folder: pathlib.Path) -> None:
        with writing(folder, "record.json", {}) as aside:
            (aside / "a.wav").write_text("1")
            raise error

    with pytest.raises(InputError, match=r"folder: cannot be written \(.+\), expected a folder to write to"):
        fail(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    write(tmp_path / "there", {"b.wav": "kept"})
    with pytest.raises(InputError):
        fail(tmp_path / "there")
    assert names(tmp_path / "there") == ["b.wav", "record.json"]


def test_an_output_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"file is no folder, expected a folder to write to"):
            check_output(output)
    check_output(tmp_path / "new" / "below")
    assert not (tmp_path / "new").exists()


def test_json_is_strict_and_has_a_line_for_each_item():
    record = {
        "name": 'a [ "b" ] { c',
        "z": [0.5] * 100,
        "steps": [{"file": f"step-{i:02}.wav", "z": [float(i)] * 40} for i in range(3)],
        "names": [f"a long name {i}" for i in range(20)],
        "empty": [{}, []],
    }
    text = to_json(record)
    assert json.loads(text) == record
    assert sum(line.count("0.5") for line in text.splitlines()) == 100
    assert max(line.count("0.5") for line in text.splitlines()) == 100
    assert len(text.splitlines()) == 2 + 1 + 1 + 2 + 3 * 4 + 2 + 20 + 1


def test_what_is_not_finite_is_null_in_the_record(tmp_path):
    write(tmp_path / "folder", {}, attack=float("nan"), values=[1.0, float("inf")], third=1 / 3)
    found = json.loads((tmp_path / "folder" / "record.json").read_text())
    assert found == {"attack": None, "values": [1.0, None], "third": 0.333333, "files": []}


def test_labels_are_one_short_line():
    assert sounds.label("flute") == "flute"
    assert sounds.label("a\nb\udcff") == "a?b?"
    assert sounds.label("recordings/of/a/day/guitar.wav") == "guitar.wav"
    assert sounds.label('0.5*flute + 0.5*"a/b.wav"') == '0.5*flute + 0.5*"a/b.wav"'
    long = sounds.label("recordings/0.5*guitar_acoustic_010 + 0.5*flute")
    assert long == "recordings/0.5*…_010 + 0.5*flute"
    assert len(long) == 32


def test_what_is_no_midi_number_or_seed_is_named():
    for value in (0, 127):
        check_midi("--pitch", value)
    for value in (-1, 128):
        with pytest.raises(InputError, match=f"--pitch: found {value}, expected a MIDI number, 0 to 127"):
            check_midi("--pitch", value)
    for value in (-1, 2**31):
        with pytest.raises(InputError, match=f"--seed: found {value}, expected an integer from 0 to 2147483647"):
            check_seed(value)


def test_sounds_are_written_and_joined(tmp_path):
    audio = np.stack([synthetic.tone(60), synthetic.tone(64, (1.0,)), 2 * synthetic.tone(67)])
    sounds.write_wavs(tmp_path, ["a.wav", "b.wav", "c.wav"], audio, CONFIG)
    for name, sound in zip("abc", audio, strict=True):
        read, rate = soundfile.read(tmp_path / f"{name}.wav")
        assert rate == 16000
        assert soundfile.info(tmp_path / f"{name}.wav").subtype == "PCM_16"
        np.testing.assert_allclose(read, np.clip(sound, -1, 1), atol=2**-15)
    sounds.write_joined(tmp_path / "joined.wav", audio, CONFIG)
    joined, _ = soundfile.read(tmp_path / "joined.wav")
    assert joined.shape == (3 * 24000,)
    np.testing.assert_allclose(joined[24000:47000], audio[1, :23000], atol=2**-15)


def test_log_mels_and_descriptors_are_those_of_each_sound():
    from nsynth_vae import features
    from nsynth_vae.analysis.descriptors import describe

    audio = np.stack([synthetic.tone(48 + n % 24) for n in range(40)])
    log_mels = sounds.log_mels(audio, CONFIG)
    np.testing.assert_allclose(log_mels[[0, 39]], features.log_mel(audio[[0, 39]], CONFIG), atol=1e-5)
    assert len(log_mels) == 40
    assert describe_all(audio[:2], [48, 60], CONFIG) == [describe(audio[0], 48), describe(audio[1], 60)]


def pixels(path: pathlib.Path) -> np.ndarray:
    return matplotlib.image.imread(path)[..., :3]


def test_a_contact_sheet_shows_each_sound_at_its_place(tmp_path):
    """Three of four cells are silent: what is bright is in the second row's first half."""
    loud = np.full([251, 128], 1.0, np.float32)
    silent = np.full([251, 128], (np.log(1e-4) + 4) / 4, np.float32)
    captions = ["$100 guitar", "b", "c", "d"]
    plots.plot_contact_sheet([silent, silent, loud, silent], captions, 2, CONFIG, tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")
    height, width = picture.shape[0], picture.shape[1] * 0.75  # Less the colour bar.
    yellow = (picture[..., 0] > 0.9) & (picture[..., 2] < 0.8) & (picture[..., 1] > 0.85)
    rows, columns = np.nonzero(yellow[:, : int(width)])
    assert rows.size > 0.1 * height * width
    assert rows.min() > 0.45 * height
    assert columns.max() < 0.55 * width


def test_a_morphs_figure_grows_with_its_rows_and_leaves_gaps(tmp_path):
    log_mels = np.random.default_rng(0).normal(size=[5, 251, 128]).astype(np.float32)
    line = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    titles = ["from", "25 %", "50 %", "75 %", "to"]
    sizes = []
    for rows in (1, 2):
        path = tmp_path / f"{rows}.png"
        lines = [("centroid, Hz", [line] * rows), ("attack, s", [np.full(5, np.nan)] * rows)]
        plots.plot_morph([(f"row {n}", log_mels) for n in range(rows)], titles, lines, CONFIG, path)
        sizes.append(pixels(path).shape)
    assert sizes[0][1] == sizes[1][1]
    assert sizes[1][0] - sizes[0][0] == 180
    # The most that a command makes is a picture that can be opened.
    few = np.zeros([100, 251, 128], np.float32)
    plots.plot_morph([("row", few)], ["x"] * 100, [], CONFIG, tmp_path / "many.png")
    assert pixels(tmp_path / "many.png").shape[1] < 3000


def test_no_data_means_that_nothing_is_looked_up():
    parser = argparse.ArgumentParser()
    add_lookup_options(parser)
    assert parser.parse_args([]).data is None
    assert parser.parse_args(["--data", "a", "--data", "b"]).data == ["a", "b"]
