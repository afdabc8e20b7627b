"""`python -m nsynth_vae.pad`: the page that is written, its corners, its server, and its errors."""

import base64
import dataclasses
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from nsynth_vae import pad, pretrained
from nsynth_vae.api import load_model
from nsynth_vae.errors import InputError
from nsynth_vae.latent.expression import find_timbres
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.rendering import pad_page

pytestmark = pytest.mark.player

VENDOR = pathlib.Path(pad.__file__).parent / "web" / "vendor"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> pathlib.Path:
    """Return a file of a sound with letters in its name that HTML and scripts escape."""
    path = tmp_path_factory.mktemp("sounds") / "my <b>'sound'.wav"
    seconds = np.arange(32000) / 16000
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 220 * seconds) * np.exp(-2 * seconds), 16000)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory, sound) -> tuple[str, list[str]]:
    """Return a page by the command, and its timbres."""
    corners = ["flute", "violin + 0.5*bright", str(sound), "0.5*organ + 0.5*brass"]
    file = tmp_path_factory.mktemp("pad") / "my pad.html"
    assert pad.main([*corners, "-o", str(file)]) == 0
    return file.read_text(encoding="utf-8"), corners


def unpack(html: str, name: str) -> bytes:
    """Return a file of the page."""
    (text,) = re.findall(rf'<script type="application/gzip;base64" id="file-{re.escape(name)}">([^<]*)</script>', html)
    return gzip.decompress(base64.b64decode(text))


