"""State of a MIDI channel: keys, pedal, program, and pitch bend, vibrato and level of what sounds.

Controllers are those of "The Complete MIDI 1.0 Detailed Specification" (MIDI Manufacturers Association, 96.1), with the
reset of RP-015 and General MIDI's curve of levels. Zones of channels are those of "MIDI Polyphonic Expression" (MIDI
Manufacturers Association, RP-053).
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Sequence

from nsynth_vae.instruments.automation import Curve

SOUNDING_SECONDS = 4.0
"""Pitch bend and level of a note are kept for so long after its key is released: a decoded note's length."""

_MODULATION, _DATA, _DATA_LSB, _VOLUME, _EXPRESSION, _SUSTAIN = 1, 6, 38, 7, 11, 64
_NRPN_LSB, _NRPN, _RPN_LSB, _RPN = 98, 99, 100, 101
ALL_SOUND_OFF, ALL_NOTES_OFF = 120, 123
"""Controls that end notes: at once, and as releases of all keys, which those above do as well."""

_RESET = 121
_NO_PARAMETER = (127, 127)
_BEND_RANGE, _FINE_TUNING, _COARSE_TUNING, _VIBRATO_RANGE, _ZONE = (0, 0), (0, 1), (0, 2), (0, 5), (0, 6)
_DEFAULTS = {
    _BEND_RANGE: (2, 0),
    _FINE_TUNING: (64, 0),
    _COARSE_TUNING: (64, 0),
    _VIBRATO_RANGE: (0, 64),
    _ZONE: (0, 0),
}
"""General MIDI's values of the registered parameters: bytes 6 and 38."""

_MEMBER_BEND_RANGE = (48, 0)
"""Of a channel of a zone."""

_USUAL_VOLUME = 100
"""CC7 of a channel that sets none, by General MIDI; its notes keep the level that the model and `--dynamics` give."""


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
    channel: int = 1
    """1 to 16."""
    program: int | None = None
    """The channel's General MIDI program, 0 to 127; None if the file has set none."""
    bend: Curve = ()
    """Pitch bend in cents, from the note's start on; empty without."""
    gain: Curve = ()
    """Factor of the amplitude by volume and expression, from the note's start on; empty if it is 1."""
    vibrato: Curve = ()
    """Depth of a vibrato in cents, from the note's start on; empty without."""


