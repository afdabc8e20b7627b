"""Performance of a MIDI file: with one timbre, one a channel or program, or a morph from one timbre to another."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae import latent
from nsynth_vae.analysis import spectra
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import save_sound
from nsynth_vae.instruments.automation import bend_sound, bent_seconds, levels, mean_of
from nsynth_vae.instruments.crossfade import fade_out
from nsynth_vae.instruments.general_midi import family_of
from nsynth_vae.instruments.midi import DRUM_CHANNEL, Melody, channel_names, read_midi
from nsynth_vae.instruments.midi_channel import NoteEvent
from nsynth_vae.instruments.takes import following_takes
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

MOST_RESAMPLED_CENTS = 300.0
"""A note that is bent by more than this in its mean is decoded at another pitch, so that its formants stay."""

TAKES = 256
"""Takes of notes that are decoded alike otherwise: so many have one each, then they begin again."""

_AT_ONCE = 64
"""Notes that are decoded and mixed together, so that memory stays small."""

_Choice = int | str
"""Where a note's timbre comes from: a channel with its own, the family of a program, or `_TIMBRE`."""

_TIMBRE = 0
"""`timbre` and `morph_to`."""

_Key = tuple[_Choice, int, int, int]
"""What decides a decoded note: the timbre, the step of the morph, pitch and velocity."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Performance(NotebookDisplay):
    """A rendered MIDI file."""

    config: AudioConfig
    audio: np.ndarray
    """The mix, float32 `[samples]`, at most `PEAK`."""
    notes: int
    decoded: int
    """Notes, and takes of them, that the model decoded for them."""
    lowered_db: float
    """Reduction of the mix to stay within `PEAK`."""
    skipped: tuple[str, ...]
    """Events of the file, and options, that are not played, in words."""
    warnings: tuple[str, ...]
    """What is damaged in the file, and was read in spite of it."""

    def save(self, path: str | os.PathLike) -> None:
        """Write the mix, mono of 16 bits, as WAV or FLAC by the path's suffix.

        Raises:
            InputError: for another suffix, or if it cannot be written; nothing is left then.
        """
        save_sound(path, self.audio, self.config.sample_rate)

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
    timbre: str | Timbre | None = None,
    *,
    channels: Mapping[int, str | Timbre] | None = None,
    programs: bool = False,
    morph_to: str | Timbre | None = None,
    dynamics: float = 1.0,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Performance:
    """Play a MIDI file.

    Every different note (timbre, pitch, velocity, step of the morph) is decoded once, and rendered by
    `voice.sustain_and_release`. Notes keep the timbre that they begin with.

    Args:
        lookup: the model and the timbres that it knows.
        melody: the MIDI file, or the result of `midi.read_midi`.
        timbre: a file, a note, a name, an expression or a `Timbre`, of all notes that the next two do not give one.
        channels: timbres of single channels, 1 to 16; the drums' channel is played if it is among them.
        programs: other channels have the family of their General MIDI program, see `general_midi`; where they set none,
            `timbre`, or else the family of program 1.
        morph_to: the timbre of the last note with `timbre`: the first has `timbre`, those between are linearly
            interpolated by the times at which they begin. None for no morph.
        dynamics: a note's amplitude is also multiplied by (velocity / 127) to this power; 0 leaves the levels to
            the model.
        progress: called with the fraction of the notes that is done.

    Raises:
        InputError: for a MIDI file or a timbre that cannot be used, notes without a timbre, and dynamics below 0.
    """
    channels = channels or {}
    for number in channels:
        if not 1 <= number <= 16:
            raise InputError(f"--channel: found {number}, expected 1 to 16")
    if not 0 <= dynamics < math.inf:
        raise InputError(f"--dynamics: found {dynamics}, expected 0 or more")
    if morph_to is not None and timbre is None:
        raise InputError("--morph-to: found no --timbre, expected the timbre that the morph begins with")
    melody = melody if isinstance(melody, Melody) else read_midi(melody, drums=DRUM_CHANNEL in channels)
    chosen = [_choose(note, timbre, channels, programs) for note in melody.notes]
    ends = _find_ends(chosen, timbre, channels, morph_to, lookup)
    steps = _morph_steps(melody.notes, [choice == _TIMBRE and morph_to is not None for choice in chosen])
    notes: dict[_Key, list[NoteEvent]] = collections.defaultdict(list)
    for note, choice, step in zip(melody.notes, chosen, steps, strict=True):
        velocity = min(VELOCITY_STEP * round(note.velocity / VELOCITY_STEP), 127)
        shift = _decoded_shift(note)
        if shift:
            note = dataclasses.replace(note, bend=tuple((at, cents - 100 * shift) for at, cents in note.bend))
        notes[choice, step, note.pitch + shift, velocity].append(note)
    audio = _mix(lookup.model, ends, notes, dynamics, progress)
    peak = max(float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)), 1e-9)
    # A step of 16 bits is left for rounding: libsndfile rounds down, away from 0 where samples are negative.
    most = PEAK - 1.0 / 32768
    audio *= np.float32(min(1.0, most / peak))
    return Performance(
        config=lookup.model.config,
        audio=audio,
        notes=len(melody.notes),
        decoded=sum(min(len(same), TAKES) for same in notes.values()),
        lowered_db=max(20 * math.log10(peak / most), 0.0),
        skipped=(*melody.skipped, *_not_followed(melody.notes, channels, programs)),
        warnings=melody.warnings,
    )


def _choose(
    note: NoteEvent, timbre: str | Timbre | None, channels: Mapping[int, str | Timbre], programs: bool
) -> _Choice:
    """Return where a note's timbre comes from."""
    if note.channel in channels:
        return note.channel
    if programs and (note.program is not None or timbre is None):
        return family_of(note.program or 0)
    if timbre is None:
        raise InputError(
            f"channel {note.channel}: found no timbre, expected --timbre, --programs or --channel {note.channel}=TIMBRE"
        )
    return _TIMBRE


