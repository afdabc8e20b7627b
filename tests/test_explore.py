"""`python -m nsynth_vae.explore`: the contents of the map, the page that plays it, the pictures, its errors."""

import base64
import io
import json

import matplotlib.image
import numpy as np
import pytest
import soundfile
import synthetic
import timbres
from html_page import Page

from nsynth_vae import explore as command
from nsynth_vae import timbre_model
from nsynth_vae.analysis.descriptors import describe
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import BadNotes
from nsynth_vae.data.streaming import stream_notes
from nsynth_vae.latent import projection
from nsynth_vae.notes import FAMILIES
from nsynth_vae.rendering.timbre_map import COLOURED_BY, COLOURS, UNKNOWN_COLOUR, make_map


def test_every_family_has_a_colour_of_its_own():
    assert len(set(COLOURS)) == len(FAMILIES)
    assert UNKNOWN_COLOUR not in COLOURS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("data") / "tiny nsynth", range(48, 56, 4))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model, exported."""
    folder, exports = timbres.export_model(tmp_path_factory.mktemp("explore"))
    return ["--model", str(folder), "--exports", str(exports)]


@pytest.fixture(scope="module")
def output(data, model, tmp_path_factory):
    """The map of all notes: twelve train, four valid, four test."""
    folder = tmp_path_factory.mktemp("map") / "out"
    assert command.main(["--data", str(data), *model, "-o", str(folder)]) == 0
    return folder


def load(folder) -> dict:
    return json.loads((folder / "map.json").read_text())


def test_the_map_has_every_note_at_its_z_mean(output, data, model):
    record = load(output)
    notes = record["notes"]
    assert len(notes) == 20
    assert len({note["note_str"] for note in notes}) == 20
    opened = timbre_model.open_model(model[1], model[3])
    chosen = next(note for note in notes if note["note_str"] == "brass_acoustic_006-052-100")
    audio, _ = soundfile.read(data / "nsynth-test" / "audio" / "brass_acoustic_006-052-100.wav", dtype="float32")
    np.testing.assert_allclose(chosen["z_mean"], opened.encode(audio[None])[0], atol=1e-4)
    assert chosen["descriptors"] == pytest.approx(describe(audio, 52), rel=1e-4, abs=1e-5)
    assert (chosen["pitch"], chosen["velocity"]) == (52, 100)
    z = np.array([note["z_mean"] for note in notes])
    positions, fractions = projection.pca(z)
    np.testing.assert_allclose([note["pca"] for note in notes], positions, atol=1e-3)
    np.testing.assert_allclose(record["explained_variance"], fractions, atol=1e-4)
    assert np.ptp([note["tsne"] for note in notes], axis=0).min() > 0


def test_the_page_is_of_these_notes_and_plays_them(output, data):
    record, page = load(output), Page((output / "map.html").read_text())
    found = json.loads(page.scripts[0])
    assert found["notes"] == [note["note_str"] for note in record["notes"]]
    assert page.title == "Map of timbre: small"
    assert "20 notes of 7 instruments" in page.text
    titles = [column["title"] for column in found["columns"]]
    assert titles == ["family", "source", "pitch", *COLOURED_BY.values()]
    families = [name for name, _ in found["columns"][0]["categories"]]
    assert families == ["brass", "flute", "guitar", "organ", "reed", "vocal"]
    for note, family, pitch in zip(
        found["notes"], found["columns"][0]["values"], found["columns"][2]["values"], strict=True
    ):
        assert note.startswith(families[family])
        assert note.split("-")[1] == f"{pitch:03.0f}"
    for split, note in (("train", "organ_electronic_003-052-050"), ("test", "reed_acoustic_007-062-100")):
        audio, _ = soundfile.read(data / f"nsynth-{split}" / "audio" / f"{note}.wav")
        clip = base64.b64decode(found["clips"][found["notes"].index(note)])
        heard, _ = soundfile.read(io.BytesIO(clip))
        assert np.corrcoef(heard[:20000], audio[:20000])[0, 1] > 0.98
    assert found["projections"][0]["points"][3] == pytest.approx(record["notes"][3]["pca"], rel=1e-3, abs=1e-3)
    assert [each["title"].split(" ")[0] for each in found["projections"]] == ["PCA", "t-SNE"]


def test_the_pictures_show_the_colours(output):
    files = ["map-pca.png", "map-tsne.png", "map.html", "map.json"]
    assert sorted(path.name for path in output.iterdir()) == files
    for name in files[:2]:
        picture = matplotlib.image.imread(output / name)[..., :3]
        first = picture[40 : picture.shape[0] // 3, : picture.shape[1] // 4]
        # The families' own colours, mixed with a little white.
        for colour in ("#ff7f0e", "#2ca02c", "#d62728"):
            solid = 0.85 * np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]) + 0.15
            assert (np.abs(first - solid).max(axis=-1) < 0.03).sum() > 20


def test_the_same_command_draws_the_same_map(output, data, model, tmp_path):
    assert command.main(["--data", str(data), *model, "-o", str(tmp_path / "again")]) == 0
    for name in ("map.html", "map.json"):
        assert (tmp_path / "again" / name).read_bytes() == (output / name).read_bytes()


def opened_rows(data, split: str = "all", most: int = 1000, **config) -> tuple[list[str], list[str]]:
    said: list[str] = []
    source, rows = open_splits(
        DataConfig(data=(str(data),), **config),
        audio=AudioConfig(),
        bad_notes=BadNotes(),
        split=split,
        most=most,
        log=said.append,
    )
    return [str(name) for name in source.table.note_str[rows[split]]], said


def test_notes_are_chosen_by_split_and_number(data):
    assert len(opened_rows(data)[0]) == 20
    assert len(opened_rows(data, split_by="instrument")[0]) == 20
    assert [len(opened_rows(data, split)[0]) for split in ("train", "valid", "test")] == [12, 4, 4]
    assert len(opened_rows(data, max_notes=7)[0]) == 7
    assert {name.split("_")[0] for name in opened_rows(data, families=("brass", "flute"))[0]} == {"brass", "flute"}
    names, said = opened_rows(data, most=7)
    # One of each instrument.
    assert len({name.split("-")[0] for name in names}) == len(names) == 7
    assert said == ["7 of 20 notes are drawn, of all instruments; --max-notes N takes N"]
    assert opened_rows(data, most=7, max_notes=9)[1] == []


def test_notes_of_no_family_are_drawn_and_bad_ones_left_out(model, tmp_path):
    """Files of a user's own, one of them broken."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in ("kazoo-060-100", "kazoo-064-100", "saw-060-100"):
        soundfile.write(folder / f"{name}.wav", synthetic.tone(60), 22050)
    (folder / "saw-062-100.wav").write_bytes(b"RIFF")
    bad_notes = BadNotes("skip")
    source = open_source(folder, audio=AudioConfig(), bad_notes=bad_notes, log=lambda line: None)
    notes = stream_notes(source, np.arange(len(source.table)), lambda note: note["audio"], bad_notes)
    found = make_map(timbre_model.open_model(model[1], model[3]), source.table, notes, data=source.name)
    assert list(bad_notes.skipped) == [str(folder / "saw-062-100.wav")]
    assert sorted(found.table.instrument_str) == ["kazoo", "kazoo", "saw"]
    family = found.columns()[0]
    assert family.categories == (("unknown", UNKNOWN_COLOUR),)
    assert not family.values.any()
    found.save(tmp_path / "out")
    assert "3 notes of 2 instruments" in (tmp_path / "out" / "map.html").read_text()


def error_of(arguments: list[str], capsys) -> str:
    try:
        code = command.main(arguments)
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert error.startswith("error: ")
    assert "\n" not in error
    return error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no/data"], "no/data: no such file or folder, expected"),
        (["--split", "dev"], "invalid choice: 'dev'"),
        (["--families", "bass"], "no note is left"),
        (["--split", "test", "--families", "guitar"], "no note of these is in the split test, expected at least one"),
        (["--seed", "-1"], "--seed: found -1, expected an integer from 0 to 2147483647"),
        (["--model", "no/model"], "no/model: found no config.json"),
        (["--max-notes", "0"], "--max-notes: found '0', expected a positive integer"),
        (["--output", "{file}"], "file is no folder, expected a folder to write to"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(options, message, data, model, tmp_path, capsys):
    (tmp_path / "file").write_text("a file")
    options = [option.replace("{file}", str(tmp_path / "file")) for option in options]
    default = ["--data", str(data), *model, "--output", str(tmp_path / "out")]
    assert message in error_of([*(default[2:] if "--data" in options else default), *options], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
