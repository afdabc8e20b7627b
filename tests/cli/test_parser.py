"""Tests of `parser`: what a command that learns says where the training packages are missing."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from nsynth_vae.cli import parser
from nsynth_vae.errors import InputError

pytestmark = pytest.mark.player


@pytest.fixture(autouse=True)
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let TensorFlow be missing, and the other packages be there."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == "tensorflow" else object())


@pytest.mark.parametrize(
    ("platform", "version", "expected"),
    [
        (
            "linux",
            (3, 11, 7),
            "expected the training packages: pip install 'nsynth-vae[train]', or in a clone pip install",
        ),
        (
            "linux",
            (3, 14, 0),
            "Python 3.11 to 3.13, this is 3.14; uv venv --python 3.12 (or pyenv install 3.12, or python",
        ),
        ("darwin", (3, 13, 1), "or in a clone pip install -r requirements-newest.txt"),
        (
            "win32",
            (3, 12, 1),
            "they are for Linux and macOS; in WSL2 (learn.microsoft.com/windows/wsl), Python 3.11 to 3.13",
        ),
    ],
)
def test_the_way_to_the_packages_fits_the_machine(
    platform: str, version: tuple, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(InputError) as error:
        parser.prepare_tensorflow("python -m nsynth_vae.train")
    text = str(error.value)
    assert text.startswith("python -m nsynth_vae.train: found no TensorFlow, expected the training packages: ")
    assert expected in text
    assert "pip install 'nsynth-vae[train]'" in text
    assert "\n" not in text


def test_a_module_that_was_put_in_the_place_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert "TensorFlow" in parser.missing_training_packages()


@pytest.mark.skipif(sys.platform == "win32", reason="there, processes have no such limit")
def test_a_limit_of_memory_in_which_tensorflow_aborts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.undo()
    monkeypatch.setattr(parser, "missing_training_packages", list)
    limits = {"found": (2_400_000_000, resource.RLIM_INFINITY)}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits["found"])
    message = r"^memory: found a limit of 2\.4 GB for a process \(ulimit -v\), expected 4 GB at least"
    with pytest.raises(InputError, match=message):
        parser.prepare_tensorflow("python -m nsynth_vae.train")
    for enough in (4_000_000_000, resource.RLIM_INFINITY):
        limits["found"] = (enough, resource.RLIM_INFINITY)
        parser.prepare_tensorflow("python -m nsynth_vae.train")
