"""Tests of `midi`: files made with mido, read as notes in seconds."""

from __future__ import annotations

import math
import pathlib
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


@pytest.mark.parametrize("presses", [2, 3])
def test_one_release_ends_all_that_are_not_released_singly(tmp_path, presses):
    messages = [*[on(10 * (index > 0)) for index in range(presses)], off(50), on(150), off(50), on(0, 64), off(50, 64)]
    ends = 0.05 * (presses - 1) + 0.25
    first = [(60, 0.05 * index, ends) for index in range(presses)]
    after = [(60, ends + 0.75, ends + 1.0), (64, ends + 1.0, ends + 1.25)]
    found = spans(write(tmp_path / "a.mid", messages))
    assert found == [(pitch, pytest.approx(start), pytest.approx(end)) for pitch, start, end in [*first, *after]]


def test_a_release_leaves_what_began_at_the_same_time(tmp_path):
    """Many files have the note-on first; the last note-off is missing."""
    messages = [on(0), on(100), off(0), on(100), off(0), on(0, 64), off(100, 64)]
    assert spans(write(tmp_path / "a.mid", messages)) == [(60, 0, 0.5), (60, 0.5, 1.0), (60, 1.0, 1.5), (64, 1.0, 1.5)]


def test_keys_that_overlap_are_released_in_turn_if_none_is_missing(tmp_path):
    messages = [on(0), on(50), off(50), on(50), off(50), off(100)]
    assert spans(write(tmp_path / "a.mid", messages)) == [(60, 0, 0.5), (60, 0.25, 1.0), (60, 0.75, 1.5)]


def test_notes_without_a_release_end_with_the_file_or_4_s_after_the_last_note(tmp_path):
    end = mido.MetaMessage("end_of_track", time=200)
    assert spans(write(tmp_path / "a.mid", [on(0), off(0, 61), end])) == [(60, 0.0, 1.0)]
    late = mido.MetaMessage("end_of_track", time=200 * 3660)
    assert spans(write(tmp_path / "b.mid", [on(0), on(100, 64), off(100, 64), late])) == [(60, 0, 5.0), (64, 0.5, 1.0)]
    assert spans(write(tmp_path / "c.mid", [control(0, 64, 127), on(0), off(100), late])) == [(60, 0.0, 4.5)]
    # A late end is none of a note's that is released.
    assert spans(write(tmp_path / "d.mid", [on(0), off(100), late])) == [(60, 0.0, 0.5)]


def test_resets_and_ends_of_all_notes_follow_the_specification(tmp_path):
    pedal = [control(0, 64, 127), on(0), on(0, 62), off(20, 62)]
    after = [on(100, 64), off(100, 64), control(0, 64, 0)]
    for number, ends in ((120, 0.5), (121, 0.5), (123, 1.5), (125, 1.5)):
        # 121 lifts the pedal, and leaves the key; 123 is a note-off of every key, which the pedal sustains.
        found = spans(write(tmp_path / "a.mid", [*pedal, control(80, number, 0), *after, off(0)]))
        assert found == [(60, 0.0, 1.5 if number == 121 else ends), (62, 0.0, ends), (64, 1.0, 1.5)]
    lifted = [control(0, 64, 127), on(0), off(50), control(50, 121, 0), on(50), off(50)]
    assert spans(write(tmp_path / "b.mid", lifted)) == [(60, 0.0, 0.5), (60, 0.75, 1.0)]
    assert spans(write(tmp_path / "c.mid", [on(0), control(100, 123, 0), on(0, 64), off(90, 64)])) == [
        (60, 0.0, 0.5),
        (64, 0.5, 0.95),
    ]


@pytest.mark.parametrize("presses", [2, 3])
def test_a_stray_release_later_does_not_leave_a_note_sounding(tmp_path, presses):
    """As many releases as presses, but the last are a sweep over all keys, or much later."""
    messages = [*[on(10 * (index > 0)) for index in range(presses)], off(50)]
    end = 0.05 * (presses - 1) + 0.25
    expected = [(60, pytest.approx(0.05 * index), pytest.approx(end)) for index in range(presses)]
    sweep = [off(300 * (pitch == 0), pitch) for pitch in range(128)]
    assert spans(write(tmp_path / "a.mid", [*messages, *sweep * (presses - 1)])) == expected
    assert spans(write(tmp_path / "b.mid", [*messages, *[off(900)] * (presses - 1)])) == expected
    # Four seconds are none too long for one that is played so.
    last = [off(700 * (index == 0)) for index in range(presses - 1)]
    assert spans(write(tmp_path / "c.mid", [*messages, *last]))[-1][2] == pytest.approx(end + 3.5)