class Channel:
    """A channel; a note's end is set when it ends."""

    def __init__(self, number: int, port: Sequence[Channel]) -> None:
        """Start with the values that General MIDI has at power-on.

        Args:
            number: 1 to 16.
            port: all channels of its port, in their order, this one among them.
        """
        self.last = 0.0
        """Seconds of the last press, or release of a pressed key."""
        self._number, self._port = number, port
        self._notes: list[NoteEvent] = []
        """The notes that have ended, without their curves."""
        self._silent: dict[int, float] = {}
        """Index of a note -> seconds at which nothing is heard of it any more, where its release is cut off."""
        self._pressed: list[NoteEvent] = []
        self._sustained: list[NoteEvent] = []
        self._bends: list[tuple[float, float]] = [(0.0, 0.0)]
        self._gains: list[tuple[float, float]] = [(0.0, 1.0)]
        self._vibratos: list[tuple[float, float]] = [(0.0, 0.0)]
        self._power_on()

    def _power_on(self) -> None:
        self._program: int | None = None
        self._pedal = False
        self._volume, self._expression = _USUAL_VOLUME, 127
        self._wheel, self._modulation = 0, 0
        self._parameter = _NO_PARAMETER
        self._parameters = dict(_DEFAULTS)
        self._manager: Channel | None = None
        self._members: Sequence[Channel] = ()

    @property
    def is_member(self) -> bool:
        """Whether it belongs to a zone of another channel."""
        return self._manager is not None

    def reset(self, seconds: float) -> None:
        """End all notes, and return to the values at power-on."""
        self.end_all(seconds)
        self._power_on()
        self._draw(seconds)

    def press(self, seconds: float, pitch: int, velocity: int) -> None:
        """Begin a note; one of this pitch that only the pedal sustains ends."""
        self._end(seconds, self._sustained, pitch)
        self._pressed.append(NoteEvent(seconds, seconds, pitch, velocity, self._number, self._program))
        self.last = seconds

    def release(self, seconds: float, pitch: int, *, one: bool) -> None:
        """Release the first note of a pitch, or all of them that did not begin just now."""
        found = [note for note in self._pressed if note.pitch == pitch]
        found = [note for note in found if note.start < seconds] or found
        for note in found[:1] if one else found:
            self._pressed.remove(note)
            self._sustained.append(note)
            self.last = seconds
        self._move_pedal(seconds, self._pedal)

    def change_program(self, program: int) -> None:
        """Follow a program change, 0 to 127."""
        for channel in (self, *self._members):
            channel._program = program

    def control(self, seconds: float, number: int, value: int) -> None:
        """Follow a control change; others than those of the specification's sound itself change nothing.

        A zone's manager changes its members too.
        """
        if number in (_MODULATION, _SUSTAIN, _VOLUME, _EXPRESSION) or number >= ALL_SOUND_OFF:
            for member in self._members:
                member.control(seconds, number, value)
        if number == _SUSTAIN:
            self._move_pedal(seconds, value >= 64)
        elif number == _MODULATION:
            self._modulation = value
        elif number == _VOLUME:
            self._volume = value
        elif number == _EXPRESSION:
            self._expression = value
        elif number in (_RPN, _RPN_LSB):
            msb, lsb = self._parameter
            self._parameter = (value, lsb) if number == _RPN else (msb, value)
        elif number in (_NRPN, _NRPN_LSB):
            self._parameter = _NO_PARAMETER
        elif number in (_DATA, _DATA_LSB) and self._parameter in self._parameters:
            # A high byte sets the low one to 0.
            msb = value if number == _DATA else self._parameters[self._parameter][0]
            self._set_parameter(seconds, self._parameter, (msb, value if number == _DATA_LSB else 0))
        elif number == ALL_SOUND_OFF:
            self.end_all(seconds)
            self._silence(seconds)
        elif number == _RESET:
            self._move_pedal(seconds, False)
            self._expression, self._wheel, self._modulation, self._parameter = 127, 0, 0, _NO_PARAMETER
        elif number >= ALL_NOTES_OFF:
            # As by a note-off each: the pedal sustains them. 124 to 127 change the mode, and end notes too.
            self._sustained += self._pressed
            self._pressed = []
            self._move_pedal(seconds, self._pedal)
        self._draw(seconds)

    def bend(self, seconds: float, wheel: int) -> None:
        """Follow a pitch bend, 0 to 16383; 8192 is none."""
        self._wheel = wheel - 8192
        self._draw(seconds)

    def end_all(self, seconds: float) -> None:
        """End all notes, sustained or not; none before it begins."""
        self._end(seconds, self._pressed)
        self._end(seconds, self._sustained)

    def finished(self) -> list[NoteEvent]:
        """Return the notes with their curves."""
        notes = []
        for index, note in enumerate(self._notes):
            bend, vibrato = (_part(points, note, 0.0) for points in (self._bends, self._vibratos))
            gain = _part(self._gains, note, 1.0)
            if index in self._silent:
                after = self._silent[index] - note.start
                gain = (*(point for point in gain or ((0.0, 1.0),) if point[0] < after), (after, 0.0))
            notes.append(dataclasses.replace(note, bend=bend, gain=gain, vibrato=vibrato))
        return notes

    def _set_parameter(self, seconds: float, parameter: tuple[int, int], value: tuple[int, int]) -> None:
        self._parameters[parameter] = value
        if parameter == _ZONE and self._number in (1, 16):
            count = min(value[0], 15)
            self._make_zone(seconds, self._port[1 : 1 + count] if self._number == 1 else self._port[15 - count : 15])
        elif parameter == _BEND_RANGE and self._manager is not None:
            # One range for all members.
            for member in self._manager._members:
                member._parameters[_BEND_RANGE] = value
                member._draw(seconds)

    def _make_zone(self, seconds: float, members: Sequence[Channel]) -> None:
        """Make some channels the members of this channel's zone, and no others."""
        for member in self._members:
            member._manager = None
        self._members = members
        for member in members:
            member._manager = self
            member._parameters[_BEND_RANGE] = _MEMBER_BEND_RANGE
            member._draw(seconds)

    def _silence(self, seconds: float) -> None:
        """Cut off the releases of the notes that have ended."""
        for index in range(len(self._notes) - 1, -1, -1):
            if self._notes[index].end + SOUNDING_SECONDS < seconds:
                break
            self._silent.setdefault(index, seconds)

    def _move_pedal(self, seconds: float, down: bool) -> None:
        self._pedal = down
        if not down:
            self._end(seconds, self._sustained)

    def _end(self, seconds: float, notes: list[NoteEvent], pitch: int | None = None) -> None:
        """End the notes of a pitch, or all, and take them out of the list."""
        self._notes.extend(dataclasses.replace(note, end=seconds) for note in notes if pitch in (None, note.pitch))
        notes[:] = [note for note in notes if pitch not in (None, note.pitch)]

    def _draw(self, seconds: float) -> None:
        """Continue the curves at the present values."""
        semitones, cents = self._parameters[_BEND_RANGE]
        fine_msb, fine_lsb = self._parameters[_FINE_TUNING]
        bend = (100 * semitones + cents) * self._wheel / 8192
        bend += 100 * (fine_msb * 128 + fine_lsb - 8192) / 8192 + 100 * (self._parameters[_COARSE_TUNING][0] - 64)
        if self._manager is not None:
            bend += self._manager._bends[-1][1]
        semitones, parts = self._parameters[_VIBRATO_RANGE]
        vibrato = 100 * (semitones + parts / 128) * self._modulation / 127
        # 40 log10 of each, in dB.
        gain = (self._volume / _USUAL_VOLUME) ** 2 * (self._expression / 127) ** 2
        for curve, value in ((self._bends, bend), (self._gains, gain), (self._vibratos, vibrato)):
            if curve[-1][1] != value:
                curve.append((seconds, value))
        for member in self._members:
            member._draw(seconds)


def _part(points: list[tuple[float, float]], note: NoteEvent, usual: float) -> Curve:
    """Return the part of a channel's curve in which a note sounds; empty if it is the usual value throughout."""
    first = bisect.bisect_right(points, note.start, key=lambda point: point[0]) - 1
    last = bisect.bisect_right(points, note.end + SOUNDING_SECONDS, key=lambda point: point[0])
    part = tuple((max(seconds - note.start, 0.0), value) for seconds, value in points[first:last])
    return part if any(value != usual for _, value in part) else ()
