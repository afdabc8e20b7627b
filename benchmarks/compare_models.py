"""Compares designs of the model at equal processor time, on the splits of `--test`: the tables of docs/model.md.

Each run trains for `--cpu-minutes` of processor time (which other work on the machine changes less than the clock).
Then, from the mean of the weights and from z_mean, on each of `--splits`:

- `log_mel_l1`: nats, notes decoded from their own z;
- `cross_l1`: the same, each note decoded from the z of another note of its instrument;
- `nearer`: of notes decoded from the z of a note of another pitch of their instrument, how often these are nearer to
  the note than to another instrument's note of its pitch, and `nearest`, how often than to all such notes;
- `pitch, linear` and `pitch, MLP`: accuracy, averaged over the pitches that both splits have, of classifiers that
  learn to read the pitch from z on the train notes of `--test`, and read it on the split's; below the table, the
  same classifiers on the one-hot true family and on time-averaged log-mels;
- `R2`: of the pitch by ridge regression, likewise;
- `family` and `family, MLP`: share of notes whose family a 5-nearest-neighbour vote over the train notes' z, and an
  MLP that learnt from them, get right.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import pathlib
import sys
from typing import TYPE_CHECKING
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import equal_time
import numpy as np
from latent_measures import beaten_rivals, known_mean, won

from nsynth_vae.config import Config, DataConfig, ModelConfig, TrainConfig
from nsynth_vae.data.batching.feature_batches import CachedFeatures, open_features
from nsynth_vae.data.open_sources import open_sources
from nsynth_vae.data.readers.transposed import with_transposed
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.data.splits import select
from nsynth_vae.evaluation.probes import family_accuracy, pitch_accuracy, pitch_r2
from nsynth_vae.evaluation.systems import ask_for_other_pitches

if TYPE_CHECKING:
    import tensorflow as tf

_AS_THEY_ARE = {"latent_dim": 32, "recolored_share": 0.0, "transposed_copies": 0, "blended_share": 0.0}
"""The default when the first designs were compared: notes were not recolored, transposed or blended yet."""
_BASE = {"latent_dim": 32, "transposed_copies": 0, "blended_share": 0.0}
"""What the ablation is around: the default before notes were transposed and blended, and before the ablation."""

DESIGNS: dict[str, dict] = {
    "plain reconstruction": _AS_THEY_ARE | {"adversary_weight": 0.0},
    "half cross-note": _AS_THEY_ARE | {"adversary_weight": 0.0, "cross_note_share": 0.5},
    "pitch adversary 300": _AS_THEY_ARE | {"adversary_weight": 300.0},
    "pitch adversary 1000": _AS_THEY_ARE | {"adversary_weight": 1000.0},
    "pitch adversary 3000": _AS_THEY_ARE | {"adversary_weight": 3000.0},
    "pitch adversary 1000, no harmonic template": _AS_THEY_ARE | {"adversary_weight": 1000.0, "template": 0},
    "base": _BASE,
    "base, another seed": _BASE | {"seed": 1},
    "latent_dim 16": _BASE | {"latent_dim": 16},
    "latent_dim 64": _BASE | {"latent_dim": 64},
    "latent_dim 16, another seed": _BASE | {"latent_dim": 16, "seed": 1},
    "latent_dim 128": _BASE | {"latent_dim": 128},
    "beta 4": _BASE | {"beta": 4.0},
    "cross_note_share 0.25": _BASE | {"cross_note_share": 0.25},
    "channels 256": _BASE | {"channels": 256},
    "Gaussian likelihood": _BASE | {"likelihood": "gaussian"},
    "NSynth notes alone": _BASE | {"data": "--test"},
    "starter notes alone": _BASE | {"data": "starter"},
    "two transposed copies of each note": {"latent_dim": 32, "blended_share": 0.0},
    "two transposed copies, half of the notes blended": {"latent_dim": 32},
    "the default": {},
    "plain reconstruction, latent_dim 64, no harmonic template": _AS_THEY_ARE
    | {"latent_dim": 64, "adversary_weight": 0.0, "template": 0},
}
"""Fields of the configuration, and what it has no field for: `template`, `likelihood`, and which notes are learnt."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the designs and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", default="../shared/nsynth", help="NSynth notes (default: %(default)s)")
    parser.add_argument("--cpu-minutes", type=float, default=10.0, help="per design (default: %(default)g)")
    parser.add_argument("--designs", default=",".join(map(str, range(len(DESIGNS)))), help="numbers, from 0")
    parser.add_argument("--splits", default="test", help="splits to measure, a,b (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="of each operator (default: all cores); 1 to run several at once")
    parser.add_argument("--output", type=pathlib.Path, help="also append each row to this file, as JSON")
    options = parser.parse_args(arguments)
    if options.threads:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    splits = tuple(options.splits.split(","))
    notes = load((options.test,))
    print(f"{os.cpu_count()} cores, {options.cpu_minutes:g} CPU minutes a design")
    names, header = list(DESIGNS), False
    for name in (names[int(number)] for number in options.designs.split(",")):
        design = dict(DESIGNS[name])
        data = {"--test": (options.test,), "starter": ("starter",)}.get(
            design.pop("data", None), (options.test, "starter")
        )
        copies = design.get("transposed_copies", ModelConfig.transposed_copies)
        train = load(data, copies=copies)["train"]
        row = {"design": name} | compare(design, train, notes, splits, options.cpu_minutes)
        if options.output:
            with open(options.output, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        if not header:
            print("| " + " | ".join(row) + " |\n|" + "---|" * len(row), flush=True)
            header = True
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)
    families = np.eye(12)
    one_hot = {name: families[part.table.instrument_family] for name, part in notes.items()}
    pooled = {name: read_all(part)["log_mel"].mean(axis=1) for name, part in notes.items()}
    for split in splits:
        for name, inputs in (("one-hot true family", one_hot), ("time-averaged log-mels", pooled)):
            found = probe(inputs["train"], inputs[split], notes["train"].table, notes[split].table)
            print(f"{split}, {name}: " + ", ".join(f"{measure} {value}" for measure, value in found.items()))


def load(data: tuple[str, ...], *, copies: int = 0) -> dict[str, CachedFeatures]:
    """Returns the features of each split, in memory, with that many transposed copies of the training notes."""
    config, bad_notes = Config(), BadNotes()
    source = open_sources(data, audio=config.audio, bad_notes=bad_notes, log=lambda line: None)
    rows = select(source.table, DataConfig(data=data))
    if copies:
        source, rows["train"] = with_transposed(source, rows["train"], copies, seed=0)
    return {
        name: open_features(source, part, config.audio, bad_notes, memory=True)
        for name, part in rows.items()
        if len(part)
    }


def compare(
    design: dict, train: CachedFeatures, notes: dict[str, CachedFeatures], splits: tuple[str, ...], cpu_minutes: float
) -> dict:
    """Trains one design on `train` and returns its row of the table, measured on `splits` of `notes`."""
    import keras
    import tensorflow as tf

    from nsynth_vae.model.vae import ACTIVE_VARIANCE, VAE
    from nsynth_vae.nn import losses

    design = dict(design)
    template, likelihood = design.pop("template", 1), design.pop("likelihood", "laplace")
    seed = design.pop("seed", 0)
    config = Config(model=dataclasses.replace(ModelConfig(), **design), train=TrainConfig(seed=seed))
    keras.utils.set_random_seed(seed)
    vae = VAE(config)
    vae.build()
    if not template:
        vae.decoder.template = np.zeros_like(vae.decoder.template)
    batches = train.training(
        batch_size=config.train.batch_size,
        cross_note_share=config.model.cross_note_share,
        blended_share=config.model.blended_share,
        seed=seed,
    )
    with mock.patch.object(losses, "laplace_nll", gaussian_nll if likelihood == "gaussian" else losses.laplace_nll):
        steps = equal_time.train(vae, batches, config.train, 60 * cpu_minutes)

    encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True)
    decode = tf.function(vae.decoder, reduce_retracing=True)

    def z_mean(log_mel: np.ndarray) -> np.ndarray:
        return np.concatenate([encode(log_mel[i : i + 64]) for i in range(0, len(log_mel), 64)])

    def decoded(*inputs: np.ndarray) -> np.ndarray:
        count = len(inputs[0])
        return np.concatenate([decode(*(array[i : i + 64] for array in inputs)) for i in range(0, count, 64)])

    def log_mel_l1(z: np.ndarray, part: dict[str, np.ndarray]) -> float:
        error = np.abs(decoded(z, part["pitch"], part["velocity"]) - part["log_mel"]).mean()
        return round(float(error) * config.audio.log_mel_scale, 3)

    def transposed(z: np.ndarray, part: dict[str, np.ndarray], table: NoteTable) -> dict[str, float]:
        asked = ask_for_other_pitches(table, 0)
        sounds = decoded(z[asked.note], asked.pitch, asked.velocity)
        beaten = beaten_rivals(sounds, asked.reference, table.pitch, table.instrument_str, part["log_mel"])
        return {"nearer": round(known_mean(beaten), 3), "nearest": round(won(beaten), 3)}

    row = {"steps": steps}
    learnt, table = z_mean(read_all(notes["train"])["log_mel"]), notes["train"].table
    for split in splits:
        part, asked = read_all(notes[split]), notes[split].table
        z = z_mean(part["log_mel"])
        measured = {
            "log_mel_l1": log_mel_l1(z, part),
            "cross_l1": log_mel_l1(z[partners(asked.instrument_str)], part),
            **transposed(z, part, asked),
            **probe(learnt, z, table, asked),
            "R2": round(pitch_r2(learnt, z, table.pitch, asked.pitch), 2),
            "active": f"{int((z.var(axis=0) > ACTIVE_VARIANCE).sum())} of {config.model.latent_dim}",
        }
        row |= {f"{split}: {name}" if len(splits) > 1 else name: value for name, value in measured.items()}
    return row


