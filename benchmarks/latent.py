"""Measurements of interpolation, directions, transposition and sampling, on notes of instruments never trained on.

    python benchmarks/latent.py --data nsynth
    python benchmarks/latent.py --data nsynth --model models/mine --json latent.json

All sounds are of the exported model. The tables are those of docs/latent.md:

- interpolation: `--pairs` paths of 9 steps between two notes of different families at one pitch, equalised, and as
  they are decoded. Compared with them: a cross-fade of the decoded ends, and linear interpolation of their log-mels.
  `centroid`, `spread` (power-weighted, whole note): fraction of the paths on which it never turns back by more than 2 %
  of the range, of those whose ends differ by more than 10 % of their mean. `largest step`: over the mean step, by the
  distance of log-mels, median. `residual`: of the best non-negative mix of the ends' mel magnitudes, for the middle,
  over its norm, median: 0 is two sounds at once. `decoded`: of the decoder's mels (none where sounds are mixed or
  equalised). `audio`: of the sounds' mels, which have the synthesizer's noise in common.
- arithmetic: each direction learnt by a descriptor, at strength 1 on `--notes` notes. `effect rate`: fraction on which
  the descriptor rises. `pitch kept`, `family kept`: fraction with the estimated pitch, and the predicted family, of the
  note without the direction. Control: `--controls` random directions of the same length: the 95th percentiles of the
  fraction that changes one way, and of the median change, up or down.
- transposition: an instrument's z, decoded at the pitch and velocity of one of its notes, is compared by the log-mel
  with that note and its rivals, the notes of other instruments at that pitch. It is nearer than a rival, each counted
  by itself, or than all at once. Rivals can share recordings with the instrument (the same samples, two names). z is
  that of one other note, of another pitch, drawn twenty times, or the mean of all others.
- sampling: `--samples` new sounds at pitches 36 to 84 from the mixture: peaks, wrong pitches, and the mean distance of
  log-mels of pairs, compared with the real notes of those pitches.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf
from common import open_player
from latent_measures import beaten_rivals, known_mean, mix_residual, monotone, same_pitch, sharing, won

from nsynth_vae import features, latent
from nsynth_vae.analysis import descriptors, pitch
from nsynth_vae.config import DataConfig
from nsynth_vae.data.load_notes import load_notes
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.directions.learn import load_family_predictor
from nsynth_vae.evaluation.sound_measures import make_pool
from nsynth_vae.evaluation.systems import STEPS, request_interpolations, request_other_pitches
from nsynth_vae.evaluation.tables import table
from nsynth_vae.exporters.saved_model_backend import open_model
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.rendering import brightness_equalizer
from nsynth_vae.rendering.random_samples import sample
from nsynth_vae.synthesis.vocoder import vocoder_for
from nsynth_vae.timbre_model import TimbreModel, in_batches

SAMPLE_PITCHES, MIN_PEAK, MAX_PEAK = (36, 84), 0.01, 0.99

DRAWS = 20
"""Other notes of its instrument that are drawn for every note."""

APART = 0.1
"""Least difference of a descriptor at a path's ends, as a fraction of their mean."""


