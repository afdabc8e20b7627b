"""Log-mel and pitch to sound: the tables of docs/synthesis.md, of real notes, two Griffin-Lims and the synthesizer.

    python benchmarks/synthesis.py --data ../shared/nsynth [--max-notes N] [--model DIR] [--tflite FILE ...]

1. the true log-mels of the notes of a split, played by each system and compared with the notes;
2. the same by instrument family;
3. the fraction of plucked and struck notes that keep their onset;
4. with `--model`: log-mels that a VAE decodes, at the notes' own pitches and between families, played by both;
5. with `--tflite`: size, operators, speed, and difference from TensorFlow, of LiteRT files of the synthesizer;
6. every pitch from 21 to 108 with any log-mel; silence; the same input twice.

Measures are `nsynth_vae.analysis.metrics`'s, mean / median over the notes that have one; for the wobble their number is
in brackets. Sounds that are not finite have infinite distances and are out of tune. Times are taken before anything
else runs, one note at a time, medians.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import importlib.metadata
import json
import math
import os
import pathlib
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import common
import numpy as np
from synthesis_tables import (
    DISTANCES,
    EDGE_PITCHES,
    FAST,
    GROUP,
    ONSET_SECONDS,
    OURS,
    PLAIN,
    REAL,
    Record,
    decoded_table,
    edge_table,
    family_table,
    groups,
    lite_table,
    onset_table,
    spaced,
    true_table,
)

from nsynth_vae import cli
from nsynth_vae.analysis import metrics
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.batching.audio_batches import MemoryAudio
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.source import SPLITS, BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.evaluation.sound_measures import make_pool, measure_sound
from nsynth_vae.latent.operations import interpolate
from nsynth_vae.notes import FAMILIES

if TYPE_CHECKING:
    from nsynth_vae.model.vae import VAE
    from nsynth_vae.synthesis.synthesizer import Synthesizer

STEPS = 9
"""Notes of an interpolation path, its ends included."""

_TIMED = 32

Play = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(log-mel `[n, frames, mel_bins]`, pitch int32 `[n]`) -> audio `[n, num_samples]`."""


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
        """Return the start of a record of a sound that is made from a note."""
        names = {"note": index, "note_str": str(self.note_str[index]), "family": str(self.family[index])}
        return names | {"pitch": int(self.pitch[index])} | more


