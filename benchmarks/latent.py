"""Measures the latent tools on notes of instruments never trained on: the table of docs/latent.md.

    python benchmarks/latent.py --data nsynth
    python benchmarks/latent.py --data nsynth --model models/mine --json latent.json

All sounds are of the exported SavedModels. What is measured:

- interpolation, `--pairs` ways of 9 steps between two notes of different families at one pitch, as `interpolate`
  plays them, equalised to be of even brightness, and as they are decoded. Beside it, on the same decoded ends, a
  cross-fade of the sounds, and a straight way between the log-mels. `in_tune`: of all sounds. `centroid`, `spread`
  (power-weighted, whole note): share of ways on which it never turns back by more than 2 % of the range, of those
  whose ends differ by more than 10 % of their mean. `largest step`: over the mean step, by the distance of log-mels,
  median over the ways. `residual`: of the best non-negative mix of the two ends' mel magnitudes, for the middle, over
  its norm, median: 0 is two sounds at once, heard together. Of the decoder's mels (`decoded`; where sounds are mixed
  or equalised there are none), and of the sounds' (`heard`), which have the synthesizer's noise in common.
- arithmetic, each direction that was learnt to move a descriptor, on `--notes` notes: how many it moves at strength
  1; how many it moves more than at 0.5; on how many the tracker's pitch, and the classifier's family, are those of
  the unedited decoded note. Control: `--controls` random directions of the same length, on the same notes: the
  95th percentiles of the larger of the shares rising and falling, and of the median change, up or down.
- transposition: an instrument's z decoded at the pitch and velocity of a note of it: how often that is nearer to the
  note, by the log-mel, than to another instrument's note at that pitch, each pair of the note and such a rival counted,
  and how often it is nearer than to all of its rivals at once; the latter also by how far apart the two notes' pitches
  are, without rivals that share recordings with the instrument (the same samples, under two names), and of these where
  both notes have one velocity. z is that of one other note, of another pitch and drawn twenty times, or the mean of all
  its other notes'.
- sampling: `--samples` new sounds at pitches 36 to 84 from the mixture, as `sample` draws them: peaks, wrong pitches,
  and the mean distance of log-mels of pairs of them, beside the real notes' of those pitches.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
from latent_measures import beaten_rivals, known_mean, mix_residual, monotone, same_pitch, sharing, won

from nsynth_vae import latent
from nsynth_vae.analysis import descriptors, pitch
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.load_notes import open_notes
from nsynth_vae.data.source import BadNotes, NoteTable
from nsynth_vae.evaluation.measure import make_pool
from nsynth_vae.evaluation.systems import STEPS, request_interpolations, request_other_pitches
from nsynth_vae.exporters.model_export import export_folder
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.rendering import brightness_equalizer
from nsynth_vae.rendering.random_samples import sample
from nsynth_vae.timbre_model import TimbreModel, open_model

SAMPLE_PITCHES = (36, 84)
DRAWS = 20
"""Times that every note gets another note of its instrument, drawn at random."""

APART = 0.1
"""Share of their mean that a descriptor's ends must be apart."""
QUIETEST, LOUDEST = 0.01, 0.99


