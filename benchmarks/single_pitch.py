"""Sounds without a single pitch that get one, and real notes that get none or another: a table.

    python benchmarks/single_pitch.py --data ../shared/nsynth
    python benchmarks/single_pitch.py --data ../shared/nsynth --seed 1 --notes 1000 --sounds 40

Chords, clusters, bells, cymbals, drums, glides, melodies, noise and inharmonic FM are made here, chords also as sums of
notes of --data, all from --seed. Each must be refused. The notes of --data must get a pitch, but their octave is a
matter of judgement: some instruments of NSynth sound an octave below or above their labels.
"""

from __future__ import annotations

import argparse
import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from common import add_data_option, add_json_option, make_parser, say, write_figures

RATE = 16000
TIME = np.arange(4 * RATE) / RATE

CHORDS = {
    "dyad": (
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (0, 5),
        (0, 6),
        (0, 7),
        (0, 8),
        (0, 9),
        (0, 10),
        (0, 11),
        (0, 14),
        (0, 16),
    ),
    "triad": ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8), (0, 5, 7), (0, 2, 7), (0, 7, 16), (0, 3, 8), (0, 5, 9)),
    "chord of four": ((0, 4, 7, 11), (0, 3, 7, 10), (0, 4, 7, 10), (0, 4, 7, 12), (0, 4, 7, 10, 14), (0, 3, 6, 9)),
    "cluster": ((0, 1, 2), (0, 2, 4), (0, 1, 2, 3, 4), (0, 2, 3, 5, 7)),
}
"""Semitones above the lowest note. Octaves are no chords."""

WAVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "saw": lambda k: 1.0 / k,
    "square": lambda k: (k % 2) / k,
    "sine": lambda k: 1.0 * (k == 1),
    "soft": lambda k: k**-2.0,
    "organ": lambda k: 1.0 * np.isin(k, (1, 2, 3, 4, 6, 8)),
    "pluck": lambda k: np.abs(np.sin(0.25 * np.pi * k)) * k**-1.2,
    "reed": lambda k: np.exp(-k / 6.0),
}

BELLS = {
    "church": (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.667, 3.0, 4.1, 5.2),
    "risset": (0.56, 0.92, 1.19, 1.7, 2.0, 2.74, 3.0, 3.76, 4.07),
    "tubular": (1.0, 1.5, 2.09, 2.72, 3.4, 4.1, 4.85),
}
"""Partials as multiples of the strike note; Risset's of his 1969 catalogue."""


def hertz(pitch: np.ndarray | float) -> np.ndarray | float:
    """Return the frequency of a MIDI pitch."""
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def partials(
    rng: np.random.Generator, frequencies: np.ndarray, amplitudes: np.ndarray, decays: np.ndarray
) -> np.ndarray:
    """Return a sum of decaying sines of random phase, decays in seconds."""
    audio = np.zeros(TIME.size)
    for frequency, amplitude, decay in zip(*np.broadcast_arrays(frequencies, amplitudes, decays), strict=True):
        if frequency < 7800.0 and amplitude > 1e-4:
            phase = rng.uniform(0, 2 * np.pi)
            audio += amplitude * np.sin(2 * np.pi * frequency * TIME + phase) * np.exp(-TIME / decay)
    return audio * np.minimum(1.0, TIME / 0.005)


