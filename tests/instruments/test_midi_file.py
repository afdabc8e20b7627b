"""Tests of `midi_file`: whole files against mido, and damaged ones."""

from __future__ import annotations

import io
import pathlib
import random
import struct

import mido
import pytest

from nsynth_vae.errors import InputError
from nsynth_vae.instruments.midi_file import read_midi_file
from nsynth_vae.instruments.midi_track import SYSTEM_RESET

pytestmark = pytest.mark.player

CASES = pathlib.Path(__file__).parents[3] / "shared" / "cases"

NOTE = bytes([0, 0x90, 60, 100, 100, 0x80, 60, 0])
"""A note of 100 ticks, 0.5 s here."""

END = bytes([0, 0xFF, 0x2F, 0])
HEARD = [(0.0, 0x90, 60, 100), (0.5, 0x80, 60, 0)]


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack(">I", len(content) if size is None else size) + content


def header(kind: int = 1, tracks: int = 1, division: int = 100) -> bytes:
    return chunk(b"MThd", struct.pack(">HHh", kind, tracks, division))


def track(*parts: bytes, size: int | None = None) -> bytes:
    return chunk(b"MTrk", b"".join(parts), size)


def read(folder: pathlib.Path, data: bytes) -> tuple[list[tuple], str]:
    """Return (seconds, kind, data bytes) of the messages, and the warnings in one text."""
    (folder / "a.mid").write_bytes(data)
    file = read_midi_file(folder / "a.mid")
    messages = [(round(one.seconds, 6), one.kind, one.first, one.second) for one in file.messages]
    return messages, "; ".join(file.warnings)


def random_file(seed: int) -> mido.MidiFile:
    """Return a file of every kind of message, with tempo changes in any track."""
    rng = random.Random(seed)
    file = mido.MidiFile(type=1, ticks_per_beat=rng.choice([24, 96, 480]))
    for _ in range(rng.randint(1, 4)):
        messages = mido.MidiTrack()
        for _ in range(100):
            time, channel, first, second = rng.choice([0, 5, 300, 20000]), *(rng.randrange(n) for n in (16, 128, 128))
            messages.append(
                rng.choice(
                    [
                        mido.Message("note_on", time=time, channel=channel, note=first, velocity=second),
                        mido.Message("note_off", time=time, channel=channel, note=first, velocity=second),
                        mido.Message("control_change", time=time, channel=channel, control=first, value=second),
                        mido.Message("program_change", time=time, channel=channel, program=first),
                        mido.Message("aftertouch", time=time, channel=channel, value=first),
                        mido.Message("polytouch", time=time, channel=channel, note=first, value=second),
                        mido.Message("pitchwheel", time=time, channel=channel, pitch=first * 128 + second - 8192),
                        mido.Message("sysex", time=time, data=[first] * second),
                        mido.MetaMessage("set_tempo", time=time, tempo=first * 9000 + 1),
                        mido.MetaMessage("lyrics", time=time, text="la" * first),
                        mido.MetaMessage("key_signature", time=time, key="Ebm"),
                        mido.MetaMessage("channel_prefix", time=time, channel=channel),
                        mido.MetaMessage("midi_port", time=time, port=3),
                        mido.MetaMessage("sequencer_specific", time=time, data=(first, second)),
                    ]
                )
            )
        file.tracks.append(messages)
    return file


@pytest.mark.parametrize("seed", range(20))
def test_whole_files_are_read_as_by_mido(tmp_path, seed):
    file = random_file(seed)
    file.save(tmp_path / "a.mid")
    found = read_midi_file(tmp_path / "a.mid")
    assert found.warnings == ()
    seconds, expected = 0.0, []
    for message in mido.MidiFile(tmp_path / "a.mid"):
        seconds += message.time
        if not message.is_meta and message.type != "sysex":
            kind, *values = message.bytes()
            expected.append((kind & 0xF0, kind & 0x0F, *values, *[0] * (2 - len(values)), seconds))
    # What the tracks have at the same time is in another order.
    assert [m.seconds for m in found.messages] == pytest.approx([message[-1] for message in expected])
    messages = sorted((m.kind, m.channel, m.first, m.second, m.seconds) for m in found.messages)
    assert [message[:-1] for message in messages] == [message[:-1] for message in sorted(expected)]
    assert [message[-1] for message in messages] == pytest.approx([message[-1] for message in sorted(expected)])
    assert found.end == pytest.approx(seconds)


def test_running_status_is_followed_also_after_meta_events(tmp_path):
    running = bytes([0, 0x90, 60, 100, 100, 60, 0, 0, 0xFF, 1, 2, 65, 66, 0, 64, 9])
    messages, warnings = read(tmp_path, header() + track(running, END))
    assert messages == [(0.0, 0x90, 60, 100), (0.5, 0x90, 60, 0), (0.5, 0x90, 64, 9)]
    assert not warnings


