"""Notes of MIDI files, in seconds."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import os
import pathlib
from collections.abc import Iterable, Sequence

from nsynth_vae.errors import InputError
from nsynth_vae.instruments.midi_channel import ALL_NOTES_OFF, ALL_SOUND_OFF, Channel, NoteEvent
from nsynth_vae.instruments.midi_file import Message, read_midi_file
from nsynth_vae.instruments.midi_track import SYSTEM_RESET
from nsynth_vae.notes import plural

LONGEST_SECONDS = 3600.0
"""The end of the last note, at most: later ones have a broken time in them."""

LEFT_SOUNDING_SECONDS = 4.0
"""Notes without a release end at most this long after the last note-on or note-off: a decoded note's length."""

DRUM_CHANNEL = 10
"""General MIDI's."""

_NOTE_OFF, _NOTE_ON, _KEY_PRESSURE, _CONTROL, _PROGRAM, _CHANNEL_PRESSURE, _BEND = range(0x80, 0xF0, 0x10)
_SKIPPED_CONTROLS = {
    10: ("pan (CC10)", range(64, 65)),
    65: ("portamento (CC65)", range(64)),
    66: ("sostenuto pedal (CC66)", range(64)),
    67: ("soft pedal (CC67)", range(64)),
    68: ("legato (CC68)", range(64)),
    84: ("portamento (CC84)", range(0)),
    96: ("data increment (CC96)", range(0)),
    97: ("data decrement (CC97)", range(0)),
}
"""Number -> name, and the values that would not be heard."""

_SWEPT_KEYS = 3
"""Releases at once of so many keys that are not pressed are a sweep over all keys, which ends what was left over."""


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
    """Read the notes of all tracks, ports and channels but, without `drums`, the drums'.

    Tempo changes, the sustain pedal (CC64, down from 64 on), pitch bend and tuning (RPN 0 to 2), vibrato (CC1, RPN 5),
    volume and expression (CC7, CC11), program changes, the resets CC120 to CC127, General MIDI's and Roland's and
    Yamaha's own, and zones of MIDI Polyphonic Expression (RPN 6) are followed. A key that is pressed again while the
    pedal sustains its last note ends that note. Of several note-ons of a pitch with as many note-offs, the first
    note-off belongs to the first; if there are fewer, each note-off ends all that began before it. Notes without a
    release end with the file, or `LEFT_SOUNDING_SECONDS` after its last note-on or note-off. Notes after
    `LONGEST_SECONDS` are left out.

    Raises:
        InputError: for a file that is not MIDI, has no notes, or only such after `LONGEST_SECONDS`.
    """
    path = pathlib.Path(path)
    file = read_midi_file(path)
    ports: dict[int, list[Channel]] = {}
    skipped: dict[str, set[int]] = collections.defaultdict(set)
    beats = 0
    single = _paired_releases(file.messages)
    for index, message in enumerate(file.messages):
        if message.kind == SYSTEM_RESET:
            for channel in itertools.chain(*ports.values()):
                channel.reset(message.seconds)
            continue
        channel = _channels_of(message.port, ports)[message.channel]
        if message.channel + 1 == DRUM_CHANNEL and not drums and not channel.is_member:
            beats += _is_press(message)
        else:
            _follow(message, channel, single=index in single)
            if name := _skipped_name(message):
                skipped[name].add(message.channel + 1)
    channels = list(itertools.chain(*ports.values()))
    last = max([channel.last for channel in channels], default=0.0)
    for channel in channels:
        # Of a file that is cut nobody knows how its tracks would go on.
        left = last if file.end < math.inf else channel.last
        channel.end_all(max(left, min(file.end, left + LEFT_SOUNDING_SECONDS)))
    notes, late = _within_limit([note for channel in channels for note in channel.finished()], path)
    if not notes:
        damage = f" ({'; '.join(file.warnings)})" if file.warnings else ""
        drummed = f"only drums (channel {DRUM_CHANNEL}) in it, expected other notes, or --channel {DRUM_CHANNEL}=TIMBRE"
        raise InputError(f"{path}: found {drummed if beats else f'no notes{damage} in it, expected notes to play'}")
    words = [f"{beats} drum {plural(beats, 'note')} (channel {DRUM_CHANNEL})"] if beats else []
    words += [f"{name} on {channel_names(found)}" for name, found in sorted(skipped.items())]
    return Melody(tuple(notes), tuple(words), (*file.warnings, *late))


def _channels_of(port: int, ports: dict[int, list[Channel]]) -> list[Channel]:
    """Return the channels of a port, new ones for a new one."""
    if port not in ports:
        ports[port] = []
        ports[port].extend(Channel(number, ports[port]) for number in range(1, 17))
    return ports[port]


