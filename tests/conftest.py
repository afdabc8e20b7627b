"""What tests share: short ways to write notes and to read a source; all is made here."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import warnings
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
import shared
import soundfile

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.source import BadNotes, Source


def pytest_ignore_collect(collection_path: pathlib.Path) -> bool | None:
    """Leave out, where TensorFlow is missing, the test files that import it: all but those marked `player`."""
    if importlib.util.find_spec("tensorflow") or not collection_path.match("test_*.py"):
        return None
    return "pytest.mark.player" not in collection_path.read_text(encoding="utf-8") or None


def sine(hertz: float, sample_rate: int = 16000, seconds: float = 4.0, level: float = 0.5) -> np.ndarray:
    """Returns a decaying sine, float32 `[samples]`, with a 2 ms attack."""
    time = np.arange(round(sample_rate * seconds)) / sample_rate
    return (level * np.sin(2 * np.pi * hertz * time) * np.exp(-time) * np.minimum(1, time / 0.002)).astype(np.float32)


def write_folder(
    folder: pathlib.Path,
    notes: dict[str, np.ndarray],
    labels: dict[str, dict] | None = None,
    extension: str = "wav",
) -> pathlib.Path:
    """Writes a split folder of NSynth's layout; `labels` go over the labels that the names give."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    examples = {}
    for note_str, audio in notes.items():
        soundfile.write(folder / "audio" / f"{note_str}.{extension}", audio, 16000)
        instrument, pitch, velocity = note_str.rsplit("-", 2)
        examples[note_str] = {
            "note_str": note_str,
            "instrument_str": instrument,
            "pitch": int(pitch),
            "velocity": int(velocity),
            "instrument": None,
            "note": None,
            "qualities": None,
            "sample_rate": 16000,
        } | (labels or {}).get(note_str, {})
    (folder / "examples.json").write_text(json.dumps(examples))
    return folder


def read_audio(source: Source, rows=None, order=None) -> list[tuple[int, np.ndarray, str]]:
    """Returns (row, audio, problem) of a source's notes, in the order of its stream."""
    rows = np.arange(len(source.table)) if rows is None else np.asarray(rows)
    return [
        (int(note["row"]), note["audio"].numpy(), note["problem"].numpy().decode())
        for note in source.audio(rows, order)
    ]


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    """Give all workers one folder for what `shared.made_once` makes."""
    folder = tmp_path_factory.getbasetemp()
    shared.root = (folder.parent if hasattr(request.config, "workerinput") else folder) / "shared"


@pytest.fixture
def eager() -> Iterator[None]:
    """Run `tf.function`s as Python: to trace a training step takes as long as to run ten of them so."""
    import tensorflow as tf

    # The functions of tf.data are traced all the same, and TensorFlow warns of that.
    warnings.filterwarnings("ignore", message="Even though the `tf.config")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def audio_config() -> AudioConfig:
    """Returns NSynth's audio configuration."""
    return AudioConfig()


@pytest.fixture
def skip() -> BadNotes:
    """Returns a list of bad notes that goes on after each."""
    return BadNotes("skip")


@pytest.fixture
def messages() -> list[str]:
    """Returns a list whose `append` serves as `log`."""
    return []


@pytest.fixture
def nsynth(tmp_path: pathlib.Path) -> pathlib.Path:
    """Writes a tiny NSynth: 6 train, 2 valid and 2 test notes, an instrument a split more."""
    root = tmp_path / "nsynth"

    def notes(*names: str) -> dict[str, np.ndarray]:
        return {name: sine(440 * 2 ** ((int(name.split("-")[-2]) - 69) / 12)) for name in names}

    write_folder(
        root / "nsynth-train",
        notes(*(f"{name}-{pitch:03d}-100" for name in ("guitar_acoustic_001", "flute_x") for pitch in (60, 64, 69))),
        {
            "guitar_acoustic_001-060-100": {
                "qualities": [1, 0, None, 0, 0, 0, 0, 0, 0, 1],
                "sample_group": "g1",
            },
            "flute_x-060-100": {"instrument_family": 2, "instrument_source_str": "synthetic"},
        },
    )
    write_folder(root / "nsynth-valid", notes("organ_electronic_003-057-050", "organ_electronic_003-060-050"))
    write_folder(root / "nsynth-test", notes("brass_acoustic_004-050-127", "brass_acoustic_005-060-127"))
    return root
