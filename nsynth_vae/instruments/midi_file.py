"""Standard MIDI Files: their channel messages in seconds, read as far as a damaged file allows.

After "Standard MIDI Files 1.0" (MIDI Manufacturers Association, RP-001). Chunks of other kinds and meta events besides
tempo and end of track do not matter for notes: they are passed over by their lengths, whatever is in them.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import re
import struct

from nsynth_vae.errors import InputError
from nsynth_vae.files import broken_link
from nsynth_vae.instruments.midi_track import (
    END_OF_TRACK,
    META,
    NOTE_ON,
    SYSTEM_RESET,
    TEMPO,
    TRACK,
    Event,
    read_track,
)
from nsynth_vae.notes import plural

_EXPECTED = "expected a Standard MIDI File"
_HEADER = b"MThd"
_WHOLE_HEADER = re.compile(rb"MThd\0\0\0\x06.{6}MTrk", re.DOTALL)
_USUAL_TEMPO = 500_000
"""Microseconds a quarter note where a file says nothing: 120 beats a minute."""

_USUAL_DIVISION = 480
"""Ticks a quarter note in place of a division of 0: that of most sequencers."""

_MOST_BYTES_BEFORE = 256
"""Bytes before the header that are passed over: a MacBinary header has 128."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A channel message."""

    seconds: float
    """From the file's start."""
    kind: int
    """The status byte without its channel: 0x80, note-off, to 0xE0, pitch bend; or `SYSTEM_RESET`."""
    channel: int
    """0 to 15."""
    first: int
    """The first data byte, 0 to 127."""
    second: int
    """The second, 0 to 127; 0 where the kind has one only."""
    port: int = 0
    """Each has sixteen channels of its own."""


@dataclasses.dataclass(frozen=True)
class MidiFile:
    """The channel messages of a file."""

    messages: tuple[Message, ...]
    """Of all tracks, in the order of time; at the same time, note-ons wait for what other tracks have."""
    end: float
    """Seconds from the file's start to its last event, ends of tracks among them; infinity if a track has none."""
    warnings: tuple[str, ...]
    """What is damaged in the file, and was read in spite of it."""


def read_midi_file(path: str | os.PathLike) -> MidiFile:
    """Read the channel messages of all tracks: at the same time (types 0 and 1), or one after the other (type 2).

    Raises:
        InputError: for a file that cannot be read, or has no MIDI header.
    """
    path = pathlib.Path(path)
    try:
        # A pipe would block: only regular files are opened.
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is {'a folder' if path.is_dir() else 'no regular file'}, {_EXPECTED}")
        data = path.read_bytes()
    except OSError as error:
        problem = broken_link(path) or f"cannot be read ({error.strerror})"
        raise InputError(f"{path}: {problem}, {_EXPECTED}") from error
    place, (kind, count, division), warnings = _read_header(data, path)
    if kind > 2:
        warnings.append(f"a file of type {kind}, read as type 1")
    tracks, damaged = _read_tracks(data, place)
    if len(tracks) != count:
        warnings.append(f"the header announces {count} {plural(count, 'track')}, found {len(tracks)}")
    messages, end, bad_times = _in_seconds(_join(tracks) if kind == 2 else _merge(tracks), division)
    if any(not track or track[-1][1:3] != (META, END_OF_TRACK) for track in tracks):
        end = math.inf
    return MidiFile(tuple(messages), end, (*warnings, *damaged, *bad_times))


def _read_header(data: bytes, path: pathlib.Path) -> tuple[int, tuple[int, int, int], list[str]]:
    """Return where the first chunk after the header begins; type, number of tracks and division; and warnings.

    A damaged header's length is not believed: no track begins in a header, and the three numbers are before the first.
    """
    # RIFF MIDI (RMID) holds the file in a chunk.
    wrapped = data[:4] == b"RIFF" and data[8:12] == b"RMID"
    start = data.find(_HEADER, 0, None if wrapped else _MOST_BYTES_BEFORE + len(_HEADER))
    if start < 0 and (whole := _WHOLE_HEADER.search(data)):
        start = whole.start()
    first = data.find(TRACK, max(start, 0))
    if start < 0 and not 0 <= first <= _MOST_BYTES_BEFORE:
        found = "does not begin as a MIDI file does" if data else "is empty"
        raise InputError(f"{path}: {found}, {_EXPECTED}")
    if first < 0:
        if len(data) < start + 14:
            raise InputError(f"{path}: ends too early, {_EXPECTED}")
        first = len(data)
    warnings = [f"{start} {plural(start, 'byte')} before the header"] if start > 0 and not wrapped else []
    if start < 0 or first < start + 14:
        return first, struct.unpack(">HHh", (bytes(6) + data[:first])[-6:]), [*warnings, "the header is damaged"]
    size, *numbers = struct.unpack_from(">IHHh", data, start + 4)
    place = start + 8 + size
    if size < 6 or first < place or not (place == len(data) or _is_named(data, place)):
        warnings.append("the header has a wrong length")
        place = first
    return place, tuple(numbers), warnings


