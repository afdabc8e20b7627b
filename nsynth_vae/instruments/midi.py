"""Notes of MIDI files, in seconds."""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
from collections.abc import Iterable, Sequence

from nsynth_vae.errors import InputError
from nsynth_vae.instruments.midi_channel import ALL_NOTES_OFF, ALL_SOUND_OFF, Channel, NoteEvent
from nsynth_vae.instruments.midi_file import Message, read_midi_file

LONGEST_SECONDS = 3600.0
"""The end of the last note, at most: later ones have a broken time in them."""

LEFT_SOUNDING_SECONDS = 4.0
"""Notes without a release end at most this long after the last note-on or note-off: a decoded note's length."""

DRUM_CHANNEL = 10
"""General MIDI's."""

_NOTE_OFF, _NOTE_ON, _KEY_PRESSURE, _CONTROL, _PROGRAM, _CHANNEL_PRESSURE, _BEND = range(0x80, 0xF0, 0x10)
_SKIPPED_CONTROLS = {
    1: ("modulation (CC1)", 1),
    65: ("portamento (CC65)", 64),
    66: ("sostenuto pedal (CC66)", 64),
    67: ("soft pedal (CC67)", 64),
}
"""Number -> name, and the lowest value that would be heard."""


@dataclasses.dataclass(frozen=True)
class Melody:
    """The notes of a MIDI file."""

    notes: tuple[NoteEvent, ...]
    """In the order of their starts; at least one."""
    skipped: tuple[str, ...]
    """Events that are not played, in words."""
    warnings: tuple[str, ...] = ()
    """What is damaged in the file, and was read in spite of it."""


def read_midi(path: str | os.PathLike, *, drums: bool = False) -> Melody:
    """Read the notes of all tracks and channels but, without `drums`, the drums'.

    Tempo changes, the sustain pedal (CC64, down from 64 on), pitch bend and tuning (RPN 0 to 2), volume and expression
    (CC7, CC11), program changes, and the resets CC120 to CC127 are followed. A key that is pressed again while the
    pedal sustains its last note ends that note. Of several note-ons of a pitch with as many note-offs, the first
    note-off belongs to the first; if there are fewer, each note-off ends all that began before it. Notes without a
    release end with the file, or `LEFT_SOUNDING_SECONDS` after its last note-on or note-off.

    Raises:
        InputError: for a file that is not MIDI, has no notes, or whose notes end after `LONGEST_SECONDS`.
    """
    path = pathlib.Path(path)
    file = read_midi_file(path)
    channels = [Channel(number) for number in range(1, 17)]
    skipped: dict[str, set[int]] = collections.defaultdict(set)
    beats, last = 0, 0.0
    single = _paired_releases(file.messages)
    for index, message in enumerate(file.messages):
        seconds, kind, first, second = message.seconds, message.kind, message.first, message.second
        channel, number = channels[message.channel], message.channel + 1
        if kind in (_NOTE_ON, _NOTE_OFF):
            last = seconds
        if number == DRUM_CHANNEL and not drums:
            beats += _is_press(message)
        elif _is_press(message):
            channel.press(seconds, first, second)
        elif kind in (_NOTE_ON, _NOTE_OFF):
            channel.release(seconds, first, one=index in single)
        elif kind == _CONTROL:
            channel.control(seconds, first, second)
            name, lowest = _SKIPPED_CONTROLS.get(first, ("", 128))
            if second >= lowest:
                skipped[name].add(number)
        elif kind == _BEND:
            channel.bend(seconds, first + 128 * second)
        elif kind == _PROGRAM:
            channel.program = first
        elif first if kind == _CHANNEL_PRESSURE else second:
            skipped["aftertouch"].add(number)
    for channel in channels:
        channel.end_all(max(last, min(file.end, last + LEFT_SOUNDING_SECONDS)))
    notes = [note for channel in channels for note in channel.finished()]
    if not notes:
        damage = f" ({'; '.join(file.warnings)})" if file.warnings else ""
        found = f"only drums (channel {DRUM_CHANNEL})" if beats else f"no notes{damage}"
        raise InputError(f"{path}: found {found} in it, expected notes to play")
    if max(note.end for note in notes) > LONGEST_SECONDS:
        raise InputError(f"{path}: lasts more than {LONGEST_SECONDS / 60:.0f} minutes, expected at most these")
    words = [f"{beats} drum {'note' if beats == 1 else 'notes'} (channel {DRUM_CHANNEL})"] if beats else []
    words += [f"{name} on {channel_names(found)}" for name, found in sorted(skipped.items())]
    notes.sort(key=lambda note: (note.start, note.pitch))
    return Melody(tuple(notes), tuple(words), file.warnings)


def channel_names(channels: Iterable[int]) -> str:
    """Return channels, 1 to 16, in words: `channels 1, 2 and 5`."""
    names = [str(channel) for channel in sorted(set(channels))]
    return f"channel {names[0]}" if len(names) == 1 else f"channels {', '.join(names[:-1])} and {names[-1]}"


def _is_press(message: Message) -> bool:
    return message.kind == _NOTE_ON and message.second > 0


def _paired_releases(messages: Sequence[Message]) -> set[int]:
    """Return the indices of releases that belong to one press each.

    These are the releases of keys that are pressed several times, and then as often released, before all is released.
    """
    paired: set[int] = set()
    pressed: collections.Counter[tuple[int, int]] = collections.Counter()
    released: dict[tuple[int, int], list[int]] = collections.defaultdict(list)
    for index, message in enumerate(messages):
        key = message.channel, message.first
        if _is_press(message):
            pressed[key] += 1
        elif message.kind in (_NOTE_ON, _NOTE_OFF) and pressed[key]:
            pressed[key] -= 1
            released[key].append(index)
            if not pressed[key]:
                paired.update(released.pop(key))
        elif message.kind == _CONTROL and (message.first == ALL_SOUND_OFF or message.first >= ALL_NOTES_OFF):
            for key in [key for key in pressed if key[0] == message.channel]:
                del pressed[key]
                released.pop(key, None)
    return paired
