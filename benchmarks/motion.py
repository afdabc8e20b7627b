"""Motion, level and velocity of a model's notes beside the real ones: the tables of docs/motion.md.

    python benchmarks/motion.py --data ../shared/nsynth --model models/nsynth-small
    python benchmarks/motion.py --data ../shared/nsynth --network 1200 --json motion.json

Encodes and decodes the notes of a split with the model's TFLite files and prints the figures that
`python -m nsynth_vae.evaluate` has of a model's reconstructions, without the rest of its report. A model that plays
takes plays each note in a take of its own. With --network N a small convolutional network is trained on N real and
decoded notes of the training split and of the starter set, and tells those of the evaluated split apart.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import time
from typing import TYPE_CHECKING, Any

from common import make_parser, say

if TYPE_CHECKING:
    import numpy as np

    from nsynth_vae.config import DataConfig
    from nsynth_vae.timbre_model import TimbreModel


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print the tables and return the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", action="append", help="sources of notes (default: starter)")
    parser.add_argument("--model", type=pathlib.Path, help="a model folder (default: the shipped one)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--max-notes", type=int, help="of the split (default: all)")
    parser.add_argument("--network", metavar="N", type=int, default=0, help="notes that the network is trained on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures to this file too")
    options = parser.parse_args(arguments)
    found = measure(options)
    print(tables(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a model on a split."""
    import numpy as np

    from nsynth_vae.config import AudioConfig, DataConfig
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.evaluation import motion_summary, velocity_pairs
    from nsynth_vae.evaluation.sound_measures import make_pool, measure_sound
    from nsynth_vae.evaluation.systems import audio_of, decode_takes, family_names
    from nsynth_vae.timbre_model import open_model

    started = time.monotonic()
    config = DataConfig(data=tuple(options.data or ["starter"]), max_notes=options.max_notes)
    notes = load_notes(config, options.split, audio=AudioConfig(), bad_notes=BadNotes(), log=say)
    table, model = notes.loaded.table, open_model(options.model)
    rows = np.arange(len(table))
    real = audio_of(notes, rows)
    z = model.encode(real)
    say(f"{len(table)} notes are encoded: {time.monotonic() - started:.0f} s")
    made = decode_takes(model, z, table.pitch, table.velocity, rows).audio
    say(f"and decoded: {time.monotonic() - started:.0f} s")
    with make_pool(options.jobs) as pool:
        pitch = table.pitch.tolist()
        both = [list(pool.map(measure_sound, real, sounds, pitch, chunksize=8)) for sounds in (real, made)]
    say(f"and measured: {time.monotonic() - started:.0f} s")
    names = family_names(table).tolist()
    for records in both:
        for row, record in enumerate(records):
            record |= {"note": row, "family": names[row]}
    result = {"model": model.name, "notes": len(table), **motion_summary.summarize_motion(*both)}
    result["velocity"] = velocity_pairs.measure_pairs(
        table,
        lambda rows: real[rows],
        lambda rows, pitch, velocity: decode_takes(model, z[rows], pitch, velocity, rows).audio,
    )
    if options.network:
        told = by_network(options, config, model, real, made)
        groups = motion_summary.groups_of(np.array(names))
        result["told_apart_by_network"] = {name: float(told[each].mean()) for name, each in groups.items()}
    say(f"{time.monotonic() - started:.0f} s in all")
    return result


def by_network(
    options: argparse.Namespace, config: DataConfig, model: TimbreModel, real: np.ndarray, made: np.ndarray
) -> np.ndarray:
    """Return which of the evaluated notes a network tells apart that is trained on the model's training notes."""
    import numpy as np

    from nsynth_vae.evaluation import told_apart
    from nsynth_vae.evaluation.systems import decode_takes

    table, audio = told_apart.read_training_notes(config, options.network, log=say)
    z = model.encode(audio)
    decoded = decode_takes(model, z, table.pitch, table.velocity, np.arange(len(table))).audio
    say(f"the network is trained on {len(table)} notes")
    network = told_apart.train_network(*map(told_apart.network_inputs, (audio, decoded)), seed=0)
    return told_apart.by_network(network, *map(told_apart.network_inputs, (real, made)))


def tables(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    from nsynth_vae.evaluation import markdown_report

    return "\n\n".join([f"{found['model']}, {found['notes']} notes", *markdown_report.motion_tables(found)])


if __name__ == "__main__":
    main()
