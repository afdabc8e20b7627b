"""Ends of commands: one line and an exit code for every error, a log of the unexpected, and `--debug`."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from nsynth_vae import __main__, cli, play
from nsynth_vae.errors import InputError

pytestmark = pytest.mark.player

COMMANDS = [command for group in __main__.COMMANDS.values() for command in group]


def end(error: BaseException, *arguments: str) -> int:
    """Return the exit code of a command that raises an error."""

    def main(options: object) -> None:
        assert not hasattr(options, "debug")
        raise error

    return cli.run(main, cli.Parser("nsynth_vae.play", "A test."), arguments)


def tensorflow_error() -> Exception:
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.errors.DataLossError(None, None, "{{node Read}} corrupted record at 12\n [Op:IteratorGetNext]")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a.wav: is silent"), "a.wav: is silent"),
        (InputError("a\nb\x1b[31m\udce9.wav: is silent"), r"a b\x1b[31m\udce9.wav: is silent"),
        (PermissionError(13, "Permission denied", "a.wav"), "a.wav: Permission denied, expected a file or folder that"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device, expected room on the disk"),
        (OSError(errno.EXDEV, "Invalid", "a", None, "b"), "a -> b: Invalid, expected"),
        (OSError("Can't write data"), "Can't write data, expected"),
        (MemoryError(), "memory: found too little (for what is computed), expected more"),
        (MemoryError("std::bad_alloc"), "memory: found too little (std::bad_alloc), expected more"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory: found too little (libx.so: failed"),
        (RuntimeError("can't start new thread"), "memory: found too little (can't start new thread), expected"),
        (RuntimeError("Symlink loop from '/a/b'"), "/a/b: is a link that leads back to itself, expected a file or"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory: found too little ([Errno 12] Cannot allocate"),
        (np.core._exceptions._ArrayMemoryError((2**40,), np.dtype("f4")), "Unable to allocate 4.00 TiB for an array"),
        (UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"), r"'caf\udce9': surrogates not al"),
        (UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, "invalid"), r"b'caf\xe9': invalid, expected a name or text in"),
        (soundfile.LibsndfileError(7), "a sound file:"),
        (tensorflow_error, "TensorFlow: corrupted record at 12, expected"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--debug",)])
def test_an_error_with_a_cause_is_one_line_and_2(error, line, arguments, capsys):
    assert end(error() if callable(error) else error, *arguments) == 2
    written = capsys.readouterr().err
    assert written.splitlines()[-1].startswith("error: ")
    assert line in written.splitlines()[-1]
    assert len(written.splitlines()[-1]) <= 507
    assert ("Traceback" in written) == bool(arguments)
    assert bool(arguments) or written.count("\n") == 1


def test_an_unexpected_error_is_one_line_that_names_its_log(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = KeyError("z_mean")
    error.add_note("INFO: what LiteRT wrote")
    assert end(error) == 1
    written = capsys.readouterr().err
    found = re.fullmatch(
        r"error: python -m nsynth_vae.play failed unexpectedly \(KeyError: 'z_mean'\); its log is (\S+\.log), --debug "
        r"shows it; please report it with that log, the command and, if possible, its input \(docs/reliability.md\)\n",
        written,
    )
    assert found, written
    log = pathlib.Path(found[1]).read_text(encoding="utf-8")
    for part in ("nsynth-vae 0.", f"Python {sys.version_info[0]}.", "numpy ", "Traceback", "KeyError", "LiteRT wrote"):
        assert part in log
    assert end(error, "--debug") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_unexpected_error_without_room_for_its_log_is_one_line_too(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert end(KeyError("z_mean")) == 1
    written = capsys.readouterr().err
    assert "its log cannot be written (No such file or directory), --debug shows it" in written
    assert written.count("\n") == 1


def test_ctrl_c_is_130(capsys):
    assert end(KeyboardInterrupt("Saved at step 3.")) == 130
    assert capsys.readouterr().err == "\nInterrupted. Saved at step 3.\n"
    assert __main__.guarded(lambda: end(KeyboardInterrupt()), "nsynth-vae", debug=False) == 130


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_debug(command):
    assert "--debug" in __main__.import_command(command).make_parser()._option_string_actions


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_path_takes_a_tilde(command, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    parser = __main__.import_command(command).make_parser()
    paths = [action for action in parser._actions if action.metavar in ("DIR", "FILE", "PATH", "MELODY.mid", "Z.json")]
    # Sound files are patterns, which `find_files` expands.
    taken = [action for action in paths if action.nargs is None]
    assert taken or command in ("sample", "launch")
    assert {action.type("~/a b") for action in taken} <= {tmp_path / "a b"}


def test_patterns_of_files_take_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    assert cli.find_files(["~/*.wav", "~/c.wav"]) == [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]


def test_both_ways_to_call_a_command_end_alike(monkeypatch, capsys):
    def fail(options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(play, "_play", fail)
    arguments = ["a.mid", "--timbre", "flute", "-o", "a.wav"]
    for main, given in ((play.main, arguments), (__main__.main, ["play", *arguments])):
        assert main(given) == 2
        assert (
            capsys.readouterr().err == "error: a file or output: No space left on device, expected room on the disk\n"
        )


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["model"], ["model", "--help"]])
def test_output_without_room_is_an_error(arguments):
    with pathlib.Path("/dev/full").open("w") as full:
        ran = subprocess.run([sys.executable, "-m", "nsynth_vae", *arguments], stdout=full, stderr=subprocess.PIPE)
    assert ran.stderr.decode() == "error: a file or output: No space left on device, expected room on the disk\n"
    assert ran.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's redirection")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed, tmp_path):
    """A note is encoded by LiteRT, whose words on the error stream are suppressed."""
    soundfile.write(tmp_path / "A3.wav", 0.5 * np.sin(np.arange(16000) * 0.0864), 16000)
    command = f"{sys.executable} -m nsynth_vae encode '{tmp_path / 'A3.wav'}' -o '{tmp_path / 'z.json'}' {closed}"
    ran = subprocess.run(command, shell=True, capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert json.loads((tmp_path / "z.json").read_text())["notes"][0]["pitch"] == 57


@pytest.mark.skipif(sys.platform == "win32", reason="there, nobody can remove a working directory")
def test_a_working_directory_that_is_gone_is_named(tmp_path, monkeypatch, capsys):
    """Only if the command fails: absolute paths need none."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for error in (InputError("z.json: cannot be written"), FileNotFoundError(2, "No such file or directory")):
        assert end(error) == 2
        assert capsys.readouterr().err.endswith("; the working directory has been removed\n")
    assert cli.run(lambda options: None, cli.Parser("nsynth_vae.play", "A test."), []) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no UTF-8")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_names_that_are_no_utf_8_are_printed(encoding, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9\n.mid"
    command = [sys.executable, "-m", "nsynth_vae", "play", name, "--timbre", "flute", "-o", name]
    ran = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert ran.returncode == 2
    assert ran.stderr.count(b"\n") == 1
    assert rb"caf\udce9" in ran.stderr
