"""Mix of the notes of a performance: each decoded once for all that are alike, then played and added."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.instruments.automation import add_vibrato, bend_sound, bent_seconds, levels, mean_of
from nsynth_vae.instruments.crossfade import fade_out
from nsynth_vae.instruments.midi_channel import SOUNDING_SECONDS, NoteEvent
from nsynth_vae.instruments.takes import following_takes
from nsynth_vae.instruments.voice import SHORTEST_SECONDS, sustain_and_release
from nsynth_vae.notes import highest_pitch

if TYPE_CHECKING:
    from nsynth_vae.timbre_model import TimbreModel

MORPH_STEPS = 64
"""Steps of a morph from one timbre to the other."""

VELOCITY_STEP = 8
"""Velocities are decoded to the nearest multiple of this: closer ones hardly differ but in amplitude."""

MOST_RESAMPLED_CENTS = 300.0
"""A note that is bent by more than this in its mean is decoded at another pitch, so that its formants stay."""

TAKES = 256
"""Takes of notes that are decoded alike otherwise: so many have one each, then they begin again."""

_AT_ONCE = 64
"""Notes that are decoded and mixed together, so that memory stays small."""

Choice = int | str
"""Where a note's timbre comes from: a channel with its own, the family of a program, or 0: the timbre of the rest."""

Key = tuple[Choice, int, int, int]
"""What decides a decoded note: the timbre, the step of the morph, pitch and velocity."""


def group_notes(
    notes: Sequence[NoteEvent], choices: Sequence[Choice], steps: Sequence[int], sample_rate: int
) -> dict[Key, list[NoteEvent]]:
    """Return the notes by what is decoded for them, with the bend from the pitch that they are decoded at."""
    groups: dict[Key, list[NoteEvent]] = collections.defaultdict(list)
    for note, choice, step in zip(notes, choices, steps, strict=True):
        velocity = min(VELOCITY_STEP * round(note.velocity / VELOCITY_STEP), 127)
        shift = _decoded_shift(note, sample_rate)
        if shift:
            note = dataclasses.replace(note, bend=tuple((at, cents - 100 * shift) for at, cents in note.bend))
        groups[choice, step, note.pitch + shift, velocity].append(note)
    return groups


def count_decoded(notes: Mapping[Key, Sequence[NoteEvent]]) -> int:
    """Return how many notes, and takes of them, are decoded."""
    return sum(min(len(same), TAKES) for same in notes.values())


def mean_pitch(note: NoteEvent) -> float:
    """Return the pitch of a note with the mean of its bend, MIDI."""
    seconds = max(note.end - note.start, SHORTEST_SECONDS)
    return note.pitch + mean_of(note.bend, seconds) / 100 if note.bend else float(note.pitch)


def _decoded_shift(note: NoteEvent, sample_rate: int) -> int:
    """Return the semitones by which a note that is bent strongly, or down from a silent pitch, is decoded higher."""
    if not note.bend:
        return 0
    mean = mean_pitch(note) - note.pitch
    shift = round(mean) if abs(mean) > MOST_RESAMPLED_CENTS / 100 else 0
    return min(max(note.pitch + shift, 0), highest_pitch(sample_rate)) - note.pitch


def mix_notes(
    model: TimbreModel,
    ends: Mapping[Choice, tuple[np.ndarray, np.ndarray]],
    notes: Mapping[Key, list[NoteEvent]],
    dynamics: float,
    progress: Callable[[float], None],
) -> np.ndarray:
    """Return the sum of all notes, float32 `[samples]`.

    Args:
        model: decodes them.
        ends: the first and the last latent vector of each choice, `[latent_dim]`.
        notes: of `group_notes`.
        dynamics: a note's amplitude is multiplied by (velocity / 127) to this power.
        progress: called with the fraction of the notes that is done.
    """
    rate = model.config.sample_rate
    # Notes of a pitch have takes of their own, whatever their timbre and velocity: two at once share no noise.
    # Other pitches move otherwise.
    counts: collections.Counter[int] = collections.Counter()
    keys = [(key, take) for key, same in notes.items() for take in range(min(len(same), TAKES))]
    last = max(note.end for same in notes.values() for note in same)
    # A release is at most as long as a decoded note.
    mix = np.zeros(round((last + SHORTEST_SECONDS) * rate) + model.config.num_samples, np.float32)
    end, done, count = 0, 0, sum(map(len, notes.values()))
    for first in range(0, len(keys), _AT_ONCE):
        part = keys[first : first + _AT_ONCE]
        z = np.stack([latent.lerp(*ends[choice], step / MORPH_STEPS) for (choice, step, *_), _ in part])
        pitches, velocities = np.array([key[2:] for key, _ in part]).T
        takes = following_takes(model.take, np.array([_count(counts, pitch) for pitch in pitches]))
        decoded_notes = model.decode(z, pitches, velocities, take=takes).audio.astype(np.float64)
        for (key, take), decoded in zip(part, decoded_notes, strict=True):
            for note in notes[key][take::TAKES]:
                start = round(note.start * rate)
                sound = _render(decoded, key[2], note, rate, len(mix) - start)
                sound *= (note.velocity / 127) ** dynamics
                mix[start : start + len(sound)] += sound
                end, done = max(end, start + len(sound)), done + 1
                progress(done / count)
    return mix[:end]


def _count(counts: collections.Counter[int], pitch: int) -> int:
    """Return how often a pitch was counted before."""
    counts[pitch] += 1
    return counts[pitch] - 1


def _render(decoded: np.ndarray, pitch: int, note: NoteEvent, rate: int, most: int) -> np.ndarray:
    """Return the sound of a note that was decoded at a pitch, float64 `[samples]`, at most `most` samples."""
    seconds, bend = note.end - note.start, note.bend
    if note.vibrato:
        bend = add_vibrato(bend, note.vibrato, seconds + SOUNDING_SECONDS)
    if bend:
        sound = bend_sound(sustain_and_release(decoded, pitch, bent_seconds(bend, seconds), rate), bend, rate)
        # A release that is bent downwards by octaves is longer than a decoded note.
        sound = sound if len(sound) <= most else fade_out(sound[:most], rate)
    else:
        sound = sustain_and_release(decoded, pitch, seconds, rate)
    return sound * levels(note.gain, len(sound), rate) if note.gain else sound