def page_data(html: str) -> dict:
    """Return what the page knows of the model."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


def test_the_page_is_one_file_and_asks_for_nothing_else(written):
    html, _ = written
    assert not re.findall(r"<(?:link|script|img|iframe|audio)\b[^>]*\b(?:src|href)=\"(?!data:)", html)
    assert "@import" not in html
    # Of addresses, those of namespaces and in messages: none is asked for, which tests/web/test_browser.py sees.
    scripts = html + "".join(unpack(html, name).decode() for name in ("worker.js", "worklet.js"))
    fetched = re.findall(r"(?:fetch|importScripts|import|open|src=|href=)\s*\(?\s*[\"'`]https?://", scripts)
    assert fetched == []


def test_the_page_holds_the_models_files_and_libraries(written):
    html, _ = written
    for part, file in pretrained.page_files(pretrained.TIMBRE_MODEL).items():
        assert unpack(html, f"{part}.tflite") == file.read_bytes()
    for packed in VENDOR.glob("litert*.gz"):
        assert unpack(html, packed.name.removesuffix(".gz")) == gzip.decompress(packed.read_bytes())
    data, model = page_data(html), load_model()
    assert (data["model"], data["latent_dim"]) == (model.name, model.latent_dim)
    for kind in ("families", "instruments", "directions"):
        assert list(data[kind]) == list(model.attributes[kind])


def test_corners_are_names_files_and_expressions(written, sound, capsys):
    html, corners = written
    found = page_data(html)["corners"]
    expected = find_timbres(corners, load_model().lookup)
    # A file's corner has its name alone: the page is passed on.
    assert [corner["name"] for corner in found] == [*corners[:2], sound.name, corners[3]]
    assert str(sound.parent) not in html
    np.testing.assert_array_equal([corner["z"] for corner in found], [timbre.z.tolist() for timbre in expected])


def test_the_command_says_how_to_open_the_page(tmp_path, capsys):
    file = tmp_path / "my pad.html"
    assert pad.main(["--output", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["flute", "guitar", "organ", "brass"]
    assert lines[-1] == f"Open it in a browser, by a double click or as {file.as_uri()}"
    # One model, one page: nothing of it depends on time or place.
    before = file.read_bytes()
    assert pad.main(["--output", str(file)]) == 0
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flute", "guitar"], "timbres: found 2, expected four, one for each corner, or none"),
        (["flute", "guitar", "organ", "nothing"], "'nothing': no such name or file"),
        (["flute", "guitar", "organ", "flute + "], "'flute +': found the end, expected a name"),
        (["--serve", "70000"], "--serve: found 70000, expected a port, 0 to 65535"),
        (["--serve", "http"], "--serve"),
        (["--model", "nowhere"], "nowhere: "),
        (["--output", "{folder}"], "{folder}"),
    ],
)
def test_errors_are_one_line(tmp_path, capsys, arguments, message):
    arguments, message = [one.format(folder=tmp_path) for one in arguments], message.format(folder=tmp_path)
    output = [] if "--output" in arguments else ["--output", str(tmp_path / "pad.html")]
    try:
        code = pad.main([*arguments, *output])
    except SystemExit as end:
        code = end.code
    assert code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert "expected" in error or "invalid int value" in error or "nearest" in error
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_to_the_root_of_the_file_system(monkeypatch, capsys):
    monkeypatch.chdir("/")
    assert pad.main([]) == 2
    assert "--output pad.html: the working directory is /, expected another one" in capsys.readouterr().err


def test_a_model_without_names_needs_four_timbres(sound):
    lookup = load_model().lookup
    nameless = TimbreLookup(dataclasses.replace(lookup.model, attributes={}))
    with pytest.raises(InputError, match="timbres: nsynth-small has 0 names, expected four timbres to be given"):
        pad_page.find_corners(nameless, [])
    assert [corner.name for corner in pad_page.find_corners(nameless, [str(sound)] * 4)] == [str(sound)] * 4


def test_it_is_served_on_this_machine_only(tmp_path):
    command = [sys.executable, "-m", "nsynth_vae.pad", "--serve", "--output", str(tmp_path / "pad.html")]
    # A browser that opens nothing.
    environment = os.environ | {"BROWSER": "true"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            port = next(int(found[1]) for line in lines if (found := re.search(r"http://127\.0\.0\.1:(\d+)/", line)))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/?wasm=compat")
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            assert answer.read() == (tmp_path / "pad.html").read_bytes()
            connection.request("GET", "/pad.html")
            assert connection.getresponse().status == 404
            # Another pad at this port ends in one line.
            other = subprocess.run(
                [*command[:-1], str(tmp_path / "other.html"), "--serve", str(port)],
                capture_output=True,
                text=True,
                env=environment,
                timeout=120,
                check=False,
            )
            assert other.returncode == 2
            assert other.stderr.strip().splitlines()[-1].endswith(": Address already in use, expected a free port")
            # It listens at the loopback address alone.
            own = socket.gethostbyname(socket.gethostname())
            if not own.startswith("127."):
                with pytest.raises(OSError, match="refused"):
                    socket.create_connection((own, port), timeout=5)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            # Where interrupts are ignored, as of a shell's background jobs, it would be waited for without end.
            process.kill()


def test_bundles_are_of_the_sources_of_today():
    """`npm run check` compares them bit by bit; this needs no npm."""
    provenance = json.loads((VENDOR / "provenance.json").read_text())
    sources = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.parent.glob("src/*.js")}
    assert provenance["sources"] == sources, "npm ci && npm run build"


def test_vendored_files_are_those_of_their_provenance():
    provenance = json.loads((VENDOR / "provenance.json").read_text())
    names = {path.name for path in VENDOR.iterdir()}
    assert names == {"LICENSE.txt", "provenance.json", *(f"{name}.gz" for name in provenance["files"])}
    for name, entry in provenance["files"].items():
        assert hashlib.sha256(gzip.decompress((VENDOR / f"{name}.gz").read_bytes())).hexdigest() == entry["sha256"], (
            name
        )
    assert "Apache License" in (VENDOR / "LICENSE.txt").read_text()
    lock = pathlib.Path(__file__).parents[1] / "package-lock.json"
    packages = json.loads(lock.read_text())["packages"]
    for name, entry in provenance["packages"].items():
        assert entry == {key: packages[f"node_modules/{name}"][key] for key in ("version", "integrity")}
