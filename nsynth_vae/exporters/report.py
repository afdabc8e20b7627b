"""What exported TFLite files are worth: size, operators, errors against Keras, how the sound is, milliseconds a note.

`measure` takes notes as arrays; whoever calls it chooses them, best of instruments that the model was not trained on.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import time
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import __version__
from nsynth_vae.analysis import metrics
from nsynth_vae.config import Config
from nsynth_vae.exporters import tflite_quantization
from nsynth_vae.exporters.suppress_stderr import quiet
from nsynth_vae.files import write_text

if TYPE_CHECKING:
    from nsynth_vae.model.vae import VAE

SOUND = ("in_tune", "off_harmonic_db", "log_mel_l1")
"""The measures of `metrics` that decoded audio is judged by, means over the notes."""

OUTPUTS = ("z_mean", "z_log_var", "log_mel", "audio")
"""What is compared with Keras."""

FILE = "report"
"""The stem of the two files that `write` writes."""

_WARM_UP = 5
_BATCH = 8


def measure(
    vae: VAE,
    config: Config,
    paths: Mapping[str, pathlib.Path],
    notes: Mapping[str, np.ndarray],
    *,
    runs: int = 50,
) -> dict[str, object]:
    """Measures TFLite files against the Keras model that they were made of.

    The decoder is given what Keras's encoder says of the notes, so that each file's errors are its own.

    Args:
        vae: the built model.
        config: its configuration.
        paths: stem -> file, as `tflite.write_models` returns them; others than `tflite.FILES` are passed over.
        notes: `audio` float32 `[notes, num_samples]`, -1..1, `pitch` and `velocity` int32 `[notes]`.
        runs: timed calls of each file, after some that are not.

    Returns:
        JSON-ready: `notes`, `runs`, `cpu_cores`, `versions`; `sound`: who -> measures, of the notes themselves and of
        Keras's decoded audio; `files`: stem -> `megabytes`, `operators` (name -> number), `milliseconds` (the median,
        one thread), `errors` (output -> `max` and `mean` absolute difference from Keras) and, if the file gives audio,
        `sound` (measures). Measures are `SOUND`; where no note has one it is None.

    Raises:
        ValueError: if there are no notes, or their arrays do not fit together.
    """
    from nsynth_vae.exporters.tflite import FILES

    _check(notes, config)
    expected = _by_keras(vae, config, notes)
    given = {"encoder": ["audio"], "decoder": ["z", "pitch", "velocity"]}
    inputs = {**notes, "z": expected["z_mean"]}
    sound = {}
    if "audio" in expected:
        sound = {"the notes": _judged(notes, notes["audio"]), "Keras": _judged(notes, expected["audio"])}
    files = {}
    for stem, path in paths.items():
        if stem not in FILES:
            continue
        names = given[stem.split("_")[0]]
        requests = [{name: inputs[name][i : i + 1] for name in names} for i in range(len(notes["pitch"]))]
        files[stem] = _measured_file(path, requests, expected, notes, runs)
    packages = ("tensorflow", "keras", "ai-edge-litert", "numpy")
    return {
        "notes": len(notes["pitch"]),
        "runs": runs,
        "cpu_cores": os.cpu_count(),
        "versions": {
            "nsynth_vae": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "sound": sound,
        "files": files,
    }


def to_markdown(report: Mapping[str, object]) -> str:
    """Returns a report of `measure` as Markdown: a table of the files, and their operators."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    given = {name for file in report["files"].values() for name in file["errors"]}
    outputs = [name for name in OUTPUTS if name in given]
    lines = [
        "# TFLite files",
        "",
        f"{report['notes']} notes; {report['cpu_cores']} CPU cores, of which one is used; {versions}.",
        "",
        "- `ms`: milliseconds a note, the median of "
        f"{report['runs']} calls with one thread (wall clock: what else the machine does counts).",
        "- Errors: the largest absolute difference from Keras, and the mean. The decoder is given Keras's z.",
        *(f"- `{name}`: {metrics.DEFINITIONS[name]}; mean." for name in SOUND),
        "",
        _row(["file", "MB", "ms", *(f"error of `{name}`" for name in outputs), *(f"`{name}`" for name in SOUND)]),
        _row(["---"] * (3 + len(outputs) + len(SOUND))),
    ]
    for who, sound in report["sound"].items():
        lines.append(_row([who, "", "", *([""] * len(outputs)), *_sound_cells(sound)]))
    for stem, file in report["files"].items():
        errors = [file["errors"].get(name) for name in outputs]
        cells = [f"{error['max']:.1e} ({error['mean']:.1e})" if error else "" for error in errors]
        numbers = [f"{file['megabytes']:.2f}", f"{file['milliseconds']:.1f}"]
        lines.append(_row([f"`{stem}`", *numbers, *cells, *_sound_cells(file.get("sound"))]))
    lines += ["", "## Operators", ""]
    for stem, file in report["files"].items():
        listed = ", ".join(f"{name} {count}" for name, count in file["operators"].items())
        lines.append(f"- `{stem}`: {listed}")
    return "\n".join(lines) + "\n"


