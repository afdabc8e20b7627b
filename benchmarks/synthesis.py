"""From log-mel and pitch to sound: the tables of docs/synthesis.md, real notes and both Griffin-Lims beside ours.

    python benchmarks/synthesis.py --data ../shared/nsynth [--max-notes N] [--model DIR] [--tflite FILE ...]

1. the true log-mels of the notes of a split, played by each system and compared with the notes;
2. the same by instrument family;
3. how many plucked and struck notes keep their onset;
4. with `--model`: log-mels that a VAE decodes, at the notes' own pitches and between families, played by both;
5. with `--tflite`: size, operators, speed, and difference from TensorFlow, of LiteRT files of the synthesizer;
6. every pitch from 21 to 108 with any log-mel; silence; the same input twice.

Measures are `nsynth_vae.analysis.metrics`'s, mean / median over the notes (those that have one, counted in brackets for the
wobble; what is not finite makes distances infinite and is out of tune). Times are taken before anything else runs, one
note at a time, medians.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import importlib.metadata
import json
import math
import multiprocessing
import os
import pathlib
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from nsynth_vae import cli
from nsynth_vae.analysis import metrics
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.source import SPLITS, BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.latent.operations import interpolate
from nsynth_vae.notes import FAMILIES
from nsynth_vae.training.synthesizer_run import every_kth

REAL, OURS = "real note", "synthesizer"
PLAIN, FAST = "pseudo-inverse, Griffin-Lim 32", "non-negative, fast Griffin-Lim 60"
PLUCKED_OR_STRUCK = ("bass", "guitar", "mallet")
ONSET_SECONDS = 0.016
"""Onsets that differ by no more are taken for the same."""

STEPS = 9
"""Points between two notes, their own included."""

_GROUP, _TIMED, _LITE_RUNS, _LITE_NOTES = 8, 32, 50, 16
_EDGE_PITCHES, _EDGE_NOTES = np.arange(21, 109, dtype=np.int32), 3
_DISTANCES = ("lsd_db", "mss", "log_mel_l1")

Play = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(log-mel `[n, frames, mel_bins]`, pitch int32 `[n]`) -> audio `[n, num_samples]`."""

Record = dict
"""What is known of one sound: `part`, `system`, `note_str`, `family`, `pitch`, ... and its measures."""


@dataclasses.dataclass(frozen=True)
class Notes:
    """The notes that are played; row r of every array is the same note."""

    audio: np.ndarray
    log_mel: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    note_str: np.ndarray
    family: np.ndarray

    def label(self, index: int, **more: object) -> Record:
        """Returns the start of a record of a sound that is made from a note."""
        names = {"note": index, "note_str": str(self.note_str[index]), "family": str(self.family[index])}
        return names | {"pitch": int(self.pitch[index])} | more


def load_notes(data: Sequence[str], split: str, max_notes: int | None, audio: AudioConfig) -> Notes:
    """Reads a split's notes, every k-th for at most `max_notes`; bad ones are left out and named."""
    from nsynth_vae import features
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.splits import select
    from nsynth_vae.data.streaming import stream_notes

    bad = BadNotes("skip")
    source = open_sources(data, audio=audio, bad_notes=bad, log=_say)
    table, rows = source.table, select(source.table, DataConfig(data=tuple(data)), log=_say)[split]
    rows = every_kth(rows, max_notes or max(1, len(rows)))
    read = list(stream_notes(source, rows, lambda note: note["audio"], bad))
    for name, problem in bad.skipped.items():
        _say(f"left out: {name}: {problem}")
    if not read:
        raise InputError(f"{', '.join(data)}: no usable note in its {split} split, expected at least one")
    rows = np.array([row for row, _ in read])
    sounds = np.stack([samples for _, samples in read])
    mels = np.concatenate([features.log_mel(sounds[part], audio).numpy() for part in _groups(len(rows))])
    families = np.array([*FAMILIES, "other"])[table.instrument_family[rows]]
    return Notes(sounds, mels, table.pitch[rows], table.velocity[rows], table.note_str[rows], families)