def gaussian_nll(target: tf.Tensor, prediction: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Returns nats a note, as `losses.laplace_nll` does, of a normal distribution."""
    import tensorflow as tf

    deviation = (target - prediction) * tf.exp(-log_scale)
    nll = 0.5 * tf.square(deviation) + log_scale + 0.5 * math.log(2.0 * math.pi)
    return tf.reduce_sum(nll, axis=[1, 2])


def probe(learnt: np.ndarray, asked: np.ndarray, train: NoteTable, test: NoteTable) -> dict[str, float]:
    """Returns what classifiers read of pitch and family, when learnt from some notes' inputs, of others'."""
    pitch = pitch_accuracy(learnt, asked, train.pitch, test.pitch)
    family = family_accuracy(learnt, asked, train.instrument_family, test.instrument_family)
    measured = {
        "pitch, linear": pitch["linear"],
        "pitch, MLP": pitch["mlp"],
        "family": family["nearest"],
        "family, MLP": family["mlp"],
    }
    return {name: round(value, 3) for name, value in measured.items()}


def read_all(part: CachedFeatures) -> dict[str, np.ndarray]:
    """Returns all of a split's notes as one batch."""
    return part.read(np.arange(len(part.table)))


def partners(instruments: np.ndarray) -> np.ndarray:
    """Returns for each note another note of its instrument (itself where there is none), the next one in order."""
    order = np.argsort(instruments.astype(str), kind="stable")
    partner = np.empty(len(order), np.int64)
    for name in np.unique(instruments.astype(str)):
        run = order[instruments[order] == name]
        partner[run] = np.roll(run, -1)
    return partner


if __name__ == "__main__":
    main()
