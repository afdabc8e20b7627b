"""Notes as recordings: how far their latent vectors are from those of the clean notes, a table.

    python benchmarks/recordings.py --data ../shared/nsynth/nsynth-test
    python benchmarks/recordings.py --data ../shared/nsynth/nsynth-test --seed 1 --notes 100

Notes of --data are written as files with what recordings have: an offset, hum, noise, a count-in, channels that cancel
out, a low level. Each file is read as every command reads it, and encoded by the shipped model in LiteRT. The distance
is |z - z of the clean note's file| / |z of that|. `as it is` is the distance if nothing is removed and no level is set.
`decoded` is the mean |difference| of the log-mels of the decoded note and of the clean one, nats. Levels are in dB of
full scale; the notes peak at -3 dB at most. Files have 24 bits and 44.1 kHz.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from common import add_data_option, add_json_option, make_parser, say, write_figures

RATE = 44100
LEAD_IN = 3 * RATE // 2

HUM = ((1, 1.0), (2, 0.5), (3, 0.4), (4, 0.2), (5, 0.25), (6, 0.1), (7, 0.12))
"""Multiples of the mains' frequency, and their amplitudes."""

Note = tuple[np.ndarray, int, np.random.Generator]
"""Audio float64 `[samples]` at `RATE`, MIDI pitch, and what makes the noise."""


def lead_in(audio: np.ndarray) -> np.ndarray:
    """Return a note after 1.5 s of silence."""
    return np.append(np.zeros(LEAD_IN), audio)