def load_systems(synthesizer) -> dict[str, Play]:
    """Returns the systems that are compared, by name."""
    import tensorflow as tf

    from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio

    config = synthesizer.audio
    log_mel = tf.TensorSpec([None, config.num_frames, config.num_mel_bins])
    ours = tf.function(synthesizer.call, input_signature=[log_mel, tf.TensorSpec([None], tf.int32)])
    plain = {"iterations": 32, "momentum": 0.0, "method": "pseudo_inverse"}
    return {
        PLAIN: lambda log_mel, pitch: log_mel_to_audio(log_mel, config, **plain).numpy(),
        FAST: lambda log_mel, pitch: log_mel_to_audio(log_mel, config, iterations=60).numpy(),
        OURS: lambda log_mel, pitch: ours(log_mel, pitch).numpy(),
    }


def time_systems(notes: Notes, systems: dict[str, Play]) -> Iterator[Record]:
    """Yields the milliseconds of up to `_TIMED` notes, one at a time; the first, which warms up, is played twice."""
    chosen = _spaced(len(notes.pitch), _TIMED)
    for system, play in systems.items():
        _say(f"timing {system}")
        for number, index in enumerate((chosen[0], *chosen)):
            one = slice(index, index + 1)
            started = time.perf_counter()
            play(notes.log_mel[one], notes.pitch[one])
            if number:
                yield notes.label(index, part="time", system=system, ms=1000 * (time.perf_counter() - started))


def true_sounds(notes: Notes, systems: dict[str, Play]) -> Iterator[tuple]:
    """Yields (record, reference, audio, pitch) of every note and of what each system makes of its log-mel."""
    for part in _groups(len(notes.pitch)):
        played = {REAL: notes.audio[part]}
        played |= {name: play(notes.log_mel[part], notes.pitch[part]) for name, play in systems.items()}
        for system, sounds in played.items():
            for index, audio in zip(range(part.start, part.stop), sounds, strict=False):
                record = notes.label(index, part="true", system=system)
                yield record, notes.audio[index], audio, record["pitch"]


def load_vae(folder: pathlib.Path, audio: AudioConfig):
    """Returns the VAE of a model folder; it must have the synthesizer's features."""
    from nsynth_vae.model.vae import load_model

    vae, config = load_model(folder)
    if config.audio != audio:
        raise InputError(f"{folder}: a model of other features than the synthesizer's, expected the same")
    return vae


def decoded_sounds(notes: Notes, systems: dict[str, Play], vae, pairs: Iterable) -> Iterator[tuple]:
    """Yields (record, None, audio, pitch) of log-mels that a VAE decodes: of every note, and between the pairs."""
    import tensorflow as tf

    encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True)
    decode = tf.function(vae.decoder, reduce_retracing=True)
    z = np.concatenate([encode(notes.log_mel[part]).numpy() for part in _groups(len(notes.pitch))])
    asked = [(notes.label(i, part="own pitch"), z[i], notes.velocity[i]) for i in range(len(z))]
    for first, second in pairs:
        for step, point in enumerate(interpolate(z[first], z[second], STEPS)):
            more = {"part": "between", "second": str(notes.note_str[second]), "step": step}
            asked.append((notes.label(first, **more), point, 100))
    for part in _groups(len(asked)):
        records, points, velocity = zip(*asked[part], strict=True)
        pitch = np.array([record["pitch"] for record in records], np.int32)
        log_mels = decode(np.array(points, np.float32), pitch, np.array(velocity, np.int32)).numpy()
        for system in (FAST, OURS):
            for record, audio in zip(records, systems[system](log_mels, pitch), strict=True):
                yield record | {"system": system}, None, audio, record["pitch"]


