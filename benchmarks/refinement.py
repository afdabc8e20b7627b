"""Refinement of latent vectors: how much nearer `encode --refine N` comes to a sound, and at what time.

    python benchmarks/refinement.py --data ../shared/nsynth --notes 24
    python benchmarks/refinement.py --data ../shared/nsynth --model models/mine --steps 10

Encodes notes of a split, families in turn, refines each latent vector at the note's pitch and velocity, and compares
the encoder's answer with the refined one: the error of the decoder's log-mel after each step, that of the decoded
sound's log-mel, and how often the own classifier finds the note's family in the sound, or the one that it finds in the
recording. Of one take, the same before and after.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from typing import Any

import numpy as np
from common import add_data_option, add_json_option, make_parser, open_player, say, write_figures

SHOWN_STEPS = (1, 2, 3, 5, 10, 20)
"""Steps after which the error is shown; a note that has ended before keeps its last one."""


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print the tables and return the figures."""
    parser = make_parser(__doc__)
    add_data_option(parser)
    parser.add_argument("--model", type=pathlib.Path, help="a model folder (default: the shipped one)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--notes", type=int, default=24, help="of all families in turn (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=50, help="at most (default: %(default)s)")
    add_json_option(parser)
    options = parser.parse_args(arguments)
    found = measure(options)
    print(markdown(found))
    write_figures(found, options.json)
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a model on a split."""
    from nsynth_vae.analysis.metrics import log_mel_l1
    from nsynth_vae.config import AudioConfig, DataConfig
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.directions.dataset import spread
    from nsynth_vae.directions.learn import load_family_predictor
    from nsynth_vae.evaluation.systems import audio_of
    from nsynth_vae.latent.refinement import refine_note

    data = DataConfig(data=tuple(options.data or ["starter"]))
    notes = load_notes(data, options.split, audio=AudioConfig(), bad_notes=BadNotes(), log=say)
    rows = spread(notes.loaded.table, options.notes)
    real, table = audio_of(notes, rows), notes.loaded.table.take(rows)
    model = open_player(options.model)
    before = model.encode(real)
    after, errors, wall, processor = [], [], time.perf_counter(), time.process_time()
    for row, (z, audio) in enumerate(zip(before, real, strict=True)):
        at = {"pitch": int(table.pitch[row]), "velocity": int(table.velocity[row])}
        refined, error = refine_note(model, z, audio, steps=options.steps, **at)
        after.append(refined)
        errors.append(error)
        say(f"{table.note_str[row]}: {error[0]:.3f} -> {error[-1]:.3f} nats in {len(error) - 1} steps")
    count = sum(len(each) - 1 for each in errors)
    seconds = {
        "seconds_a_step": (time.perf_counter() - wall) / max(count, 1),
        "processor_seconds_a_step": (time.process_time() - processor) / max(count, 1),
    }
    predict = load_family_predictor(model)
    heard = None if predict is None else predict(real).argmax(axis=1)
    sounds = {}
    for name, z in (("before", before), ("after", np.stack(after))):
        audio = model.decode(z, table.pitch, table.velocity, take=0).audio
        sounds[name] = {"log_mel_l1": float(np.mean([log_mel_l1(*pair) for pair in zip(real, audio, strict=True)]))}
        if predict is not None:
            family = predict(audio).argmax(axis=1)
            sounds[name] |= {
                "family": float(np.mean(family == table.instrument_family)),
                "family_as_recorded": float(np.mean(family == heard)),
            }
    return {
        "model": model.name,
        "notes": len(rows),
        "steps": float(np.mean([len(each) - 1 for each in errors])),
        "decoder_log_mel_l1": {
            step: float(np.mean([each[min(step, len(each) - 1)] for each in errors]))
            for step in (0, *(step for step in SHOWN_STEPS if step < options.steps), options.steps)
        },
        "sounds": sounds,
        "real_family": None if heard is None else float(np.mean(heard == table.instrument_family)),
        **seconds,
    }


def markdown(found: dict[str, Any]) -> str:
    """Return the figures as tables."""
    from nsynth_vae.evaluation.tables import table

    errors = found["decoder_log_mel_l1"]
    first = errors[0]
    rows = [[str(step), f"{error:.3f}", f"{error / first - 1:+.1%}"] for step, error in errors.items()]
    steps = table(["steps", "decoder_log_mel_l1, mean", "change"], rows)
    kinds = {"log_mel_l1": "{:.3f}", "family": "{:.1%}", "family_as_recorded": "{:.1%}"}
    kinds = {name: form for name, form in kinds.items() if name in found["sounds"]["before"]}
    sounds = table(
        ["", *kinds],
        [[name, *(form.format(each[kind]) for kind, form in kinds.items())] for name, each in found["sounds"].items()],
    )
    real = "" if found["real_family"] is None else f"; family of the real notes {found['real_family']:.1%}"
    return (
        f"{found['model']}, {found['notes']} notes, {found['steps']:.1f} steps in the mean, "
        f"{found['seconds_a_step']:.2f} s a step, {found['processor_seconds_a_step']:.2f} of the processor{real}\n\n"
        f"{steps}\n\n{sounds}"
    )


if __name__ == "__main__":
    main()
