"""State of a MIDI channel: keys, pedal, program, and the pitch bend and the level of what sounds.

Controllers are those of "The Complete MIDI 1.0 Detailed Specification" (MIDI Manufacturers Association, 96.1), with the
reset of RP-015 and General MIDI's curve of levels. A model with a vibrato depth would get CC1 here, as a third curve.
"""

from __future__ import annotations

import bisect
import dataclasses

from nsynth_vae.instruments.automation import Curve

SOUNDING_SECONDS = 4.0
"""Pitch bend and level of a note are kept for so long after its key is released: a decoded note's length."""

_DATA, _DATA_LSB, _VOLUME, _EXPRESSION, _SUSTAIN = 6, 38, 7, 11, 64
_NRPN_LSB, _NRPN, _RPN_LSB, _RPN = 98, 99, 100, 101
ALL_SOUND_OFF, ALL_NOTES_OFF = 120, 123
"""Controls that end notes: at once, and as releases of all keys, which those above do as well."""

_RESET = 121
_NO_PARAMETER = (127, 127)
_BEND_RANGE, _FINE_TUNING, _COARSE_TUNING = (0, 0), (0, 1), (0, 2)

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


class Channel:
    """A channel; a note's end is set when it ends."""

    def __init__(self, number: int) -> None:
        """Start with the values that General MIDI has at power-on; `number` 1 to 16."""
        self.notes: list[NoteEvent] = []
        """The notes that have ended, without their curves."""
        self.program: int | None = None
        self._number = number
        self._pressed: list[NoteEvent] = []
        self._sustained: list[NoteEvent] = []
        self._pedal = False
        self._volume, self._expression = _USUAL_VOLUME, 127
        self._wheel = 0
        self._parameter = _NO_PARAMETER
        self._parameters = {_BEND_RANGE: (2, 0), _FINE_TUNING: (64, 0), _COARSE_TUNING: (64, 0)}
        self._bends: list[tuple[float, float]] = [(0.0, 0.0)]
        self._gains: list[tuple[float, float]] = [(0.0, 1.0)]

    def press(self, seconds: float, pitch: int, velocity: int) -> None:
        """Begin a note; one of this pitch that only the pedal sustains ends."""
        self._end(seconds, self._sustained, pitch)
        self._pressed.append(NoteEvent(seconds, seconds, pitch, velocity, self._number, self.program))

    def release(self, seconds: float, pitch: int, *, one: bool) -> None:
        """Release the first note of a pitch, or all of them that did not begin just now."""
        found = [note for note in self._pressed if note.pitch == pitch]
        found = [note for note in found if note.start < seconds] or found
        for note in found[:1] if one else found:
            self._pressed.remove(note)
            self._sustained.append(note)
        self._move_pedal(seconds, self._pedal)

    def control(self, seconds: float, number: int, value: int) -> None:
        """Follow a control change; others than those of the specification's sound itself change nothing."""
        if number == _SUSTAIN:
            self._move_pedal(seconds, value >= 64)
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
            self._parameters[self._parameter] = (msb, value if number == _DATA_LSB else 0)
        elif number == ALL_SOUND_OFF:
            self.end_all(seconds)
        elif number == _RESET:
            self._move_pedal(seconds, False)
            self._expression, self._wheel, self._parameter = 127, 0, _NO_PARAMETER
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
        return [
            dataclasses.replace(note, bend=_part(self._bends, note, 0.0), gain=_part(self._gains, note, 1.0))
            for note in self.notes
        ]

    def _move_pedal(self, seconds: float, down: bool) -> None:
        self._pedal = down
        if not down:
            self._end(seconds, self._sustained)

    def _end(self, seconds: float, notes: list[NoteEvent], pitch: int | None = None) -> None:
        """End the notes of a pitch, or all, and take them out of the list."""
        self.notes.extend(dataclasses.replace(note, end=seconds) for note in notes if pitch in (None, note.pitch))
        notes[:] = [note for note in notes if pitch not in (None, note.pitch)]

    def _draw(self, seconds: float) -> None:
        """Continue the curves at the present values."""
        semitones, cents = self._parameters[_BEND_RANGE]
        fine_msb, fine_lsb = self._parameters[_FINE_TUNING]
        bend = (100 * semitones + cents) * self._wheel / 8192
        bend += 100 * (fine_msb * 128 + fine_lsb - 8192) / 8192 + 100 * (self._parameters[_COARSE_TUNING][0] - 64)
        # 40 log10 of each, in dB.
        gain = (self._volume / _USUAL_VOLUME) ** 2 * (self._expression / 127) ** 2
        for curve, value in ((self._bends, bend), (self._gains, gain)):
            if curve[-1][1] != value:
                curve.append((seconds, value))


def _part(points: list[tuple[float, float]], note: NoteEvent, usual: float) -> Curve:
    """Return the part of a channel's curve in which a note sounds; empty if it is the usual value throughout."""
    first = bisect.bisect_right(points, note.start, key=lambda point: point[0]) - 1
    last = bisect.bisect_right(points, note.end + SOUNDING_SECONDS, key=lambda point: point[0])
    part = tuple((max(seconds - note.start, 0.0), value) for seconds, value in points[first:last])
    return part if any(value != usual for _, value in part) else ()