def choose_pairs(family: np.ndarray, count: int, seed: int) -> list[tuple[int, int]]:
    """Returns pairs of notes of two families each, families alike likely; none if there is only one family."""
    generator, names = np.random.default_rng(seed), np.unique(family)
    if names.size < 2:
        return []
    drawn = [generator.choice(names, 2, replace=False) for _ in range(count)]
    return [tuple(int(generator.choice(np.flatnonzero(family == name))) for name in two) for two in drawn]


def judge(reference: np.ndarray | None, audio: np.ndarray, pitch: int) -> dict[str, float]:
    """Returns the measures of a sound; without a reference those that need none. Runs in the other processes."""
    if not np.isfinite(audio).all():
        broken = dict.fromkeys(metrics.DEFINITIONS, math.nan) | dict.fromkeys(_DISTANCES, math.inf)
        return broken | {"in_tune": 0.0, "peak": math.nan}
    found = {"peak": float(np.abs(audio).max())}
    if reference is not None:
        return found | metrics.compare(reference, audio, pitch)
    return found | {
        "wobble_cents": metrics.wobble_cents(audio, pitch),
        "off_harmonic_db": metrics.off_harmonic_db(audio, metrics.note_f0(audio, pitch)),
        "in_tune": float(metrics.in_tune(audio, pitch)),
    }


def measure(pool: ProcessPoolExecutor, sounds: Iterable[tuple], jobs: int) -> Iterator[Record]:
    """Yields the records of sounds with their measures, in order; only a few sounds are waiting at any time."""
    pending = collections.deque()
    for count, (record, *sound) in enumerate(sounds, start=1):
        pending.append((record, pool.submit(judge, *sound)))
        if count % 100 == 0:
            _say(f"{record['part']}: {count} sounds")
        if len(pending) > 4 * _GROUP * jobs:
            record, future = pending.popleft()
            yield record | future.result()
    for record, future in pending:
        yield record | future.result()


def true_table(records: list[Record], times: list[Record]) -> str:
    """Returns part 1."""
    rows, measures = [], (*_DISTANCES, "wobble_cents", "off_harmonic_db", "in_tune")
    for system in (REAL, PLAIN, FAST, OURS):
        own = [record for record in records if record["system"] == system]
        peaks, ms = _values(own, "peak"), [record["ms"] for record in times if record["system"] == system]
        bad = f"{sum(peak > 1.0 for peak in peaks)}, {len(own) - len(peaks)}"
        rows.append([system, *(_cell(own, name) for name in measures), f"{np.median(ms):.0f}" if ms else "", bad])
    return _table(["", *measures, "ms a note", "clipped, NaN"], rows)


def family_table(records: list[Record]) -> str:
    """Returns part 2: means; the real notes' distances, which are 0, are left out."""
    short = {"real": REAL, "GL60": FAST, "ours": OURS}
    columns = [(name, who) for name in ("lsd_db", "mss") for who in ("GL60", "ours")]
    columns += [(name, who) for name in ("off_harmonic_db", "in_tune") for who in short]
    rows = []
    for family in (*sorted({record["family"] for record in records}), "all"):
        own = [record for record in records if family in (record["family"], "all")]
        parts = {who: [record for record in own if record["system"] == short[who]] for who in short}
        rows.append([family, len(parts["real"]), *(_cell(parts[who], name, median=False) for name, who in columns)])
    return _table(["family", "notes", *(f"{name} {who}" for name, who in columns)], rows)


def onset_table(records: list[Record]) -> str:
    """Returns part 3: shares of the notes whose original has an onset; a sound without one has lost it."""
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
    return _table(["family", "notes", "median onset, ms", FAST, OURS], rows)