def _find_ends(
    chosen: Sequence[_Choice],
    timbre: str | Timbre | None,
    channels: Mapping[int, str | Timbre],
    morph_to: str | Timbre | None,
    lookup: TimbreLookup,
) -> dict[_Choice, tuple[np.ndarray, np.ndarray]]:
    """Return the first and the last latent vector of each choice, and check the options that no note needs too."""
    z: dict[_Choice, np.ndarray] = {}
    try:
        for family in {choice for choice in chosen if isinstance(choice, str)}:
            z[family] = find_timbres([family], lookup)[0].z
    except InputError as error:
        raise InputError(f"--programs: {error}") from error
    for choice, one in {**channels, **({} if timbre is None else {_TIMBRE: timbre})}.items():
        z[choice] = find_timbres([one], lookup)[0].z
    ends = {choice: (one, one) for choice, one in z.items()}
    if morph_to is not None:
        ends[_TIMBRE] = (z[_TIMBRE], find_timbres([morph_to], lookup)[0].z)
    return ends


def _not_followed(notes: Sequence[NoteEvent], channels: Mapping[int, str | Timbre], programs: bool) -> list[str]:
    """Return program changes and channels that have no effect, in words."""
    changed = {note.channel for note in notes if note.program is not None} - set(channels)
    unused = set(channels) - {note.channel for note in notes}
    words = []
    if changed and not programs:
        words.append(f"program changes on {channel_names(changed)} (--programs follows them)")
    if unused:
        words.append(f"timbre for {channel_names(unused)} (no notes there)")
    return words


def _morph_steps(notes: Sequence[NoteEvent], morphs: Sequence[bool]) -> list[int]:
    """Return the step of the morph of each note, 0 to `MORPH_STEPS`; 0 for those that do not morph."""
    starts = [note.start for note, does in zip(notes, morphs, strict=True) if does]
    first, last = (starts[0], starts[-1]) if starts else (0.0, 0.0)
    if first == last:
        return [0] * len(notes)
    return [
        round(MORPH_STEPS * (note.start - first) / (last - first)) if does else 0
        for note, does in zip(notes, morphs, strict=True)
    ]


def _decoded_shift(note: NoteEvent) -> int:
    """Return the semitones by which a strongly bent note is decoded higher."""
    seconds = max(note.end - note.start, SHORTEST_SECONDS)
    mean = mean_of(note.bend, seconds) if note.bend else 0.0
    if abs(mean) <= MOST_RESAMPLED_CENTS:
        return 0
    return min(max(note.pitch + round(mean / 100), 0), 127) - note.pitch


def _mix(
    model: TimbreModel,
    ends: Mapping[_Choice, tuple[np.ndarray, np.ndarray]],
    notes: Mapping[_Key, list[NoteEvent]],
    dynamics: float,
    progress: Callable[[float], None],
) -> np.ndarray:
    """Return the sum of all notes, float32 `[samples]`."""
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
    seconds = note.end - note.start
    if note.bend:
        sound = bend_sound(sustain_and_release(decoded, pitch, bent_seconds(note.bend, seconds), rate), note.bend, rate)
        # A release that is bent downwards by octaves is longer than a decoded note.
        sound = sound if len(sound) <= most else fade_out(sound[:most], rate)
    else:
        sound = sustain_and_release(decoded, pitch, seconds, rate)
    return sound * levels(note.gain, len(sound), rate) if note.gain else sound
