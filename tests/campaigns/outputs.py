"""Commands of the campaigns of kills and full disks, and checks of what they leave."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable

import mido
import numpy as np
import small_models
import soundfile
import synthetic


@dataclasses.dataclass(frozen=True)
class Command:
    """A command, and the check of its output at any moment."""

    arguments: Callable[[pathlib.Path, pathlib.Path], list[str]]
    """(inputs, output) -> arguments."""
    check: Callable[[pathlib.Path], int]
    """Returns how much there is, which never gets less; raises AssertionError for half of anything."""
    learner: bool = False


def make_inputs(folder: pathlib.Path, *, learner: bool) -> pathlib.Path:
    """Write a melody or, for what learns, notes of a quarter of a second and a small model of these."""
    folder.mkdir()
    if learner:
        synthetic.write_nsynth(folder / "notes", range(48, 72, 6), num_samples=small_models.SMALL.audio.num_samples)
        small_models.save_model(folder / "model", small_models.SMALL)
        return folder
    file = mido.MidiFile(ticks_per_beat=96)
    track = mido.MidiTrack()
    for pitch in range(48, 84, 3):
        track.append(mido.Message("note_on", note=pitch, velocity=80))
        track.append(mido.Message("note_off", note=pitch, time=96))
    file.tracks.append(track)
    file.save(folder / "melody.mid")
    return folder


def _train(inputs: pathlib.Path, output: pathlib.Path) -> list[str]:
    folders = ["--models", str(output / "models"), "--exports", str(output / "exports"), "--name", "one"]
    config = ["--config", str(inputs / "model" / "config.json"), "--batch-size", "8"]
    return ["train", "--data", str(inputs / "notes"), *folders, "--steps", "12", *config]


def _cache(inputs: pathlib.Path, output: pathlib.Path) -> list[str]:
    return [*_train(inputs, output), "--cache-dir", str(output / "cache"), "--steps", "1"]


def check_training(output: pathlib.Path) -> int:
    """Check a model's folder, its exports and a cache; return the step of the newest checkpoint."""
    from nsynth_vae.training import checkpoints

    model, problems = output / "models" / "one", []
    newest = checkpoints.load_newest(model / "checkpoints", problems.append)
    assert not problems
    _check_files(output)
    if (model / "metrics.json").exists():
        assert json.loads((model / "metrics.json").read_text())["finished"]
        _check_exports(output / "exports")
    return 0 if newest is None else newest.state["step"]


def check_export(output: pathlib.Path) -> int:
    """Check an exports folder; return its number of versions."""
    _check_files(output)
    return _check_exports(output / "exports")


def _check_exports(exports: pathlib.Path) -> int:
    """Check that each version that a server would load is whole."""
    from nsynth_vae import pretrained

    versions = {part: pretrained.versions(exports / part) for part in pretrained.PARTS}
    for part, numbers in versions.items():
        for number in numbers:
            folder = exports / part / str(number)
            assert {"saved_model.pb", "variables", "assets.extra"} <= {path.name for path in folder.iterdir()}
            assert pretrained.read_metadata(folder / "assets.extra")["latent_dim"] > 0
    return min(map(len, versions.values()))


def _check_files(output: pathlib.Path) -> None:
    """Check that every file but hidden ones, which a killed process leaves, is whole."""
    from nsynth_vae.data.feature_shards import read_header
    from nsynth_vae.pretrained import read_tflite_metadata

    for path in output.rglob("*"):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(output).parts):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix in (".wav", ".flac"):
            assert len(soundfile.read(path)[0]), path
        elif path.suffix == ".tflite":
            assert path.name.startswith("synthesizer") or read_tflite_metadata(path), path
        elif path.suffix == ".png":
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82"), path
        elif path.name.startswith("log-mel-"):
            assert read_header(path, small_models.SMALL.audio) is not None, path


def check_sounds(output: pathlib.Path) -> int:
    """Check a folder of sounds: if its record is there, all of its files are."""
    _check_files(output)
    for record in output.rglob("instrument.json"):
        files = json.loads(record.read_text())["files"]
        assert files
        for name in files:
            assert (record.parent / name).is_file(), name
    wavs = [soundfile.read(path)[0] for path in output.rglob("*.wav") if ".tmp" not in str(path)]
    assert all(np.isfinite(wav).all() for wav in wavs)
    return int(bool(list(output.rglob("instrument.json")) or wavs))


COMMANDS = {
    "training": Command(_train, check_training, learner=True),
    "cache": Command(_cache, check_training, learner=True),
    "export": Command(
        lambda inputs, output: [
            *("export", "--model", str(inputs / "model"), "--exports", str(output / "exports"), "--max-notes", "2"),
            *("--data", str(inputs / "notes")),
        ],
        check_export,
        learner=True,
    ),
    "play": Command(
        lambda inputs, output: ["play", str(inputs / "melody.mid"), "--timbre", "flute", "-o", str(output / "a.wav")],
        check_sounds,
    ),
    "instrument": Command(
        lambda inputs, output: [
            *("instrument", "0.5*flute + 0.5*organ", "--pitches", "48-72", "--velocities", "80"),
            *("-o", str(output / "instrument")),
        ],
        check_sounds,
    ),
}
