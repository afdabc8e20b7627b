"""Multisampled instrument of a timbre."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.cli.types import check_midi
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text, writing
from nsynth_vae.instruments import sfz
from nsynth_vae.instruments.multisample import Sample, sample_notes
from nsynth_vae.latent.expression import find
from nsynth_vae.notes import format_note_str
from nsynth_vae.rendering import sounds

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup


STEP = 3
"""Semitones from one sampled key to the next."""


@dataclasses.dataclass(frozen=True)
class Instrument:
    """A timbre, sampled."""

    model: str
    config: AudioConfig
    timbre: str
    z: np.ndarray
    """float32 `[latent_dim]`."""
    samples: tuple[Sample, ...]
    """Key by key, for each velocity by velocity; all keys at all velocities."""
    log_mels: np.ndarray
    """float32 `[keys, frames, mel_bins]`, of the highest velocity, as decoded."""

    def write(self, output: str | os.PathLike) -> pathlib.Path:
        """Writes `NAME.sfz`, `samples/*.wav`, `instrument.json` and `keyboard.png`; NAME is the folder's.

        Returns:
            The SFZ file.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        from nsynth_vae.notes import note_name
        from nsynth_vae.rendering import plots

        name = re.sub(r"[^\w.]+", "_", pathlib.Path(output).resolve().name).strip("._") or "instrument"
        regions = self.regions(name)
        record = {
            "format_version": 1,
            "model": self.model,
            "timbre": self.timbre,
            "z": self.z.tolist(),
            "sample_rate": self.config.sample_rate,
            "samples": [
                {"file": region.sample, "velocity": sample.velocity, "kind": sample.kind, "heard_cents": sample.cents}
                | {key: value for key, value in dataclasses.asdict(region).items() if key != "sample"}
                for sample, region in zip(self.samples, regions, strict=True)
            ],
        }
        comments = (f"{name}: {self.timbre}", f"made by nsynth_vae.instrument with the model {self.model}")
        with writing(output, "instrument.json", record) as folder:
            (folder / "samples").mkdir()
            for sample, region in zip(self.samples, regions, strict=True):
                data = sfz.wav_bytes(sample.audio, self.config.sample_rate, pitch=sample.pitch, loop=sample.loop)
                (folder / region.sample).write_bytes(data)
            captions = [note_name(pitch) for pitch in self.keys]
            plots.plot_contact_sheet(self.log_mels, captions, 6, self.config, folder / "keyboard.png")
            write_text(folder / f"{name}.sfz", sfz.format_sfz(regions, comments))
        return pathlib.Path(output) / f"{name}.sfz"

    @property
    def keys(self) -> list[int]:
        """The sampled MIDI pitches."""
        return sorted({sample.pitch for sample in self.samples})

    def regions(self, name: str) -> list[sfz.Region]:
        """Returns which keys and velocities play which sample; samples are named as notes of instrument `name`."""
        velocities = sorted({sample.velocity for sample in self.samples})
        keys_of = dict(zip(self.keys, sfz.spread(self.keys), strict=True))
        velocities_of = dict(zip(velocities, sfz.spread(velocities), strict=True))
        return [
            sfz.Region(
                sample=f"samples/{format_note_str(name, sample.pitch, sample.velocity)}.wav",
                pitch=sample.pitch,
                keys=keys_of[sample.pitch],
                velocities=velocities_of[sample.velocity],
                cents=0 if sample.cents is None else -round(sample.cents),
                loop=sample.loop,
                release_seconds=sample.release_seconds,
            )
            for sample in self.samples
        ]


def make_instrument(
    points: TimbreLookup,
    timbre: str | Timbre,
    *,
    pitches: tuple[int, int] = (36, 84),
    velocities: Sequence[int] = (50, 100, 127),
) -> Instrument:
    """Decodes a timbre at every third semitone of a range, at several velocities, and prepares it for a sampler.

    A sustained note is sampled up to its loop's end, and the loop once more at one level, as its loop. A note that
    decays is sampled until it is silent, without a loop: held on for as long as it takes, as `loops.held` does. What
    velocities differ in is their timbre: their mean levels are made the same, since samplers set the level.

    Args:
        points: the model, and what names and files stand for.
        timbre: a file, a note, a name, an expression or a point.
        pitches: MIDI, the lowest key sampled, and the highest at most.
        velocities: MIDI, in any order.

    Raises:
        InputError: for a timbre that is not known, and pitches or velocities outside 0 to 127.
    """
    _check(pitches, velocities)
    model = points.model
    (point,) = find([timbre], points)
    keys = list(range(pitches[0], pitches[1] + 1, STEP))
    velocities = sorted(set(velocities))
    grid = [(pitch, velocity) for pitch in keys for velocity in velocities]
    played = model.decode(np.repeat(point.z[None], len(grid), axis=0), *np.array(grid).T)
    samples = sample_notes(played.audio, grid, model.config.sample_rate)
    log_mels = played.log_mel[len(velocities) - 1 :: len(velocities)]
    return Instrument(model.name, model.config, point.name, point.z, samples, log_mels)


def _check(pitches: tuple[int, int], velocities: Sequence[int]) -> None:
    for flag, values in (("--pitches", pitches), ("--velocities", velocities)):
        for value in values:
            check_midi(flag, value)
    if pitches[0] > pitches[1]:
        raise InputError(f"--pitches: found {pitches[0]}-{pitches[1]}, expected LOW-HIGH")
    if not velocities:
        raise InputError("--velocities: found none, expected at least one")
    notes = len(range(pitches[0], pitches[1] + 1, STEP)) * len(set(velocities))
    if notes > sounds.MOST_NOTES:
        raise InputError(
            f"--velocities: found {len(set(velocities))}, that is {notes} samples, "
            f"expected {sounds.MOST_NOTES} samples at most"
        )