def test_the_note_that_a_cut_file_ends_in_lasts_for_4_s(tmp_path):
    whole = write(tmp_path / "a.mid", [on(0), off(100), on(0, 64), off(100, 64)])
    path = tmp_path / "b.mid"
    path.write_bytes(whole.read_bytes()[:-8])
    assert spans(path) == [(60, 0.0, 0.5), (64, 0.5, 4.5)]
    # A long track does not sustain what was cut in another one.
    write(path, [on(0, 40), off(6000, 40)], [on(0, channel=1), off(100, channel=1)])
    path.write_bytes(path.read_bytes()[:-8])
    assert spans(path) == [(40, 0.0, 30.0), (60, 0.0, 4.0)]


def test_late_events_do_not_lengthen_the_piece(tmp_path):
    late = 200 * 3660
    note = [on(0), off(100)]
    end = mido.MetaMessage("end_of_track", time=0)
    for strays in ([off(late, 61)], [control(late, 64, 0)], [on(late, 36, channel=9), off(9, 36, channel=9)]):
        melody = read_midi(write(tmp_path / "a.mid", [*note, *strays, end]))
        assert [(one.start, one.end, melody.warnings) for one in melody.notes] == [(0.0, 0.5, ())]
        # Neither do they release a note that is left sounding.
        found = spans(write(tmp_path / "b.mid", [on(0, 50), *note, *strays, end]))
        assert found == [(50, 0.0, 4.5), (60, 0.0, 0.5)]


def test_notes_after_60_minutes_are_left_out(tmp_path):
    late = 200 * 3660
    path = write(tmp_path / "a.mid", [on(0), off(100), on(late, 62), off(100, 62)])
    assert spans(path) == [(60, 0.0, 0.5)]
    assert read_midi(path).warnings == ("1 note begins after 60 minutes, left out",)
    pedal = [control(0, 64, 127), on(0), off(100), on(0, 64), off(100, 64), control(late, 64, 0)]
    path = write(tmp_path / "b.mid", pedal)
    assert spans(path) == [(60, 0.0, 4.5), (64, 0.5, 4.5)]
    assert read_midi(path).warnings == ("2 notes end after 60 minutes, shortened",)


def test_all_sound_off_silences_what_is_released_too(tmp_path):
    messages = [on(0), off(100), on(0, 62), control(50, 120, 0), on(0, 64), off(100, 64)]
    first, second, third = read_midi(write(tmp_path / "a.mid", messages)).notes
    assert [(note.start, note.end) for note in (first, second, third)] == [(0, 0.5), (0.5, 0.75), (0.75, 1.25)]
    assert [note.gain for note in (first, second, third)] == [((0.0, 1.0), (0.75, 0.0)), ((0.0, 1.0), (0.25, 0.0)), ()]
    # The level before it stays, and another channel's; a second one changes nothing.
    messages = [control(0, 7, 50), on(0), on(0, 62, channel=1), off(100), control(50, 120, 0), control(50, 120, 0)]
    first, other = read_midi(write(tmp_path / "b.mid", [*messages, off(50, 62, channel=1)])).notes
    assert (first.gain, other.gain, other.end) == (((0.0, 0.25), (0.75, 0.0)), (), 1.25)


def test_a_system_reset_ends_notes_and_returns_to_the_defaults(tmp_path):
    gm_on = mido.Message("sysex", data=(0x7E, 0x7F, 9, 1), time=100)
    changed = [control(0, 64, 127), control(0, 7, 20), mido.Message("program_change", program=7), on(0)]
    first, second = read_midi(write(tmp_path / "a.mid", [*changed, gm_on, on(0), off(100)])).notes
    assert (first.program, first.end, second.program, second.end, second.gain) == (7, 0.5, None, 1.0, ())


def test_tracks_of_type_2_have_channels_of_their_own(tmp_path):
    changed = [control(0, 64, 127), control(0, 7, 20), mido.Message("program_change", program=7), on(0), off(100)]
    first, second = read_midi(write(tmp_path / "a.mid", changed, [on(0), off(100)], kind=2)).notes
    assert (first.program, second.program, second.start, second.end, second.gain) == (7, None, 0.5, 1.0, ())


def test_ports_have_channels_of_their_own(tmp_path):
    port = mido.MetaMessage("midi_port", port=1)
    changed = [port, control(0, 7, 20), wheel(0, 4096), mido.Message("program_change", program=7), off(50), on(0, 64)]
    path = write(tmp_path / "a.mid", [on(0), off(100)], [*changed, control(20, 120, 0)])
    first, second = read_midi(path).notes
    assert (first.pitch, first.end, first.program, first.bend, first.gain) == (60, 0.5, None, (), ())
    assert (second.pitch, second.end, second.program, second.channel) == (64, pytest.approx(0.35), 7, 1)


