"""Compares designs of the model at equal processor time, on the test split of `--test`: the table of docs/model.md.

Each run trains for `--cpu-minutes` of processor time (which other work on the machine changes less than the clock),
with the same seed, notes and batches. Then, from the mean of the weights and from z_mean:

- `log_mel_l1`: nats, test notes decoded from their own z;
- `cross_l1`: the same, each note decoded from the z of another note of its instrument;
- `pitch, linear` and `pitch, MLP`: accuracy, averaged over the pitches that both splits have, of classifiers that
  learn to read the pitch from z on the train notes of `--test`, and read it on its test notes; below the table, the
  same classifiers on the one-hot true family and on time-averaged log-mels;
- `R2`: of the pitch by ridge regression, likewise;
- `family`: share of test notes whose family a 5-nearest-neighbour vote over the train notes' z gets right.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from nsynth_vae.config import Config, DataConfig, ModelConfig
from nsynth_vae.data.open import open_sources
from nsynth_vae.data.pipeline import CachedFeatures, open_features
from nsynth_vae.data.select import select
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.probes import family_accuracy, pitch_accuracy, pitch_r2

_AS_THEY_ARE = {"recolored_share": 0.0}
"""Notes are not recolored in the designs that were compared before that was there."""

DESIGNS: dict[str, dict] = {
    "plain reconstruction": {"adversary_weight": 0.0} | _AS_THEY_ARE,
    "half cross-note": {"adversary_weight": 0.0, "cross_note_share": 0.5} | _AS_THEY_ARE,
    "pitch adversary 300": {"adversary_weight": 300.0} | _AS_THEY_ARE,
    "pitch adversary 1000": {"adversary_weight": 1000.0} | _AS_THEY_ARE,
    "pitch adversary 3000": {"adversary_weight": 3000.0} | _AS_THEY_ARE,
    "pitch adversary 1000, no harmonic template": {"adversary_weight": 1000.0, "template": 0} | _AS_THEY_ARE,
    "pitch adversary 1000, notes recolored": {"adversary_weight": 1000.0, "recolored_share": 0.75},
}


def main(arguments: list[str] | None = None) -> None:
    """Runs the designs and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", help="training notes (default: --test and starter)")
    parser.add_argument("--test", default="../shared/nsynth", help="NSynth notes (default: %(default)s)")
    parser.add_argument("--cpu-minutes", type=float, default=10.0, help="per design (default: %(default)g)")
    parser.add_argument("--designs", default=",".join(map(str, range(len(DESIGNS)))), help="numbers, from 0")
    parser.add_argument("--output", type=pathlib.Path, help="also append each row to this file, as JSON")
    options = parser.parse_args(arguments)
    data = tuple(options.data or (options.test, "starter"))
    train = load(data)["train"]
    test = load((options.test,))
    print(f"{os.cpu_count()} cores, {options.cpu_minutes:g} CPU minutes a design, {len(train.table)} notes of {data}")
    names = list(DESIGNS)
    for number in map(int, options.designs.split(",")):
        row = {"design": names[number]} | compare(DESIGNS[names[number]], train, test, options.cpu_minutes)
        if options.output:
            with open(options.output, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        if number == int(options.designs.split(",")[0]):
            print("| " + " | ".join(row) + " |\n|" + "---|" * len(row), flush=True)
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)
    families = np.eye(12)
    labels = {name: part.table for name, part in test.items()}
    pooled = {name: read_all(part)["log_mel"].mean(axis=1) for name, part in test.items()}
    one_hot = {name: families[table.instrument_family] for name, table in labels.items()}
    for name, inputs in (("one-hot true family", one_hot), ("time-averaged log-mels", pooled)):
        pitch, family = probe(inputs, labels)
        print(f"{name}: pitch, linear {pitch['linear']:.3f}; pitch, MLP {pitch['mlp']:.3f}; family {family:.3f}")


