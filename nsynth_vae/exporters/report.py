"""Report on exported TFLite files: size, operators, errors against Keras, quality of the sound, speed.

`measure` takes notes as arrays, best of instruments that the model was not trained on.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from nsynth_vae import __version__
from nsynth_vae.analysis import metrics
from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.config import Config
from nsynth_vae.exporters import tflite_quantization
from nsynth_vae.files import write_text
from nsynth_vae.timbre_model import in_batches

if TYPE_CHECKING:
    from nsynth_vae.model.vae import VAE

SOUND = {"in_tune": 3, "off_harmonic_db": 1, "log_mel_l1": 3}
"""The measures of `metrics` for decoded audio, means over the notes, and their digits in the table."""

OUTPUTS = ("z_mean", "z_log_var", "log_mel", "audio")
"""The outputs compared with Keras."""

FILE = "report"
"""The stem of the two files that `write` writes."""

_INPUTS = {"encoder": ("audio",), "decoder": ("z", "pitch", "velocity")}
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")
_WARM_UP = 5


def measure(
    vae: VAE,
    config: Config,
    paths: Mapping[str, pathlib.Path],
    notes: Mapping[str, np.ndarray],
    *,
    runs: int = 50,
) -> dict[str, Any]:
    """Measure TFLite files against the Keras model that they were exported from.

    The decoder gets the z_mean of Keras's encoder, so that each file's errors are its own.

    Args:
        vae: the built model.
        config: its configuration.
        paths: stem -> file, as `tflite.write_models` returns them; only `tflite.FILES` are measured.
        notes: `audio` float32 `[notes, num_samples]`, -1..1, `pitch` and `velocity` int32 `[notes]`.
        runs: timed calls of each file, after a few untimed ones.

    Returns:
        JSON-ready: `notes`, `runs`, `cpu_cores`, `versions`; `sound`: the measures `SOUND` of the notes themselves and
        of Keras's decoded audio; `files`: stem -> `megabytes`, `operators` (name -> number), `milliseconds` (the
        median, one thread), `errors` (output -> `max` and `mean` absolute difference from Keras) and, if the file
        outputs audio, `sound`. A measure that no note has is None.

    Raises:
        ValueError: if there are no notes, or their arrays do not fit together.
    """
    from nsynth_vae.exporters.tflite import FILES

    _check(notes, config)
    expected = _run_keras(vae, config, notes)
    sound = {}
    if "audio" in expected:
        sound = {"the notes": _sound(notes, notes["audio"]), "Keras": _sound(notes, expected["audio"])}
    inputs = {**notes, "z": expected["z_mean"]}
    files = {}
    for stem in filter(paths.__contains__, FILES):
        names = _INPUTS[stem.split("_")[0]]
        requests = [{name: inputs[name][i : i + 1] for name in names} for i in range(len(notes["pitch"]))]
        files[stem] = _measure_file(paths[stem], requests, expected, notes, runs)
    return {
        "notes": len(notes["pitch"]),
        "runs": runs,
        "cpu_cores": os.cpu_count(),
        "versions": {
            "nsynth_vae": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "sound": sound,
        "files": files,
    }


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return a report of `measure` as Markdown: a table of the files, and their operators."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    found = {name for file in report["files"].values() for name in file["errors"]}
    outputs = [name for name in OUTPUTS if name in found]
    lines = [
        "# TFLite files",
        "",
        f"{report['notes']} notes; {report['cpu_cores']} CPU cores, of which one is used; {versions}.",
        "",
        f"- `ms`: milliseconds a note, the median of {report['runs']} calls with one thread (wall clock, on a machine "
        "that may be busy).",
        "- Errors: the largest absolute difference from Keras, and the mean. The decoder's input is Keras's z_mean.",
        *(f"- `{name}`: {metrics.DEFINITIONS[name]}; mean." for name in SOUND),
        "",
        _row(["file", "MB", "ms", *(f"error of `{name}`" for name in outputs), *(f"`{name}`" for name in SOUND)]),
        _row(["---"] * (3 + len(outputs) + len(SOUND))),
    ]
    for name, sound in report["sound"].items():
        lines.append(_row([name, "", "", *([""] * len(outputs)), *_sound_cells(sound)]))
    for stem, file in report["files"].items():
        errors = [file["errors"].get(name) for name in outputs]
        cells = [f"{error['max']:.1e} ({error['mean']:.1e})" if error else "" for error in errors]
        numbers = [f"{file['megabytes']:.2f}", f"{file['milliseconds']:.1f}"]
        lines.append(_row([f"`{stem}`", *numbers, *cells, *_sound_cells(file.get("sound", {}))]))
    lines += ["", "## Operators", ""]
    for stem, file in report["files"].items():
        listed = ", ".join(f"{name} {count}" for name, count in file["operators"].items())
        lines.append(f"- `{stem}`: {listed}")
    return "\n".join(lines) + "\n"


def write(report: Mapping[str, Any], folder: str | os.PathLike) -> list[pathlib.Path]:
    """Write a report of `measure` as `report.json` and `report.md`, and return their paths.

    Raises:
        OSError: if the folder is missing or cannot be written.
    """
    texts = {"json": json.dumps(report, indent=2, allow_nan=False) + "\n", "md": to_markdown(report)}
    paths = [pathlib.Path(folder, f"{FILE}.{extension}") for extension in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_text(path, text)
    return paths


def _check(notes: Mapping[str, np.ndarray], config: Config) -> None:
    count = len(notes["pitch"])
    shapes = {"audio": (count, config.audio.num_samples), "pitch": (count,), "velocity": (count,)}
    for name, shape in shapes.items():
        dtype = np.float32 if name == "audio" else np.int32
        if count == 0 or notes[name].shape != shape or notes[name].dtype != dtype:
            expected = f"{np.dtype(dtype)} [notes{', num_samples' if name == 'audio' else ''}], at least one note"
            raise ValueError(f"{name}: found {notes[name].dtype} {list(notes[name].shape)}, expected {expected}")


def _run_keras(vae: VAE, config: Config, notes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return Keras's outputs in float32, by name; `audio` only if there is a synthesizer."""
    from nsynth_vae import features
    from nsynth_vae.exporters import signatures
    from nsynth_vae.synthesis.vocoder import shipped_synthesizer_for

    encoder, decoder = signatures.float32_layers(vae, config)
    synthesizer = shipped_synthesizer_for(config.audio)

    def run(audio: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> dict[str, Any]:
        z_mean, z_log_var = encoder(features.log_mel(audio, config.audio))
        first = np.zeros_like(pitch)
        take = decoder.take(z_mean, pitch, velocity, first, np.ones(pitch.shape, np.float32))
        outputs = {"z_mean": z_mean, "z_log_var": z_log_var, "log_mel": take.median}
        if synthesizer is not None:
            outputs["audio"] = synthesizer(take.log_mel, pitch, first, take.partials)
        return outputs

    return _concatenated(in_batches(run, *(notes[name] for name in ("audio", "pitch", "velocity"))))


def _measure_file(
    path: pathlib.Path,
    requests: list[dict[str, np.ndarray]],
    expected: Mapping[str, np.ndarray],
    notes: Mapping[str, np.ndarray],
    runs: int,
) -> dict[str, Any]:
    """Return a file's entry in the report."""
    from ai_edge_litert.interpreter import Interpreter

    content = path.read_bytes()
    with quiet():
        run = Interpreter(model_content=content, num_threads=1).get_signature_runner("serving_default")
        outputs = _concatenated(run(**request) for request in requests)
    errors = {name: np.abs(value - expected[name]) for name, value in outputs.items()}
    milliseconds = []
    for number in range(_WARM_UP + runs):
        started = time.perf_counter()
        run(**requests[number % len(requests)])
        milliseconds.append(1000.0 * (time.perf_counter() - started))
    file = {
        "megabytes": len(content) / 1e6,
        "operators": tflite_quantization.operators(content),
        "milliseconds": float(np.median(milliseconds[_WARM_UP:])),
        "errors": {name: {"max": float(error.max()), "mean": float(error.mean())} for name, error in errors.items()},
    }
    return file | ({"sound": _sound(notes, outputs["audio"])} if "audio" in outputs else {})


def _concatenated(parts: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    parts = list(parts)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sound(notes: Mapping[str, np.ndarray], audio: np.ndarray) -> dict[str, float | None]:
    """Return the means of `SOUND` of decoded audio `[notes, num_samples]`, compared with the notes."""
    rows = []
    for real, decoded, pitch in zip(notes["audio"], audio, notes["pitch"].tolist(), strict=True):
        f0 = metrics.note_f0(decoded, pitch)
        in_tune = float(metrics.in_tune(decoded, pitch))
        rows.append([in_tune, metrics.off_harmonic_db(decoded, f0), metrics.log_mel_l1(real, decoded)])
    # A silent note has no off_harmonic_db.
    means = [float(np.nanmean(column)) if np.isfinite(column).any() else None for column in np.array(rows).T]
    return dict(zip(SOUND, means, strict=True))


def _sound_cells(sound: Mapping[str, float | None]) -> list[str]:
    return ["" if (mean := sound.get(name)) is None else f"{mean:.{digits}f}" for name, digits in SOUND.items()]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