def test_modulation_is_a_vibrato_of_the_depth_of_rpn_5(tmp_path):
    messages = [control(0, 1, 64), on(0), control(50, 1, 127), off(50), control(0, 1, 0), on(2000), off(100)]
    first, second = read_midi(write(tmp_path / "a.mid", messages)).notes
    assert first.vibrato == ((0.0, pytest.approx(50 * 64 / 127)), (0.25, 50.0), (0.5, 0.0))
    assert (second.vibrato, first.bend) == ((), ())
    deep = [*parameter(1, 64, number=5), *NULL, control(0, 1, 127), on(0), control(50, 121, 0), off(50)]
    (note,) = read_midi(write(tmp_path / "b.mid", deep)).notes
    assert note.vibrato == ((0.0, 150.0), (0.25, 0.0))


@pytest.mark.parametrize(("manager", "member"), [(0, 1), (0, 9), (15, 14)])
def test_the_members_of_a_zone_follow_its_manager(tmp_path, manager, member):
    """MIDI Polyphonic Expression: 48 semitones for a member, to which the manager's 2 are added."""
    zone = [
        mido.Message("control_change", channel=manager, control=c, value=v) for c, v in ((101, 0), (100, 6), (6, 9))
    ]
    own = mido.Message("pitchwheel", channel=member, pitch=4096)
    common = mido.Message("pitchwheel", channel=manager, pitch=4096, time=50)
    changed = [mido.Message("program_change", program=7, channel=manager), control(0, 11, 64, channel=manager)]
    played = [on(0, 60, channel=member), common, control(0, 64, 127, channel=manager), off(50, 60, channel=member)]
    up = control(50, 64, 0, channel=manager)
    melody = read_midi(write(tmp_path / "a.mid", [*zone, own, *changed, *played, up]))
    (note,) = melody.notes
    assert note.bend == ((0.0, 2400.0), (0.25, 2500.0))
    assert (note.end, note.channel, note.program, bool(note.gain)) == (0.75, member + 1, 7, True)
    # A range that one member sets is all members'; an empty zone ends it.
    others = [control(0, c, v, channel=2) for c, v in ((101, 0), (100, 0), (6, 12))]
    if manager == 0:
        (note,) = read_midi(write(tmp_path / "b.mid", [*zone, *others, own, *played, up])).notes
        assert note.bend[0] == (0.0, 600.0)
    none = [control(0, c, v, channel=manager) for c, v in ((101, 0), (100, 6), (6, 0))]
    path = write(tmp_path / "c.mid", [*zone, *none, own, *played])
    assert read_midi(path, drums=True).notes[0].bend[-1][1] == 2400.0


def wheel(ticks: int, pitch: int) -> mido.Message:
    return mido.Message("pitchwheel", time=ticks, pitch=pitch)


def parameter(msb: int, lsb: int, number: int = 0) -> list[mido.Message]:
    """Set an RPN, without its null."""
    return [control(0, 101, 0), control(0, 100, number), control(0, 6, msb), control(0, 38, lsb)]


NULL = [control(0, 101, 127), control(0, 100, 127)]


def bends(path: pathlib.Path) -> list[tuple]:
    return [tuple((round(at, 6), pytest.approx(cents)) for at, cents in note.bend) for note in read_midi(path).notes]


def test_pitch_bend_is_a_curve_from_the_start_of_each_note(tmp_path):
    messages = [on(0), wheel(50, 4096), wheel(50, -8192), off(100), wheel(0, 0), on(2000), off(100)]
    first, second = bends(write(tmp_path / "a.mid", messages))
    assert first == ((0.0, 0.0), (0.25, 100.0), (0.5, -200.0), (1.0, 0.0))
    assert second == ()
    (bent,) = bends(write(tmp_path / "b.mid", [wheel(0, 8191), on(30), off(100)]))
    assert bent == ((0.0, 200 * 8191 / 8192),)


@pytest.mark.parametrize(
    ("before", "cents"),
    [
        ([], 100.0),
        ([*parameter(12, 0), *NULL], 600.0),
        ([*parameter(2, 50), *NULL], 125.0),
        # Data after a null, of an RPN that is none of these, or of an NRPN, sets nothing.
        ([*parameter(12, 0), *NULL, control(0, 6, 1)], 600.0),
        ([*parameter(12, 0, number=5)], 100.0),
        ([*parameter(12, 0), control(0, 99, 0), control(0, 98, 0), control(0, 6, 1)], 600.0),
        # A reset ends the bend and the choice of the RPN, and keeps the range.
        ([*parameter(12, 0), control(0, 121, 0), control(0, 6, 1), wheel(0, 4096)], 600.0),
        ([*parameter(64, 0, number=1), *NULL], 100.0),
        ([*parameter(96, 0, number=1), *NULL], 150.0),
        ([*parameter(0, 0, number=1), *parameter(64 - 12, 0, number=2)], -1200.0),
    ],
)
def test_the_range_and_the_tuning_are_registered_parameters(tmp_path, before, cents):
    (bend,) = bends(write(tmp_path / "a.mid", [wheel(0, 4096), *before, on(10), off(100)]))
    assert bend == ((0.0, cents),)


