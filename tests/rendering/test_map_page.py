"""The page of a map: limits of colours, HTML that treats names as text, and clips of notes."""

import base64
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
import synthetic
from html_page import Page

from nsynth_vae.rendering import map_page

pytestmark = pytest.mark.player


def test_colours_end_before_outliers():
    values = np.r_[np.linspace(0, 1, 99), 1000.0, np.nan]
    low, high = map_page.Column("x", values).limits()
    assert 0 < low < 0.05
    assert 0.95 < high < 1.1
    assert map_page.Column("x", np.array([2.0, 2.0])).limits() == (2.0, 3.0)
    assert map_page.Column("x", np.array([np.nan])).limits() == (0.0, 1.0)


NASTY = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    '"><img src=x onerror=alert(1)>',
    "@DATA@ ${name} `x`",
    "naïve\u2028🎸\n\udcff",
    "&lt;b&gt;",
]


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


def test_colours_are_those_of_viridis():
    matplotlib = pytest.importorskip("matplotlib")
    expected = matplotlib.colormaps["viridis"](np.linspace(0, 1, 64))
    assert [*map_page.COLOURS] == [matplotlib.colors.to_hex(colour) for colour in expected]