def decoded_table(true: list[Record], decoded: list[Record]) -> str:
    """Returns part 4."""
    rows, measures = [], ("in_tune", "off_harmonic_db", "wobble_cents")
    for part, system in (("true", REAL), *((part, who) for part in ("own pitch", "between") for who in (FAST, OURS))):
        own = [record for record in true + decoded if (record["part"], record["system"]) == (part, system)]
        rows.append([part, system, len(own), *(_cell(own, name) for name in measures)])
    return _table(["log-mels", "", "sounds", *measures], rows)


def lite_table(files: Sequence[pathlib.Path], notes: Notes, ours: Play) -> str:
    """Returns part 5."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    rows, count = [], min(_LITE_NOTES, len(notes.pitch))
    inputs = [{"log_mel": notes.log_mel[i : i + 1], "pitch": notes.pitch[i : i + 1]} for i in range(count)]
    expected = [ours(**one) for one in inputs]
    for path in files:
        _say(f"LiteRT: {path}")
        if not path.is_file():
            raise InputError(f"{path}: not found, expected a .tflite file")
        # XNNPACK would take most operators into one of its own: they are listed without it.
        plain = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        names = collections.Counter(item["op_name"] for item in plain._get_ops_details())
        names.pop("DELEGATE", None)
        interpreter = Interpreter(str(path), num_threads=1)
        run, ms = interpreter.get_signature_runner(), []
        for number in range(5 + _LITE_RUNS):
            started = time.perf_counter()
            run(**inputs[number % count])
            ms.append(1000 * (time.perf_counter() - started))
        off = np.abs([run(**one)["audio"] - audio for one, audio in zip(inputs, expected, strict=True)])
        listed = ", ".join(f"{name} {number}" for name, number in sorted(names.items()))
        cells = [f"{np.median(ms[5:]):.1f}", f"{off.max():.1e}", f"{off.mean():.1e}", listed]
        rows.append([path.name, f"{path.stat().st_size / 1e6:.2f}", *cells])
    return _table(["file", "MB", "ms a note", f"largest difference, {count} notes", "mean", "operators"], rows)


def edge_table(notes: Notes, ours: Play, audio: AudioConfig) -> str:
    """Returns part 6."""
    from nsynth_vae import features

    log_mels = {str(notes.note_str[i]): notes.log_mel[i] for i in _spaced(len(notes.pitch), _EDGE_NOTES)}
    log_mels["10 everywhere: louder than audio can be"] = np.full_like(notes.log_mel[0], 10.0)
    log_mels["silence"] = features.log_mel(np.zeros([1, audio.num_samples], np.float32), audio).numpy()[0]
    rows = []
    for name, log_mel in log_mels.items():
        groups = [_EDGE_PITCHES[part] for part in _groups(_EDGE_PITCHES.size)]
        sounds = np.concatenate([ours(np.stack([log_mel] * pitch.size), pitch) for pitch in groups])
        broken = int(np.sum(~np.isfinite(sounds).all(axis=1)))
        level, again = np.abs(sounds), ours(np.stack([log_mel] * groups[0].size), groups[0])
        same = "yes" if again.tobytes() == sounds[: len(again)].tobytes() else "NO"
        rows.append([name, *(f"{part.max():.2g}" for part in (level, level[:, 0], level[:, -1])), broken, same])
    return _table(["log-mel", "peak", "first sample", "last sample", "NaN", "equal bits, twice"], rows)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _groups(count: int) -> list[slice]:
    return [slice(start, min(start + _GROUP, count)) for start in range(0, count, _GROUP)]


def _spaced(count: int, most: int) -> list[int]:
    """Returns at most so many of the numbers below a count, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, most).astype(int)).tolist()


def _values(records: list[Record], name: str) -> list[float]:
    """Returns the values of a measure that notes have one for."""
    return [record[name] for record in records if not math.isnan(record[name])]