def load(data: tuple[str, ...]) -> dict[str, CachedFeatures]:
    """Returns the features of each split, in memory."""
    config, bad_notes = Config(), BadNotes()
    source = open_sources(data, audio=config.audio, bad_notes=bad_notes, log=lambda line: None)
    rows = select(source.table, DataConfig(data=data))
    return {
        name: open_features(source, part, config.audio, bad_notes, memory=True)
        for name, part in rows.items()
        if len(part)
    }


def compare(design: dict, train: CachedFeatures, test: dict[str, CachedFeatures], cpu_minutes: float) -> dict:
    """Trains one design and returns its row of the table."""
    import keras
    import tensorflow as tf

    from nsynth_vae.model import ACTIVE_VARIANCE, VAE

    design = dict(design)
    template = design.pop("template", 1)
    config = Config(model=dataclasses.replace(ModelConfig(), **design))
    keras.utils.set_random_seed(config.train.seed)
    vae = VAE(config)
    vae.build()
    if not template:
        vae.decoder.template = np.zeros_like(vae.decoder.template)
    vae.compile(optimizer=keras.optimizers.Adam(config.train.learning_rate))
    step = tf.function(vae.train_step)
    averages = [tf.Variable(tf.convert_to_tensor(weight)) for weight in vae.trainable_variables]

    @tf.function
    def average(decay: tf.Tensor) -> None:
        for mean, weight in zip(averages, vae.trainable_variables, strict=True):
            mean.assign(decay * mean + (1.0 - decay) * tf.convert_to_tensor(weight))

    started, steps = None, 0
    batches = train.training(
        batch_size=config.train.batch_size, cross_note_share=config.model.cross_note_share, seed=config.train.seed
    )
    for batch in batches:
        step(batch)
        average(tf.constant(min(config.train.weight_average, (1 + steps) / (10 + steps)), tf.float32))
        steps += 1
        started = started or time.process_time()  # Tracing, in the first step, is not counted.
        if time.process_time() - started > 60 * cpu_minutes:
            break
    for weight, mean in zip(vae.trainable_variables, averages, strict=True):
        weight.assign(mean)

    encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True)
    decode = tf.function(vae.decoder, reduce_retracing=True)
    notes = {name: read_all(test[name]) for name in ("train", "test")}
    z = {
        name: np.concatenate([encode(part["log_mel"][i : i + 64]) for i in range(0, len(part["pitch"]), 64)])
        for name, part in notes.items()
    }
    tables = {name: test[name].table for name in notes}

    def log_mel_l1(z_mean: np.ndarray) -> float:
        part = notes["test"]
        errors = [
            np.abs(
                decode(*(array[i : i + 64] for array in (z_mean, part["pitch"], part["velocity"])))
                - part["log_mel"][i : i + 64]
            ).mean(axis=(1, 2))
            for i in range(0, len(z_mean), 64)
        ]
        return float(np.concatenate(errors).mean()) * config.audio.log_mel_scale

    pitch, family = probe(z, tables)
    return {
        "steps": steps,
        "log_mel_l1": round(log_mel_l1(z["test"]), 3),
        "cross_l1": round(log_mel_l1(z["test"][partners(tables["test"].instrument_str)]), 3),
        "pitch, linear": round(pitch["linear"], 3),
        "pitch, MLP": round(pitch["mlp"], 3),
        "R2": round(pitch_r2(z["train"], z["test"], tables["train"].pitch, tables["test"].pitch), 2),
        "family": round(family, 3),
        "active": f"{int((z['test'].var(axis=0) > ACTIVE_VARIANCE).sum())} of {config.model.latent_dim}",
    }


def probe(inputs: dict[str, np.ndarray], tables: dict[str, NoteTable]) -> tuple[dict, float]:
    """Returns what classifiers read of pitch, and five nearest neighbours of family, of the test notes' inputs."""
    train, test, learnt, asked = inputs["train"], inputs["test"], tables["train"], tables["test"]
    family = family_accuracy(train, test, learnt.instrument_family, asked.instrument_family)
    return pitch_accuracy(train, test, learnt.pitch, asked.pitch), family["nearest"]


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