def chord(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return notes of one timbre and decay, tuned within 3 cents and within 3 dB of each other."""
    intervals = CHORDS[kind][rng.integers(len(CHORDS[kind]))]
    lowest, decay = rng.integers(40, 73), rng.uniform(0.5, 8.0)
    wave = WAVES[str(rng.choice(list(WAVES)))]
    audio = np.zeros(TIME.size)
    for interval in intervals:
        f0 = hertz(lowest + interval + rng.normal(0, 0.03))
        numbers = np.arange(1, int(7600 / f0) + 1)
        note = partials(rng, numbers * f0, wave(numbers), decay)
        audio += 10 ** (rng.uniform(-3, 3) / 20) * note / np.sqrt(np.square(note[:RATE]).mean())
    return audio


def bell(rng: np.random.Generator) -> np.ndarray:
    """Return a church, Risset's, a tubular or another bell, or a gong."""
    kind = str(rng.choice([*BELLS, "gong", "other"]))
    other = rng.uniform(0.5, 6.0, 25 if kind == "gong" else 9)
    ratios = np.array(BELLS.get(kind, other)) * 2.0 ** (rng.normal(0, 10, len(BELLS.get(kind, other))) / 1200)
    amplitudes = 10 ** (rng.uniform(-10, 0, ratios.size) / 20)
    return partials(rng, hertz(rng.uniform(52, 84)) * ratios, amplitudes, rng.uniform(1.5, 6.0) / np.sqrt(ratios))


def cymbal(rng: np.random.Generator) -> np.ndarray:
    """Return 40 to 200 inharmonic partials."""
    count = rng.integers(40, 200)
    frequencies = np.exp(rng.uniform(np.log(rng.uniform(200, 800)), np.log(7800), count))
    return partials(rng, frequencies, rng.uniform(0.1, 1.0, count), rng.uniform(0.2, 2.5, count))


def band(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Return noise of a band, 24 dB an octave beyond it."""
    frequencies = np.maximum(np.fft.rfftfreq(TIME.size, 1 / RATE), 1.0)
    gain = 1.0 / (1.0 + (low / frequencies) ** 8 + (frequencies / high) ** 8)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(TIME.size)) * gain, TIME.size)


def noise(rng: np.random.Generator) -> np.ndarray:
    """Return white noise, noise of a band, wind, or a clap."""
    kind = rng.integers(4)
    center = np.exp(rng.uniform(np.log(150), np.log(5000)))
    if kind == 0:
        return rng.standard_normal(TIME.size)
    if kind == 1:
        return band(rng, center / 1.5, center * 1.5)
    if kind == 2:
        return band(rng, 200, 1500) * (1.0 + 0.6 * np.sin(2 * np.pi * 0.7 * TIME))
    return rng.standard_normal(TIME.size) * np.exp(-TIME / rng.uniform(0.03, 0.3))


def drum(rng: np.random.Generator) -> np.ndarray:
    """Return a membrane (modes of an ideal one), a snare, or a bass drum whose pitch falls."""
    kind, f0 = rng.integers(3), rng.uniform(70, 250)
    if kind == 0:
        ratios = np.array([1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501, 3.6])
        modes = partials(rng, f0 * ratios, rng.uniform(0.4, 1.0, 9), rng.uniform(0.08, 0.5, 9))
        return modes + 0.3 * band(rng, 100, 4000) * np.exp(-TIME / 0.05)
    if kind == 1:
        rattle = 2.0 * band(rng, 500, 7000) * np.exp(-TIME / rng.uniform(0.08, 0.25))
        return partials(rng, f0 * np.array([1.0, 1.59, 2.3]), np.array([1.0, 0.7, 0.5]), 0.1) + rattle
    fall = 45.0 + rng.uniform(100, 300) * np.exp(-TIME / rng.uniform(0.05, 0.12))
    return np.sin(2 * np.pi * np.cumsum(fall) / RATE) * np.exp(-TIME / rng.uniform(0.1, 0.3))


def glide(rng: np.random.Generator) -> np.ndarray:
    """Return a glide of 4 to 24 semitones, a siren or a fall, of a sine or a sawtooth."""
    kind, start = rng.integers(4), rng.uniform(48, 76)
    if kind < 2:
        end = start + rng.choice([-1, 1]) * rng.uniform(4, 24)
        position = np.clip(TIME / rng.uniform(1, 4), 0, 1)
        f0 = hertz(start + (end - start) * position) if kind else hertz(start) + (hertz(end) - hertz(start)) * position
    elif kind == 2:
        f0 = hertz(start + rng.uniform(3, 8) * np.sin(2 * np.pi * rng.uniform(0.2, 1.5) * TIME))
    else:
        f0 = hertz(start - rng.uniform(5, 15) * np.clip((TIME - rng.uniform(0.2, 0.6)) / 2, 0, 1))
    return _wave(rng, f0)


def melody(rng: np.random.Generator) -> np.ndarray:
    """Return two to eight notes, one after the other."""
    count = rng.integers(2, 9)
    steps = rng.choice([2, 3, 4, 5, 7, -2, -3, -4, -5], count).cumsum()
    return _wave(rng, hertz(rng.uniform(48, 72) + steps[np.minimum((TIME / (3 / count)).astype(int), count - 1)]))


def _wave(rng: np.random.Generator, f0: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    numbers = range(1, 2 if rng.integers(2) else 25)
    audio = sum(np.sin(k * phase) / k**1.2 * (k * f0 < 7600) for k in numbers)
    return audio * np.minimum(1.0, TIME / 0.01) * np.exp(-TIME / rng.uniform(2, 20))


def metal(rng: np.random.Generator) -> np.ndarray:
    """Return frequency modulation of an irrational ratio (Chowning 1973)."""
    f0, ratio = hertz(rng.uniform(50, 72)), rng.choice([1.414, 1.618, 2.236, 0.707, 2.199])
    index = rng.uniform(3, 8) * np.exp(-TIME / rng.uniform(2, 8))
    audio = np.sin(2 * np.pi * f0 * TIME + index * np.sin(2 * np.pi * f0 * ratio * TIME))
    return audio * np.exp(-TIME / rng.uniform(1, 4))


KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    **{name: (lambda rng, name=name: chord(rng, name)) for name in CHORDS},
    **{f.__name__: f for f in (bell, cymbal, drum, glide, melody, noise, metal)},
}
"""Sounds without a single pitch."""


def make_sound(kind: str, seed: int, number: int) -> np.ndarray:
    """Return a sound of `KINDS`, float32 `[64000]`, -20 to -1 dB of full scale; a pure function of its arguments."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    return _scaled(rng, KINDS[kind](rng))


def _scaled(rng: np.random.Generator, audio: np.ndarray) -> np.ndarray:
    return (audio / np.abs(audio).max() * 10 ** (rng.uniform(-20, -1) / 20)).astype(np.float32)


def sums_of_notes(table: Any, read: Callable[[int], np.ndarray], seed: int, count: int) -> list[np.ndarray]:
    """Return chords of real notes, each of one instrument."""
    rng = np.random.default_rng([seed, 99])
    rows: dict[str, dict[int, int]] = collections.defaultdict(dict)
    for row, (instrument, pitch) in enumerate(zip(table.instrument_str, table.pitch, strict=True)):
        rows[instrument][int(pitch)] = row
    choices = [
        [notes[lowest + interval] for interval in intervals]
        for notes in rows.values()
        for lowest in notes
        if 36 <= lowest <= 76
        for kind in CHORDS.values()
        for intervals in kind
        if all(lowest + interval in notes for interval in intervals)
    ]
    sums = []
    for number in rng.choice(len(choices), min(count, len(choices)), replace=False):
        notes = [read(row) for row in choices[number]]
        levels = 10 ** (rng.uniform(-3, 3, len(notes)) / 20)
        parts = [a * note / np.sqrt(np.square(note[:RATE]).mean()) for a, note in zip(levels, notes, strict=True)]
        sums.append(_scaled(rng, np.sum(parts, axis=0)))
    return sums


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return, for each kind, the number of sounds and of those that got a pitch; and what became of real notes."""
    from nsynth_vae.analysis.single_pitch import find_single_pitch
    from nsynth_vae.config import AudioConfig
    from nsynth_vae.data.open_sources import open_sources
    from nsynth_vae.data.source import BadNotes

    unpitched = {}
    for kind in KINDS:
        found = [find_single_pitch(make_sound(kind, options.seed, number)) for number in range(options.sounds)]
        unpitched[kind] = (len(found), sum(one is not None for one in found))
    say("notes")
    source = open_sources(options.data or ["starter"], audio=AudioConfig(), bad_notes=BadNotes("skip"), log=say)

    def read(row: int) -> np.ndarray:
        return source.read(row)[0]

    sums = sums_of_notes(source.table, read, options.seed, options.sounds)
    unpitched["real notes in chords"] = (len(sums), sum(find_single_pitch(audio) is not None for audio in sums))
    size = len(source.table)
    rows = np.random.default_rng(options.seed).choice(size, min(options.notes, size), replace=False)
    outcome: dict[str, list[str]] = {"right": [], "octave": [], "other": [], "refused": []}
    for row in rows:
        found = find_single_pitch(read(int(row)))
        off = None if found is None else found[0] - int(source.table.pitch[row])
        kind = "refused" if off is None else "right" if off == 0 else "octave" if off % 12 == 0 else "other"
        outcome[kind].append(str(source.table.note_str[row]))
    return {"unpitched": unpitched, "notes": outcome}


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = ["| sounds without a single pitch | sounds | got a pitch |", "|---|---|---|"]
    counts = {**found["unpitched"], "all": tuple(np.sum(list(found["unpitched"].values()), axis=0))}
    lines += [f"| {kind} | {total} | {wrong / max(total, 1):.1%} |" for kind, (total, wrong) in counts.items()]
    total = sum(map(len, found["notes"].values()))
    lines += ["", "| real notes | notes | |", "|---|---|---|"]
    lines += [f"| {kind} | {len(names)} | {len(names) / total:.1%} |" for kind, names in found["notes"].items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Print the table and return the figures."""
    parser = make_parser(__doc__)
    add_data_option(parser, "real notes")
    parser.add_argument("--sounds", type=int, default=6, help="of each kind (default: %(default)s)")
    parser.add_argument("--notes", type=int, default=300, help="real notes (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="decides every sound and which notes (default: %(default)s)"
    )
    add_json_option(parser, "figures, with the notes' names,")
    options = parser.parse_args(arguments)
    found = measure(options)
    print(table(found))
    write_figures(found, options.json)
    return found


if __name__ == "__main__":
    main()
