"""Comparison of designs of the model at equal processor time: the tables of docs/experiments.md.

Each design trains for `--cpu-minutes` of processor time (which other work on the machine changes less than the clock).
Then, from the EMA of the weights and from z_mean, on each of `--splits` of `--test`:

- `log_mel_l1`: nats, notes decoded from their own z; `cross_l1`: from the z of another note of their instrument;
- `nearer`: for notes decoded at another pitch of their instrument, the fraction of other instruments' notes of that
  pitch that are further away than the instrument's own note; `nearest`: how often all of them are;
- `pitch, linear` and `pitch, MLP`: accuracy, averaged over the pitches that both splits have, of classifiers that are
  trained on the z of the train notes of `--test`; `R2`: that of ridge regression;
- `family` and `family, MLP`: fraction of notes whose family is predicted by the 5 nearest neighbours among the train
  notes' z, and by an MLP trained on these.

Below the table, the same classifiers on the one-hot true family and on time-averaged log-mels.
"""

from __future__ import annotations

import argparse
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
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.readers.transposed import with_pitch_shifts
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.evaluation.probes import family_accuracy, pitch_accuracy, pitch_r2
from nsynth_vae.evaluation.systems import request_other_pitches

if TYPE_CHECKING:
    import tensorflow as tf

_BASE = {"latent_dim": 32, "pitch_shift_copies": 0, "mixup_probability": 0.0}
"""The centre of the ablation: the default before it, and before pitch-shift augmentation and mixup."""
_PLAIN = _BASE | {"eq_augmentation_probability": 0.0}
"""The default when the first designs were compared: no augmentation."""

DESIGNS: dict[str, dict] = {
    "plain reconstruction": _PLAIN | {"adversary_weight": 0.0},
    "pitch adversary 300": _PLAIN | {"adversary_weight": 300.0},
    "pitch adversary 1000": _PLAIN | {"adversary_weight": 1000.0},
    "pitch adversary 3000": _PLAIN | {"adversary_weight": 3000.0},
    "pitch adversary 1000, no harmonic template": _PLAIN | {"adversary_weight": 1000.0, "template": 0},
    "base": _BASE,
    "base, another seed": _BASE | {"seed": 1},
    "latent_dim 16": _BASE | {"latent_dim": 16},
    "latent_dim 64": _BASE | {"latent_dim": 64},
    "latent_dim 16, another seed": _BASE | {"latent_dim": 16, "seed": 1},
    "latent_dim 128": _BASE | {"latent_dim": 128},
    "beta 4": _BASE | {"beta": 4.0},
    "channels 256": _BASE | {"channels": 256},
    "Gaussian likelihood": _BASE | {"likelihood": "gaussian"},
    "NSynth notes alone": _BASE | {"data": "--test"},
    "starter notes alone": _BASE | {"data": "starter"},
    "two pitch-shifted copies of each note": {"latent_dim": 32, "mixup_probability": 0.0},
    "two pitch-shifted copies, mixup of half of the notes": {"latent_dim": 32},
    "the default": {},
    "plain reconstruction, latent_dim 64, no harmonic template": _PLAIN
    | {"latent_dim": 64, "adversary_weight": 0.0, "template": 0},
    "a quarter of the instruments": {"instruments": 0.25},
    "half of the instruments": {"instruments": 0.5},
    "all instruments": {"instruments": 1.0},
}
"""Fields of the configuration, and `template`, `likelihood`, `seed`, `data`, the training notes, and `instruments`, the
fraction of their instruments that is trained on."""