def open_notes(
    data: Sequence[str], split: str, audio: AudioConfig, *, every: int = 1, max_notes: int | None = None
) -> MemoryAudio:
    """Read every so many notes of a split, or every k-th for at most `max_notes`; invalid ones are left out."""
    config, bad = DataConfig(data=tuple(data)), BadNotes("skip")
    source, by_split = open_splits(config, audio=audio, bad_notes=bad, split=split, log=common.say)
    rows = by_split[split]
    notes = MemoryAudio(source, rows[:: -(-len(rows) // max_notes) if max_notes else every], audio, bad)
    for name, problem in bad.skipped.items():
        common.say(f"left out: {name}: {problem}")
    return notes


def load_notes(data: Sequence[str], split: str, audio: AudioConfig, **chosen: int | None) -> Notes:
    """Read notes as `open_notes` does, with their log-mels."""
    from nsynth_vae import features

    notes = open_notes(data, split, audio, **chosen)
    labels, sounds = notes.table, notes.read(np.arange(len(notes.table)))["audio"]
    families = np.array([*FAMILIES, "other"])[labels.instrument_family]
    return Notes(sounds, features.log_mels(sounds, audio), labels.pitch, labels.velocity, labels.note_str, families)


def load_systems(synthesizer: Synthesizer) -> dict[str, Play]:
    """Return the systems that are compared, by name."""
    import tensorflow as tf

    config = synthesizer.audio
    log_mel = tf.TensorSpec([None, config.num_frames, config.num_mel_bins])
    ours = tf.function(synthesizer.call, input_signature=[log_mel, tf.TensorSpec([None], tf.int32)])
    return {
        PLAIN: griffin_lim(config, iterations=32, momentum=0.0, method="pseudo_inverse"),
        FAST: griffin_lim(config, iterations=60),
        OURS: lambda log_mel, pitch: ours(log_mel, pitch).numpy(),
    }


def griffin_lim(config: AudioConfig, **options: Any) -> Play:
    """Return Griffin-Lim with options of `log_mel_to_audio`; it ignores the pitch."""
    from nsynth_vae.synthesis.griffin_lim import log_mel_to_audio

    return lambda log_mel, pitch: log_mel_to_audio(log_mel, config, **options).numpy()


def time_systems(notes: Notes, systems: dict[str, Play]) -> Iterator[Record]:
    """Yield the milliseconds of up to `_TIMED` notes, one at a time; the first, which warms up, is played twice."""
    chosen = spaced(len(notes.pitch), _TIMED)
    for system, play in systems.items():
        common.say(f"timing {system}")
        for number, index in enumerate((chosen[0], *chosen)):
            one = slice(index, index + 1)
            started = time.perf_counter()
            play(notes.log_mel[one], notes.pitch[one])
            if number:
                yield notes.label(index, part="time", system=system, ms=1000 * (time.perf_counter() - started))


def true_sounds(notes: Notes, systems: dict[str, Play]) -> Iterator[tuple]:
    """Yield (record, reference, audio, pitch) of every note and of each system's sound of its log-mel."""
    for part in groups(len(notes.pitch)):
        played = {REAL: notes.audio[part]}
        played |= {name: play(notes.log_mel[part], notes.pitch[part]) for name, play in systems.items()}
        for system, sounds in played.items():
            for index, audio in zip(range(part.start, part.stop), sounds, strict=False):
                record = notes.label(index, part="true", system=system)
                yield record, notes.audio[index], audio, record["pitch"]


def decoded_sounds(notes: Notes, systems: dict[str, Play], vae: VAE, pairs: Iterable) -> Iterator[tuple]:
    """Yield (record, None, audio, pitch) of log-mels that a VAE decodes: of every note, and between the pairs."""
    import tensorflow as tf

    encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True)
    decode = tf.function(vae.decoder, reduce_retracing=True)
    z = np.concatenate([encode(notes.log_mel[part]).numpy() for part in groups(len(notes.pitch))])
    requests = [(notes.label(i, part="own pitch"), z[i], notes.velocity[i]) for i in range(len(z))]
    for first, second in pairs:
        for step, latent_vector in enumerate(interpolate(z[first], z[second], STEPS)):
            more = {"part": "between", "second": str(notes.note_str[second]), "step": step}
            requests.append((notes.label(first, **more), latent_vector, 100))
    for part in groups(len(requests)):
        records, vectors, velocity = zip(*requests[part], strict=True)
        pitch = np.array([record["pitch"] for record in records], np.int32)
        log_mels = decode(np.array(vectors, np.float32), pitch, np.array(velocity, np.int32)).numpy()
        for system in (FAST, OURS):
            for record, audio in zip(records, systems[system](log_mels, pitch), strict=True):
                yield record | {"system": system}, None, audio, record["pitch"]


def choose_pairs(family: np.ndarray, count: int, seed: int) -> list[tuple[int, int]]:
    """Return pairs of notes of two families each, families alike likely; none if there is only one family."""
    generator, names = np.random.default_rng(seed), np.unique(family)
    if names.size < 2:
        return []
    drawn = [generator.choice(names, 2, replace=False) for _ in range(count)]
    return [tuple(int(generator.choice(np.flatnonzero(family == name))) for name in two) for two in drawn]


def judge(reference: np.ndarray | None, audio: np.ndarray, pitch: int) -> dict[str, float]:
    """Return the measures of a sound; without a reference those that need none. Runs in the other processes."""
    if not np.isfinite(audio).all():
        broken = dict.fromkeys(metrics.DEFINITIONS, math.nan) | dict.fromkeys(DISTANCES, math.inf)
        return broken | {"in_tune": 0.0, "peak": math.nan}
    return {"peak": float(np.abs(audio).max())} | measure_sound(reference, audio, pitch)


def measure(pool: ProcessPoolExecutor, sounds: Iterable[tuple], jobs: int) -> Iterator[Record]:
    """Yield the records of sounds with their measures, in order; only a few sounds are pending at any time."""
    pending = collections.deque()
    for count, (record, *sound) in enumerate(sounds, start=1):
        pending.append((record, pool.submit(judge, *sound)))
        if count % 100 == 0:
            common.say(f"{record['part']}: {count} sounds")
        if len(pending) > 4 * GROUP * jobs:
            record, future = pending.popleft()
            yield record | future.result()
    for record, future in pending:
        yield record | future.result()


def _to_json(record: Record) -> str:
    return json.dumps({k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()})


def make_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = common.make_parser(__doc__)
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
    """Measure everything and print it, part by part."""
    import tensorflow as tf

    from nsynth_vae.model.vae import load_model
    from nsynth_vae.synthesis.vocoder import load_synthesizer

    if options.json and not options.json.absolute().parent.is_dir():
        raise InputError(f"{options.json}: found no folder {options.json.parent}, expected a file in one")
    data = options.data or ["starter"]
    synthesizer = load_synthesizer(options.synthesizer)
    notes = load_notes(data, options.split, synthesizer.audio, max_notes=options.max_notes)
    systems = load_systems(synthesizer)
    vae, config = load_model(options.model) if options.model else (None, synthesizer)
    if config.audio != synthesizer.audio:
        raise InputError(f"{options.model}: a model of other features than the synthesizer's, expected the same")
    packages = ("tensorflow", "keras", "numpy", "ai-edge-litert", "swift-f0")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    print(f"`{shlex.join(['python', *sys.argv])}`\n\n{len(notes.pitch)} notes of the {options.split} split of", end=" ")
    print(f"{', '.join(data)}; {os.cpu_count()} cores, {threads} threads an operator in TensorFlow; {versions}.")
    times = list(time_systems(notes, systems))
    lite = lite_table(options.tflite, notes, systems[OURS]) if options.tflite else None
    with make_pool(options.jobs) as pool:
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
    print(f"\n6. Any log-mel at every pitch from {EDGE_PITCHES[0]} to {EDGE_PITCHES[-1]}\n\n{edges}", flush=True)
    if options.json:
        options.json.write_text("".join(_to_json(record) + "\n" for record in records), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(cli.run(report, make_parser(), None))
