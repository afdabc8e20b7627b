"""Tables of `synthesis.py`, of the measured sounds' records."""

from __future__ import annotations

import collections
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import common
import numpy as np

from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.evaluation.tables import table

if TYPE_CHECKING:
    from synthesis import Notes

REAL, OURS = "real note", "synthesizer"
PLAIN, FAST = "pseudo-inverse, Griffin-Lim 32", "non-negative, fast Griffin-Lim 60"
PLUCKED_OR_STRUCK = ("bass", "guitar", "mallet")
ONSET_SECONDS = 0.016
"""Onsets that differ by no more count as the same."""

_LITE_RUNS, _LITE_NOTES = 50, 16
GROUP, EDGE_PITCHES, _EDGE_NOTES = 8, np.arange(21, 109, dtype=np.int32), 3

DISTANCES = ("lsd_db", "mss", "log_mel_l1")

Record = dict[str, Any]
"""A sound's `part`, `system`, `note_str`, `family`, `pitch`, ... and its measures."""


def true_table(records: list[Record], times: list[Record]) -> str:
    """Return part 1."""
    rows, measures = [], (*DISTANCES, "wobble_cents", "off_harmonic_db", "in_tune")
    for system in (REAL, PLAIN, FAST, OURS):
        own = [record for record in records if record["system"] == system]
        peaks, ms = _values(own, "peak"), [record["ms"] for record in times if record["system"] == system]
        bad = f"{sum(peak > 1.0 for peak in peaks)}, {len(own) - len(peaks)}"
        rows.append([system, *(_cell(own, name) for name in measures), f"{np.median(ms):.0f}" if ms else "", bad])
    return table(["", *measures, "ms a note", "clipped, NaN"], rows)


def family_table(records: list[Record]) -> str:
    """Return part 2: means; the real notes' distances, which are 0, are left out."""
    short = {"real": REAL, "GL60": FAST, "ours": OURS}
    columns = [(name, who) for name in ("lsd_db", "mss") for who in ("GL60", "ours")]
    columns += [(name, who) for name in ("off_harmonic_db", "in_tune") for who in short]
    rows = []
    for family in (*sorted({record["family"] for record in records}), "all"):
        own = [record for record in records if family in (record["family"], "all")]
        parts = {who: [record for record in own if record["system"] == short[who]] for who in short}
        rows.append([family, len(parts["real"]), *(_cell(parts[who], name, median=False) for name, who in columns)])
    return table(["family", "notes", *(f"{name} {who}" for name, who in columns)], rows)


def onset_table(records: list[Record]) -> str:
    """Return part 3: fractions of the notes whose original has an onset; a sound without one has lost it."""
    rows = []
    for families in (*((name,) for name in PLUCKED_OR_STRUCK), PLUCKED_OR_STRUCK, ("keyboard",)):
        own = [record for record in records if record["family"] in families]
        real = {record["note"]: record["onset_seconds"] for record in own if record["system"] == REAL}
        real = {note: 1000 * seconds for note, seconds in real.items() if math.isfinite(seconds)}
        cells = [f"{np.median(list(real.values())):.0f}"] if real else ["none"]
        for system in (FAST, OURS):
            errors = [r["onset_error_seconds"] for r in own if r["system"] == system and r["note"] in real]
            kept = [abs(error) <= ONSET_SECONDS + 1e-9 for error in errors]
            cells.append(f"{100 * np.mean(kept):.1f} %" if kept else "none")
        rows.append([" + ".join(families), len(real), *cells])
    return table(["family", "notes", "median onset, ms", FAST, OURS], rows)


def decoded_table(true: list[Record], decoded: list[Record]) -> str:
    """Return part 4."""
    rows, measures = [], ("in_tune", "off_harmonic_db", "wobble_cents")
    for part, system in (("true", REAL), *((part, who) for part in ("own pitch", "between") for who in (FAST, OURS))):
        own = [record for record in true + decoded if (record["part"], record["system"]) == (part, system)]
        rows.append([part, system, len(own), *(_cell(own, name) for name in measures)])
    return table(["log-mels", "", "sounds", *measures], rows)


