"""What one velocity says of another: how much nearer a real note gets to its pair by responses learnt from pairs.

    python benchmarks/velocity.py --data nsynth --data extra --data starter --asked nsynth

A pair is two notes of one instrument and pitch at two velocities that are more than 0.3 nats apart, as in
`evaluation.velocity_pairs`. A response is a change of ln(mel), by frame and bin, for each unit of velocity: the least
squares of the pairs that it is learnt from, times a factor. The table has the gain on other pairs: the distance of the
real notes, less that after the response. It bounds what a model can know of the touch of instruments that it has not
heard, all else being exact.
"""

from __future__ import annotations

import numpy as np
from common import add_data_option, add_json_option, make_parser, say, write_figures

FACTORS = (0.3, 0.6, 1.0)


def read_pairs(data: list[str] | None, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ln(mel) of a split's distinct pairs `[pairs, 2, frames, bins]`, velocity differences and instruments."""
    from nsynth_vae.analysis.spectra import log_mel
    from nsynth_vae.config import AudioConfig, DataConfig
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.data.source import BadNotes
    from nsynth_vae.evaluation.velocity_pairs import LEAST_NATS, velocity_pairs

    audio = AudioConfig()
    notes = load_notes(
        DataConfig(data=tuple(data or ["starter"])), split, audio=audio, bad_notes=BadNotes("skip"), log=say
    )
    table = notes.loaded.table
    pairs = velocity_pairs(table)
    pairs = pairs[table.velocity[pairs[:, 0]] < table.velocity[pairs[:, 1]]]
    nats = {
        row: (
            log_mel(notes.loaded.read(np.array([row]))["audio"][0], audio) * audio.log_mel_scale + audio.log_mel_center
        ).astype(np.float16)
        for row in np.unique(pairs)
    }
    two = [(nats[a], nats[b]) for a, b in pairs]
    distinct = [distance(pair) > LEAST_NATS for pair in two]
    change = (table.velocity[pairs[:, 1]] - table.velocity[pairs[:, 0]]).astype(np.float32) / 100.0
    kept = np.flatnonzero(distinct)
    return np.stack([two[index] for index in kept]), change[kept], table.instrument_str[pairs[kept, 0]]


def distance(pair: np.ndarray) -> float:
    """Return how far the two notes of a pair are apart, nats."""
    return float(np.abs(np.subtract(*map(np.float32, pair))).mean())


def response(nats: np.ndarray, change: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the change of ln(mel) for 100 of velocity, `[frames, bins]`, by weighted least squares."""
    total = np.zeros(nats.shape[2:], np.float32)
    for pair, velocity, factor in zip(nats, change, weight, strict=True):
        total += factor * velocity * np.subtract(*map(np.float32, pair[::-1]))
    return total / np.sum(weight * change**2)


def gains(nats: np.ndarray, change: np.ndarray, learnt: np.ndarray, floor: float) -> list[float]:
    """Return how much nearer each pair gets, nats, in both orders."""
    found = []
    for pair, velocity in zip(nats, change, strict=True):
        first, second = map(np.float32, pair)
        apart = distance(pair)
        found.append(apart - np.abs(np.maximum(first + velocity * learnt, floor) - second).mean())
        found.append(apart - np.abs(np.maximum(second - velocity * learnt, floor) - first).mean())
    return [float(gain) for gain in found]


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Print the table and return the gains by row."""
    parser = make_parser(__doc__)
    add_data_option(parser)
    parser.add_argument(
        "--asked", action="append", metavar="DATA", help="sources of the pairs that get nearer (default: --data's)"
    )
    parser.add_argument("--split", default="test", help="of the pairs that get nearer (default: %(default)s)")
    add_json_option(parser)
    options = parser.parse_args(arguments)
    from nsynth_vae.config import AudioConfig

    floor = float(np.log(AudioConfig().log_offset))
    nats, change, names = read_pairs(options.data, "train")
    _, instrument, counts = np.unique(names, return_inverse=True, return_counts=True)
    balanced = 1.0 / counts[instrument]
    weights = {"all pairs alike": np.ones(len(names)), "all instruments alike": balanced}
    asked, by, whose = read_pairs(options.asked or options.data, options.split)
    say(f"{len(nats)} pairs of {len(counts)} instruments to learn from, {len(asked)} of {len(set(whose))} to be asked")
    found = {}
    for title, weight in weights.items():
        learnt = response(nats, change, weight)
        for factor in FACTORS:
            found[f"{title}, times {factor:g}"] = float(np.mean(gains(asked, by, factor * learnt, floor)))
    own: list[float] = []
    for name in sorted(set(whose)):
        here = whose == name
        own += gains(asked[here], by[here], response(asked[here], by[here], np.ones(int(here.sum()))), floor)
    found["each instrument's own pairs, the same ones"] = float(np.mean(own))
    apart = float(np.mean([distance(pair) for pair in asked]))
    print(f"{len(asked)} pairs of {len(set(whose))} instruments, {apart:.3f} nats apart\n")
    print("| response learnt from | gain, nats |\n|---|---|")
    for title, gain in found.items():
        print(f"| {title} | {gain:+.3f} |")
    write_figures(found, options.json)
    return found


if __name__ == "__main__":
    main()
