"""Sources of motion compared: none, takes drawn from predicted powers, and a codebook of real notes' residuals.

    python benchmarks/motion_sources.py --data ../shared/nsynth --told-apart 1200

Decodes the sustained notes of a split, and gives each median the motion of

- `steady`: nothing;
- `takes`: the model, as the package plays it;
- `codebook`: a real note: what the log-mel of a training note has beyond the decoder's smoothing. Of the notes at that
  pitch, or `REACH` semitones off, it is that of another instrument whose z is nearest. The synthesizer reads its f0.

The columns are those of `evaluate`. The last is of a network that `--told-apart` training notes train for each source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from common import add_data_option, add_json_option, make_parser, say, write_figures

REACH = 2
"""Semitones that a codebook's note may be off, if none has the pitch; partials farther off lie between the decoded."""


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print the table and return the figures of each source."""
    parser = make_parser(__doc__)
    add_data_option(parser)
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--max-notes", type=int, help="of the split (default: all)")
    parser.add_argument("--told-apart", metavar="N", type=int, default=0, help="training notes of networks")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_json_option(parser)
    options = parser.parse_args(arguments)

    from nsynth_vae.evaluation import systems
    from nsynth_vae.evaluation.measure import measure
    from nsynth_vae.evaluation.motion_report import systems_table
    from nsynth_vae.evaluation.motion_summary import groups_of, summarize_motion
    from nsynth_vae.evaluation.sound_measures import make_pool
    from nsynth_vae.evaluation.systems import System, SystemOutput, audio_of, family_names, request_own

    notes, train = (_load(options.data, split) for split in (options.split, "train"))
    bench = _Sources(train)
    sustained = np.flatnonzero(groups_of(family_names(notes.loaded.table))["sustained"])
    rows = sustained[np.linspace(0, len(sustained) - 1, options.max_notes or len(sustained)).astype(int)]
    requests = request_own(notes.loaded.table).take(rows)
    named: dict[str, Callable] = {systems.REAL: lambda of, rows: audio_of(of, rows)}
    named |= {"steady": bench.steady, "takes": bench.takes, "codebook": bench.codebook}
    records, found = {}, {}
    with make_pool(options.jobs) as pool:
        for name, play in named.items():
            say(name)
            system = System(name, requests, lambda asked, play=play: SystemOutput(play(notes, asked.note)))
            records[name] = measure(system, notes, pool, None, lambda count: None).records
    for name in list(named)[1:]:
        found[name] = summarize_motion(records[systems.REAL], records[name])
    if options.told_apart:
        kept = np.random.default_rng(0).permutation(bench.sustained)[: options.told_apart]
        for name in found:
            say(f"network, {name}")
            found[name]["told_apart_by_network"] = bench.told_apart(named[name], kept, notes, rows)
    table = systems_table(found, {systems.REAL: "real notes"} | {name: name for name in found})
    print(f"{len(rows)} sustained notes\n\n{table}")
    for name, one in found.items():
        if "told_apart_by_network" in one:
            print(f"{name}, told apart by a network: {one['told_apart_by_network']:.2f}")
    write_figures(found, options.json)
    return found


def _load(data: Iterable[str] | None, split: str) -> Any:
    from nsynth_vae.config import AudioConfig, DataConfig
    from nsynth_vae.data.load_notes import load_notes
    from nsynth_vae.data.source import BadNotes

    config = DataConfig(data=tuple(data or ["starter"]))
    return load_notes(config, split, audio=AudioConfig(), bad_notes=BadNotes("skip"), log=say)


class _Sources:
    """The shipped model, and the training notes whose residuals are the codebook."""

    def __init__(self, train: Any) -> None:
        import tensorflow as tf

        from nsynth_vae.evaluation.motion_summary import groups_of
        from nsynth_vae.evaluation.systems import audio_of, family_names
        from nsynth_vae.model.vae import load_model
        from nsynth_vae.pretrained import TIMBRE_MODEL
        from nsynth_vae.synthesis.vocoder import vocoder_for

        self.train, (vae, self.config) = train, load_model(TIMBRE_MODEL)
        self.audio_of, self.vocoder = audio_of, vocoder_for(self.config.audio)
        self.encode = tf.function(lambda log_mel: vae.encoder(log_mel)[0], reduce_retracing=True)
        self.decode = tf.function(vae.decoder.take, reduce_retracing=True)
        self.sustained = np.flatnonzero(groups_of(family_names(train.loaded.table))["sustained"])
        self.z = np.concatenate([self._encode(train, rows)[1] for rows in _batches(self.sustained)])

    def steady(self, notes: Any, rows: np.ndarray) -> np.ndarray:
        """Return the audio of notes without motion."""
        return self._played(notes, rows, 0.0)

    def takes(self, notes: Any, rows: np.ndarray) -> np.ndarray:
        """Return the audio of notes as the model plays them, each another take."""
        return self._played(notes, rows, 1.0)

    def codebook(self, notes: Any, rows: np.ndarray) -> np.ndarray:
        """Return the audio of medians that move as the nearest training notes do."""
        from nsynth_vae.model.decoder import smoothing_matrix

        table, own = self.train.loaded.table, notes.loaded.table.take(rows)
        take = self._take(notes, rows, 0.0)
        z, chosen = self._encode(notes, rows)[1], []
        for vector, pitch, instrument in zip(z, own.pitch, own.instrument_str, strict=True):
            apart = np.abs(table.pitch[self.sustained] - pitch).astype(np.float64)
            apart[table.instrument_str[self.sustained] == instrument] = np.inf
            distance = np.linalg.norm(self.z[:, 1:] - vector[1:], axis=1)
            distance[apart > min(apart.min(), REACH)] = np.inf
            chosen.append(self.sustained[np.argmin(distance)] if np.isfinite(distance).any() else -1)
        nearest = np.array(chosen)
        moving = self._encode(self.train, np.maximum(nearest, 0))[0]
        residual = moving - smoothing_matrix(self.config.audio) @ moving
        residual[nearest < 0] = 0.0
        return self._sound(take.log_mel + residual, notes, rows, None)

    def told_apart(self, play: Callable, kept: np.ndarray, notes: Any, rows: np.ndarray) -> float:
        """Return the accuracy of a network that tells notes of a source from real ones."""
        from nsynth_vae.evaluation import told_apart

        def inputs(make: Callable, of: Any, which: np.ndarray) -> np.ndarray:
            return np.concatenate([told_apart.network_inputs(make(of, batch)) for batch in _batches(which)])

        network = told_apart.train_network(inputs(self.audio_of, self.train, kept), inputs(play, self.train, kept))
        told = told_apart.by_network(network, inputs(self.audio_of, notes, rows), inputs(play, notes, rows))
        return float(told.mean())

    def _encode(self, notes: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from nsynth_vae.features import log_mels

        log_mel = log_mels(self.audio_of(notes, rows), self.config.audio)
        return log_mel, self.encode(log_mel).numpy()

    def _take(self, notes: Any, rows: np.ndarray, motion: float) -> Any:
        own = notes.loaded.table.take(rows)
        amount = np.full(len(rows), motion, np.float32)
        return self.decode(self._encode(notes, rows)[1], own.pitch, own.velocity, rows.astype(np.int32), amount)

    def _played(self, notes: Any, rows: np.ndarray, motion: float) -> np.ndarray:
        take = self._take(notes, rows, motion)
        return self._sound(take.log_mel, notes, rows, take.partials)

    def _sound(self, log_mel: Any, notes: Any, rows: np.ndarray, motion: Any) -> np.ndarray:
        pitch = notes.loaded.table.pitch[rows]
        return self.vocoder(log_mel, pitch, rows.astype(np.int32), motion).numpy()


def _batches(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, len(rows) // 32))


if __name__ == "__main__":
    main()
