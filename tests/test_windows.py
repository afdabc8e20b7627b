"""Windows, without a Windows machine: names of files, text files, consoles, and what is not imported."""

import ast
import io
import json
import ntpath
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from fake_model import DIM, fake, make_model  # noqa: F401 (a fixture)

from nsynth_vae import __main__, arithmetic, cli, decode, files, interpolate
from nsynth_vae.config import Config
from nsynth_vae.errors import InputError
from nsynth_vae.files import atomic_writes
from nsynth_vae.latent.expression import parse
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.rendering.sounds import file_name
from nsynth_vae.rendering.timbre_sum import _file_names

pytestmark = pytest.mark.player

PACKAGE = pathlib.Path(__main__.__file__).parent
RESERVED = ["CON", "con", "NUL", "nul.tar", "Aux", "PRN", "COM1", "lpt9", "COM¹", "CONIN$"]


def is_windows_name(name: str) -> bool:
    """Return whether Windows takes a file name, and gives it back as it is."""
    path = pathlib.PureWindowsPath(name)
    # From Python 3.13 on in ntpath.
    reserved = ntpath.isreserved(name) if hasattr(ntpath, "isreserved") else path.is_reserved()
    return path.name == name and not reserved and not set('<>:"|?*') & set(name) and name == name.rstrip(". ")


@pytest.mark.parametrize("text", RESERVED)
def test_names_of_devices_become_others(text):
    name = file_name(text, "timbre")
    assert is_windows_name(name)
    assert is_windows_name(f"{name}.wav")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a:b", "a_b"),
        ('what? "x" <y>|z*', "what_x_y_z"),
        ("dots...", "dots"),
        ("spaces  ", "spaces"),
        ("..", "timbre"),
        ("", "timbre"),
        ("CONcert", "CONcert"),
        ("com10", "com10"),
        ("nul", "_nul"),
        (f"{'a' * 79}.b", "a" * 79),
        ("naïve 🎸", "naïve"),
        ("guitar_acoustic_010-055-025", "guitar_acoustic_010-055-025"),
        ("A#3", "A#3"),
    ],
)
def test_names_of_files(text, name):
    assert file_name(text, "timbre") == name
    assert is_windows_name(name)


def test_names_of_sounds_lose_drives_and_folders_of_both_systems():
    names = [r"C:\Users\me\my voice.wav", "C:/Users/me/My Voice.flac", "a:b", r"\\server\share\CON.wav", "flute"]
    assert _file_names(names) == ["my_voice", "My_Voice-2", "a_b", "_CON", "flute"]


def test_paths_of_windows_are_names_of_files_in_expressions():
    lookup = TimbreLookup(make_model())
    for path in (r"C:\Users\me\my voice.wav", r"sounds\flute.wav"):
        with pytest.raises(InputError, match="no such name or file") as error:
            parse(f'0.5*"{path}" + 0.5*flute', lookup)
        assert repr(path) in str(error.value)


def test_files_of_a_former_run_that_lie_elsewhere_are_left(tmp_path):
    record = tmp_path / "morph.json"
    inside = ["step-00.wav", "samples/a.wav"]
    outside = ["C:step.wav", r"C:\step.wav", r"..\step.wav", "../step.wav", r"\\server\share\step.wav", "/step.wav"]
    (tmp_path / "samples").mkdir()
    for name in [*inside, *(name for name in outside if "/" not in name)]:
        (tmp_path / name).touch()
    record.write_text(json.dumps({"files": [*inside, *outside]}))
    assert atomic_writes._former(record, tmp_path) == set(inside)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.usefixtures("fake")
def test_json_of_windows_editors_is_read(mark, tmp_path):
    text = json.dumps({"notes": [{"z": [0.5] * DIM, "pitch": 60}]}, indent=2)
    (tmp_path / "z.json").write_text(mark + text, encoding="utf-8", newline="\r\n")
    assert decode.main([str(tmp_path / "z.json"), "--no-picture", "-o", str(tmp_path / "out")]) == 0
    Config().save(tmp_path / "config.json")
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    (tmp_path / "config.json").write_text(mark + text, encoding="utf-8", newline="\r\n")
    assert Config.load(tmp_path / "config.json") == Config()


def test_text_has_the_same_line_ends_everywhere(tmp_path):
    files.write_text(tmp_path / "a.txt", "one\ntwo\n")
    assert (tmp_path / "a.txt").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_a_console_without_a_character_gets_it_escaped(encoding, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", console)
    cli.run(lambda options: print("► 🎸 \udcff"), cli.Parser("nsynth_vae.play", ""), [])
    console.flush()
    assert console.buffer.getvalue().decode("ascii").split() == ["\\u25ba", "\\U0001f3b8", "\\udcff"]


def test_every_help_is_printed_on_a_console_of_cp1252():
    for arguments in (["--help"], *([name, "--help"] for group in __main__.COMMANDS.values() for name in group)):
        code = f"import sys; from nsynth_vae.__main__ import main; sys.exit(main({arguments}))"
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "cp1252", "PATH": ""}
        )
        assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.usefixtures("fake")
def test_patterns_are_expanded_and_names_are_not(tmp_path):
    for name in ("b.wav", "a.wav", "[x].wav"):
        (tmp_path / name).touch()
    names = [str(tmp_path / "?.wav"), str(tmp_path / "[x].wav"), str(tmp_path / "none*.wav")]
    assert cli.find_files(names) == [tmp_path / name for name in ("a.wav", "b.wav", "[x].wav", "none*.wav")]


def test_every_text_file_has_its_encoding_given():
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func)
            binary = any(isinstance(one, ast.Constant) and "b" in str(one.value) for one in node.args)
            opens = function.endswith((".read_text", ".write_text")) or (
                function == "open" or (function.endswith(".open") and not binary and function != "os.open")
            )
            own = function.startswith(("files.", "PIL.")) or function in (
                "soundfile.open",
                "wave.open",
                "webbrowser.open",
            )
            if opens and not binary and not own and not any(one.arg == "encoding" for one in node.keywords):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {function}")
    assert found == []


def test_modules_of_other_systems_are_not_needed():
    """`fcntl` is not on Windows; what plays is imported without it."""
    code = (
        "import sys; sys.modules['fcntl'] = sys.modules['resource'] = None\n"
        "import nsynth_vae.api, nsynth_vae.files, nsynth_vae.rendering.model, nsynth_vae.instruments.performance\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize(
    ("command", "arguments", "record"),
    [
        (interpolate, ["flute", "guitar", "--steps", "3"], "morph.json"),
        (arithmetic, ["flute + 0.1*bright"], "result.json"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_written_names_are_taken_by_windows(command, arguments, record, tmp_path):
    assert command.main([*arguments, "--no-picture", "-o", str(tmp_path)]) == 0
    names = [*json.loads((tmp_path / record).read_text(encoding="utf-8"))["files"], record]
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert all(is_windows_name(name) for name in names)
    assert np.all([not name.endswith(".png") for name in names])
