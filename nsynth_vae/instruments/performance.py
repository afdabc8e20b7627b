"""Performance of a MIDI file with a timbre."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.instruments import voice as voices
from nsynth_vae.instruments.midi import Melody, NoteEvent, read_midi
from nsynth_vae.latent.expression import find

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup
    from nsynth_vae.timbre_model import TimbreModel


PEAK = 10 ** (-1 / 20)
"""The most that a mix reaches: -1 dB of full scale."""
MORPH_STEPS = 64
"""A morph goes from one timbre to the other in this many steps."""
VELOCITY_STEP = 8
"""Velocities are decoded to the nearest multiple of this: closer ones hardly differ but in amplitude."""
_AT_ONCE = 64
"""Notes that are decoded and then mixed before the next are: memory stays small."""


@dataclasses.dataclass(frozen=True)
class Performance:
    """A MIDI file that was played."""

    config: AudioConfig
    audio: np.ndarray
    """float32 `[samples]`, the mix, at most `PEAK`."""
    notes: int
    decoded: int
    """Different notes that the model made for them."""
    lowered_db: float
    """By how much the mix was lowered to stay within `PEAK`."""
    skipped: tuple[str, ...]
    """What of the file is not played, in words."""

    def write(self, path: str | os.PathLike) -> None:
        """Writes the mix as a 16-bit mono WAV, aside, and renames it.

        Raises:
            InputError: if that fails; nothing of it is left.
        """
        import soundfile

        from nsynth_vae.files import write_wav

        path = pathlib.Path(path)
        aside = path.with_name(f".{os.getpid()}.wav.tmp")
        try:
            write_wav(aside, self.audio, self.config.sample_rate)
            aside.replace(path)
        except (OSError, soundfile.SoundFileError) as error:
            problem = getattr(error, "strerror", None) or error
            raise InputError(f"{path}: cannot be written ({problem}), expected a place for a WAV") from error
        finally:
            aside.unlink(missing_ok=True)


def play(
    points: TimbreLookup,
    melody: str | os.PathLike | Melody,
    timbre: str | Timbre,
    *,
    morph_to: str | Timbre | None = None,
    dynamics: float = 1.0,
) -> Performance:
    """Plays a MIDI file.

    Every different note (pitch, velocity, place on the morph) is decoded once; how it is held and released is
    `voices.voice`'s business. Notes keep the timbre that they begin with.

    Args:
        points: the model, and what names and files stand for.
        melody: the MIDI file, or what `midi.read_midi` read of it.
        timbre: a file, a note, a name, an expression or a point.
        morph_to: the same: the first note has `timbre`, the last one this, those between lie on the straight way
            between the two by the times at which they begin. None for one timbre throughout.
        dynamics: a note's amplitude is also multiplied by (velocity / 127) to this power; 0 leaves the levels to
            the model.

    Raises:
        InputError: for a MIDI file or a timbre that cannot be used, and dynamics below 0.
    """
    if not 0 <= dynamics < math.inf:
        raise InputError(f"--dynamics: found {dynamics}, expected 0 or more")
    melody = melody if isinstance(melody, Melody) else read_midi(melody)
    ends = find([timbre] if morph_to is None else [timbre, morph_to], points)
    events = collections.defaultdict(list)
    for note, step in zip(melody.notes, _morph_steps(melody.notes, morph_to is not None), strict=True):
        velocity = min(VELOCITY_STEP * round(note.velocity / VELOCITY_STEP), 127)
        events[step, note.pitch, velocity].append(note)
    audio = _mix(points.model, (ends[0].z, ends[-1].z), events, dynamics)
    peak = float(np.abs(audio).max())
    # Half a step of 16 bits is left for rounding.
    most = PEAK - 0.5 / 32767
    audio = audio * min(1.0, most / max(peak, 1e-9))
    lowered = max(20 * math.log10(max(peak, 1e-9) / most), 0.0)
    config = points.model.config
    return Performance(config, audio.astype(np.float32), len(melody.notes), len(events), lowered, melody.skipped)


def _morph_steps(notes: Sequence[NoteEvent], morphs: bool) -> list[int]:
    """Returns where each note is on the morph, 0 to `MORPH_STEPS`."""
    first, last = notes[0].start, notes[-1].start
    if not morphs or first == last:
        return [0] * len(notes)
    return [round(MORPH_STEPS * (note.start - first) / (last - first)) for note in notes]


def _mix(
    model: TimbreModel, ends: Sequence[np.ndarray], events: dict[tuple[int, int, int], list[NoteEvent]], dynamics: float
) -> np.ndarray:
    """Returns the sum of all notes, float64 `[samples]`, to the end of the last one.

    Args:
        model: decodes.
        ends: two points, float32 `[latent_dim]`.
        events: the notes of each (step from the first point to the second, pitch, velocity to decode).
        dynamics: as in `play`.
    """
    rate, keys = model.config.sample_rate, list(events)
    last = max(note.end for notes in events.values() for note in notes)
    # A release is at most as long as a decoded note.
    mix, end = np.zeros(round((last + voices.SHORTEST_SECONDS) * rate) + model.config.num_samples), 0
    for first in range(0, len(keys), _AT_ONCE):
        part = keys[first : first + _AT_ONCE]
        steps, pitches, velocities = np.array(part).T
        z = latent.lerp(*ends, steps[:, None] / MORPH_STEPS)
        for key, decoded in zip(part, model.decode(z, pitches, velocities).audio.astype(np.float64), strict=True):
            for note in events[key]:
                voice = voices.voice(decoded, note.pitch, note.end - note.start, rate)
                start = round(note.start * rate)
                mix[start : start + len(voice)] += voice * (note.velocity / 127) ** dynamics
                end = max(end, start + len(voice))
    return mix[:end]