def test_a_reset_ends_bend_and_expression(tmp_path):
    messages = [wheel(0, 4096), control(0, 11, 64), control(0, 7, 50), on(10), control(50, 121, 0), off(50)]
    (note,) = read_midi(write(tmp_path / "a.mid", messages)).notes
    assert [(round(at, 6), cents) for at, cents in note.bend] == [(0.0, 100.0), (0.25, 0.0)]
    assert [at for at, _ in note.gain] == [0.0, 0.25]
    assert note.gain[1][1] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("number", "value", "decibels"), [(7, 127, 4.15), (7, 64, -7.75), (11, 64, -11.90), (7, 100, 0)]
)
def test_volume_and_expression_follow_the_curve_of_general_midi(tmp_path, number, value, decibels):
    """40 log10 of the value over 100, General MIDI's volume at power-on, or over 127, its expression."""
    (note,) = read_midi(write(tmp_path / "a.mid", [control(0, number, value), on(10), off(100)])).notes
    gain = note.gain[0][1] if note.gain else 1.0
    assert 20 * math.log10(gain) == pytest.approx(decibels, abs=0.01)
    assert bool(note.gain) == (decibels != 0)


def test_controllers_are_of_their_channel_and_silence_is_a_level(tmp_path):
    messages = [
        control(0, 7, 0, channel=1),
        wheel(0, 100),
        on(10),
        on(0, 64, channel=1),
        off(100),
        off(0, 64, channel=1),
    ]
    first, second = read_midi(write(tmp_path / "a.mid", messages)).notes
    assert (first.gain, second.gain, second.bend) == ((), ((0.0, 0.0),), ())
    assert (first.channel, second.channel) == (1, 2)


def test_notes_have_the_program_of_their_start(tmp_path):
    change = [mido.Message("program_change", program=program, time=10) for program in (40, 72)]
    messages = [on(0, 59), off(10, 59), change[0], on(0), change[1], off(10), on(0, 62), off(10, 62)]
    assert [note.program for note in read_midi(write(tmp_path / "a.mid", messages)).notes] == [None, 40, 72]


def test_what_is_skipped_is_named(tmp_path):
    messages = [
        *[on(0, 36, channel=9), off(10, 36, channel=9)] * 12,
        control(0, 1, 0, channel=0),
        control(0, 1, 100, channel=2),
        control(0, 1, 90, channel=0),
        control(0, 66, 63, channel=0),
        control(0, 67, 64, channel=3),
        control(0, 10, 64),
        control(0, 10, 0),
        control(0, 68, 63),
        control(0, 68, 64),
        control(0, 84, 0),
        control(0, 96, 0, channel=1),
        mido.Message("aftertouch", value=3),
        mido.Message("polytouch", note=60, value=0, channel=4),
        on(0, 60, 10),
        off(10, 60),
    ]
    path = write(tmp_path / "a.mid", messages)
    assert [note.pitch for note in read_midi(path).notes] == [60]
    rest = (
        "aftertouch on channel 1",
        "data increment (CC96) on channel 2",
        "legato (CC68) on channel 1",
        "pan (CC10) on channel 1",
        "portamento (CC84) on channel 1",
        "soft pedal (CC67) on channel 4",
    )
    assert read_midi(path).skipped == ("12 drum notes (channel 10)", *rest)
    with_drums = read_midi(path, drums=True)
    assert [note.channel for note in with_drums.notes] == [10] * 12 + [1]
    assert with_drums.skipped == rest


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
        ("nothing", b"", "is empty, expected a Standard MIDI File"),
        ("header", good[:9], "ends too early"),
        ("empty", good[:14], "found no notes .the header announces 1 track, found 0"),
        ("tracks", good.replace(b"MTrk", b"Junk"), "found no notes"),
    ):
        (tmp_path / name).write_bytes(data)
        fails(tmp_path / name, message)
    fails(write(tmp_path / "b.mid", [control(0, 64, 127)]), "found no notes")
    fails(write(tmp_path / "c.mid", [on(0, 36, channel=9), off(9, 36, channel=9)]), "only drums .*--channel 10=TIMBRE")
    fails(
        write(tmp_path / "d.mid", [on(200 * 3601), off(100)]),
        "begins after more than 60 minutes, expected notes before",
    )
