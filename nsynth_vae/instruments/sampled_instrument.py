"""Multisampled instrument of a timbre: WAVs, and a file for samplers in one or more formats."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.cli.types import check_midi
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import expand, write_text, writing
from nsynth_vae.instruments import sfz
from nsynth_vae.instruments.dspreset import format_dspreset
from nsynth_vae.instruments.multisample import Region, Sample, nearest_ranges, sample_notes
from nsynth_vae.instruments.sf2 import format_sf2
from nsynth_vae.instruments.takes import following_takes
from nsynth_vae.latent.expression import find_timbres
from nsynth_vae.notes import format_note_str, highest_pitch, note_name
from nsynth_vae.rendering.notebook import NotebookDisplay
from nsynth_vae.rendering.sounds import MOST_NOTES, file_name

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup
    from nsynth_vae.rendering.plots import Target

FORMATS = ("sfz", "dspreset", "sf2")
"""Files for samplers: SFZ, DecentSampler, SoundFont 2. The first is the default."""

_RECORDED = ("pitch", "velocity", "take", "kind", "loop", "release_seconds")

MOST_TAKES = 16

STEP = 3
"""Semitones from one sampled key to the next."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instrument(NotebookDisplay):
    """A sampled timbre."""

    model: str
    config: AudioConfig
    timbre: str
    z: np.ndarray
    """float32 `[latent_dim]`."""
    samples: tuple[Sample, ...]
    """Key by key, for each velocity by velocity, for each take by take; all keys at all velocities."""
    log_mels: np.ndarray
    """float32 `[keys, frames, mel_bins]`, of the highest velocity, as decoded."""

    @property
    def keys(self) -> list[int]:
        """The sampled MIDI pitches."""
        return sorted({sample.pitch for sample in self.samples})

    @property
    def velocities(self) -> list[int]:
        """The sampled MIDI velocities."""
        return sorted({sample.velocity for sample in self.samples})

    @property
    def takes(self) -> int:
        """Takes of each key and velocity, which samplers play in turn."""
        return 1 + max(sample.take for sample in self.samples)

    @property
    def audio(self) -> np.ndarray:
        """The beginning of each key's first sample of the highest velocity, `[keys, num_samples]`, -1..1."""
        each = len(self.velocities) * self.takes
        samples = self.samples[each - self.takes :: each]
        audio = np.zeros([len(samples), self.config.num_samples], np.float32)
        for row, sample in zip(audio, samples, strict=True):
            row[: len(sample.audio)] = sample.audio[: len(row)]
        return audio

    def plot(self, target: Target) -> None:
        """Write the spectrograms of the keys, as PNG to a path or a binary file."""
        from nsynth_vae.rendering import plots

        plots.plot_contact_sheet(list(self.log_mels), [note_name(pitch) for pitch in self.keys], 6, self.config, target)

    def save(
        self, output: str | os.PathLike, *, picture: bool = True, formats: Sequence[str] = FORMATS[:1]
    ) -> pathlib.Path:
        """Write `NAME.sfz`, `samples/*.wav`, `instrument.json` and the picture `keyboard.png`; NAME is the folder's.

        Args:
            output: the folder.
            picture: draw it.
            formats: of `FORMATS`; each gets a file of its suffix.

        Returns:
            The file of the first format.

        Raises:
            InputError: for an unknown format, or if it cannot be written; nothing is left then.
        """
        check_formats(formats)
        # `#` begins a directive in SFZ, and `-` the pitch in a note's name.
        name = file_name(re.sub(r"[^\w.]+", "_", expand(output).resolve().name), "instrument")
        regions = self.regions(name)
        record = {
            "format_version": 1,
            "model": self.model,
            "timbre": self.timbre,
            "z": self.z.tolist(),
            "sample_rate": self.config.sample_rate,
            "samples": [
                {"file": one.file, "detuning_cents": one.sample.cents}
                | {key: getattr(one.sample, key) for key in _RECORDED}
                | {key: getattr(one, key) for key in ("keys", "velocities", "cents")}
                for one in regions
            ],
        }
        made_by = f"made by nsynth_vae.instrument with the model {self.model}"
        comments = [_printable(comment) for comment in (f"{name}: {self.timbre}", made_by)]
        texts = {"sfz": sfz.format_sfz, "dspreset": format_dspreset}
        with writing(output, "instrument.json", record) as folder:
            (folder / "samples").mkdir()
            for region in regions:
                sample = region.sample
                data = sfz.wav_bytes(sample.audio, self.config.sample_rate, pitch=sample.pitch, loop=sample.loop)
                (folder / region.file).write_bytes(data)
            if picture:
                self.plot(folder / "keyboard.png")
            for kind in formats:
                path = folder / f"{name}.{kind}"
                if kind in texts:
                    write_text(path, texts[kind](regions, comments))
                else:
                    # A SoundFont has no round robins.
                    path.write_bytes(
                        format_sf2(
                            [one for one in regions if not one.sample.take],
                            self.config.sample_rate,
                            name,
                            ", ".join(comments),
                        )
                    )
        return expand(output) / f"{name}.{formats[0]}"

    def regions(self, name: str) -> list[Region]:
        """Return the keys and velocities of every sample; samples are named as notes of instrument `name`."""
        keys = dict(zip(self.keys, nearest_ranges(self.keys), strict=True))
        velocities = dict(zip(self.velocities, nearest_ranges(self.velocities), strict=True))
        return [
            Region(
                file=f"samples/{format_note_str(name, sample.pitch, sample.velocity)}{_suffix(sample.take)}.wav",
                sample=sample,
                takes=self.takes,
                keys=keys[sample.pitch],
                velocities=velocities[sample.velocity],
            )
            for sample in self.samples
        ]