def main(arguments: list[str] | None = None) -> dict:
    """Prints the tables and returns what is in them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/nsynth", help="NSynth notes (default: %(default)s)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--model", help="a model folder or an exports folder (default: the shipped model)")
    parser.add_argument("--exports", default="exports", help="where its exports are (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=100, help="ways between families (default: %(default)s)")
    parser.add_argument("--notes", type=int, default=100, help="notes that are edited (default: %(default)s)")
    parser.add_argument("--directions", help="names of those that are measured, a,b (default: all)")
    parser.add_argument("--controls", type=int, default=100, help="random directions (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=1000, help="new sounds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides every choice (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    model = open_model(options.model, options.exports, export=export_folder)
    known = [name for name, entry in model.attributes["directions"].items() if entry["descriptor"]]
    names = options.directions.split(",") if options.directions else known
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--directions: found {unknown[0]!r}, expected some of {','.join(known)}")
    data = DataConfig(data=(options.data,))
    notes = open_notes(data, options.split, audio=model.config, bad_notes=BadNotes("skip"))
    audio = notes.judged.read(np.arange(len(notes.judged.table)))["audio"]
    what = f"{len(audio)} notes of {options.data}, {options.split}"
    print(f"{os.cpu_count()} cores, {what}; {model.name}, seed {options.seed}")
    with make_pool(options.jobs) as pool:
        bench = _Bench(model, notes.judged.table, audio, pool, options.seed)
        result = {
            "interpolation": bench.interpolation(options.pairs),
            "arithmetic": bench.arithmetic(names, options.notes, options.controls),
            "transposition": bench.transposition(),
            "sampling": bench.sampling(options.samples),
        }
    for name, rows in result.items():
        print(f"\n{name}\n\n{_markdown(rows)}")
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
        self.log_mel = _log_mel(audio, model.config)

    def interpolation(self, pairs: int) -> list[dict]:
        """Returns a row a way of getting from one sound to the other."""
        asked = request_interpolations(self.table, self.seed, pairs)
        ways = len(asked) // STEPS
        fraction = asked.step[:, None] / (STEPS - 1)
        z = latent.lerp(self.z[asked.ends[:, 0]], self.z[asked.ends[:, 1]], fraction)
        played = self.model.decode(z, asked.pitch, asked.velocity)

        def between(arrays: np.ndarray) -> np.ndarray:
            """Straight lines between each way's first and last array."""
            arrays = arrays.reshape(ways, STEPS, *arrays.shape[1:])
            part = np.linspace(0, 1, STEPS, dtype=np.float32).reshape(1, STEPS, *[1] * (arrays.ndim - 2))
            straight = latent.lerp(arrays[:, :1], arrays[:, -1:], part)
            return straight.reshape(ways * STEPS, *arrays.shape[2:]).astype(np.float32)

        straight = between(played.log_mel)
        weights = np.concatenate([1 - fraction, fraction], axis=1).reshape(ways, STEPS, 2)
        even = functools.partial(brightness_equalizer.equalize, sample_rate=self.model.config.sample_rate)
        evened = [audio for audio, _ in self._each(even, played.audio.reshape(ways, STEPS, -1), weights)]
        sounds = {
            "interpolate": (None, np.concatenate(evened)),
            "interpolate --no-even, as decoded": (played.log_mel, played.audio),
            "cross-fade of the sounds": (None, between(played.audio)),
            "straight way between the log-mels": (straight, _sound(straight, asked.pitch, self.model.config)),
        }
        rows = []
        for name, (decoded, audio) in sounds.items():
            log_mels = _log_mel(audio, self.model.config).reshape(ways, STEPS, -1)
            step = np.abs(np.diff(log_mels, axis=1)).mean(axis=2)
            row = {"way": name, "in_tune": self._in_tune(audio, asked.pitch).mean()}
            found = np.array(list(self._each(_centroid_and_spread, audio)))
            for short, values in zip(("centroid", "spread"), found.T.reshape(2, ways, STEPS), strict=True):
                apart = np.abs(values[:, -1] - values[:, 0]) > APART * np.abs(values[:, [0, -1]].mean(axis=1))
                row[f"{short} monotone"] = np.mean([monotone(way) for way in values[apart]])
                row[f"{short} ways"] = int(apart.sum())
            row["largest step"] = np.median(step.max(axis=1) / step.mean(axis=1))
            for short, mels in (("decoded", decoded), ("heard", log_mels)):
                ways_of = [] if mels is None else mels.reshape(ways, STEPS, -1)
                residuals = [mix_residual(way, self.model.config) for way in ways_of]
                row[f"residual, {short}"] = np.median(residuals) if residuals else None
            rows.append(row)
        return rows

    def arithmetic(self, names: list[str], count: int, controls: int) -> list[dict]:
        """Returns a row for each of these directions."""
        from nsynth_vae.evaluation import classifier

        generator = np.random.default_rng([self.seed, 3])
        notes = generator.permutation(len(self.table))[:count]
        z, pitches, velocities = self.z[notes], self.table.pitch[notes], self.table.velocity[notes]
        classify = classifier.load()
        before = self.model.decode(z, pitches, velocities).audio
        described, f0 = self._describe(before, pitches), self._f0(before)
        family = _families(classify, before)
        rows = []
        for name in names:
            entry = self.model.attributes["directions"][name]
            descriptor, direction = entry["descriptor"], np.array(entry["direction"], np.float32)
            sign = np.sign(entry.get("sign", 1))
            change = {}
            for strength in (0.5, 1.0):
                after = self.model.decode(latent.apply(z, direction, strength), pitches, velocities).audio
                change[strength] = sign * (self._one(descriptor, after, pitches) - described[descriptor])
            moved = self._f0(after)
            shares, sizes = [], []
            for _ in range(controls):
                other = generator.standard_normal(len(direction))
                other *= np.linalg.norm(direction) / np.linalg.norm(other)
                sounds = self.model.decode(latent.apply(z, other, 1.0), pitches, velocities).audio
                moves = self._one(descriptor, sounds, pitches) - described[descriptor]
                shares.append(max(np.mean(moves > 0), np.mean(moves < 0)))
                sizes.append(abs(np.median(moves)))
            rows.append(
                {
                    "direction": name,
                    "descriptor": descriptor,
                    "rises": np.mean(change[1.0] > 0),
                    "more than at 0.5": np.mean(change[1.0] > change[0.5]),
                    "median change": np.median(change[1.0]),
                    "pitch kept": np.mean(same_pitch(f0, moved)),
                    "family kept": np.mean(_families(classify, after) == family),
                    "random, 95th percentile of the share": np.percentile(shares, 95),
                    "random, 95th percentile of the median change": np.percentile(sizes, 95),
                    "length": float(np.linalg.norm(direction)),
                }
            )
        return rows

    def transposition(self) -> list[dict]:
        """Returns a row for each kind of z."""
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
            row = {"z": name, "pairs": int(np.sum(~np.isnan(found)))}
            row |= {"nearer to its own than to a rival": known_mean(found), "than to all rivals": won(found)}
            row["no rivals that share recordings"] = won(unlike)
            if z is not means:
                same, apart = velocity[source] == velocity[target], np.abs(pitch[source] - pitch[target])
                row["and the velocity stays"] = won(unlike[same])
                for low, high in ((1, 6), (7, 12), (13, 127)):
                    some = (apart >= low) & (apart <= high)
                    row[f"{low} to {high} semitones apart"] = won(found[some])
            rows.append(row)
        return rows

    def sampling(self, count: int) -> list[dict]:
        """Returns a row for the new sounds, and one for the real notes."""
        generator = np.random.default_rng([self.seed, 4])
        low, high = SAMPLE_PITCHES
        samples = sample(TimbreLookup(self.model), count, pitch=SAMPLE_PITCHES, seed=self.seed)
        real = np.flatnonzero((self.table.pitch >= low) & (self.table.pitch <= high))
        rows = []
        for name, audio, asked in (
            ("samples", samples.audio, samples.pitch),
            ("real notes", self.audio[real], self.table.pitch[real]),
        ):
            peak = np.abs(audio).max(axis=1)
            log_mels = _log_mel(audio, self.model.config)
            first, second = generator.integers(0, len(audio), (2, 2000))
            apart = np.abs(log_mels[first] - log_mels[second]).mean(axis=(1, 2))[first != second]
            rows.append(
                {
                    "sounds": name,
                    "count": len(audio),
                    f"peak below {QUIETEST}": int(np.sum(peak < QUIETEST)),
                    f"peak above {LOUDEST}": int(np.sum(peak > LOUDEST)),
                    "wrong pitch": 1 - self._in_tune(audio, asked).mean(),
                    "mean distance of pairs": float(apart.mean()) * self.model.config.log_mel_scale,
                }
            )
        return rows

    def _describe(self, audio: np.ndarray, pitches: np.ndarray) -> dict[str, np.ndarray]:
        found = list(self._each(descriptors.describe, audio, pitches.tolist()))
        return {name: np.array([one[name] for one in found]) for name in found[0]}

    def _one(self, descriptor: str, audio: np.ndarray, pitches: np.ndarray) -> np.ndarray:
        describe = functools.partial(descriptors.describe, names=(descriptor,))
        return np.array([one[descriptor] for one in self._each(describe, audio, pitches.tolist())])

    def _in_tune(self, audio: np.ndarray, pitches: np.ndarray) -> np.ndarray:
        return np.array(list(self._each(pitch.in_tune, audio, pitches.tolist())))

    def _f0(self, audio: np.ndarray) -> np.ndarray:
        return np.array([found or np.nan for found in self._each(pitch.median_f0, audio)])

    def _each(self, function: Callable, *arrays) -> Iterator:
        return self.pool.map(function, *arrays, chunksize=8)