def main(arguments: list[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Print the tables and return their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/nsynth", help="NSynth notes (default: %(default)s)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--model", type=pathlib.Path, help="a model folder or exports (default: the shipped model)")
    parser.add_argument("--exports", default="exports", help="where its exports are (default: %(default)s)")
    parser.add_argument("--litert", action="store_true", help="play the TFLite files of a former model's folder")
    parser.add_argument("--pairs", type=int, default=100, help="paths between families (default: %(default)s)")
    parser.add_argument(
        "--notes", type=int, default=100, help="notes that directions are added to (default: %(default)s)"
    )
    parser.add_argument("--directions", help="names, a,b (default: all by a descriptor)")
    parser.add_argument("--controls", type=int, default=100, help="random directions (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=1000, help="new sounds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    model = open_player(options.model) if options.litert else open_model(options.model, options.exports)
    known = [name for name, entry in model.attributes["directions"].items() if entry["descriptor"]]
    names = options.directions.split(",") if options.directions else known
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--directions: found {unknown[0]!r}, expected some of {','.join(known)}")
    data, bad_notes = DataConfig(data=(options.data,)), BadNotes("skip")
    notes = load_notes(data, options.split, audio=model.config, bad_notes=bad_notes).loaded
    audio = notes.read_all()["audio"]
    print(f"{os.cpu_count()} cores, {len(audio)} notes of {options.data}, {options.split}; {model.name}")
    with make_pool(options.jobs) as pool:
        bench = _Bench(model, notes.table, audio, pool, options.seed)
        result = {
            "interpolation": bench.interpolation(options.pairs),
            "arithmetic": bench.arithmetic(names, options.notes, options.controls),
            "transposition": bench.transposition(),
            "sampling": bench.sampling(options.samples),
        }
    for name, rows in result.items():
        print(f"\n{name}\n\n{_table(rows)}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2, default=float) + "\n")
    return result


class _Bench:
    """The model, the real notes, and processes that measure sounds."""

    def __init__(
        self, model: TimbreModel, table: NoteTable, audio: np.ndarray, pool: ProcessPoolExecutor, seed: int
    ) -> None:
        self.model, self.table, self.audio, self.pool, self.seed = model, table, audio, pool, seed
        self.z = model.encode(audio)
        self.log_mel = self._log_mel(audio)

    def interpolation(self, pairs: int) -> list[dict[str, Any]]:
        """Return a row for each kind of path."""
        requests = request_interpolations(self.table, self.seed, pairs)
        paths = len(requests) // STEPS
        fraction = requests.step[:, None] / (STEPS - 1)
        z = latent.lerp(self.z[requests.ends[:, 0]], self.z[requests.ends[:, 1]], fraction)
        decoded = self.model.decode(z, requests.pitch, requests.velocity)

        def between(arrays: np.ndarray) -> np.ndarray:
            """Interpolate linearly between each path's first and last array."""
            arrays = arrays.reshape(paths, STEPS, *arrays.shape[1:])
            part = np.linspace(0, 1, STEPS, dtype=np.float32).reshape(1, STEPS, *[1] * (arrays.ndim - 2))
            linear = latent.lerp(arrays[:, :1], arrays[:, -1:], part)
            return linear.reshape(paths * STEPS, *arrays.shape[2:]).astype(np.float32)

        linear = between(decoded.log_mel)
        weights = np.concatenate([1 - fraction, fraction], axis=1).reshape(paths, STEPS, 2)
        equalize = functools.partial(brightness_equalizer.equalize, sample_rate=self.model.config.sample_rate)
        equalized = [audio for audio, _ in self._each(equalize, decoded.audio.reshape(paths, STEPS, -1), weights)]
        sounds = {
            "interpolate": (None, np.concatenate(equalized)),
            "interpolate --no-equalize, as decoded": (decoded.log_mel, decoded.audio),
            "cross-fade of the sounds": (None, between(decoded.audio)),
            "linear interpolation of the log-mels": (linear, self._sound(linear, requests.pitch)),
        }
        rows = []
        for name, (mels, audio) in sounds.items():
            log_mels = self._log_mel(audio).reshape(paths, STEPS, -1)
            step = np.abs(np.diff(log_mels, axis=1)).mean(axis=2)
            row: dict[str, Any] = {"path": name, "in tune": self._in_tune(audio, requests.pitch).mean()}
            found = np.array(list(self._each(_centroid_and_spread, audio)))
            for short, values in zip(("centroid", "spread"), found.T.reshape(2, paths, STEPS), strict=True):
                apart = np.abs(values[:, -1] - values[:, 0]) > APART * np.abs(values[:, [0, -1]].mean(axis=1))
                row[f"{short} monotone"] = np.mean([monotone(path) for path in values[apart]])
                row[f"{short} paths"] = int(apart.sum())
            row["largest step"] = np.median(step.max(axis=1) / step.mean(axis=1))
            for short, all_mels in (("decoded", mels), ("audio", log_mels)):
                by_path = [] if all_mels is None else all_mels.reshape(paths, STEPS, -1)
                residuals = [mix_residual(path, self.model.config) for path in by_path]
                row[f"residual, {short}"] = np.median(residuals) if residuals else None
            rows.append(row)
        return rows

    def arithmetic(self, names: list[str], count: int, controls: int) -> list[dict[str, Any]]:
        """Return a row for each of these directions."""
        generator = np.random.default_rng([self.seed, 3])
        notes = generator.permutation(len(self.table))[:count]
        z, pitches, velocities = self.z[notes], self.table.pitch[notes], self.table.velocity[notes]
        predict_families = load_family_predictor(self.model)
        assert predict_families is not None, "expected the shipped classifier, and a model of 4 s at 16 kHz"

        def decode(direction: np.ndarray, strength: float = 1.0) -> np.ndarray:
            return self.model.decode(latent.apply(z, direction, strength), pitches, velocities).audio

        def identities(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            f0 = np.array([found or np.nan for found in self._each(pitch.median_f0, audio)])
            return f0, predict_families(audio).argmax(axis=1)

        plain = self.model.decode(z, pitches, velocities).audio
        f0, family = identities(plain)
        rows = []
        for name in names:
            entry = self.model.attributes["directions"][name]
            descriptor, direction = entry["descriptor"], np.array(entry["direction"], np.float32)
            before = self._describe(descriptor, plain, pitches)
            half, whole = (decode(direction, strength) for strength in (0.5, 1.0))
            sign = np.sign(entry.get("sign", 1))
            at_half, change = (sign * (self._describe(descriptor, each, pitches) - before) for each in (half, whole))
            rates, sizes = [], []
            for _ in range(controls):
                other = generator.standard_normal(len(direction))
                other *= np.linalg.norm(direction) / np.linalg.norm(other)
                moves = self._describe(descriptor, decode(other), pitches) - before
                rates.append(max(np.mean(moves > 0), np.mean(moves < 0)))
                sizes.append(abs(np.median(moves)))
            moved_f0, moved_family = identities(whole)
            rows.append(
                {
                    "direction": name,
                    "descriptor": descriptor,
                    "effect rate": np.mean(change > 0),
                    "more than at 0.5": np.mean(change > at_half),
                    "median change": np.median(change),
                    "pitch kept": np.mean(same_pitch(f0, moved_f0)),
                    "family kept": np.mean(moved_family == family),
                    "random, 95th percentile of the effect rate": np.percentile(rates, 95),
                    "random, 95th percentile of the median change": np.percentile(sizes, 95),
                    "length": float(np.linalg.norm(direction)),
                }
            )
        return rows

    def transposition(self) -> list[dict[str, Any]]:
        """Return a row for each kind of z."""
        pitch, velocity = self.table.pitch, self.table.velocity
        names, groups = self.table.instrument_str, sharing(self.table.instrument_str, self.audio)
        draws = [request_other_pitches(self.table, self.seed + draw) for draw in range(DRAWS)]
        source, target = (np.concatenate([getattr(one, name) for one in draws]) for name in ("note", "reference"))
        once, everything = np.unique(target), np.arange(len(names))
        means = np.array([self.z[(names == names[note]) & (everything != note)].mean(axis=0) for note in once])
        rows = []
        for name, z, notes in (("one other note", self.z[source], target), ("mean of its other notes", means, once)):
            found, unlike = np.empty(len(notes)), np.empty(len(notes))
            for part in np.array_split(np.arange(len(notes)), len(notes) // 256 + 1):
                decoded = self.model.decode_log_mel(z[part], pitch[notes[part]], velocity[notes[part]])
                found[part] = beaten_rivals(decoded, notes[part], pitch, names, self.log_mel)
                unlike[part] = beaten_rivals(decoded, notes[part], pitch, groups, self.log_mel)
            row: dict[str, Any] = {"z": name, "pairs": int(np.sum(~np.isnan(found)))}
            row |= {"nearer than to a rival": known_mean(found), "than to all rivals": won(found)}
            row["no rivals that share recordings"] = won(unlike)
            if z is not means:
                same, apart = velocity[source] == velocity[target], np.abs(pitch[source] - pitch[target])
                row["and the velocity stays"] = won(unlike[same])
                for low, high in ((1, 6), (7, 12), (13, 127)):
                    row[f"{low} to {high} semitones apart"] = won(found[(apart >= low) & (apart <= high)])
            rows.append(row)
        return rows

    def sampling(self, count: int) -> list[dict[str, Any]]:
        """Return a row for the new sounds, and one for the real notes."""
        generator = np.random.default_rng([self.seed, 4])
        low, high = SAMPLE_PITCHES
        samples = sample(TimbreLookup(self.model), count, pitch=SAMPLE_PITCHES, seed=self.seed)
        real = np.flatnonzero((self.table.pitch >= low) & (self.table.pitch <= high))
        rows = []
        for name, audio, pitches in (
            ("samples", samples.audio, samples.pitch),
            ("real notes", self.audio[real], self.table.pitch[real]),
        ):
            peak, log_mels = np.abs(audio).max(axis=1), self._log_mel(audio)
            first, second = generator.integers(0, len(audio), (2, 2000))
            apart = np.abs(log_mels[first] - log_mels[second]).mean(axis=(1, 2))[first != second]
            rows.append(
                {
                    "sounds": name,
                    "count": len(audio),
                    f"peak below {MIN_PEAK}": int(np.sum(peak < MIN_PEAK)),
                    f"peak above {MAX_PEAK}": int(np.sum(peak > MAX_PEAK)),
                    "wrong pitch": 1 - self._in_tune(audio, pitches).mean(),
                    "mean distance of pairs": float(apart.mean()) * self.model.config.log_mel_scale,
                }
            )
        return rows

    def _describe(self, descriptor: str, audio: np.ndarray, pitches: np.ndarray) -> np.ndarray:
        describe = functools.partial(descriptors.describe, names=(descriptor,))
        return np.array([one[descriptor] for one in self._each(describe, audio, pitches.tolist())])

    def _in_tune(self, audio: np.ndarray, pitches: np.ndarray) -> np.ndarray:
        return np.array(list(self._each(pitch.in_tune, audio, pitches.tolist())))

    def _each(self, function: Callable, *arrays: Iterable) -> Iterator:
        return self.pool.map(function, *arrays, chunksize=8)

    def _log_mel(self, audio: np.ndarray) -> np.ndarray:
        return np.concatenate(in_batches(lambda part: features.log_mel(part, self.model.config).numpy(), audio))

    def _sound(self, log_mel: np.ndarray, pitches: np.ndarray) -> np.ndarray:
        sound = vocoder_for(self.model.config)
        return np.concatenate(
            in_batches(lambda mels, pitch: sound(tf.constant(mels), tf.constant(pitch)).numpy(), log_mel, pitches)
        )


def _centroid_and_spread(audio: np.ndarray) -> tuple[float, float]:
    return descriptors.moments(*descriptors.power_spectrum(audio))


def _table(rows: list[dict[str, Any]]) -> str:
    def cell(value: object) -> str:
        return "" if value is None else f"{value:.3f}" if isinstance(value, float | np.floating) else str(value)

    return table(list(rows[0]), [[cell(value) for value in row.values()] for row in rows])


if __name__ == "__main__":
    main()