def _read_tracks(data: bytes, place: int) -> tuple[list[list[Event]], list[str]]:
    """Return the events of every track, and warnings; `place` of the first chunk after the header."""
    tracks: list[list[Event]] = []
    warnings: list[str] = []
    while place + 8 <= len(data):
        body = place + 8
        declared = body + int.from_bytes(data[place + 4 : body])
        following = _following_track(data, declared)
        if data[place : place + 4] != TRACK:
            place = _next_track(data, place + 1) if following is None else following
            continue
        name = f"track {len(tracks) + 1}"
        limit = _next_track(data, body) if following is None else declared
        events, length, problems = read_track(data[body:limit])
        tracks.append(events)
        if body + length != declared:
            problems.append(f"is {length} {plural(length, 'byte')} long, not {declared - body} as it says")
        # Bytes after an end of track are passed over, unless they are the next track.
        place = limit if _following_track(data, body + length) is None else body + length
        warnings += [f"{name} {problem}" for problem in problems]
    return tracks, warnings


def _following_track(data: bytes, place: int) -> int | None:
    """Return where the first track from a place on begins, or the data end, if chunks without a gap lead there.

    One name of a chunk is no proof: keys and velocities often are four letters.
    """
    while place < len(data) and data[place : place + 4] != TRACK:
        if not _is_named(data, place):
            return None
        place += 8 + int.from_bytes(data[place + 4 : place + 8])
    return place if place <= len(data) else None


def _is_named(data: bytes, place: int) -> bool:
    """Return whether the name of a chunk is at a place."""
    name = data[place : place + 4]
    return len(name) == 4 and name.isalnum() and name.isascii()


def _next_track(data: bytes, place: int) -> int:
    found = data.find(TRACK, place)
    return len(data) if found < 0 else found


def _merge(tracks: list[list[Event]]) -> list[Event]:
    """Return the events of tracks at the same time, in its order.

    At a tick, a reset comes first, and a track's first note-on and what follows it wait for the other tracks: a program
    that another one sets is the note's, and a release another note's.
    """
    ranked = []
    for track in tracks:
        begun = -1
        for event in track:
            tick, status, _, velocity, _ = event
            if status & 0xF0 == NOTE_ON and velocity:
                begun = tick
            ranked.append((tick, -1 if status == SYSTEM_RESET else int(begun == tick), event))
    return [event for *_, event in sorted(ranked, key=lambda one: one[:2])]


def _join(tracks: list[list[Event]]) -> list[Event]:
    """Return the events of tracks one after the other, each with its own tempo and channels."""
    joined: list[Event] = []
    for track in tracks:
        first = max((tick for tick, status, *_ in joined if status != META), default=0)
        joined += [(first, META, TEMPO, _USUAL_TEMPO, 0), (first, SYSTEM_RESET, 0, 0, 0)]
        joined += [(first + tick, status, one, other, port) for tick, status, one, other, port in track]
    return sorted(joined, key=lambda event: event[0])


def _in_seconds(events: list[Event], division: int) -> tuple[list[Message], float, list[str]]:
    """Return the channel messages in seconds, the last event's seconds, and warnings."""
    warnings = []
    # Negative: frames a second in the high byte, ticks a frame in the low one, and no tempo. 29 stands for 29.97.
    frames = -(division >> 8)
    ticks_per_second = {29: 30 / 1.001}.get(frames, frames) * (division & 0xFF) if division < 0 else 0
    if not ticks_per_second and division <= 0:
        warnings.append(f"no ticks in its unit of time, read as {_USUAL_DIVISION} a beat")
        division = _USUAL_DIVISION
    seconds_per_tick = 1 / ticks_per_second if ticks_per_second else _USUAL_TEMPO * 1e-6 / division
    messages, seconds, at = [], 0.0, 0
    for tick, status, first, second, port in events:
        seconds, at = seconds + (tick - at) * seconds_per_tick, tick
        if status != META:
            messages.append(Message(seconds, status & 0xF0, status & 0x0F, first, second, port))
        elif first == TEMPO and not second:
            warnings.append(f"a tempo of 0 at {seconds:.2f} s, passed over")
        elif first == TEMPO and not ticks_per_second:
            seconds_per_tick = second * 1e-6 / division
    return messages, seconds, warnings