@pytest.mark.parametrize(
    "event",
    [
        bytes([0x20, 1, 16]),  # Channel prefix 16.
        bytes([0x59, 2, 15, 0]),  # A key of 15 sharps.
        bytes([0x58, 2, 4, 2]),  # A time signature of two bytes.
        bytes([0x54, 0]),  # An SMPTE offset of none.
        bytes([0x7E, 1, 200]),  # Unknown.
        bytes([0x03, 3, 0xFF, 0xFE, 0x80]),  # A name in no encoding.
        bytes([0x2F + 0x10, 0x81, 0x00, *[0x90] * 128]),  # A length of two bytes.
    ],
)
def test_odd_meta_events_are_passed_over(tmp_path, event):
    assert read(tmp_path, header() + track(b"\0\xff" + event, NOTE, END)) == (HEARD, "")


def test_system_messages_are_passed_over(tmp_path):
    odd = bytes([0, 0xF0, 3, 1, 2, 0xF7, 0, 0xF7, 1, 9, 0, 0xF3, 5, 0, 0xF2, 1, 2, 0, 0xF8, 0, 0xFE])
    assert read(tmp_path, header() + track(odd, NOTE, END)) == (HEARD, "")


def test_chunks_of_vendors_are_passed_over(tmp_path):
    vendor = chunk(b"XFIH", b"MTr" + bytes(10))
    assert read(tmp_path, header() + vendor + track(NOTE, END) + vendor) == (HEARD, "")
    wrong = chunk(b"XFIH", bytes(10), size=7)
    assert read(tmp_path, header() + wrong + track(NOTE, END))[0] == HEARD


def test_riff_midi_and_bytes_before_the_header_are_read(tmp_path):
    data = header() + track(NOTE, END)
    riff = b"RIFF" + struct.pack("<I", len(data) + 12) + b"RMID" + b"data" + struct.pack("<I", len(data)) + data
    assert read(tmp_path, riff) == (HEARD, "")
    listed = (
        b"RIFF" + struct.pack("<I", 9) + b"RMID" + b"DISP" + struct.pack("<I", 300) + bytes(300) + riff[12:] + b"\0"
    )
    assert read(tmp_path, listed)[0] == HEARD
    assert read(tmp_path, bytes(128) + data) == (HEARD, "128 bytes before the header")
    assert read(tmp_path, bytes(300) + data) == (HEARD, "300 bytes before the header")
    with pytest.raises(InputError, match="does not begin as a MIDI file does"):
        read(tmp_path, bytes(300) + data[:14] + bytes(1) + data[14:])


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (header(tracks=3) + track(NOTE, END), "the header announces 3 tracks, found 1"),
        (header() + track(NOTE, END) + track(END), "the header announces 1 track, found 2"),
        (header(tracks=0) + track(NOTE, END), "the header announces 0 tracks, found 1"),
        (header() + track(NOTE, END, size=4000), "track 1 is 12 bytes long, not 4000 as it says"),
        (header() + track(NOTE, END, size=5), "track 1 is 12 bytes long, not 5 as it says"),
        (header() + track(NOTE, END, size=0), "track 1 is 12 bytes long, not 0 as it says"),
        (header() + track(NOTE), "track 1 has no end-of-track event"),
        (header() + track(NOTE, END, bytes(9)), "track 1 is 12 bytes long, not 21 as it says"),
        (header() + track(NOTE + bytes([0, 0x90, 64])), "track 1 ends in the middle of an event"),
        (header() + track(NOTE, bytes([0, 0xFF, 1, 50, 65])), "track 1 has no end-of-track event"),
        (header() + track(bytes([0, 7, 8, 9]), NOTE[1:], END), "track 1 has 3 data bytes without a status"),
        (header(kind=9) + track(NOTE, END), "a file of type 9, read as type 1"),
        (chunk(b"MThd", header()[8:], size=60) + track(NOTE, END), "the header has a wrong length"),
        (chunk(b"MThd", header()[8:], size=2) + track(NOTE, END), "the header has a wrong length"),
        (header() + track(bytes([0, 0xFF, 0x51, 3, 0, 0, 0]), NOTE, END), "a tempo of 0 at 0.00 s, passed over"),
        (header() + track(bytes([0, 0xFF, 0x51, 2, 1, 1]), NOTE, END), "track 1 has 1 tempo of a length other than 3"),
        (header() + track(bytes([0, 7]), NOTE[1:], END), "track 1 has 1 data byte without a status"),
        (b"\0" + header() + track(NOTE, END), "1 byte before the header"),
    ],
)
def test_damage_around_a_note_is_named_and_the_note_is_read(tmp_path, data, warning):
    messages, warnings = read(tmp_path, data)
    assert messages == HEARD
    assert warning in warnings


