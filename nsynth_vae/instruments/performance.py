"""Performance of a MIDI file: with one timbre, one a channel or program, or a morph from one timbre to another."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsynth_vae.analysis import spectra
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError
from nsynth_vae.files import save_sound
from nsynth_vae.instruments.general_midi import family_of
from nsynth_vae.instruments.midi import DRUM_CHANNEL, Melody, channel_names, read_midi
from nsynth_vae.instruments.midi_channel import NoteEvent
from nsynth_vae.instruments.mixing import MORPH_STEPS, Choice, count_decoded, group_notes, mean_pitch, mix_notes
from nsynth_vae.latent.expression import find_timbres
from nsynth_vae.notes import silent_notes
from nsynth_vae.rendering.notebook import NotebookDisplay

if TYPE_CHECKING:
    from nsynth_vae.latent.lookup import Timbre, TimbreLookup
    from nsynth_vae.rendering.plots import Target

PEAK = 10 ** (-1 / 20)
"""The largest peak of a mix: -1 dB of full scale."""

MOST_PLOTTED = 12
"""Spectrograms of the length of a note in a performance's picture."""

_TIMBRE = 0
"""`timbre` and `morph_to`."""


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
    notes = group_notes(melody.notes, chosen, steps, lookup.model.config.sample_rate)
    given = {"--timbre": timbre, "--morph-to": morph_to}
    options = [option for option, value in given.items() if value is not None]
    silent = silent_notes(map(mean_pitch, melody.notes), lookup.model.config.sample_rate)
    audio = mix_notes(lookup.model, ends, notes, dynamics, progress)
    peak = max(float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)), 1e-9)
    # A step of 16 bits is left for rounding: libsndfile rounds down, away from 0 where samples are negative.
    most = PEAK - 1.0 / 32768
    audio *= np.float32(min(1.0, most / peak))
    return Performance(
        config=lookup.model.config,
        audio=audio,
        notes=len(melody.notes),
        decoded=count_decoded(notes),
        lowered_db=max(20 * math.log10(peak / most), 0.0),
        skipped=(
            *melody.skipped,
            *([silent] if silent else []),
            *_not_followed(melody.notes, chosen, steps, channels, programs, options),
        ),
        warnings=melody.warnings,
    )


def _choose(
    note: NoteEvent, timbre: str | Timbre | None, channels: Mapping[int, str | Timbre], programs: bool
) -> Choice:
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
    chosen: Sequence[Choice],
    timbre: str | Timbre | None,
    channels: Mapping[int, str | Timbre],
    morph_to: str | Timbre | None,
    lookup: TimbreLookup,
) -> dict[Choice, tuple[np.ndarray, np.ndarray]]:
    """Return the first and the last latent vector of each choice, and check the options that no note needs too."""
    z: dict[Choice, np.ndarray] = {}
    wanted: list[tuple[Choice, str, str | Timbre]]
    wanted = [(family, "--programs: ", family) for family in {choice for choice in chosen if isinstance(choice, str)}]
    wanted += [(number, f"--channel {number}: ", one) for number, one in channels.items()]
    wanted += [] if timbre is None else [(_TIMBRE, "", timbre)]
    for choice, option, one in wanted:
        try:
            z[choice] = find_timbres([one], lookup)[0].z
        except InputError as error:
            raise InputError(f"{option}{error}") from error
    ends = {choice: (one, one) for choice, one in z.items()}
    if morph_to is not None:
        ends[_TIMBRE] = (z[_TIMBRE], find_timbres([morph_to], lookup)[0].z)
    return ends


def _not_followed(
    notes: Sequence[NoteEvent],
    chosen: Sequence[Choice],
    steps: Sequence[int],
    channels: Mapping[int, str | Timbre],
    programs: bool,
    options: Sequence[str],
) -> list[str]:
    """Return program changes, channels, and options of the timbre of the rest, that have no effect, in words."""
    changed = {note.channel for note in notes if note.program is not None} - set(channels)
    unused = set(channels) - {note.channel for note in notes}
    words = []
    if changed and not programs:
        words.append(f"program changes on {channel_names(changed)} (--programs follows them)")
    if unused:
        words.append(f"timbre for {channel_names(unused)} (no notes there)")
    if options and _TIMBRE not in chosen:
        words.append(f"{' and '.join(options)} (all notes have another timbre)")
    elif "--morph-to" in options and not any(steps):
        words.append("--morph-to (its notes begin all at once)")
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
