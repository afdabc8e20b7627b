"""Rehearsal of all of NSynth at full size, on notes by repetition: prepare, index, shuffle, one epoch, resume.

    python benchmarks/rehearsal.py [--notes 300000] [--disk-gb 8] [--folder DIR] [--workers N] [--data SRC]

The notes at hand are repeated under other names in TFRecord files with NSynth's fields, 1,006 instruments of them. They
are cut to the length at which records and features of all notes fit the disk budget: 0.3 s for 300,000 notes and 8 GB,
4 s for 8,000. All steps run on a tenth of the notes first, then on all, with the same length; each in a process of its
own, whose peak memory is measured. To pass:

- reading all notes takes at most 15 % more memory than reading a tenth;
- the first batch of a resumed run, in the middle of an epoch, is there in less than 60 s and is the same as without;
- an epoch has every note once, except the rest that fills no batch;
- the index has at most 100 bytes a note, on disk, and in memory what opening it for a split takes.

The folder is removed at the end, unless `--keep` is given. Exit code 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import multiprocessing
import pathlib
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import common
import numpy as np

from nsynth_vae.config import AudioConfig, Config, DataConfig, ModelConfig

INSTRUMENTS = 1006
RECORDS_A_FILE = 10_000
BATCH_SIZE = 64
HEADROOM = 1.15
"""Most memory of reading all notes, as a multiple of that of a tenth."""
RESUME_SECONDS = 60.0
INDEX_BYTES = 100.0

FAMILIES = ("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "vocal")


def audio_config(notes: int, disk_bytes: float) -> AudioConfig:
    """Return the features of notes as long as the disk has room for: 4 s at most, 1,024 samples at least.

    A sample takes 4 bytes in a record, and 2 in 128 mel bins of a frame of 256 samples.
    """
    samples = int(disk_bytes / notes / 6.2) // 256 * 256
    return AudioConfig(num_samples=min(AudioConfig().num_samples, max(1024, samples)))


def write_records(folder: pathlib.Path, notes: int, data: list[str], audio: AudioConfig) -> None:
    """Write notes as TFRecord files with NSynth's fields, a tenth of all in the first files; of 20, one validates."""
    import tensorflow as tf

    # Two messages one after the other are one: the audio, which takes longest, is written as bytes once a sound.
    sounds = [
        _example(audio=tf.train.Feature(float_list=tf.train.FloatList(value=sound))) for sound in _sounds(data, audio)
    ]
    folder.mkdir(parents=True)
    sizes = [notes // 10, notes - notes // 10]
    number = 0
    for group, size in enumerate(sizes):
        for split, count in (("train", size - size // 20), ("valid", size // 20)):
            files = max(1, -(-count // RECORDS_A_FILE))
            for index, part in enumerate(np.array_split(np.arange(count), files)):
                path = folder / f"part{group}-nsynth-{split}.tfrecord-{index:05d}-of-{files:05d}"
                with tf.io.TFRecordWriter(str(path)) as writer:
                    for _ in part:
                        writer.write(sounds[number % len(sounds)] + _labels(number, split, audio))
                        number += 1


def _sounds(data: list[str], audio: AudioConfig) -> np.ndarray:
    """Return the first samples of up to 500 notes at hand, float32 `[notes, num_samples]`."""
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.data.streaming import read_notes

    source = open_sources(data, audio=AudioConfig(), bad_notes=BadNotes("skip"), log=lambda line: None)
    rows = np.linspace(0, len(source.table) - 1, min(500, len(source.table))).astype(np.int64)
    found = np.stack([sound[: audio.num_samples] for _, sound in read_notes(source, rows, BadNotes("skip"))])
    return found[np.abs(found).max(axis=1) > 0.01]


def _labels(number: int, split: str, audio: AudioConfig) -> bytes:
    import tensorflow as tf

    # Instruments of a split are its own, as in NSynth; each has all pitches at five velocities.
    instrument = number % INSTRUMENTS + INSTRUMENTS * (split == "valid")
    family = instrument % len(FAMILIES)
    pitch, velocity = 21 + number // INSTRUMENTS % 88, (25, 50, 75, 100, 127)[number // (INSTRUMENTS * 88) % 5]
    name = f"{FAMILIES[family]}_synthetic_{instrument:04d}"

    def integers(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def text(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    return _example(
        note=integers(number),
        note_str=text(f"{name}-{pitch:03d}-{velocity:03d}"),
        instrument=integers(instrument),
        instrument_str=text(name),
        pitch=integers(pitch),
        velocity=integers(velocity),
        sample_rate=integers(audio.sample_rate),
        qualities=integers(*(int(bit) for bit in f"{number % 1024:010b}")),
        instrument_family=integers(family),
        instrument_family_str=text(FAMILIES[family]),
        instrument_source=integers(2),
        instrument_source_str=text("synthetic"),
    )


def _example(**features: Any) -> bytes:
    import tensorflow as tf

    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def prepare_notes(records: str, output: pathlib.Path, audio: AudioConfig, workers: int | None) -> dict[str, float]:
    """Prepare the notes of some record files; return notes, seconds and bytes of the index."""
    from nsynth_vae.data.preparation.run import PrepareOptions, prepare
    from nsynth_vae.data.prepared_index import INDEX

    begun = time.perf_counter()
    config = Config(audio=audio, data=DataConfig(data=(records,)), model=ModelConfig(pitch_shift_copies=0))
    prepare(config, PrepareOptions(output, workers=workers))
    return {"seconds": time.perf_counter() - begun, "index_bytes": (output / INDEX).stat().st_size}


def read_notes(folder: pathlib.Path, audio: AudioConfig, *, first_step: int | None) -> dict[str, Any]:
    """Open prepared notes as a training run does, and read batches.

    Args:
        folder: the prepared notes.
        audio: their features.
        first_step: None for a whole epoch from step 0; else only the batch of this step, as a resumed run.

    Returns:
        Seconds to open and to the first batch, notes/s, a sum of the middle batch, and bytes of the labels a note.
    """
    import tensorflow as tf

    from nsynth_vae.data.batching.prepared_features import PreparedFeatures
    from nsynth_vae.data.load_notes import open_splits
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.training import notes_record

    tf.zeros(1)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    before, begun = _resident(), time.perf_counter()
    source, rows = open_splits(
        DataConfig(data=(str(folder),)), audio=audio, bad_notes=BadNotes(), log=lambda line: None
    )
    notes = PreparedFeatures(source, rows["train"])
    # What was freed is given back to the system first.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    index = _resident() - before
    notes_record.describe(source, {name: rows[name] for name in ("train", "valid")})
    opened = time.perf_counter()
    steps = notes.steps_per_epoch(BATCH_SIZE)
    batches = iter(notes.training(batch_size=BATCH_SIZE, seed=1, first_step=first_step or 0, mixup_probability=0.5))
    batch = next(batches)
    sums = [float(tf.reduce_sum(batch["log_mel"]))]
    found = {"open": opened - begun, "first": time.perf_counter() - begun, "steps": steps, "index": index}
    if first_step is not None:
        return found | {"sum": sums[0]}
    seen = np.zeros(len(notes.table), np.int8)
    seen[batch["row"].numpy()] += 1
    started = time.perf_counter()
    for _ in range(steps - 1):
        batch = next(batches)
        seen[batch["row"].numpy()] += 1
        sums.append(float(tf.reduce_sum(batch["log_mel"])))
    rate = (steps - 1) * BATCH_SIZE / (time.perf_counter() - started)
    return found | {"notes": len(seen), "rate": rate, "sum": sums[steps // 2], "repeated": int((seen > 1).sum())}


def _resident() -> int:
    """Return this process's memory in bytes."""
    text = pathlib.Path("/proc/self/statm")
    return int(text.read_text().split()[1]) * resource.getpagesize() if text.exists() else 0


def measured(function: Callable[..., dict[str, Any] | None], *arguments: Any, **keywords: Any) -> dict[str, Any]:
    """Call a function in a new process; return its result, with the process's peak memory in MB as `peak`."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, arguments, keywords))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__} failed") from None
    finally:
        process.join()


def _send(sender: Any, function: Callable, arguments: tuple, keywords: dict) -> None:
    found = function(*arguments, **keywords) or {}
    unit = 1 if sys.platform == "darwin" else 1024
    sender.send(found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6})


@contextlib.contextmanager
def working_folder(folder: pathlib.Path | None, *, keep: bool) -> Iterator[pathlib.Path]:
    """Give a folder to work in, and remove it at the end."""
    if folder is None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="rehearsal-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def rehearse(folder: pathlib.Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all steps on a tenth of the notes and on all; return the figures of each."""
    audio = audio_config(options.notes, options.disk_gb * 1e9)
    common.say(f"{options.notes:,} notes of {audio.num_samples / audio.sample_rate:.2f} s in {folder}")
    begun = time.perf_counter()
    measured(write_records, folder / "records", options.notes, options.data or ["starter"], audio)
    common.say(f"written in {time.perf_counter() - begun:.0f} s")
    results = []
    for name, files in (("tenth", "part0-*"), ("all", "*")):
        output = folder / name
        prepared = measured(prepare_notes, str(folder / "records" / files), output, audio, options.workers)
        epoch = measured(read_notes, output, audio, first_step=None)
        resumed = measured(read_notes, output, audio, first_step=epoch["steps"] // 2)
        results.append({"prepare": prepared, "epoch": epoch, "resume": resumed, "samples": audio.num_samples})
        common.say(json.dumps(results[-1]))
    return results


def report(results: list[dict[str, Any]], notes: int) -> bool:
    """Print the figures and targets as Markdown; return whether all are reached."""
    from nsynth_vae.evaluation.tables import table

    sizes = [notes // 10, notes]
    lines: dict[str, Callable[[dict[str, Any], int], str]] = {
        "prepare, notes/s (labels, features, index)": lambda found, size: f"{size / found['prepare']['seconds']:,.0f}",
        "prepare, peak memory of the main process": lambda found, size: f"{found['prepare']['peak']:,.0f} MB",
        "index, bytes a note on disk": lambda found, size: f"{found['prepare']['index_bytes'] / size:.0f}",
        "opening a run's notes": lambda found, size: f"{found['epoch']['open']:.1f} s",
        "time to the first batch": lambda found, size: f"{found['epoch']['first']:.1f} s",
        "one epoch, notes/s": lambda found, size: f"{found['epoch']['rate']:,.0f}",
        "one epoch, peak memory": lambda found, size: f"{found['epoch']['peak']:,.0f} MB",
        "resume in the middle of an epoch": lambda found, size: f"{found['resume']['first']:.1f} s",
    }
    rows = [
        [name, *(line(found, size) for found, size in zip(results, sizes, strict=True))] for name, line in lines.items()
    ]
    print(table(["", *(f"{size:,} notes" for size in sizes)], rows))
    tenth, full = results
    grown = (full["epoch"]["index"] - tenth["epoch"]["index"]) / (notes - notes // 10)
    checks = [
        ("peak memory, all / a tenth", full["epoch"]["peak"] / tenth["epoch"]["peak"], HEADROOM),
        ("resume, s", full["resume"]["first"], RESUME_SECONDS),
        ("index on disk, bytes a note", full["prepare"]["index_bytes"] / notes, INDEX_BYTES),
        ("memory that opening takes, bytes a note more", grown, INDEX_BYTES),
        ("notes twice in an epoch", full["epoch"]["repeated"], 0),
        ("resumed batch, difference", abs(full["resume"]["sum"] - full["epoch"]["sum"]), 0),
    ]
    verdicts = [
        [name, f"{most:g}", f"{found:.2f}", "pass" if found <= most else "**FAIL**"] for name, found, most in checks
    ]
    print(f"\n{table(['target', 'at most', 'found', ''], verdicts)}")
    return all(found <= most for _, found, most in checks)


def main(arguments: list[str] | None = None) -> bool:
    """Rehearse, print the figures, and return whether all targets are reached."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--notes", type=int, default=300_000, help="notes in all (default: %(default)s)")
    parser.add_argument(
        "--disk-gb", type=float, default=8.0, help="room for records and features (default: %(default)g)"
    )
    parser.add_argument("--folder", type=pathlib.Path, help="a new folder to work in (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    parser.add_argument("--workers", type=int, help="processes of prepare (default: one a core)")
    common.add_data_option(parser, "the notes that are repeated")
    common.add_json_option(parser)
    options = parser.parse_args(arguments)
    with working_folder(options.folder, keep=options.keep) as folder:
        results = rehearse(folder, options)
    common.write_figures(results, options.json)
    return report(results, options.notes)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