def main(arguments: list[str] | None = None) -> None:
    """Train and measure the designs and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", default="../shared/nsynth", help="NSynth notes (default: %(default)s)")
    parser.add_argument("--data", action="append", help="training notes (default: --test and the starter set)")
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
    for place, number in enumerate(map(int, options.designs.split(","))):
        name = list(DESIGNS)[number]
        design = dict(DESIGNS[name])
        both = tuple(options.data or (options.test, "starter"))
        data = {"--test": (options.test,), "starter": ("starter",), None: both}[design.pop("data", None)]
        copies = design.get("pitch_shift_copies", ModelConfig.pitch_shift_copies)
        train = load(data, copies=copies, instruments=design.pop("instruments", 1.0))["train"]
        row = {"design": name, "notes": len(train.table)} | compare(design, train, notes, splits, options.cpu_minutes)
        if options.output:
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        if place == 0:
            print("| " + " | ".join(row) + " |\n|" + "---|" * len(row), flush=True)
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)
    one_hot = {name: np.eye(12)[part.table.instrument_family] for name, part in notes.items()}
    pooled = {name: read_all(part)["log_mel"].mean(axis=1) for name, part in notes.items()}
    for split in splits:
        for name, inputs in (("one-hot true family", one_hot), ("time-averaged log-mels", pooled)):
            found = probe(inputs["train"], inputs[split], notes["train"].table, notes[split].table)
            print(f"{split}, {name}: " + ", ".join(f"{measure} {value}" for measure, value in found.items()))


def load(data: tuple[str, ...], *, copies: int = 0, instruments: float = 1.0) -> dict[str, CachedFeatures]:
    """Return the features of each split, in memory.

    Args:
        data: sources of notes.
        copies: pitch-shifted copies of each training note.
        instruments: the fraction of the training instruments that is kept. A smaller one is part of a larger one.
    """
    config, bad_notes = Config(), BadNotes()
    source, rows = open_splits(DataConfig(data=data), audio=config.audio, bad_notes=bad_notes, log=lambda line: None)
    names = source.table.instrument_str[rows["train"]].astype(str)
    order = sorted(set(names), key=stable_hash)
    rows["train"] = rows["train"][np.isin(names, order[: math.ceil(instruments * len(order))])]
    if copies:
        source, rows["train"] = with_pitch_shifts(source, rows["train"], copies, seed=0)
    return {
        name: open_features(source, part, config.audio, bad_notes, memory=True)
        for name, part in rows.items()
        if len(part)
    }


def compare(
    design: dict, train: CachedFeatures, notes: dict[str, CachedFeatures], splits: tuple[str, ...], cpu_minutes: float
) -> dict:
    """Train one design on `train` and return its row of the table, measured on `splits` of `notes`."""
    import keras
    import tensorflow as tf

    from nsynth_vae.model.vae import ACTIVE_VARIANCE, VAE
    from nsynth_vae.nn import losses
    from nsynth_vae.training.vae_run import BATCH_OPTIONS

    fields = {name: value for name, value in design.items() if name in ModelConfig.__dataclass_fields__}
    config = Config(model=ModelConfig(**fields), train=TrainConfig(seed=design.get("seed", 0)))
    keras.utils.set_random_seed(config.train.seed)
    vae = VAE(config)
    vae.build()
    if not design.get("template", 1):
        vae.decoder.template = np.zeros_like(vae.decoder.template)
    batches = train.training(
        batch_size=config.train.batch_size,
        seed=config.train.seed,
        **{name: getattr(config.model, name) for name in BATCH_OPTIONS},
    )
    nll = gaussian_nll if design.get("likelihood") == "gaussian" else losses.laplace_nll
    with mock.patch.object(losses, "laplace_nll", nll):
        steps = equal_time.train(vae, batches, config.train, 60 * cpu_minutes)

    encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True)
    decode = tf.function(vae.decoder, reduce_retracing=True)

    def in_batches(function, *inputs: np.ndarray) -> np.ndarray:
        starts = range(0, len(inputs[0]), 64)
        return np.concatenate([function(*(array[i : i + 64] for array in inputs)) for i in starts])

    def log_mel_l1(z: np.ndarray, part: dict[str, np.ndarray]) -> float:
        error = np.abs(in_batches(decode, z, part["pitch"], part["velocity"]) - part["log_mel"]).mean()
        return round(float(error) * config.audio.log_mel_scale, 3)

    row = {"steps": steps}
    train_z, train_table = in_batches(encode, read_all(notes["train"])["log_mel"]), notes["train"].table
    for split in splits:
        part, table = read_all(notes[split]), notes[split].table
        z = in_batches(encode, part["log_mel"])
        requested = request_other_pitches(table, 0)
        decoded = in_batches(decode, z[requested.note], requested.pitch, requested.velocity)
        beaten = beaten_rivals(decoded, requested.reference, table.pitch, table.instrument_str, part["log_mel"])
        measured = {
            "log_mel_l1": log_mel_l1(z, part),
            "cross_l1": log_mel_l1(z[partners(table.instrument_str)], part),
            "nearer": round(known_mean(beaten), 3),
            "nearest": round(won(beaten), 3),
            **probe(train_z, z, train_table, table),
            "R2": round(pitch_r2(train_z, z, train_table.pitch, table.pitch), 2),
            "active": f"{int((z.var(axis=0) > ACTIVE_VARIANCE).sum())} of {config.model.latent_dim}",
        }
        row |= {f"{split}: {name}" if len(splits) > 1 else name: value for name, value in measured.items()}
    return row


def gaussian_nll(target: tf.Tensor, prediction: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Return the nats a note of a normal distribution, with the arguments of `losses.laplace_nll`."""
    import tensorflow as tf

    deviation = (target - prediction) * tf.exp(-log_scale)
    nll = 0.5 * tf.square(deviation) + log_scale + 0.5 * math.log(2.0 * math.pi)
    return tf.reduce_sum(nll, axis=[1, 2])


def probe(inputs: np.ndarray, test_inputs: np.ndarray, train: NoteTable, test: NoteTable) -> dict[str, float]:
    """Return the accuracies of classifiers of pitch and family, trained on some notes' inputs, on others'."""
    pitch = pitch_accuracy(inputs, test_inputs, train.pitch, test.pitch)
    family = family_accuracy(inputs, test_inputs, train.instrument_family, test.instrument_family)
    measured = {
        "pitch, linear": pitch["linear"],
        "pitch, MLP": pitch["mlp"],
        "family": family["nearest"],
        "family, MLP": family["mlp"],
    }
    return {name: round(value, 3) for name, value in measured.items()}


def read_all(part: CachedFeatures) -> dict[str, np.ndarray]:
    """Return all of a split's notes as one batch."""
    return part.read(np.arange(len(part.table)))


def partners(instruments: np.ndarray) -> np.ndarray:
    """Return for each note another note of its instrument (itself where there is none), the next one in order."""
    order = np.argsort(instruments.astype(str), kind="stable")
    partner = np.empty(len(order), np.int64)
    for name in np.unique(instruments.astype(str)):
        run = order[instruments[order] == name]
        partner[run] = np.roll(run, -1)
    return partner


if __name__ == "__main__":
    main()