def lite_table(files: Sequence[pathlib.Path], notes: Notes, ours: Callable[..., np.ndarray]) -> str:
    """Return part 5."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    rows, count = [], min(_LITE_NOTES, len(notes.pitch))
    inputs = [{"log_mel": notes.log_mel[i : i + 1], "pitch": notes.pitch[i : i + 1]} for i in range(count)]
    expected = [ours(**one) for one in inputs]
    for path in files:
        common.say(f"LiteRT: {path}")
        if not path.is_file():
            raise InputError(f"{path}: not found, expected a .tflite file")
        # XNNPACK would take most operators into one of its own: they are listed without it.
        plain = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        names = collections.Counter(item["op_name"] for item in plain._get_ops_details())
        names.pop("DELEGATE", None)
        interpreter = Interpreter(str(path), num_threads=1)
        run, ms = interpreter.get_signature_runner("serving_default"), []
        for number in range(5 + _LITE_RUNS):
            started = time.perf_counter()
            run(**inputs[number % count])
            ms.append(1000 * (time.perf_counter() - started))
        off = np.abs([run(**one)["audio"] - audio for one, audio in zip(inputs, expected, strict=True)])
        listed = ", ".join(f"{name} {number}" for name, number in sorted(names.items()))
        cells = [f"{np.median(ms[5:]):.1f}", f"{off.max():.1e}", f"{off.mean():.1e}", listed]
        rows.append([path.name, f"{path.stat().st_size / 1e6:.2f}", *cells])
    return table(["file", "MB", "ms a note", f"largest difference, {count} notes", "mean", "operators"], rows)


def edge_table(notes: Notes, ours: Callable[..., np.ndarray], audio: AudioConfig) -> str:
    """Return part 6."""
    from nsynth_vae import features

    log_mels = {str(notes.note_str[i]): notes.log_mel[i] for i in spaced(len(notes.pitch), _EDGE_NOTES)}
    log_mels["10 everywhere: louder than audio can be"] = np.full_like(notes.log_mel[0], 10.0)
    log_mels["silence"] = features.log_mel(np.zeros([1, audio.num_samples], np.float32), audio).numpy()[0]
    rows = []
    for name, log_mel in log_mels.items():
        pitches = [EDGE_PITCHES[part] for part in groups(EDGE_PITCHES.size)]
        sounds = np.concatenate([ours(np.stack([log_mel] * pitch.size), pitch) for pitch in pitches])
        broken = int(np.sum(~np.isfinite(sounds).all(axis=1)))
        level, again = np.abs(sounds), ours(np.stack([log_mel] * pitches[0].size), pitches[0])
        same = "yes" if again.tobytes() == sounds[: len(again)].tobytes() else "NO"
        rows.append([name, *(f"{part.max():.2g}" for part in (level, level[:, 0], level[:, -1])), broken, same])
    return table(["log-mel", "peak", "first sample", "last sample", "NaN", "equal bits, twice"], rows)


def groups(count: int) -> list[slice]:
    """Return slices of `GROUP` of so many rows."""
    return [slice(start, min(start + GROUP, count)) for start in range(0, count, GROUP)]


def spaced(count: int, most: int) -> list[int]:
    """Return at most so many of the numbers below a count, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, most).astype(int)).tolist()


def _values(records: list[Record], name: str) -> list[float]:
    """Return the values of a measure, without the notes that it is not defined for."""
    return [record[name] for record in records if not math.isnan(record[name])]


def _cell(records: list[Record], name: str, *, median: bool = True) -> str:
    """Return a measure's mean / median over the sounds that have it, and the number of these for the wobble."""
    values, digits = _values(records, name), 1 if name in ("wobble_cents", "off_harmonic_db") else 2
    if not values:
        return "none"
    if name == "in_tune":
        return f"{100 * np.mean(values):.1f} %"
    text = f"{np.mean(values):.{digits}f}" + (f" / {np.median(values):.{digits}f}" if median else "")
    return text + (f" ({len(values)})" if name == "wobble_cents" else "")
