"""Checks of exported models by a client of numpy, TensorFlow, LiteRT and a pitch tracker, without this package.

    python -I check_exports.py EXPORTS [--notes FOLDER] [--latent-dim N]

Loads the newest encoder and decoder SavedModels below EXPORTS and the TFLite files, and checks names, dtypes and
shapes of their signatures. With `--notes` (a split of NSynth: examples.json and audio/) it encodes notes, decodes them
at their own pitch and at one a tritone away, and checks what comes out: the same for any batch size, near the note's
own log-mel, and at the target pitch. Prints the outcomes; exits with 1 after all checks if one failed.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

NOTES = 132
LOG_MEL_L1 = 1.05
"""Nats. Three minutes of training give 0.8; a decoder conditioned on a wrong pitch 1.14."""
IN_TUNE = 0.7
"""Fraction of decoded notes in tune. Three minutes of training give 0.99, half a minute 0.85; a wrong pitch < 0.3."""
AT_PITCH = 0.9
"""Fraction of decoded log-mels with the target pitch's partials. Half a minute gives 1.0; an ignored pitch 0.5."""
KINDS = {"float32": 1e-4, "float16": 1e-2, "int8": 0.5}
"""Weights of the TFLite files, and the largest error of their log-mel against the SavedModel's."""
Z_ERROR = {"float32": 3e-4, "float16": 5e-3, "int8": 0.3}
"""The same of z_mean. TensorFlow's own float32 FFT is worth 1e-4 in a note of a hundred."""
MEGABYTES = {"decoder_float32": 22, "decoder_float16": 11, "decoder_int8": 7}
TRITONE = 6
"""Semitones to the wrong pitch: no low partials in common, and no octave error leads there."""
TRACKER_HERTZ = (46.9, 2093.0)

failures: list[str] = []


def check(passed: object, text: str) -> None:
    """Print a check's outcome, and record it if it failed."""
    print(f"  {'ok  ' if passed else 'FAIL'} {text}", flush=True)
    if not passed:
        failures.append(text)


def hertz(pitch: float) -> float:
    """Return a MIDI pitch's frequency in Hz."""
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


# Loading