def count_in(audio: np.ndarray) -> np.ndarray:
    """Return a note after three clicks of a metronome, half a second apart."""
    time = np.arange(round(0.03 * RATE)) / RATE
    click = 0.8 * np.sin(2 * np.pi * 1000 * time) * np.exp(-time / 0.006)
    return np.concatenate([np.tile(np.append(click, np.zeros(RATE // 2 - click.size)), 3), audio])


def add_hum(audio: np.ndarray, rng: np.random.Generator, level_db: float = -36.0) -> np.ndarray:
    """Return audio with mains hum of a random phase, frequency near 50 or 60 Hz."""
    hertz, time = rng.choice([50, 60]) + rng.uniform(-0.05, 0.05), np.arange(audio.size) / RATE
    hum = sum(a * np.sin(2 * np.pi * (k * hertz * time + rng.uniform())) for k, a in HUM)
    return audio + hum * 10 ** (level_db / 20) / np.sqrt(np.mean(np.square(hum)))


def add_noise(audio: np.ndarray, rng: np.random.Generator, level_db: float = -38.0) -> np.ndarray:
    """Return audio with white noise."""
    return audio + rng.normal(scale=10 ** (level_db / 20), size=audio.size)


def late(audio: np.ndarray, pitch: int) -> np.ndarray:
    """Return two channels, the second of them half a period late."""
    half = max(1, round(RATE / (880.0 * 2.0 ** ((pitch - 69) / 12))))
    return np.stack([audio, np.append(np.zeros(half), audio[:-half])], 1)


def opposite(audio: np.ndarray) -> np.ndarray:
    """Return two channels of opposite phase."""
    return np.stack([audio, -audio], 1)


def everything(note: Note, *, noise: bool) -> np.ndarray:
    """Return a note with a lead-in, hum, an offset of 1 %, and opposite channels, 30 dB quieter; and noise if asked."""
    audio, _, rng = note
    recorded = add_hum(lead_in(audio), rng)
    recorded = add_noise(recorded, rng) if noise else recorded
    return (opposite(recorded) + 0.01) * 10**-1.5


CONDITIONS: dict[str, Callable[[Note], np.ndarray]] = {
    "lead-in of 1.5 s": lambda note: lead_in(note[0]),
    "count-in of three clicks": lambda note: count_in(note[0]),
    "offset of 1 %": lambda note: note[0] + 0.01,
    "offset of 1 %, lead-in": lambda note: lead_in(note[0]) + 0.01,
    "stereo, one channel at half": lambda note: np.stack([note[0], 0.5 * note[0]], 1),
    "stereo of opposite phase": lambda note: opposite(note[0]),
    "stereo, half a period late": lambda note: late(note[0], note[1]),
    "-30 dB": lambda note: note[0] * 10**-1.5,
    "hum at -36 dB, lead-in": lambda note: add_hum(lead_in(note[0]), note[2]),
    "hum at -36 dB": lambda note: add_hum(note[0], note[2]),
    "all of these": lambda note: everything(note, noise=False),
    "-30 dB, 16 bits": lambda note: np.round(note[0] * 10**-1.5 * 2**15) / 2**15,
    "noise at -60 dB, lead-in": lambda note: add_noise(lead_in(note[0]), note[2], -60.0),
    "noise at -38 dB, lead-in": lambda note: add_noise(lead_in(note[0]), note[2]),
    "noise at -38 dB": lambda note: add_noise(note[0], note[2]),
    "all of these, noise at -38 dB": lambda note: everything(note, noise=True),
}


def read_notes(data: Sequence[str] | None, count: int, seed: int) -> tuple[list[tuple[np.ndarray, int]], np.ndarray]:
    """Return (audio at 16 kHz, MIDI pitch) of random notes, and their velocities."""
    from nsynth_vae.config import AudioConfig
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.source import BadNotes

    source = open_sources(data or ["starter"], audio=AudioConfig(), bad_notes=BadNotes("skip"), log=say)
    size = len(source.table)
    rows = np.random.default_rng(seed).choice(size, min(count, size), replace=False)
    notes = [(source.read(int(row))[0], int(source.table.pitch[row])) for row in rows]
    return notes, source.table.velocity[rows]


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return for each condition the distances of the notes as read and as they are, and what was said of the first."""
    import soundfile

    from nsynth_vae import features, timbre_model
    from nsynth_vae.analysis.sound_files import Sound, read_sound, resample
    from nsynth_vae.api import load_model

    model = load_model(report=say)
    notes, velocities = read_notes(options.data, options.notes, options.seed)
    pitches = np.array([pitch for _, pitch in notes])

    def read(channels: np.ndarray, *, as_is: bool = False) -> Sound:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "note.wav")
            soundfile.write(path, channels, RATE, subtype="PCM_24")
            return read_sound(path, model.config, as_is=as_is)

    def encode(sounds: Sequence[np.ndarray]) -> np.ndarray:
        return timbre_model.TimbreModel.encode(model, np.stack(sounds))

    def distances(z: np.ndarray, target: np.ndarray) -> list[float]:
        return (np.linalg.norm(z - target, axis=1) / np.linalg.norm(target, axis=1)).tolist()

    # What is added does not clip.
    notes = [(audio * np.float32(min(1.0, 0.7 / np.abs(audio).max())), pitch) for audio, pitch in notes]
    left = encode([audio for audio, _ in notes])
    notes = [(resample(audio, model.config.sample_rate, RATE).astype(np.float64), pitch) for audio, pitch in notes]
    clean_notes = np.stack([read(audio).audio for audio, _ in notes])
    clean, clean_mels = encode(clean_notes), features.log_mels(clean_notes, model.config)

    def decoded(z: np.ndarray) -> list[float]:
        difference = model.decode_log_mel(z, pitches, velocities) - clean_mels
        return (model.config.log_mel_scale * np.abs(difference).mean(axis=(1, 2))).tolist()

    found = {"the clean note": {"distances": [0.0], "as_is": [0.0], "decoded": decoded(clean), "said": []}}
    for name, record in CONDITIONS.items():
        say(name)
        rngs = [np.random.default_rng([options.seed, number]) for number in range(len(notes))]
        recorded = [record((*note, rng)) for note, rng in zip(notes, rngs, strict=True)]
        sounds = [read(channels) for channels in recorded]
        z = encode([sound.audio for sound in sounds])
        found[name] = {
            "distances": distances(z, clean),
            "decoded": decoded(z),
            "as_is": distances(encode([read(channels, as_is=True).audio for channels in recorded]), left),
            "said": list(sounds[0].warnings),
        }
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| recording | median | 95th percentile | within 10 % | as it is, median | decoded |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        distances = np.array(row["distances"])
        figures = np.median(distances), np.quantile(distances, 0.95), np.mean(distances <= 0.1), np.median(row["as_is"])
        cells = [f"{100 * one:.0f} %" for one in figures] + [f"{np.mean(row['decoded']):.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Print the table and return the figures."""
    parser = make_parser(__doc__)
    add_data_option(parser)
    parser.add_argument("--notes", type=int, default=40, help="notes (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="decides which notes, and their noise and hum (default: %(default)s)"
    )
    add_json_option(parser, "figures of every note")
    options = parser.parse_args(arguments)
    found = measure(options)
    print(table(found))
    write_figures(found, options.json)
    return found


if __name__ == "__main__":
    main()