def write(report: Mapping[str, object], folder: str | os.PathLike) -> list[pathlib.Path]:
    """Writes a report of `measure` as `report.json` and `report.md`; returns their paths.

    Raises:
        OSError: if the folder is missing or cannot be written.
    """
    folder = pathlib.Path(folder)
    texts = {"json": json.dumps(report, indent=2, allow_nan=False) + "\n", "md": to_markdown(report)}
    for ending, text in texts.items():
        write_text(folder / f"{FILE}.{ending}", text)
    return [folder / f"{FILE}.{ending}" for ending in texts]


def _check(notes: Mapping[str, np.ndarray], config: Config) -> None:
    count = len(notes["pitch"])
    shapes = {"audio": (count, config.audio.num_samples), "pitch": (count,), "velocity": (count,)}
    for name, shape in shapes.items():
        dtype = np.float32 if name == "audio" else np.int32
        if count == 0 or notes[name].shape != shape or notes[name].dtype != dtype:
            expected = f"{np.dtype(dtype)} [notes{', num_samples' if name == 'audio' else ''}], at least one note"
            raise ValueError(f"{name}: found {notes[name].dtype} {list(notes[name].shape)}, expected {expected}")


def _by_keras(vae: VAE, config: Config, notes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns what Keras computes in float32, by the outputs' names; `audio` only if there is a synthesizer."""
    from nsynth_vae import features
    from nsynth_vae.exporters import signatures
    from nsynth_vae.synthesis.vocoder import shipped_for

    encoder, decoder = signatures.float32_layers(vae, config)
    synthesizer = shipped_for(config.audio)
    parts = []
    for start in range(0, len(notes["pitch"]), _BATCH):
        audio, pitch, velocity = (notes[name][start : start + _BATCH] for name in ("audio", "pitch", "velocity"))
        z_mean, z_log_var = encoder(features.log_mel(audio, config.audio))
        log_mel = decoder(z_mean, pitch, velocity)
        part = {"z_mean": z_mean, "z_log_var": z_log_var, "log_mel": log_mel}
        parts.append(part | ({"audio": synthesizer(log_mel, pitch)} if synthesizer else {}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measured_file(
    path: pathlib.Path,
    requests: list[dict[str, np.ndarray]],
    expected: Mapping[str, np.ndarray],
    notes: Mapping[str, np.ndarray],
    runs: int,
) -> dict[str, object]:
    """Returns a file's entry in the report."""
    from ai_edge_litert.interpreter import Interpreter

    content = pathlib.Path(path).read_bytes()
    with quiet():
        run = Interpreter(model_content=content, num_threads=1).get_signature_runner("serving_default")
        made = [run(**request) for request in requests]
    made = {name: np.concatenate([one[name] for one in made]) for name in made[0]}
    differences = {name: np.abs(value - expected[name]) for name, value in made.items()}
    milliseconds = []
    for number in range(_WARM_UP + runs):
        started = time.perf_counter()
        run(**requests[number % len(requests)])
        milliseconds.append(1000.0 * (time.perf_counter() - started))
    file = {
        "megabytes": len(content) / 1e6,
        "operators": tflite_quantization.operators(content),
        "milliseconds": float(np.median(milliseconds[_WARM_UP:])),
        "errors": {name: {"max": float(off.max()), "mean": float(off.mean())} for name, off in differences.items()},
    }
    return file | ({"sound": _judged(notes, made["audio"])} if "audio" in made else {})


def _judged(notes: Mapping[str, np.ndarray], audio: np.ndarray) -> dict[str, float | None]:
    """Returns the means of `SOUND` of audio `[notes, num_samples]` that is to be the notes'."""
    rows = []
    for real, sound, pitch in zip(notes["audio"], audio, notes["pitch"].tolist(), strict=True):
        f0 = metrics.note_f0(sound, pitch)
        tuned = float(metrics.in_tune(sound, pitch))
        rows.append([tuned, metrics.off_harmonic_db(sound, f0), metrics.log_mel_l1(real, sound)])
    columns = np.array(rows).T
    # A silent note has no off_harmonic_db.
    means = [float(np.nanmean(column)) if np.isfinite(column).any() else None for column in columns]
    return dict(zip(SOUND, means, strict=True))


def _sound_cells(sound: Mapping[str, float | None] | None) -> list[str]:
    if sound is None:
        return [""] * len(SOUND)
    digits = {"in_tune": 3, "off_harmonic_db": 1, "log_mel_l1": 3}
    return ["" if sound[name] is None else f"{sound[name]:.{digits[name]}f}" for name in SOUND]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
