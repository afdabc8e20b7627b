"""Performance of a MIDI file with a timbre, or with a morph from one timbre to another."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis import spectra
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import save_wav
from nsynth_vae.instruments.midi import Melody, NoteEvent, read_midi
from nsynth_vae.instruments.voice import SHORTEST_SECONDS, sustain_and_release
from nsynth_vae.latent.expression import find_timbres
from nsynth_vae.rendering.notebook import NotebookDisplay

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup
    from nsynth_vae.rendering.plots import Target
    from nsynth_vae.timbre_model import TimbreModel

PEAK = 10 ** (-1 / 20)
"""The largest peak of a mix: -1 dB of full scale."""

MORPH_STEPS = 64
"""Steps of a morph from one timbre to the other."""

VELOCITY_STEP = 8
"""Velocities are decoded to the nearest multiple of this: closer ones hardly differ but in amplitude."""

MOST_PLOTTED = 12
"""Spectrograms of the length of a note in a performance's picture."""

_AT_ONCE = 64
"""Notes that are decoded and mixed together, so that memory stays small."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Performance(NotebookDisplay):
    """A rendered MIDI file."""

    config: AudioConfig
    audio: np.ndarray
    """The mix, float32 `[samples]`, at most `PEAK`."""
    notes: int
    decoded: int
    """Different notes that the model decoded for them."""
    lowered_db: float
    """Reduction of the mix to stay within `PEAK`."""
    skipped: tuple[str, ...]
    """Events of the file that are not played, in words."""

    def save(self, path: str | os.PathLike) -> None:
        """Write the mix as a 16-bit mono WAV.

        Raises:
            InputError: if it cannot be written; nothing is left then.
        """
        save_wav(path, self.audio, self.config.sample_rate)

    def plot(self, target: Target) -> None:
        """Write the spectrogram of the first `MOST_PLOTTED` notes' lengths, as PNG to a path or a binary file."""
        from nsynth_vae.rendering import plots

        length = self.config.num_samples
        count = min(max(-(-len(self.audio) // length), 1), MOST_PLOTTED)
        parts = np.zeros(count * length, np.float32)
        parts[: len(self.audio)] = self.audio[: len(parts)]
        titles = [f"from {number * length / self.config.sample_rate:g} s" for number in range(count)]
        log_mels = spectra.log_mel(parts.reshape(count, length), self.config)
        plots.plot_spectrograms([("", list(log_mels))], titles, self.config, target)


def play(
    lookup: TimbreLookup,
    melody: str | os.PathLike | Melody,
    timbre: str | Timbre,
    *,
    morph_to: str | Timbre | None = None,
    dynamics: float = 1.0,
) -> Performance:
    """Play a MIDI file.

    Every different note (pitch, velocity, step of the morph) is decoded once, and rendered by
    `voice.sustain_and_release`. Notes keep the timbre that they begin with.

    Args:
        lookup: the model and the timbres that it knows.
        melody: the MIDI file, or the result of `midi.read_midi`.
        timbre: a file, a note, a name, an expression or a `Timbre`.
        morph_to: the timbre of the last note: the first note has `timbre`, those between are linearly interpolated by
            the times at which they begin. None for one timbre throughout.
        dynamics: a note's amplitude is also multiplied by (velocity / 127) to this power; 0 leaves the levels to
            the model.

    Raises:
        InputError: for a MIDI file or a timbre that cannot be used, and dynamics below 0.
    """
    if not 0 <= dynamics < math.inf:
        raise InputError(f"--dynamics: found {dynamics}, expected 0 or more")
    melody = melody if isinstance(melody, Melody) else read_midi(melody)
    ends = find_timbres([timbre] if morph_to is None else [timbre, morph_to], lookup)
    events: dict[tuple[int, int, int], list[NoteEvent]] = collections.defaultdict(list)
    for note, step in zip(melody.notes, _morph_steps(melody.notes, morph_to is not None), strict=True):
        velocity = min(VELOCITY_STEP * round(note.velocity / VELOCITY_STEP), 127)
        events[step, note.pitch, velocity].append(note)
    audio = _mix(lookup.model, (ends[0].z, ends[-1].z), events, dynamics)
    peak = max(float(np.abs(audio).max()), 1e-9)
    # Half a step of 16 bits is left for rounding.
    most = PEAK - 0.5 / 32767
    return Performance(
        config=lookup.model.config,
        audio=(audio * min(1.0, most / peak)).astype(np.float32),
        notes=len(melody.notes),
        decoded=len(events),
        lowered_db=max(20 * math.log10(peak / most), 0.0),
        skipped=melody.skipped,
    )


def _morph_steps(notes: Sequence[NoteEvent], morphs: bool) -> list[int]:
    """Return the step of the morph of each note, 0 to `MORPH_STEPS`."""
    first, last = notes[0].start, notes[-1].start
    if not morphs or first == last:
        return [0] * len(notes)
    return [round(MORPH_STEPS * (note.start - first) / (last - first)) for note in notes]


def _mix(
    model: TimbreModel,
    ends: tuple[np.ndarray, np.ndarray],
    events: dict[tuple[int, int, int], list[NoteEvent]],
    dynamics: float,
) -> np.ndarray:
    """Return the sum of all notes, float64 `[samples]`; `events` has those of each (morph step, pitch, velocity)."""
    rate, keys = model.config.sample_rate, list(events)
    last = max(note.end for notes in events.values() for note in notes)
    # A release is at most as long as a decoded note.
    mix, end = np.zeros(round((last + SHORTEST_SECONDS) * rate) + model.config.num_samples), 0
    for first in range(0, len(keys), _AT_ONCE):
        part = keys[first : first + _AT_ONCE]
        steps, pitches, velocities = np.array(part).T
        z = latent.lerp(*ends, steps[:, None] / MORPH_STEPS)
        for key, decoded in zip(part, model.decode(z, pitches, velocities).audio.astype(np.float64), strict=True):
            for note in events[key]:
                sound = sustain_and_release(decoded, note.pitch, note.end - note.start, rate)
                start = round(note.start * rate)
                mix[start : start + len(sound)] += sound * (note.velocity / 127) ** dynamics
                end = max(end, start + len(sound))
    return mix[:end]
