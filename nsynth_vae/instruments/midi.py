"""Standard MIDI Files: their notes, in seconds."""

from __future__ import annotations

import collections
import dataclasses
import io
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nsynth_vae.errors import InputError

if TYPE_CHECKING:
    import mido

LONGEST_SECONDS = 3600.0
"""The longest file that is read: longer ones have a broken time in them."""

DRUM_CHANNEL = 9
"""General MIDI's channel 10, counted from 0."""

_SUSTAIN, _ALL_SOUND_OFF, _ALL_NOTES_OFF = 64, 120, 123
_SKIPPED_CONTROLS = {1: "modulation (CC1)", 7: "volume (CC7)", 11: "expression (CC11)"}
_EXPECTED = "expected a Standard MIDI File of type 0 or 1"


@dataclasses.dataclass(frozen=True, slots=True)
class NoteEvent:
    """A note of a MIDI file."""

    start: float
    """Seconds from the file's start."""
    end: float
    """Seconds from the file's start to the release of the key, or of the pedal that sustains the note."""
    pitch: int
    """MIDI, 0 to 127."""
    velocity: int
    """MIDI, 1 to 127."""


@dataclasses.dataclass(frozen=True)
class Melody:
    """The notes of a MIDI file."""

    notes: tuple[NoteEvent, ...]
    """In the order of their starts; at least one."""
    skipped: tuple[str, ...]
    """Events that are not played, in words."""


def read_midi(path: str | os.PathLike) -> Melody:
    """Read the notes of all tracks and channels but the drums'.

    Tempo changes and the sustain pedal (CC64, down from 64 on) are followed. A key that is pressed again while the
    pedal sustains its last note ends that note. If a pitch of a channel is pressed twice before it is released, the
    first release belongs to the first press. Notes without a release end with the file.

    Raises:
        InputError: for a file that is not MIDI, is broken, has no notes, or lasts longer than `LONGEST_SECONDS`.
    """
    path = pathlib.Path(path)
    channels = [_Channel() for _ in range(16)]
    skipped: dict[str, set[int]] = collections.defaultdict(set)
    drums, seconds = 0, 0.0
    for seconds, message in _timed(_parse(path), path):
        if seconds > LONGEST_SECONDS:
            raise InputError(f"{path}: lasts more than {LONGEST_SECONDS / 60:.0f} minutes, expected at most these")
        if not hasattr(message, "channel"):
            continue
        channel = channels[message.channel]
        is_press = message.type == "note_on" and message.velocity > 0
        if message.channel == DRUM_CHANNEL:
            drums += is_press
        elif is_press:
            channel.press(seconds, message.note, message.velocity)
        elif message.type in ("note_on", "note_off"):
            channel.release(seconds, message.note)
        elif message.type == "control_change":
            if message.control == _SUSTAIN:
                channel.move_pedal(seconds, message.value >= 64)
            elif message.control in (_ALL_SOUND_OFF, _ALL_NOTES_OFF):
                channel.release_all(seconds)
            elif message.control in _SKIPPED_CONTROLS:
                skipped[_SKIPPED_CONTROLS[message.control]].add(message.channel)
        elif message.type == "pitchwheel" and message.pitch:
            skipped["pitch bend"].add(message.channel)
        elif message.type in ("aftertouch", "polytouch"):
            skipped["aftertouch"].add(message.channel)
    for channel in channels:
        channel.release_all(seconds)
    notes = [note for channel in channels for note in channel.notes]
    if not notes:
        found = f"only drums (channel {DRUM_CHANNEL + 1})" if drums else "no notes"
        raise InputError(f"{path}: found {found} in it, expected notes to play")
    words = [f"{drums} drum {'note' if drums == 1 else 'notes'} (channel {DRUM_CHANNEL + 1})"] if drums else []
    words += [f"{name} on {_channel_names(found)}" for name, found in sorted(skipped.items())]
    return Melody(tuple(sorted(notes, key=lambda note: (note.start, note.pitch))), tuple(words))


class _Channel:
    """The keys and the pedal of a channel; a note's end is set when it ends."""

    def __init__(self) -> None:
        self.notes: list[NoteEvent] = []
        self._pressed: list[NoteEvent] = []
        self._sustained: list[NoteEvent] = []
        self._pedal = False

    def press(self, seconds: float, pitch: int, velocity: int) -> None:
        self._end(seconds, self._sustained, pitch)
        self._pressed.append(NoteEvent(seconds, seconds, pitch, velocity))

    def release(self, seconds: float, pitch: int) -> None:
        note = next((note for note in self._pressed if note.pitch == pitch), None)
        if note is not None:
            self._pressed.remove(note)
            self._sustained.append(note)
            self.move_pedal(seconds, self._pedal)

    def move_pedal(self, seconds: float, down: bool) -> None:
        self._pedal = down
        if not down:
            self._end(seconds, self._sustained)

    def release_all(self, seconds: float) -> None:
        self._end(seconds, self._pressed)
        self._end(seconds, self._sustained)

    def _end(self, seconds: float, notes: list[NoteEvent], pitch: int | None = None) -> None:
        """End the notes of a pitch, or all, and take them out of the list."""
        self.notes.extend(dataclasses.replace(note, end=seconds) for note in notes if pitch in (None, note.pitch))
        notes[:] = [note for note in notes if pitch not in (None, note.pitch)]


def _parse(path: pathlib.Path) -> mido.MidiFile:
    import mido

    try:
        # A pipe would block: only regular files are opened.
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is {'a folder' if path.is_dir() else 'no regular file'}, {_EXPECTED}")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), {_EXPECTED}") from error
    if not data.startswith(b"MThd"):
        raise InputError(f"{path}: does not begin as a MIDI file does, {_EXPECTED}")
    try:
        parsed = mido.MidiFile(file=io.BytesIO(data))
    except EOFError as error:
        raise InputError(f"{path}: ends too early, {_EXPECTED}") from error
    except Exception as error:  # The errors of mido for broken files have no common class.
        problem = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: is broken ({problem}), {_EXPECTED}") from error
    if parsed.type not in (0, 1):
        raise InputError(f"{path}: is of type {parsed.type}, {_EXPECTED}")
    return parsed


def _timed(file: mido.MidiFile, path: pathlib.Path) -> Iterator[tuple[float, mido.Message]]:
    """Yield (seconds from the start, message); mido's own clock does not support SMPTE time."""
    division = file.ticks_per_beat
    # Negative: frames a second in the high byte, ticks a frame in the low one, and no tempo. 29 stands for 29.97.
    frames = {29: 30 / 1.001}.get(-(division >> 8), -(division >> 8))
    ticks_per_second = frames * (division & 0xFF)
    if division == 0 or (division < 0 and not ticks_per_second):
        raise InputError(f"{path}: is broken (no ticks in its unit of time), {_EXPECTED}")
    seconds_per_tick = 1 / ticks_per_second if division < 0 else 0.5 / division
    seconds = 0.0
    for message in file.merged_track:
        seconds += message.time * seconds_per_tick
        yield seconds, message
        if message.type == "set_tempo" and division > 0:
            seconds_per_tick = message.tempo * 1e-6 / division


def _channel_names(channels: set[int]) -> str:
    names = [str(channel + 1) for channel in sorted(channels)]
    return f"channel {names[0]}" if len(names) == 1 else f"channels {', '.join(names[:-1])} and {names[-1]}"
