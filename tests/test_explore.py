"""`python -m nsynth_vae.explore`: projections, what the map holds, the page that plays it, its errors."""

import base64
import html.parser
import io
import json
import re
import shutil
import subprocess
import sys
import time

import matplotlib.image
import numpy as np
import pytest
import soundfile
import synthetic
import timbres

from nsynth_vae import explore as command
from nsynth_vae import timbre_model
from nsynth_vae.analysis.descriptors import describe
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import BadNotes
from nsynth_vae.latent import projection
from nsynth_vae.notes import FAMILIES
from nsynth_vae.rendering import map_page
from nsynth_vae.rendering.timbre_map import COLOURS, SHOWN, UNKNOWN_COLOUR, explore, open_rows

# Projections.


def test_pca_is_that_of_the_library():
    from sklearn.decomposition import PCA

    points = np.random.default_rng(0).normal(size=[50, 6]) * [1, 5, 2, 1, 1, 3] + 7.0
    places, shares = projection.pca(points)
    library = PCA(2).fit(points)
    expected = library.transform(points)
    signs = np.sign(np.sum(places * expected, axis=0))
    np.testing.assert_allclose(places, signs * expected, atol=1e-9)
    np.testing.assert_allclose(shares, library.explained_variance_ratio_, atol=1e-12)
    # The sign does not depend on the order, nor on the library that decomposes.
    np.testing.assert_allclose(projection.pca(points[::-1])[0][::-1], places, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 6), (2, 6), (3, 6), (5, 1)])
def test_few_points_have_places(shape):
    points = np.random.default_rng(1).normal(size=shape)
    for places in (projection.pca(points)[0], projection.tsne(points, 0)):
        assert places.shape == (shape[0], 2)
        assert np.isfinite(places).all()
    if shape == (2, 6):
        # Two points are as far apart as they were, on one line.
        distance = np.linalg.norm(points[0] - points[1])
        np.testing.assert_allclose(np.abs(projection.tsne(points, 0)), [[distance / 2, 0]] * 2, atol=1e-12)


def test_points_all_at_one_place_stay_there():
    points = np.full([9, 6], 3.0, np.float32)
    np.testing.assert_array_equal(projection.tsne(points, 0), np.zeros([9, 2]))
    np.testing.assert_array_equal(projection.pca(points)[1], [0, 0])