def _follow(message: Message, channel: Channel, *, single: bool) -> None:
    """Pass a message on to its channel; `single` for a release of one press."""
    seconds, first, second = message.seconds, message.first, message.second
    if _is_press(message):
        channel.press(seconds, first, second)
    elif message.kind in (_NOTE_ON, _NOTE_OFF):
        channel.release(seconds, first, one=single)
    elif message.kind == _CONTROL:
        channel.control(seconds, first, second)
    elif message.kind == _BEND:
        channel.bend(seconds, first + 128 * second)
    elif message.kind == _PROGRAM:
        channel.change_program(first)


def _skipped_name(message: Message) -> str:
    """Return the name of what is heard of a message elsewhere, but is not followed; empty for others."""
    if message.kind == _CONTROL:
        name, silent = _SKIPPED_CONTROLS.get(message.first, ("", range(128)))
        return "" if message.second in silent else name
    pressure = {_KEY_PRESSURE: message.second, _CHANNEL_PRESSURE: message.first}
    return "aftertouch" if pressure.get(message.kind) else ""


def _within_limit(notes: list[NoteEvent], path: pathlib.Path) -> tuple[list[NoteEvent], list[str]]:
    """Return the notes that begin before `LONGEST_SECONDS`, none of them longer, by their starts; and warnings.

    One that is released after it lost its release, and ends as those without one do.
    """
    minutes = f"{LONGEST_SECONDS / 60:.0f} minutes"
    heard = sorted((note for note in notes if note.start < LONGEST_SECONDS), key=lambda note: (note.start, note.pitch))
    if notes and not heard:
        raise InputError(f"{path}: begins after more than {minutes}, expected notes before")
    last = max((time for note in heard for time in (note.start, note.end) if time <= LONGEST_SECONDS), default=0.0)
    counts = {"begin": len(notes) - len(heard), "end": sum(note.end > LONGEST_SECONDS for note in heard)}
    done = {"begin": "left out", "end": "shortened"}
    warnings = [
        f"{count} {plural(count, 'note')} {verb}{'s' * (count == 1)} after {minutes}, {done[verb]}"
        for verb, count in counts.items()
        if count
    ]
    end = last + LEFT_SOUNDING_SECONDS
    return [dataclasses.replace(note, end=end) if note.end > LONGEST_SECONDS else note for note in heard], warnings


def channel_names(channels: Iterable[int]) -> str:
    """Return channels, 1 to 16, in words: `channels 1, 2 and 5`."""
    names = [str(channel) for channel in sorted(set(channels))]
    return f"channel {names[0]}" if len(names) == 1 else f"channels {', '.join(names[:-1])} and {names[-1]}"


def _is_press(message: Message) -> bool:
    return message.kind == _NOTE_ON and message.second > 0


def _paired_releases(messages: Sequence[Message]) -> set[int]:
    """Return the indices of releases that belong to one press each.

    These are the releases of keys that are pressed several times, and then as often released, before all is released;
    but not where one of them is part of a sweep over all keys, or more than `LEFT_SOUNDING_SECONDS` later: such ones
    end what was left over.
    """
    groups: list[list[int]] = []
    pressed: collections.Counter[tuple[int, int, int]] = collections.Counter()
    released: dict[tuple[int, int, int], list[int]] = collections.defaultdict(list)
    unpressed: dict[tuple[int, int, float], set[int]] = collections.defaultdict(set)
    for index, message in enumerate(messages):
        key = message.port, message.channel, message.first
        if _is_press(message):
            pressed[key] += 1
        elif message.kind in (_NOTE_ON, _NOTE_OFF) and pressed[key]:
            pressed[key] -= 1
            released[key].append(index)
            if not pressed[key]:
                groups.append(released.pop(key))
        elif message.kind in (_NOTE_ON, _NOTE_OFF):
            unpressed[*key[:2], message.seconds].add(message.first)
        elif message.kind == _CONTROL and (message.first == ALL_SOUND_OFF or message.first >= ALL_NOTES_OFF):
            for key in [key for key in pressed if key[:2] == (message.port, message.channel)]:
                del pressed[key]
                released.pop(key, None)

    def is_doubtful(group: list[int]) -> bool:
        found = [messages[index] for index in group]
        late = any(b.seconds - a.seconds > LEFT_SOUNDING_SECONDS for a, b in itertools.pairwise(found))
        return late or any(len(unpressed.get((m.port, m.channel, m.seconds), ())) >= _SWEPT_KEYS for m in found)

    return {index for group in groups if not is_doubtful(group) for index in group}
