"""Suppression of the error stream: nothing is written there, and an error keeps it as a note, where there is room."""

from __future__ import annotations

import os
import tempfile

import pytest

from nsynth_vae.cli.suppress_stderr import quiet

pytestmark = pytest.mark.player


def fail() -> None:
    with quiet():
        os.write(2, b"words of C++")
        raise KeyError("z")


def test_what_is_written_is_a_note_of_the_error(capfd: pytest.CaptureFixture) -> None:
    with quiet():
        os.write(2, b"words of C++")
    with pytest.raises(KeyError) as raised:
        fail()
    assert raised.value.__notes__ == ["words of C++"]
    os.write(2, b"after it")
    assert capfd.readouterr().err == "after it"


def test_without_a_place_for_temporary_files_it_is_dropped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    def refuse() -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(KeyError) as raised:
        fail()
    assert not hasattr(raised.value, "__notes__")
    assert capfd.readouterr().err == ""