def test_tsne_keeps_neighbours_and_repeats_itself():
    """Five groups, far apart in directions that PCA's two cannot show all of."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(5), 20)
    points = (10 * np.eye(5)[group] + rng.normal(size=[100, 5])).astype(np.float32)
    places = projection.tsne(points, 3)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(100)
    np.testing.assert_array_equal(group[distances.argmin(axis=1)], group)
    np.testing.assert_array_equal(projection.tsne(points, 3), places)


# Columns.


def test_colours_end_before_outliers():
    values = np.r_[np.linspace(0, 1, 99), 1000.0, np.nan]
    low, high = map_page.Column("x", values).limits()
    assert 0 < low < 0.05
    assert 0.95 < high < 1.1
    assert map_page.Column("x", np.array([2.0, 2.0])).limits() == (2.0, 3.0)
    assert map_page.Column("x", np.array([np.nan])).limits() == (0.0, 1.0)


def test_every_family_has_a_colour_of_its_own():
    assert len(set(COLOURS)) == len(FAMILIES)
    assert UNKNOWN_COLOUR not in COLOURS


# The page.

NASTY = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    '"><img src=x onerror=alert(1)>',
    "@DATA@ ${name} `x`",
    "naïve\u2028🎸\n\udcff",
    "&lt;b&gt;",
]


class Page(html.parser.HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        """Reads the page."""
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts, self.text, self.title = [], [], [], "", ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "script":
            self.scripts.append("")
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            self.scripts[-1] += data
        elif inside == "title":
            self.title += data
        elif inside != "style":
            self.text += data


def make_page(notes: list[str], title: str = "Map of timbre", summary: str = "Notes.") -> str:
    places = np.random.default_rng(0).normal(size=[len(notes), 2])
    columns = [
        map_page.Column("family", np.arange(len(notes)), tuple((name, "#123456") for name in notes)),
        map_page.Column("brightness", np.r_[np.nan, np.arange(len(notes) - 1.0)], unit="Hz"),
    ]
    clips = [name.encode("utf-8", "replace") for name in notes]
    return map_page.page(title, summary, notes, {"PCA": places, NASTY[0]: -places}, columns, clips, "audio/mpeg")


def test_names_are_only_ever_text():
    text = make_page(NASTY, NASTY[0], "<b>@TITLE@</b>")
    page = Page(text)
    assert page.tags.count("script") == 2
    assert not {"img", "b"} & set(page.tags)
    assert page.title == NASTY[0]
    assert "<b>@TITLE@</b>" in page.text
    assert not any(name.startswith("on") or name in ("src", "href") for name, _ in page.attributes)
    data = json.loads(page.scripts[0])
    assert data["notes"] == NASTY
    assert data["columns"][0]["categories"] == [[name, "#123456"] for name in NASTY]
    assert data["projections"][1]["title"] == NASTY[0]
    # In the page names are put into the document as text, never as HTML.
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page.scripts[1])


def test_the_page_has_all_that_it_needs():
    text = make_page(["a", "b", "c"])
    page = Page(text)
    data = json.loads(page.scripts[0])
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert "url(" not in text
    policy = dict(page.attributes)["content"]
    assert "default-src 'none'" in text
    assert policy
    assert [base64.b64decode(clip) for clip in data["clips"]] == [b"a", b"b", b"c"]
    assert data["kind"] == "data:audio/mpeg;base64,"
    assert data["columns"][1]["values"] == [None, 0.0, 1.0]
    assert data["columns"][1]["unit"] == "Hz"
    assert len(data["projections"][0]["points"]) == 3
    assert len(data["projections"][0]["points"][0]) == 2
    assert ("lang", "en") in page.attributes
    assert ("role", "status") in page.attributes
    assert ("tabindex", "0") in page.attributes


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to read JavaScript")
def test_the_script_is_javascript(tmp_path):
    (tmp_path / "map.js").write_text(Page(make_page(["a"])).scripts[1])
    subprocess.run(["node", "--check", str(tmp_path / "map.js")], check=True, capture_output=True)


def test_a_clip_is_the_beginning_of_a_note():
    audio = synthetic.tone(60)
    found, rate = soundfile.read(io.BytesIO(map_page.clip(audio, 16000)))
    assert rate == 16000
    assert abs(len(found) - 24000) < 2000
    expected = audio[:20000]
    assert np.corrcoef(found[:20000], expected)[0, 1] > 0.98
    assert np.abs(found[23900:24000]).max() < 0.05 * np.abs(found).max()
    assert len(map_page.clip(audio, 16000)) < 8000
    short, _ = soundfile.read(io.BytesIO(map_page.clip(audio[:4000], 16000)))
    assert np.abs(short[6000:20000]).max() < 0.02 < np.abs(short[:4000]).max()


def test_where_there_is_no_mp3_clips_are_flac(monkeypatch):
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "WAV", "FLAC": "FLAC"})
    assert map_page.clip_kind() == "audio/flac"
    audio = synthetic.tone(60)
    found, _ = soundfile.read(io.BytesIO(map_page.clip(audio, 16000)))
    np.testing.assert_allclose(found[:22000], audio[:22000], atol=2**-15)


# The command.


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


def test_the_map_has_every_note_where_its_z_mean_is(output, data, model):
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
    places, shares = projection.pca(z)
    np.testing.assert_allclose([note["pca"] for note in notes], places, atol=1e-3)
    np.testing.assert_allclose(record["explained_variance"], shares, atol=1e-4)
    assert np.ptp([note["tsne"] for note in notes], axis=0).min() > 0


def test_the_page_is_of_these_notes_and_plays_them(output, data):
    record, page = load(output), Page((output / "map.html").read_text())
    found = json.loads(page.scripts[0])
    assert found["notes"] == [note["note_str"] for note in record["notes"]]
    assert page.title == "Map of timbre: small"
    assert "20 notes of 7 instruments" in page.text
    titles = [column["title"] for column in found["columns"]]
    assert titles == ["family", "source", "pitch", *SHOWN.values()]
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


def opened_rows(data, split: str = "all", **config) -> tuple[list[str], list[str]]:
    said: list[str] = []
    source, rows = open_rows(
        DataConfig(data=(str(data),), **config), split, AudioConfig(), bad_notes=BadNotes(), log=said.append
    )
    return [str(name) for name in source.table.note_str[rows]], said


def test_notes_are_chosen_by_split_and_number(data, monkeypatch):
    assert len(opened_rows(data)[0]) == 20
    assert len(opened_rows(data, split_by="instrument")[0]) == 20
    assert [len(opened_rows(data, split)[0]) for split in ("train", "valid", "test")] == [12, 4, 4]
    assert len(opened_rows(data, max_notes=7)[0]) == 7
    assert {name.split("_")[0] for name in opened_rows(data, families=("brass", "flute"))[0]} == {"brass", "flute"}
    monkeypatch.setattr(explore, "MAX_NOTES", 7)
    names, said = opened_rows(data)
    # One of each instrument.
    assert len({name.split("-")[0] for name in names}) == len(names) == 7
    assert said == ["7 of 20 notes are drawn, of all instruments; --max-notes N takes N"]
    assert opened_rows(data, max_notes=9)[1] == []


def test_notes_of_no_family_are_drawn_and_bad_ones_left_out(model, tmp_path):
    """Files of a user's own, one of them broken."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in ("kazoo-060-100", "kazoo-064-100", "saw-060-100"):
        soundfile.write(folder / f"{name}.wav", synthetic.tone(60), 22050)
    (folder / "saw-062-100.wav").write_bytes(b"RIFF")
    bad_notes = BadNotes("skip")
    source = open_source(folder, audio=AudioConfig(), bad_notes=bad_notes, log=lambda line: None)
    found = explore(timbre_model.open_model(model[1], model[3]), source, bad_notes=bad_notes)
    assert list(bad_notes.skipped) == [str(folder / "saw-062-100.wav")]
    assert sorted(found.table.instrument_str) == ["kazoo", "kazoo", "saw"]
    family = found.columns()[0]
    assert family.categories == (("unknown", UNKNOWN_COLOUR),)
    assert not family.values.any()
    found.write(tmp_path / "out")
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


def test_help_answers_in_two_seconds():
    times = []
    for _ in range(3):
        started = time.perf_counter()
        command = [sys.executable, "-m", "nsynth_vae.explore", "--help"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 2.0
    assert "--split {all,train,valid,test}" in ran.stdout
    assert ran.stderr == ""