def test_no_damage_of_the_header_hides_a_track(tmp_path):
    whole = header(tracks=2) + track(NOTE, END) + track(END)
    for size in (*range(6), *range(7, len(whole) + 20), 2**16, 2**32 - 1):
        messages, warnings = read(tmp_path, chunk(b"MThd", header(tracks=2)[8:], size=size) + whole[14:])
        assert messages == HEARD, size
        assert "the header has a wrong length" in warnings
    # A byte is missing: the numbers are the last six bytes before the first track.
    for place in range(8):
        assert read(tmp_path, whole[:place] + whole[place + 1 :]) == (HEARD, "the header is damaged")
    assert read(tmp_path, b"XXXX" + whole[4:]) == (HEARD, "the header is damaged")


def test_a_longer_header_is_read(tmp_path):
    assert read(tmp_path, chunk(b"MThd", header()[8:] + b"more") + track(NOTE, END)) == (HEARD, "")


@pytest.mark.parametrize("size", [0, 5, 11, 13, 25, 10**6])
def test_a_wrong_length_does_not_hide_the_next_track(tmp_path, size):
    """Also where it says that the track is as long as all that follows."""
    other = track(bytes([0, 0x91, 64, 9]), END)
    for wrong in (size, 12 + len(other)):
        messages, warnings = read(tmp_path, header(tracks=2) + track(NOTE, END, size=wrong) + other)
        assert messages == [HEARD[0], (0.0, 0x90, 64, 9), HEARD[1]]
        assert f"track 1 is 12 bytes long, not {wrong}" in warnings


@pytest.mark.parametrize("lowest", [67, 97])
def test_no_wrong_length_loses_a_note(tmp_path, lowest):
    """The data of running status, texts and lyrics are letters, and look like names of chunks."""
    parts, expected = [bytes([0, 0xFF, 3, 9]) + b"Melodies1", bytes([0, 0x90, lowest, 100])], [(0.0, lowest, 100)]
    for index in range(30):
        pitch, tick = lowest + index % 5, 96 * index
        following = lowest + (index + 1) % 5
        parts += [bytes([48, pitch, 0]), bytes([0, 0xFF, 5, 4]) + b"Lala", bytes([48, following, 100])]
        expected += [((tick + 48) / 200, pitch, 0), ((tick + 96) / 200, following, 100)]
    parts += [bytes([0, 0xFF, 1, 8]) + b"Refrain2", END]
    whole, other = track(*parts), track(bytes([0, 0x91, 64, 9]), END)
    size = len(whole) - 8
    for behind, more in ((b"", []), (chunk(b"XFIH", bytes(10)), []), (other, [(0.0, 64, 9)])):
        for wrong in {*range(size + len(behind) + 20), 2**16, 2**32 - 1} - {size}:
            messages, warnings = read(tmp_path, header(tracks=1 + len(more)) + track(*parts, size=wrong) + behind)
            assert sorted((at, *values) for at, _, *values in messages) == sorted(expected + more), wrong
            assert warnings == f"track 1 is {size} bytes long, not {wrong} as it says"


def test_a_track_without_an_end_is_cut_at_the_next(tmp_path):
    """A length that is too large leads into it, or over it."""
    other = track(b"\0\xff\3\x08Melodies", bytes([0, 0x91, 64, 9]), END)
    for wrong in range(9, 8 + len(other) + 30):
        messages, warnings = read(tmp_path, header(tracks=2) + track(NOTE, size=wrong) + other)
        assert messages == [HEARD[0], (0.0, 0x90, 64, 9), HEARD[1]], wrong
        expected = "track 1 has no end-of-track event; track 1 is 8 bytes long, not"
        assert warnings == f"{expected} {wrong} as it says"
    # A text that is the name of a track is none.
    named = bytes([0, 0xFF, 1, 6]) + b"MTrk\0\0"
    assert read(tmp_path, header() + track(named, NOTE, END)) == (HEARD, "")


@pytest.mark.parametrize("kind", ["FF 01", "F0", "FF 7F"])
@pytest.mark.parametrize("delta", [bytes([0]), bytes([0x83, 0x60])])
def test_a_damaged_length_of_an_event_loses_only_what_is_in_it(tmp_path, kind, delta):
    note = delta + NOTE[1:]
    event = b"\0" + bytes.fromhex(kind) + bytes([0xC4, 4]) + b"Text"
    messages, warnings = read(tmp_path, header() + track(NOTE, event, note, END))
    assert [message[1:] for message in messages] == [message[1:] for message in HEARD * 2]
    assert warnings == "track 1 has 1 event of a wrong length"


