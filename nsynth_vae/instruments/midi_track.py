"""Events of a track of a Standard MIDI File, read as far as damage allows."""

from __future__ import annotations

import collections
import re

from nsynth_vae.notes import plural

TRACK = b"MTrk"
"""Name of a track's chunk."""

META, _SYSEX, _SYSEX_END = 0xFF, 0xF0, 0xF7
_PORT, END_OF_TRACK, TEMPO = 0x21, 0x2F, 0x51
SYSTEM_RESET = 0xF0
"""Kind of the message that stands for a reset of all channels."""

_RESETS = re.compile(rb"\x7E.\x09[\1\3]|\x41.\x42\x12\x40\0\x7F\0|\x43.\x4C\0\0\x7E\0", re.DOTALL)
"""System exclusive messages that switch General MIDI, 1 or 2, on, Roland's GS and Yamaha's XG."""

NOTE_ON = 0x90
_ONE_DATA_BYTE = (0xC0, 0xD0)
_SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}

_EVENT = re.compile(rb"[\x80-\xFF]{0,3}[\0-\x7F](?:[\x80-\xBF\xE0-\xEF][\0-\x7F]{2}|[\xC0-\xDF\xFF][\0-\x7F])")
"""A delta time and an event that begins with a status, by its bytes."""

Event = tuple[int, int, int, int, int]
"""Tick, status byte, two data bytes and port; of `META` the kind and, for a tempo, its microseconds."""


def read_track(track: bytes) -> tuple[list[Event], int, list[str]]:
    """Return the events of a track, the bytes to its end, and problems in words; `track` may go on behind its end."""
    events: list[Event] = []
    problems: collections.Counter[tuple[str, str]] = collections.Counter()
    place, tick, running, port = 0, 0, 0, 0
    try:
        # A length that is too large leads into the next track. As events this would be a C-1 of velocity 0.
        while not track.startswith(TRACK + b"\0", place):
            delta, place = _variable_length(track, place)
            tick += delta
            while track[place] < 0x80 and not running:
                problems["data byte", "without a status"] += 1
                place += 1
            status = track[place]
            if status < 0x80:
                status = running
            else:
                place += 1
            if status in (META, _SYSEX, _SYSEX_END):
                kind = track[place] if status == META else 0
                size, start = _variable_length(track, place + (status == META))
                content, place = track[start : start + size], start + size
                if place > len(track) and (event := _EVENT.search(track, start)):
                    # The length is damaged: what it would pass over goes on with the next event.
                    problems["event", "of a wrong length"] += 1
                    place = event.start()
                    continue
                if kind == END_OF_TRACK:
                    events.append((tick, META, kind, 0, 0))
                    return events, min(place, len(track)), _counted(problems)
                if kind == TEMPO and size == 3:
                    events.append((tick, META, kind, int.from_bytes(content), 0))
                elif kind == TEMPO:
                    problems["tempo", "of a length other than 3, passed over"] += 1
                elif kind == _PORT and content:
                    port = content[0]
                elif status == _SYSEX and _RESETS.match(content):
                    events.append((tick, SYSTEM_RESET, 0, 0, 0))
                continue
            if status > _SYSEX:
                # System messages, which files should not have.
                place += _SYSTEM_DATA_BYTES.get(status, 0)
                continue
            running = status
            count = 1 if status & 0xF0 in _ONE_DATA_BYTE else 2
            first, second = track[place], track[place + 1] if count == 2 else 0
            problems["data byte", "over 127, read as 127"] += (first > 127) + (second > 127)
            place += count
            events.append((tick, status, min(first, 127), min(second, 127), port))
    except IndexError:
        lacks = "has no end-of-track event" if place >= len(track) else "ends in the middle of an event"
        return events, len(track), [*_counted(problems), lacks]
    return events, place, [*_counted(problems), "has no end-of-track event"]


def _counted(problems: collections.Counter[tuple[str, str]]) -> list[str]:
    return [f"has {count} {plural(count, name)} {problem}" for (name, problem), count in problems.items() if count]


def _variable_length(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of one to four bytes, seven bits each, and the place after it."""
    number = 0
    for place in range(place, place + 4):  # noqa: B020
        number = number << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            break
    return number, place + 1