def _cell(records: list[Record], name: str, *, median: bool = True) -> str:
    """Returns a measure's mean / median over the sounds that have it; how many these are for the wobble."""
    values, digits = _values(records, name), 1 if name in ("wobble_cents", "off_harmonic_db") else 2
    if not values:
        return "none"
    if name == "in_tune":
        return f"{100 * np.mean(values):.1f} %"
    text = f"{np.mean(values):.{digits}f}" + (f" / {np.median(values):.{digits}f}" if median else "")
    return text + (f" ({len(values)})" if name == "wobble_cents" else "")


def _table(header: Sequence, rows: Iterable[Sequence]) -> str:
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (header, ["---"] * len(header), *rows))


def _to_json(record: Record) -> str:
    return json.dumps({k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()})


def make_parser() -> argparse.ArgumentParser:
    """Returns the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    number = {"metavar": "N", "type": cli.positive_int}
    parser.add_argument("--data", metavar="SRC", action="append", help="notes; may be repeated (default: starter)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="(default: %(default)s)")
    parser.add_argument("--max-notes", **number, help="every k-th note of the split, at most N")
    parser.add_argument("--synthesizer", metavar="DIR", help="a synthesizer's folder (default: the shipped one)")
    parser.add_argument("--model", metavar="DIR", type=pathlib.Path, help="a VAE's model folder, for part 4")
    parser.add_argument("--pairs", **number, default=12, help="of families, for part 4 (default: %(default)s)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="chooses the pairs (default: %(default)s)")
    parser.add_argument("--tflite", metavar="FILE", action="append", type=pathlib.Path, default=[], help="for part 5")
    parser.add_argument("--jobs", **number, default=os.cpu_count(), help="measuring processes (default: all cores)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write every sound's values, a line each")
    return parser


def report(options: argparse.Namespace) -> None:
    """Measures everything and prints it, part by part."""
    import tensorflow as tf

    from nsynth_vae.synthesis.vocoder import load_synthesizer

    if options.json and not options.json.absolute().parent.is_dir():
        raise InputError(f"{options.json}: found no folder {options.json.parent}, expected a file in one")
    data = options.data or ["starter"]
    synthesizer = load_synthesizer(options.synthesizer)
    notes = load_notes(data, options.split, options.max_notes, synthesizer.audio)
    systems = load_systems(synthesizer)
    vae = load_vae(options.model, synthesizer.audio) if options.model else None
    packages = ("tensorflow", "keras", "numpy", "ai-edge-litert", "swift-f0")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    print(f"`{shlex.join(['python', *sys.argv])}`\n\n{len(notes.pitch)} notes of the {options.split} split of", end=" ")
    print(f"{', '.join(data)}; {os.cpu_count()} cores, {threads} threads an operator in TensorFlow; {versions}.")
    times = list(time_systems(notes, systems))
    lite = lite_table(options.tflite, notes, systems[OURS]) if options.tflite else None
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        true = list(measure(pool, true_sounds(notes, systems), options.jobs))
        records = times + true
        print(f"\n1. True log-mel and pitch to audio (mean / median)\n\n{true_table(true, times)}")
        print(f"\n2. By family (means)\n\n{family_table(true)}")
        print(f"\n3. Onset within {1000 * ONSET_SECONDS:.0f} ms of the original's\n\n{onset_table(true)}", flush=True)
        if vae:
            pairs = choose_pairs(notes.family, options.pairs, options.seed)
            decoded = list(measure(pool, decoded_sounds(notes, systems, vae, pairs), options.jobs))
            records += decoded
            print(f"\n4. Log-mels decoded by {options.model} (mean / median)\n\n{decoded_table(true, decoded)}")
    if lite:
        print(f"\n5. LiteRT, one thread\n\n{lite}")
    edges = edge_table(notes, systems[OURS], synthesizer.audio)
    print(f"\n6. Any log-mel at every pitch from {_EDGE_PITCHES[0]} to {_EDGE_PITCHES[-1]}\n\n{edges}", flush=True)
    if options.json:
        options.json.write_text("".join(_to_json(record) + "\n" for record in records), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(cli.run(report, make_parser(), None))