def test_data_bytes_over_127_are_clipped(tmp_path):
    loud = bytes([0, 0x90, 60, 200, 100, 0x80, 60, 255])
    messages, warnings = read(tmp_path, header() + track(loud, END))
    assert messages == [(0.0, 0x90, 60, 127), (0.5, 0x80, 60, 127)]
    assert warnings == "track 1 has 2 data bytes over 127, read as 127"
    # As mido does.
    file = mido.MidiFile(file=io.BytesIO(header() + track(loud, END)), clip=True)
    assert [message.velocity for message in file.tracks[0][:2]] == [127, 127]


@pytest.mark.parametrize("division", [0, -25 * 256])
def test_a_unit_of_time_without_ticks_is_480_a_beat(tmp_path, division):
    messages, warnings = read(tmp_path, header(division=division) + track(NOTE, END))
    assert messages[1][0] == pytest.approx(0.5 * 100 / 480, abs=1e-6)
    assert warnings == "no ticks in its unit of time, read as 480 a beat"


def test_the_tracks_of_type_2_follow_each_other_with_their_own_tempo(tmp_path):
    slow = bytes([0, 0xFF, 0x51, 3, *(1_000_000).to_bytes(3)])
    late = bytes([0x87, 0x00, 0xFF, 0x2F, 0])
    messages, warnings = read(tmp_path, header(kind=2, tracks=2) + track(slow, NOTE, late) + track(NOTE, END))
    assert [seconds for seconds, kind, *_ in messages if kind != SYSTEM_RESET] == [0.0, 1.0, 1.0, 1.5]
    assert [seconds for seconds, kind, *_ in messages if kind == SYSTEM_RESET] == [0.0, 1.0]
    assert not warnings


def test_note_ons_wait_for_what_other_tracks_have_at_the_same_time(tmp_path):
    """A program of a later track is the note's; within a track the order stays."""
    short = bytes([0, 0x90, 64, 9, 0, 0x80, 64, 0])
    first, second = track(NOTE, short, END), track(bytes([0, 0xC0, 5, 100, 0x80, 64, 1]), END)
    messages, _ = read(tmp_path, header(tracks=2) + first + second)
    assert messages == [
        (0.0, 0xC0, 5, 0),
        HEARD[0],
        HEARD[1],
        (0.5, 0x80, 64, 1),
        (0.5, 0x90, 64, 9),
        (0.5, 0x80, 64, 0),
    ]


@pytest.mark.parametrize(
    "content",
    ["7E 7F 09 01 F7", "7E 7F 09 03 F7", "41 10 42 12 40 00 7F 00 41 F7", "43 10 4C 00 00 7E 00 F7"],
)
def test_system_resets_come_first_at_their_time(tmp_path, content):
    """Another track's program at the same tick is not undone."""
    data = bytes.fromhex(content)
    program, reset = bytes([0, 0xC0, 5]), bytes([0, 0xF0, len(data)]) + data
    messages, warnings = read(tmp_path, header(tracks=2) + track(program, NOTE, END) + track(reset, END))
    assert messages == [(0.0, SYSTEM_RESET, 0, 0), (0.0, 0xC0, 5, 0), *HEARD]
    assert not warnings


def test_messages_have_the_port_of_their_track(tmp_path):
    (tmp_path / "a.mid").write_bytes(
        header(tracks=2) + track(NOTE, END) + track(bytes([0, 0xFF, 0x21, 1, 3]), NOTE, END)
    )
    assert [message.port for message in read_midi_file(tmp_path / "a.mid").messages] == [0, 3, 0, 3]


def test_a_number_of_many_bytes_ends_after_four(tmp_path):
    messages, _ = read(tmp_path, header() + track(NOTE, bytes([0x81] * 4), bytes([0x90, 60, 1]), END))
    assert messages[:2] == HEARD
    assert len(messages) == 3


def test_every_cut_and_every_flipped_bit_gives_messages_or_one_error(tmp_path):
    whole = header(tracks=2) + track(NOTE * 3, END) + track(bytes([0, 0xFF, 0x51, 3, 7, 0, 0]), NOTE * 3, END)
    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [
        whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in range(8)
    ]
    counts = []
    for data in damaged:
        try:
            messages, _ = read(tmp_path, data)
        except InputError:
            continue
        counts.append(len(messages))
        assert all(0 <= value <= 127 for _, _, *values in messages for value in values)
    assert max(counts) >= 12
    # A later cut loses no more.
    cuts = counts[: len(whole) - 14]
    assert cuts == sorted(cuts)


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not part of the repository")
def test_the_files_from_the_field_are_read():
    warned = {path.name: read_midi_file(path).warnings for path in CASES.glob("*/*.mid")}
    assert {name for name, warnings in warned.items() if warnings} == {
        "t15_truncated.mid",
        "t22_fewer_tracks.mid",
        "t23_len_long.mid",
        "t23_len_short.mid",
    }
