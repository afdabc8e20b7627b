"""`nsynth-vae COMMAND` and `python -m nsynth_vae`: help, nearest names, and commands whose help is immediate."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import nsynth_vae
from nsynth_vae import __main__

pytestmark = pytest.mark.player

COMMANDS = [command for group in __main__.COMMANDS.values() for command in group]


def test_help_is_one_screen_and_names_every_command(capsys):
    assert __main__.main(["--help"]) == __main__.main([]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) / 2 <= 25
    assert max(map(len, out.splitlines())) <= 100
    listed = set(re.findall(r"^  (\w+) ", out, re.MULTILINE))
    folder = pathlib.Path(nsynth_vae.__file__).parent
    modules = {path.stem for path in folder.glob("*.py") if "cli.run(" in path.read_text(encoding="utf-8")}
    assert listed == modules | {"model"}


def test_version(capsys):
    assert __main__.main(["--version"]) == 0
    assert capsys.readouterr().out == f"nsynth-vae {nsynth_vae.__version__}\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("interpolat", "error: interpolat: no such command; nearest: interpolate\n"),
        ("encod", "error: encod: no such command; nearest: encode\n"),
        ("train-sythesizer", "error: train-sythesizer: no such command; nearest: train_synthesizer\n"),
        ("xyz", "error: xyz: no such command; nsynth-vae --help lists the commands\n"),
    ],
)
def test_a_mistyped_command_gets_the_nearest(name, message, capsys):
    assert __main__.main([name]) == 2
    assert capsys.readouterr().err == message


def test_a_command_gets_its_arguments(capsys):
    with pytest.raises(SystemExit, match="0"):
        __main__.main(["train-synthesizer", "--help"])
    assert capsys.readouterr().out.startswith("usage: python -m nsynth_vae.train_synthesizer ")
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["interpolate", "--wrong"])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_takes_half_a_second_at_most(command):
    """Of processor time, which other processes do not change much."""
    before = os.times()
    ran = subprocess.run([sys.executable, "-m", f"nsynth_vae.{command}", "--help"], capture_output=True, text=True)
    after = os.times()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: python -m nsynth_vae.{command} ")
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.5


def test_help_imports_no_tensorflow():
    modules = ", ".join(f"nsynth_vae.{command}" for command in COMMANDS)
    check = f"import sys, {modules}; print({{'tensorflow', 'keras', 'sklearn', 'matplotlib'}} & {{*sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


@pytest.mark.parametrize("command", __main__.COMMANDS["Learn (these need the training packages)"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("version_info", (3, 14, 0), "they are for Python 3.11 to 3.13, this is 3.14; uv venv --python 3.12"),
        ("version_info", (3, 12, 0), "pip install 'nsynth-vae[train]'"),
        ("platform", "win32", "they are for Linux and macOS; in WSL2"),
    ],
)
def test_commands_that_learn_say_how_to_get_the_training_packages(command, name, value, message, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr(sys, name, value)
    arguments = {"evaluate": ["-o", "nowhere"], "prepare": ["-o", "nowhere"], "launch": ["2", "--", "train"]}
    code = __main__.main([command, *arguments.get(command, [])])
    monkeypatch.undo()
    assert code == 2
    error = capsys.readouterr().err
    assert f"{command}: found no TensorFlow" in error
    assert message in error
    assert error.count("\n") == 1


def test_a_reader_that_has_enough_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "nsynth_vae", "model", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