def make_instrument(
    lookup: TimbreLookup,
    timbre: str | Timbre,
    *,
    pitches: tuple[int, int] = (36, 84),
    velocities: Sequence[int] = (50, 100, 127),
    round_robin: int = 1,
) -> Instrument:
    """Sample a timbre at every third semitone of a range, at several velocities.

    The sample of a sustained note contains a loop. A note that decays is sampled until it is silent, without a loop,
    see `sustain_loop.ring_out`. Samplers set the level of a velocity, so the mean levels of all velocities are made
    equal: velocities differ in timbre.

    Args:
        lookup: the model and the timbres that it knows.
        timbre: a file, a note, a name, an expression or a `Timbre`.
        pitches: MIDI, the lowest key sampled, and the highest at most.
        velocities: MIDI, in any order.
        round_robin: takes of each note, which samplers play in turn; SoundFonts have the first only.

    Raises:
        InputError: for an unknown timbre, pitches or velocities outside 0 to 127, pitches that are all above half the
            sample rate, and takes outside 1 to 16.
    """
    check_keys(pitches, velocities, round_robin)
    model = lookup.model
    (found,) = find_timbres([timbre], lookup)
    velocities = sorted(set(velocities))
    # Those that cannot sound are left to the sample below.
    highest = min(pitches[1], highest_pitch(model.config.sample_rate))
    sampled = range(pitches[0], highest + 1, STEP)
    if not sampled:
        raise InputError(
            f"--pitches: found {pitches[0]}-{pitches[1]}, expected a lowest of {highest} at most, "
            f"{note_name(highest)}: higher ones cannot sound"
        )
    keys = list(itertools.product(sampled, velocities, range(round_robin)))
    pitch, velocity, take = np.array(keys).T
    takes = following_takes(model.take, take)
    decoded = model.decode(np.repeat(found.z[None], len(keys), axis=0), pitch, velocity, take=takes)
    each = len(velocities) * round_robin
    return Instrument(
        model=model.name,
        config=model.config,
        timbre=found.name,
        z=found.z,
        samples=sample_notes(decoded.audio, keys, model.config.sample_rate),
        log_mels=decoded.log_mel[each - round_robin :: each],
    )


def _printable(text: str) -> str:
    """Return a text as one line of characters that files of every format take."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def _suffix(take: int) -> str:
    """Return what the names of takes after the first end in."""
    return f"-take{take + 1}" if take else ""


def check_formats(formats: Sequence[str]) -> None:
    """Raise InputError for a format that is none of `FORMATS`, and for none at all."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        found = repr(unknown[0]) if unknown else "none"
        raise InputError(f"--format: found {found}, expected some of {', '.join(FORMATS)}")


def check_keys(pitches: tuple[int, int], velocities: Sequence[int], round_robin: int = 1) -> None:
    """Raise InputError for pitches, velocities and takes that cannot be sampled, or too many of them."""
    if not 1 <= round_robin <= MOST_TAKES:
        raise InputError(f"--round-robin: found {round_robin}, expected 1 to {MOST_TAKES} takes of each note")
    for flag, values in (("--pitches", pitches), ("--velocities", velocities)):
        for value in values:
            check_midi(flag, value)
    if pitches[0] > pitches[1]:
        raise InputError(f"--pitches: found {pitches[0]}-{pitches[1]}, expected LOW-HIGH")
    if not velocities:
        raise InputError("--velocities: found none, expected at least one")
    count = len(set(velocities))
    notes = len(range(pitches[0], pitches[1] + 1, STEP)) * count * round_robin
    if notes > MOST_NOTES:
        each = f"{count} of {round_robin} takes" if round_robin > 1 else count
        raise InputError(f"--velocities: found {each}, that is {notes} samples, expected {MOST_NOTES} samples at most")