def _centroid_and_spread(audio: np.ndarray) -> tuple[float, float]:
    return descriptors.moments(*descriptors.power_spectrum(audio))


def _families(classify, audio: np.ndarray) -> np.ndarray:
    parts = [classify(audio[i : i + 32])["instrument_family"].numpy() for i in range(0, len(audio), 32)]
    return np.concatenate(parts).argmax(axis=1)


def _log_mel(audio: np.ndarray, config: AudioConfig) -> np.ndarray:
    from nsynth_vae import features

    return np.concatenate([features.log_mel(audio[i : i + 64], config).numpy() for i in range(0, len(audio), 64)])


def _sound(log_mel: np.ndarray, pitches: np.ndarray, config: AudioConfig) -> np.ndarray:
    import tensorflow as tf

    from nsynth_vae.synthesis.vocoder import sound_for

    sound = sound_for(config)
    parts = [
        sound(tf.constant(log_mel[i : i + 8]), tf.constant(pitches[i : i + 8])).numpy()
        for i in range(0, len(log_mel), 8)
    ]
    return np.concatenate(parts)


def _markdown(rows: list[dict]) -> str:
    def cell(value: object) -> str:
        return "" if value is None else f"{value:.3f}" if isinstance(value, float | np.floating) else str(value)

    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(map(cell, row.values())) + " |" for row in rows)])


if __name__ == "__main__":
    main()
