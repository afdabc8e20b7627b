"""Motion, level and velocity of a model's notes beside the real ones: the tables of docs/motion.md.

    python benchmarks/motion.py --data ../shared/nsynth --model models/nsynth-small
    python benchmarks/motion.py --data ../shared/nsynth --told-apart 1200 --json motion.json

Encodes and decodes the notes of a split with the model's TFLite files and prints the figures that
`python -m nsynth_vae.evaluate` has of a model's reconstructions, without the rest of its report. A model that plays
takes plays each note in a take of its own.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import time
from typing import Any

from common import add_data_option, add_json_option, make_parser, open_player, say, write_figures


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print the tables and return the figures."""
    parser = make_parser(__doc__)
    add_data_option(parser)
    parser.add_argument("--model", type=pathlib.Path, help="a model folder (default: the shipped one)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--max-notes", type=int, help="of the split (default: all)")
    parser.add_argument(
        "--told-apart", metavar="N", type=int, default=0, help="also by a network trained on N notes (default: none)"
    )
    parser.add_argument("--synthesizer", action="store_true", help="also of the synthesizer on the notes' true mel")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_json_option(parser)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    found = measure(options)
    say(f"{time.monotonic() - started:.0f} s")

    from nsynth_vae.evaluation import motion_report, systems

    model = found["motion"][systems.RECONSTRUCTION]
    tables = [motion_report.systems_table(found["motion"], systems.TITLES), *motion_report.model_tables(model)]
    print(f"{found['model']}, {found['notes']} notes\n\n" + "\n\n".join(tables))
    write_figures(found, options.json)
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a model on a split."""
    from nsynth_vae.config import AudioConfig, DataConfig
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.evaluation import latent_probes, systems
    from nsynth_vae.evaluation.measure import measure_all
    from nsynth_vae.evaluation.model_motion import measure_model_motion
    from nsynth_vae.evaluation.motion_summary import summarize_motion

    data = DataConfig(data=tuple(options.data or ["starter"]), max_notes=options.max_notes)
    notes = load_notes(data, options.split, audio=AudioConfig(), bad_notes=BadNotes(), log=say)
    model = open_player(options.model)
    z = latent_probes.encode(notes, model)
    made = systems.model_systems(notes, model, z, seed=0, pairs=1)[0]
    compared = [systems.real_system(notes), made]
    if options.synthesizer:
        compared.insert(1, systems.true_mel_systems(notes)[-1])
    measured = measure_all(compared, notes, options.jobs, None)
    real = measured[systems.REAL].records
    motion = {system.name: summarize_motion(real, measured[system.name].records) for system in compared[1:]}
    motion[made.name] |= measure_model_motion(
        notes, model, z, made, data=data, told_apart_notes=options.told_apart, seed=0, log=say
    )
    return {"model": model.name, "notes": len(z), "motion": motion}


if __name__ == "__main__":
    main()