def newest(folder: pathlib.Path) -> pathlib.Path:
    """Return the folder's subfolder with the highest number."""
    return max((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def described(specs: dict[str, tf.TensorSpec]) -> dict[str, tuple]:
    """Return name -> (shape, dtype's name)."""
    return {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in specs.items()}


def check_signature(kind: str, signature: Callable, inputs: dict[str, tuple], outputs: dict[str, tuple]) -> None:
    """Check a SavedModel's signature against name -> (shape, dtype)."""
    found = described(signature.structured_input_signature[1])
    check(found == inputs, f"{kind} takes {found}")
    found = described(signature.structured_outputs)
    check(found == outputs, f"{kind} gives {found}")


def load_tflite(path: pathlib.Path, inputs: dict[str, tuple], outputs: dict[str, list[int]]) -> Callable:
    """Return a TFLite file's signature runner, after checking what it takes (shape, dtype) and gives (shape)."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    operators = {item["op_name"] for item in interpreter._get_ops_details()}
    flex = sorted(name for name in operators if name.startswith("Flex") or name == "CUSTOM")
    check(not flex, f"{path.name} has built-in operators only {flex or ''}")
    run = interpreter.get_signature_runner("serving_default")
    found = {name: (item["shape"].tolist(), item["dtype"]) for name, item in run.get_input_details().items()}
    check(found == inputs, f"{path.name} takes {', '.join(sorted(found))}")
    # The output of a reshape may have no shape before the first run.
    made = run(**{name: np.full(shape, 1, dtype) for name, (shape, dtype) in inputs.items()})
    found = {name: list(value.shape) for name, value in made.items() if value.dtype == np.float32}
    check(found == outputs, f"{path.name} gives {found}")
    return run


# Notes and their features


def read_notes(folder: pathlib.Path, count: int, num_samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (audio float32 `[notes, num_samples]`, pitch, velocity) of notes from all instruments in turn."""
    import soundfile

    labels = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    by_instrument: dict[str, list[str]] = {}
    for name, note in sorted(labels.items()):
        if all(TRACKER_HERTZ[0] <= hertz(pitch) <= TRACKER_HERTZ[1] for pitch in (note["pitch"], other(note["pitch"]))):
            by_instrument.setdefault(note["instrument_str"], []).append(name)
    generator = np.random.default_rng(0)
    for names in by_instrument.values():
        generator.shuffle(names)
    chosen: list[str] = []
    while len(chosen) < count and any(by_instrument.values()):
        chosen += [names.pop() for names in by_instrument.values() if names]
    chosen = chosen[:count]
    audio = []
    for name in chosen:
        path = next(path for path in (folder / "audio").glob(f"{name}.*"))
        audio.append(soundfile.read(path, dtype="float32")[0])
        if audio[-1].shape != (num_samples,):
            raise ValueError(f"{path}: {audio[-1].shape}, expected {num_samples} samples")
    values = [np.array([labels[name][key] for name in chosen], np.int32) for key in ("pitch", "velocity")]
    return np.stack(audio), *values


def other(pitch: int) -> int:
    """Return the pitch a tritone away, upwards below C5, else downwards."""
    return pitch + TRITONE if pitch < 72 else pitch - TRITONE


class Features:
    """The model's log-mel in numpy, by the constants of `model_facts.json`."""

    def __init__(self, metadata: dict) -> None:
        """Make window and mel matrix."""
        self.audio = audio = metadata["audio"]
        self.length, self.step, size = audio["frame_length"], audio["frame_step"], audio["fft_length"]
        self.window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.length) / self.length)
        edge = 1127 * np.log1p(np.array([audio["lower_edge_hertz"], audio["upper_edge_hertz"]]) / 700)
        edges = np.linspace(*edge, audio["num_mel_bins"] + 2)
        self.mel_hertz = 700 * np.expm1(edges / 1127)
        mel = 1127 * np.log1p(np.arange(size // 2 + 1)[:, None] * audio["sample_rate"] / size / 700)
        rising, falling = (mel - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - mel) / np.diff(edges)[1:]
        self.weights = np.maximum(0, np.minimum(rising, falling))
        self.weights[0] = 0  # as tf.signal.linear_to_mel_weight_matrix

    def stft(self, audio: np.ndarray) -> np.ndarray:
        """Return `[frames, bins]` of audio `[samples]`, frame i centred on sample i * step."""
        padded = np.pad(audio, self.length // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.length)[:: self.step]
        return np.fft.rfft(frames * self.window, self.audio["fft_length"])

    def inverse_stft(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the audio `[samples]` whose transform is nearest to the spectrum."""
        frames = np.fft.irfft(spectrum)[:, : self.length] * self.window
        samples = self.step * (len(frames) - 1) + self.length
        audio, power = np.zeros(samples), np.zeros(samples)
        for index, frame in enumerate(frames):
            at = slice(index * self.step, index * self.step + self.length)
            audio[at] += frame
            power[at] += self.window**2
        half = self.length // 2
        return (audio / np.maximum(power, 1e-9))[half : half + self.audio["num_samples"]]

    def nats(self, audio: np.ndarray) -> np.ndarray:
        """Return ln(mel + log_offset) `[frames, mel_bins]`."""
        return np.log(np.abs(self.stft(audio)) @ self.weights + self.audio["log_offset"])

    def to_nats(self, log_mel: np.ndarray) -> np.ndarray:
        """Return ln(mel + log_offset) of the model's normalised log-mel."""
        return log_mel * self.audio["log_mel_scale"] + self.audio["log_mel_center"]

    def griffin_lim(self, nats: np.ndarray, iterations: int = 32) -> np.ndarray:
        """Return audio `[samples]` for a log-mel: non-negative inversion, then fast Griffin-Lim."""
        mel = np.maximum(np.exp(nats) - self.audio["log_offset"], 0)
        back = (self.weights / np.maximum(self.weights.sum(axis=1), 1e-9)[:, None]).T
        magnitude = (mel / self.weights.sum(axis=0)) @ back
        for _ in range(20):
            magnitude *= (mel / np.maximum(magnitude @ self.weights, 1e-12)) @ back
        phase = np.exp(2j * np.pi * np.random.default_rng(0).random(magnitude.shape))
        previous = np.zeros_like(phase)
        for _ in range(iterations):
            found = self.stft(self.inverse_stft(magnitude * phase))
            phase, previous = found - 0.5 * previous, found
            phase /= np.maximum(np.abs(phase), 1e-20)
        audio = self.inverse_stft(magnitude * phase)
        return audio / max(1.0, np.abs(audio).max())

    def comb(self, nats: np.ndarray, pitch: int) -> float:
        """Return the level, in nats, of a log-mel on a pitch's partials above that halfway between them.

        Over 5 to 60 % of the note, and only partials that the mel bins and the window resolve; nan if there are
        none.
        """
        middle = self.mel_hertz[1:-1]
        f0, mean = hertz(pitch), nats[len(nats) // 20 : len(nats) * 3 // 5].mean(axis=0)
        resolved = self.audio["sample_rate"] / self.length
        heights = []
        for number in range(1, 9):
            partial = number * f0
            # The partial must be above the lowest bins and below the highest, with two bins up to halfway.
            width = np.diff(middle)[min(np.searchsorted(middle, partial), len(middle) - 2)]
            if f0 / 2 < max(2 * resolved, 1.5 * width) or partial + f0 / 2 > middle[-1]:
                break
            on, below, above = (np.interp(partial + part * f0, middle, mean) for part in (0, -0.5, 0.5))
            heights.append(on - 0.5 * (below + above))
        return float(np.mean(heights)) if heights else math.nan


# Pitch


class Tracker:
    """swift-f0: the median over 5 to 60 % of a note; no answer counts as out of tune."""

    def __init__(self) -> None:
        """Load the tracker's network."""
        from swift_f0 import SwiftF0

        self.detector = SwiftF0(threads=1)

    def pitch(self, audio: np.ndarray) -> float:
        """Return the MIDI pitch, or nan."""
        part = np.asarray(audio, np.float32)[len(audio) // 20 : len(audio) * 3 // 5]
        if np.abs(part).max() < 1e-3:
            return math.nan
        result = self.detector.detect(part, 16000)
        voiced = result.pitch_hz[result.confidence >= 0.5]
        return 69 + 12 * math.log2(np.median(voiced) / 440) if len(voiced) >= 3 else math.nan

    def pitches(self, audio: np.ndarray) -> np.ndarray:
        """Return the MIDI pitch of every note in a batch."""
        return np.array([self.pitch(note) for note in audio])


def in_tune(found: np.ndarray, target: np.ndarray) -> float:
    """Return the fraction of notes within 50 cents of the target pitch; nan is not."""
    return float(np.mean(np.abs(found - target) <= 0.5))


# The checks


def check_loading(
    exports: pathlib.Path, latent_dim: int | None
) -> tuple[Callable, Callable, dict[str, Callable], dict]:
    """Check signatures, and that every model computes; return (encode, decode, TFLite runners, metadata)."""
    print("Signatures")
    encoder, decoder = (tf.saved_model.load(str(newest(exports / kind))) for kind in ("encoder", "decoder"))
    encode, decode = encoder.signatures["serving_default"], decoder.signatures["serving_default"]
    # A signature holds its model's variables only as long as the loaded object lives.
    encode.owner, decode.owner = encoder, decoder
    metadata = json.loads(
        (newest(exports / "decoder") / "assets.extra" / "model_facts.json").read_text(encoding="utf-8")
    )
    dim, frames, bins = metadata["latent_dim"], metadata["num_frames"], metadata["num_mel_bins"]
    check(latent_dim in (None, dim), f"latent_dim is {dim}")
    batch = {"pitch": ([None], "int32"), "velocity": ([None], "int32")}
    vector, audio = ([None, dim], "float32"), ([None, 64000], "float32")
    log_mel, wav = ([None, frames, bins], "float32"), ([None], "string")
    posterior, notes = {"z_mean": vector, "z_log_var": vector}, {"z": vector} | batch
    takes = notes | {"seed": ([None], "int32")}
    contract = {
        "encoder": {
            "serving_default": ({"audio": audio}, posterior),
            "encode_log_mel": ({"log_mel": log_mel}, posterior),
            "encode_wav": ({"wav_bytes": wav}, posterior),
        },
        "decoder": {
            "serving_default": (notes, {"log_mel": log_mel, "audio": audio}),
            "decode_log_mel": (notes, {"log_mel": log_mel}),
            "decode_audio": (notes, {"audio": audio}),
            "decode_wav": (notes, {"wav_bytes": wav}),
            "decode_take": (takes, {"log_mel": log_mel, "audio": audio}),
            "decode_motion": (takes | {"motion": ([None], "float32")}, {"log_mel": log_mel, "audio": audio}),
        },
    }
    for kind, loaded in (("encoder", encoder), ("decoder", decoder)):
        check(set(loaded.signatures) == set(contract[kind]), f"{kind} has signatures {', '.join(loaded.signatures)}")
        for name in sorted(contract[kind].keys() & loaded.signatures.keys()):
            check_signature(f"{kind}'s {name}", loaded.signatures[name], *contract[kind][name])
    one, mel, sound = ([1], np.int32), ([1, frames, bins], np.float32), {"audio": [1, 64000]}
    files = {
        "encoder": ({"audio": ([1, 64000], np.float32)}, {"z_mean": [1, dim], "z_log_var": [1, dim]}),
        "decoder": ({"z": ([1, dim], np.float32), "pitch": one, "velocity": one}, sound | {"log_mel": mel[0]}),
        "synthesizer": ({"log_mel": mel, "pitch": one}, sound),
    }
    tflite = {
        f"{model}_{kind}": load_tflite(exports / "tflite" / f"{model}_{kind}.tflite", *files[model])
        for model, kind in (*itertools.product(("encoder", "decoder"), KINDS), ("synthesizer", "float16"))
    }
    for name, limit in MEGABYTES.items():
        size = (exports / "tflite" / f"{name}.tflite").stat().st_size / 1e6
        check(size <= limit, f"{name}.tflite has {size:.2f} MB, at most {limit}")
    for size in (1, 3):
        z = encode(audio=tf.zeros([size, 64000]))["z_mean"]
        made = decode(z=z, pitch=tf.fill([size], 60), velocity=tf.fill([size], 100))
        whole = all(np.isfinite(value.numpy()).all() and len(value) == size for value in made.values())
        check(whole, f"{size} silent notes are encoded and decoded to finite numbers")
    try:
        decode(z=z[:1], pitch=tf.constant([200]), velocity=tf.constant([100]))
        words = "no error"
    except tf.errors.InvalidArgumentError as error:
        words = str(error)
    check("pitch: expected 0 to 127, found 200" in words, "a pitch of 200 gets a sentence")
    check_takes(decoder, exports / "tflite" / "decoder_float32.tflite", dim)
    return encode, decode, tflite, metadata


def check_takes(decoder: object, path: pathlib.Path, dim: int) -> None:
    """Check that a seed gives one take, another seed another, and a TFLite file the SavedModel's."""
    from ai_edge_litert.interpreter import Interpreter

    note = {"z": np.zeros([1, dim], np.float32), "pitch": np.int32([60]), "velocity": np.int32([100])}
    take = decoder.signatures["decode_take"]
    lite = Interpreter(str(path), num_threads=1).get_signature_runner("decode_take")

    def audio(run: Callable, seed: int) -> np.ndarray:
        convert = tf.constant if run is take else np.asarray
        made = run(**{name: convert(value) for name, value in (note | {"seed": np.int32([seed])}).items()})
        return np.asarray(made["audio"])

    first, again, second = audio(take, 1), audio(take, 1), audio(take, 2)
    check((first == again).all(), "a seed gives the same take again")
    error = np.abs(first - second).max()
    check(error > 1e-3, f"another seed gives another take: {error:.1e} apart")
    error = np.abs(first - audio(lite, 1)).max()
    check(error < 2e-3, f"a take of TFLite float32 against the SavedModel's: error at most {error:.1e}")


def in_batches(function: Callable, size: int, **arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Return the function's outputs for all notes, given so many at a time."""
    parts = []
    for start in range(0, len(next(iter(arrays.values()))), size):
        made = function(**{name: tf.constant(array[start : start + size]) for name, array in arrays.items()})
        parts.append({name: value.numpy() for name, value in made.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check_parity(encode: Callable, decode: Callable, tflite: dict, metadata: dict, audio, pitch, velocity) -> None:
    """Check that batches of 1 and 7 give the same, and TFLite what the SavedModel gives."""
    print("The same for every batch size and in TFLite")
    audio, given = audio[:14], {"pitch": pitch[:14], "velocity": velocity[:14]}
    alone, seven = (in_batches(encode, size, audio=audio) for size in (1, 7))
    for name in alone:
        error = np.abs(alone[name] - seven[name]).max()
        check(error < 1e-4, f"{name}: alone against 7 notes a batch, error at most {error:.1e}")
    for kind, limit in Z_ERROR.items():
        made = [tflite[f"encoder_{kind}"](audio=audio[i : i + 1])["z_mean"] for i in range(14)]
        error = np.abs(np.concatenate(made) - alone["z_mean"])
        check(
            error.max() < limit,
            f"TFLite {kind} against the SavedModel's z_mean: error at most {error.max():.1e}, mean {error.mean():.1e}",
        )
    given["z"] = alone["z_mean"]
    alone, seven = (in_batches(decode, size, **given) for size in (1, 7))
    error = np.abs(alone["log_mel"] - seven["log_mel"]).max()
    check(error < 1e-4, f"log_mel: alone against 7 notes a batch, error at most {error:.1e}")
    error = np.abs(alone["audio"] - seven["audio"]).max()
    check(error < 1e-3, f"audio: alone against 7 notes a batch, error at most {error:.1e}")
    for kind, limit in KINDS.items():
        made = [
            tflite[f"decoder_{kind}"](**{name: value[i : i + 1] for name, value in given.items()}) for i in range(14)
        ]
        error = np.abs(np.concatenate([one["log_mel"] for one in made]) - alone["log_mel"])
        check(
            error.max() < limit,
            f"TFLite {kind} against the SavedModel's log_mel: error at most {error.max():.1e}, mean {error.mean():.1e}",
        )
        error = np.abs(np.concatenate([one["audio"] for one in made]) - alone["audio"]).max()
        # int8 gives other phases: it is judged by its tuning, below.
        if kind != "int8":
            limit = {"float32": 2e-3, "float16": 1e-2}[kind]
            check(error < limit, f"TFLite {kind} against the SavedModel's audio: error at most {error:.1e}")
    run, features = tflite["synthesizer_float16"], Features(metadata)
    for note in range(3):
        given = alone["log_mel"][note : note + 1]
        sound = run(log_mel=given, pitch=pitch[note : note + 1])["audio"][0]
        error = np.abs(features.nats(sound) - features.to_nats(given[0])).mean()
        check(error < 0.6, f"TFLite float16 synthesizer: its sound has the log-mel within {error:.2f} nats")


def check_notes(encode: Callable, decode: Callable, tflite: dict, metadata: dict, audio, pitch, velocity) -> None:
    """Check reconstruction and pitch on real notes."""
    features = Features(metadata)
    wrong = np.array([other(int(value)) for value in pitch], np.int32)
    print(f"Encoding and decoding {len(audio)} notes, at their own pitch and a tritone away")
    started = time.perf_counter()
    z = in_batches(encode, 16, audio=audio)["z_mean"]
    own, moved = (in_batches(decode, 16, z=z, pitch=target, velocity=velocity) for target in (pitch, wrong))
    print(f"  {time.perf_counter() - started:.0f} s")
    for made in (own, moved):
        finite = all(np.isfinite(value).all() for value in made.values())
        check(
            finite and np.abs(made["audio"]).max() <= 1,
            "log_mel and audio are finite, the audio within -1..1",
        )
    silent = np.sum(np.abs(own["audio"]).max(axis=1) < 1e-3)
    check(silent == 0, f"{silent} of the decoded notes are silent")

    real = np.stack([features.nats(note) for note in audio])
    decoded, shifted = features.to_nats(own["log_mel"]), features.to_nats(moved["log_mel"])
    l1 = np.abs(decoded - real).mean(axis=(1, 2))
    average = np.abs(real.mean(axis=0) - real).mean()
    check(
        l1.mean() < LOG_MEL_L1,
        f"log_mel_l1 {l1.mean():.2f} nats (median {np.median(l1):.2f}), below {LOG_MEL_L1}; "
        f"the average note has {average:.2f}",
    )
    check(l1.mean() < 0.8 * average, "and clearly nearer than the average of all notes is")

    print("Pitch in the log-mel: louder on the partials of a pitch than halfway between them, in nats")
    rows = {
        "real notes": (real, pitch, wrong),
        "decoded": (decoded, pitch, wrong),
        "decoded a tritone away": (shifted, wrong, pitch),
    }
    fractions = {}
    for name, (nats, target, other_pitch) in rows.items():
        combs = np.array(
            [[features.comb(n, p), features.comb(n, q)] for n, p, q in zip(nats, target, other_pitch, strict=True)]
        )
        combs = combs[np.isfinite(combs).all(axis=1)]
        fractions[name] = float(np.mean(combs[:, 0] > combs[:, 1]))
        print(
            f"  {name:24} target pitch {combs[:, 0].mean():5.2f}, a tritone off {combs[:, 1].mean():5.2f}; "
            f"the target is the higher in {fractions[name]:4.0%} of {len(combs)} notes"
        )
    for name in ("decoded", "decoded a tritone away"):
        check(
            fractions[name] >= 0.75,
            f"{name}: partials are at the target pitch in {fractions[name]:.0%} of notes, at least 75 %",
        )

    lite = {}
    for kind in KINDS:
        run, some = tflite[f"decoder_{kind}"], range(NOTES // 4)
        started = time.perf_counter()
        made = [run(z=z[i : i + 1], pitch=pitch[i : i + 1], velocity=velocity[i : i + 1])["audio"][0] for i in some]
        print(f"TFLite, {kind}, one thread: {1000 * (time.perf_counter() - started) / len(some):.0f} ms a note")
        lite[kind] = np.stack(made), pitch[: len(some)], wrong[: len(some)]

    print("Pitch of the sound: swift-f0's median within 50 cents")
    tracker = Tracker()
    inverted = np.stack([features.griffin_lim(nats) for nats in real[: NOTES // 2]])
    sounds = {
        "real notes": (audio, pitch, wrong),
        "Griffin-Lim of the true log-mel": (inverted, pitch[: len(inverted)], wrong[: len(inverted)]),
        "decoded": (own["audio"], pitch, wrong),
        "decoded a tritone away": (moved["audio"], wrong, pitch),
    } | {f"decoded on TFLite, {kind}": sound for kind, sound in lite.items()}
    tuned = {}
    for name, (sound, target, other_pitch) in sounds.items():
        found = tracker.pitches(sound)
        tuned[name] = in_tune(found, target), in_tune(found, other_pitch)
        print(f"  {name:32} in tune {tuned[name][0]:4.0%}, a tritone off {tuned[name][1]:4.0%}, of {len(sound)} notes")
    check(tuned["real notes"][0] > 0.8, "the tracker estimates the pitch of real notes")
    for name in list(sounds)[2:]:
        own_pitch, other_pitch = tuned[name]
        check(
            own_pitch >= IN_TUNE and own_pitch >= 5 * other_pitch,
            f"{name}: {own_pitch:.0%} in tune, at least {IN_TUNE:.0%} and five times the "
            f"{other_pitch:.0%} with the other pitch",
        )


def main() -> int:
    """Run the command; return 0 if all checks pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", type=pathlib.Path, help="the folder with encoder/, decoder/ and tflite/")
    parser.add_argument("--notes", type=pathlib.Path, metavar="FOLDER", help="a split folder of NSynth")
    parser.add_argument("--latent-dim", type=int, metavar="N", help="what it should be")
    options = parser.parse_args()
    try:
        importlib.import_module("nsynth_vae")
    except ModuleNotFoundError:
        print("nsynth_vae cannot be imported here, as it should be")
    else:
        check(False, "nsynth_vae can be imported, so this would not show that the exports work without it")
        return 1
    # Nor Keras, which comes with TensorFlow: an exported model is TensorFlow alone.
    sys.modules["keras"] = None
    encode, decode, tflite, metadata = check_loading(options.exports, options.latent_dim)
    if options.notes:
        notes = read_notes(options.notes, NOTES, metadata["num_samples"])
        check_parity(encode, decode, tflite, metadata, *notes)
        check_notes(encode, decode, tflite, metadata, *notes)
    print(f"{len(failures)} checks failed" if failures else "All checks passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
