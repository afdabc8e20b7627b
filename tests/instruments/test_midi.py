"""Tests of `midi`: files made with mido, read as notes in seconds."""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Sequence

import mido
import pytest

from nsynth_vae.errors import InputError
from nsynth_vae.instruments.midi import read_midi

pytestmark = pytest.mark.player


def on(ticks: int, pitch: int = 60, velocity: int = 100, channel: int = 0) -> mido.Message:
    return mido.Message("note_on", time=ticks, note=pitch, velocity=velocity, channel=channel)


def off(ticks: int, pitch: int = 60, channel: int = 0) -> mido.Message:
    return mido.Message("note_off", time=ticks, note=pitch, channel=channel)


def control(ticks: int, number: int, value: int, channel: int = 0) -> mido.Message:
    return mido.Message("control_change", time=ticks, control=number, value=value, channel=channel)


def tempo(ticks: int, seconds_a_beat: float) -> mido.MetaMessage:
    return mido.MetaMessage("set_tempo", time=ticks, tempo=round(seconds_a_beat * 1e6))


def write(path: pathlib.Path, *tracks: Sequence, kind: int = 1, division: int = 100) -> pathlib.Path:
    file = mido.MidiFile(type=kind, ticks_per_beat=division)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    file.save(path)
    return path


def spans(path: pathlib.Path) -> list[tuple[int, float, float]]:
    """Return (pitch, start, end) of the notes, rounded to microseconds."""
    return [(note.pitch, round(note.start, 6), round(note.end, 6)) for note in read_midi(path).notes]


def test_notes_of_all_tracks_in_seconds(tmp_path):
    # Without a tempo there are 120 beats a minute: 200 ticks a second.
    path = write(tmp_path / "a.mid", [on(0, 60, 90), off(100, 60)], [on(50, 64, 30, 3), on(150, 64, 0, 3)])
    notes = read_midi(path).notes
    assert [(note.pitch, note.velocity, note.start, note.end) for note in notes] == [
        (60, 90, 0.0, 0.5),
        (64, 30, 0.25, 1.0),
    ]
    assert read_midi(path).skipped == ()


def test_tempo_changes_are_followed_within_a_note_and_from_another_track(tmp_path):
    path = write(tmp_path / "a.mid", [tempo(0, 1.0), tempo(150, 0.25)], [on(100), off(100)])
    assert spans(path) == [(60, 1.0, 1.5 + 0.125)]


@pytest.mark.parametrize(("frames", "a_second"), [(25, 25.0), (29, 30 / 1.001)])
def test_smpte_time_has_no_tempo(tmp_path, frames, a_second):
    path = write(tmp_path / "a.mid", [tempo(0, 3.0), on(40), off(80)], division=-frames * 256 + 40)
    (note,) = read_midi(path).notes
    assert (note.start, note.end) == pytest.approx((1 / a_second, 3 / a_second), rel=1e-12)


def test_the_sustain_pedal_sustains_notes_released_while_it_is_down(tmp_path):
    messages = [
        on(0, 60),
        on(0, 62),
        control(50, 64, 64),  # At 0.25 s down, while both are pressed.
        off(50, 60),  # 0.5 s, sustained.
        control(50, 64, 63),  # 0.75 s, up: 60 ends, 62 is still pressed.
        off(50, 62),
    ]
    assert spans(write(tmp_path / "a.mid", messages)) == [(60, 0.0, 0.75), (62, 0.0, 1.0)]
    other = [on(0, 60), control(0, 64, 127, channel=1), off(100, 60), control(100, 64, 0, channel=1)]
    assert spans(write(tmp_path / "b.mid", other)) == [(60, 0.0, 0.5)]


def test_a_key_pressed_again_ends_its_sustained_note(tmp_path):
    messages = [control(0, 64, 127), on(0), off(50), on(50), off(50), control(50, 64, 0)]
    assert spans(write(tmp_path / "a.mid", messages)) == [(60, 0.0, 0.5), (60, 0.5, 1.0)]


def test_the_same_pitch_twice_at_once_is_released_in_the_order_of_the_presses(tmp_path):
    assert spans(write(tmp_path / "a.mid", [on(0), on(50), off(50), off(100)])) == [(60, 0.0, 0.5), (60, 0.25, 1.0)]


def test_notes_without_a_release_end_with_the_file_or_with_all_notes_off(tmp_path):
    end = mido.MetaMessage("end_of_track", time=200)
    assert spans(write(tmp_path / "a.mid", [on(0), off(0, 61), end])) == [(60, 0.0, 1.0)]
    pedal = [control(0, 64, 127), on(0), on(0, 62), off(20, 62), control(80, 123, 0), end]
    assert spans(write(tmp_path / "b.mid", pedal)) == [(60, 0.0, 0.5), (62, 0.0, 0.5)]


def test_what_is_skipped_is_named(tmp_path):
    messages = [
        *[on(0, 36, channel=9), off(10, 36, channel=9)] * 12,
        mido.Message("pitchwheel", pitch=0, channel=3),
        mido.Message("pitchwheel", pitch=500, channel=1),
        control(0, 7, 100, channel=0),
        control(0, 7, 90, channel=2),
        control(0, 10, 0),
        mido.Message("program_change", program=40),
        on(0, 60, 10),
        off(10, 60),
    ]
    melody = read_midi(write(tmp_path / "a.mid", messages))
    assert [note.pitch for note in melody.notes] == [60]
    assert melody.skipped == (
        "12 drum notes (channel 10)",
        "pitch bend on channel 2",
        "volume (CC7) on channels 1 and 3",
    )


def test_what_is_wrong_is_named(tmp_path):
    def fails(path: pathlib.Path, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            read_midi(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    good = write(tmp_path / "good.mid", [on(0), off(100)]).read_bytes()
    fails(tmp_path / "nowhere.mid", "cannot be read")
    fails(tmp_path, "is a folder")
    for name, data, message in (
        ("wav", b"RIFF1234WAVE", "does not begin as a MIDI file does"),
        ("nothing", b"", "does not begin as a MIDI file does"),
        ("short", good[:-6], "ends too early"),
        ("header", good[:9], "ends too early"),
        ("byte", good.replace(bytes([0x90, 60, 100]), bytes([0x90, 60, 200])), "is broken .*data byte"),
        ("tracks", good.replace(b"MTrk", b"Junk"), "is broken .*MTrk"),
        ("division", good[:12] + struct.pack(">h", 0) + good[14:], "no ticks"),
        ("smpte", good[:12] + struct.pack(">h", -25 * 256) + good[14:], "no ticks"),
    ):
        (tmp_path / name).write_bytes(data)
        fails(tmp_path / name, message)
    fails(write(tmp_path / "a.mid", [on(0), off(9)], kind=2), "is of type 2")
    fails(write(tmp_path / "b.mid", [control(0, 64, 127)]), "found no notes")
    fails(write(tmp_path / "c.mid", [on(0, 36, channel=9), off(9, 36, channel=9)]), "found only drums")
    fails(write(tmp_path / "d.mid", [on(0), off(200 * 3601)]), "lasts more than 60 minutes")
