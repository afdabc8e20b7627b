"""Tests of `play`: MIDI files made with mido, played by a small exported model."""

from __future__ import annotations

import dataclasses
import pathlib

import mido
import numpy as np
import pytest
import soundfile
import timbres

from nsynth_vae import play as command
from nsynth_vae import timbre_model
from nsynth_vae.errors import InputError
from nsynth_vae.instruments import mixing
from nsynth_vae.instruments.automation import add_vibrato, bend_sound, bent_seconds
from nsynth_vae.instruments.general_midi import family_of
from nsynth_vae.instruments.midi import Melody, read_midi
from nsynth_vae.instruments.midi_channel import NoteEvent
from nsynth_vae.instruments.performance import MORPH_STEPS, PEAK, play
from nsynth_vae.instruments.voice import sustain_and_release
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.notes import FAMILIES

RATE = timbres.AUDIO.sample_rate
CASES = pathlib.Path(__file__).parents[2] / "shared" / "cases"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options for a small model, exported, that knows a few names."""
    folder, exports = timbres.export_model(tmp_path_factory.mktemp("play"))
    return ["--model", str(folder), "--exports", str(exports)]


@pytest.fixture(scope="module")
def lookup(model) -> TimbreLookup:
    return TimbreLookup(timbre_model.open_model(model[1], model[3]))


def melody(*notes: tuple[float, float, int, int]) -> Melody:
    return Melody(tuple(NoteEvent(*note) for note in notes), ())


def write(path: pathlib.Path, *messages: mido.Message | mido.MetaMessage) -> pathlib.Path:
    """Write a MIDI file of 200 ticks a second."""
    file = mido.MidiFile(ticks_per_beat=100)
    file.tracks.append(mido.MidiTrack(messages))
    file.save(path)
    return path


def scale(path: pathlib.Path) -> pathlib.Path:
    """Write three notes, of 0.5 s each, two drum beats, and controllers without effect."""
    messages = []
    for pitch in (60, 62, 64):
        messages.append(mido.Message("note_on", note=pitch, velocity=100))
        messages.append(mido.Message("note_off", note=pitch, time=100))
    beats = [mido.Message("note_on", note=36, velocity=100, channel=9)] * 2
    portamento = mido.Message("control_change", control=65, value=64)
    return write(path, mido.Message("program_change", program=72), portamento, *messages, *beats)


def test_a_note_is_the_decoded_one_at_its_time_and_velocity(lookup):
    done = play(lookup, melody((0.25, 0.75, 60, 97)), "flute")
    z = lookup.timbre("flute").z
    decoded = lookup.model.decode(z[None], 60, 96).audio[0]
    expected = sustain_and_release(decoded, 60, 0.5) * 97 / 127
    expected *= min(1.0, (PEAK - 1.0 / 32768) / np.abs(expected).max())
    assert not done.audio[: RATE // 4].any()
    assert len(done.audio) == RATE // 4 + len(expected)
    np.testing.assert_allclose(done.audio[RATE // 4 :], expected, atol=1e-6)
    assert (done.notes, done.decoded, done.skipped) == (1, 1, ())


@pytest.fixture
def one_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play every note in take 0."""
    monkeypatch.setattr(mixing, "TAKES", 1)


def with_take(lookup: TimbreLookup, take: int) -> TimbreLookup:
    """Return the same timbres of the model that plays another take first."""
    return TimbreLookup(dataclasses.replace(lookup.model, take=take))


def test_notes_sound_together_each_in_a_take_of_its_own(lookup):
    notes = [(0.0, 1.0, 60, 40), (0.5, 1.5, 67, 40), (2.0, 3.0, 60, 41), (2.0, 6.5, 64, 40)]
    # The third is the first one again, but for its take.
    takes = (0, 0, 1, 0)
    alone = [play(with_take(lookup, take), melody(note), "flute") for note, take in zip(notes, takes, strict=True)]
    done = play(lookup, melody(*notes), "flute")
    assert (done.notes, done.decoded) == (4, 4)
    assert max(one.lowered_db for one in (done, *alone)) == 0.0
    mixed = np.zeros(len(done.audio))
    for one in alone:
        mixed[: len(one.audio)] += one.audio
    np.testing.assert_allclose(done.audio, mixed, atol=1e-5)


def spied_takes(lookup: TimbreLookup) -> tuple[TimbreLookup, list[tuple[int, int]]]:
    """Return the same timbres, and a list of (pitch, take) of what is decoded from now on."""
    decoded: list[tuple[int, int]] = []

    class Spy:
        def __getattr__(self, name: str) -> object:
            return getattr(lookup.model.backend, name)

        def decode(self, **inputs: np.ndarray) -> timbre_model.DecodedNotes:
            decoded.extend(zip(inputs["pitch"].tolist(), inputs["seed"].tolist(), strict=True))
            return lookup.model.backend.decode(**inputs)

    return TimbreLookup(dataclasses.replace(lookup.model, backend=Spy())), decoded


def test_no_two_notes_of_a_pitch_share_a_take(lookup):
    """At two velocities by turns, by two channels in unison, and more often than sixteen times."""
    notes = [NoteEvent(0.1 * i, 0.1 * i + 0.08, 60, 96 + 8 * (i % 2), channel=1 + i % 3 // 2) for i in range(60)]
    spied, decoded = spied_takes(lookup)
    done = play(spied, Melody(tuple(notes), ()), channels={1: "flute", 2: "guitar"})
    assert done.decoded == len(decoded) == len(set(decoded)) == 60


def test_takes_go_on_after_the_largest_integer(lookup):
    spied, decoded = spied_takes(with_take(lookup, 2**31 - 2))
    play(spied, melody(*[(0.1 * i, 0.1 * i + 0.08, 60, 96) for i in range(4)]), "flute")
    assert [take for _, take in decoded] == [2**31 - 2, 2**31 - 1, -(2**31), 1 - 2**31]


def test_a_morph_begins_and_ends_with_its_timbres_exactly(lookup):
    notes = [(0.0, 0.2, 60, 48), (3.0, 3.2, 60, 48), (6.0, 6.2, 60, 48)]
    done = play(lookup, melody(*notes), "flute", morph_to="guitar")
    ends = [lookup.timbre(name).z for name in ("flute", "guitar")]
    middle = 0.5 * (ends[0] + ends[1])
    decoded = lookup.model.decode(np.stack([ends[0], middle, ends[1]]), 60, 48, take=np.arange(3)).audio
    assert done.decoded == 3
    assert not np.allclose(decoded[0], decoded[2], atol=1e-3)
    for (start, *_), note in zip(notes, decoded, strict=True):
        expected = sustain_and_release(note, 60, 0.2) * 48 / 127
        first = round(start * RATE)
        np.testing.assert_allclose(done.audio[first : first + len(expected)], expected, atol=1e-5)
    one = play(lookup, melody((1.0, 1.2, 60, 48)), "flute", morph_to="guitar")
    np.testing.assert_allclose(one.audio[RATE:], sustain_and_release(decoded[0], 60, 0.2) * 48 / 127, atol=1e-5)


def test_a_morph_has_so_many_steps_at_most(lookup, one_take):
    notes = [(0.01 * i, 0.01 * i + 0.1, 60, 64) for i in range(200)]
    assert play(lookup, melody(*notes), "flute", morph_to="guitar").decoded == MORPH_STEPS + 1


def test_dynamics_come_on_top_of_the_models(lookup):
    # 62, 64 and 66 are decoded alike.
    soft, loud = (play(lookup, melody((0.0, 0.3, 60, v)), "flute") for v in (62, 66))
    np.testing.assert_allclose(soft.audio * 66 / 62, loud.audio, atol=1e-6)
    soft, loud = (play(lookup, melody((0.0, 0.3, 60, v)), "flute", dynamics=2.0) for v in (62, 66))
    np.testing.assert_allclose(soft.audio * (66 / 62) ** 2, loud.audio, atol=1e-6)
    soft, loud = (play(lookup, melody((0.0, 0.3, 60, v)), "flute", dynamics=0.0) for v in (62, 66))
    np.testing.assert_array_equal(soft.audio, loud.audio)


def test_a_loud_mix_is_lowered_to_1_db_below_full_scale(lookup, one_take, tmp_path):
    notes = [(0.0, 1.0, 60, 127)] * 60
    done = play(lookup, melody(*notes), "flute")
    one = play(lookup, melody(notes[0]), "flute")
    assert done.lowered_db == pytest.approx(
        20 * np.log10(60 * np.abs(one.audio).max() / PEAK) + one.lowered_db, abs=0.01
    )
    done.save(tmp_path / "new" / "loud.wav")
    audio, rate = soundfile.read(tmp_path / "new" / "loud.wav")
    about = soundfile.info(tmp_path / "new" / "loud.wav")
    assert (rate, about.channels, about.subtype) == (16000, 1, "PCM_16")
    assert 0.99 * PEAK < np.abs(audio).max() <= PEAK
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["loud.wav"]


def test_the_command_plays_a_file_and_names_what_it_skips(model, tmp_path, capsys):
    path = scale(tmp_path / "scale.mid")
    arguments = [str(path), "--timbre", "0.5*flute + 0.5*guitar", *model, "-o", str(tmp_path / "a.wav")]
    assert command.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "skipped: 2 drum notes (channel 10), portamento (CC65) on channel 1, program changes on channel 1" in printed
    assert "scale.mid: 3 notes, 3 decoded" in printed
    assert "a.wav" in printed
    audio, _ = soundfile.read(tmp_path / "a.wav")
    assert 1.5 * RATE < len(audio) < 3.0 * RATE
    assert np.abs(audio).max() > 1e-3
    assert command.main([*arguments[:-1], str(tmp_path / "b.wav"), "--morph-to", "guitar"]) == 0
    other, _ = soundfile.read(tmp_path / "b.wav")
    shorter = min(len(audio), len(other))
    assert np.abs(other[:shorter] - audio[:shorter]).max() > 1e-3


def test_what_is_wrong_is_named_and_nothing_is_left(model, tmp_path, capsys):
    good, silent = scale(tmp_path / "good.mid"), write(tmp_path / "silent.mid")
    (tmp_path / "song.mid").write_bytes(b"no MIDI")
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.iterdir())
    for path, output, more, message in (
        (tmp_path / "nowhere.mid", "o.wav", [], "nowhere.mid: cannot be read"),
        (tmp_path / "song.mid", "o.wav", [], "song.mid: does not begin as a MIDI file does"),
        (silent, "o.wav", [], "silent.mid: found no notes in it"),
        (good, "o.wav", ["--timbre", "nothing"], "'nothing'"),
        (good, "o.wav", ["--morph-to", "flute + guitar"], "the weights of the timbres add to 2"),
        (good, "o.wav", ["--dynamics", "-1"], "--dynamics: found -1.0, expected 0 or more"),
        (good, "", [], "is a folder, expected the name of a WAV or FLAC file"),
        (good, "o.mp3", [], "o.mp3: found the suffix .mp3, expected a name that ends in .wav or .flac"),
        (good, "o", [], "o: found no suffix, expected"),
        (good, "o.wav", ["--channel", "2=nothing"], "--channel 2: 'nothing'"),
        (good, "o.wav", ["--channel", "2=flute", "--channel", "2=guitar"], "--channel: found a channel twice"),
        (good, "good.mid", [], "is the melody, expected another file"),
        (good, "file/o.wav", [], "file is no folder"),
    ):
        arguments = [str(path), "--timbre", "flute", *more, *model, "-o", str(tmp_path / output)]
        assert command.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_notes_without_a_timbre_are_named(model, tmp_path, capsys):
    good, output = scale(tmp_path / "good.mid"), str(tmp_path / "o.wav")
    for options, message in (
        ([], "--timbre: found none, expected --timbre, --channel or --programs"),
        (["--channel", "2=flute"], "channel 1: found no timbre, expected --timbre, --programs or --channel 1=TIMBRE"),
        (["--programs", "--morph-to", "guitar"], "--morph-to: found no --timbre"),
    ):
        assert command.main([str(good), *options, *model, "-o", output]) == 2
        assert message in capsys.readouterr().err
    for text in ("flute", "0=flute", "17=flute", "1=", "x=flute"):
        with pytest.raises(SystemExit, match="2"):
            command.main([str(good), "--channel", text, *model, "-o", output])
        assert "expected a channel, 1 to 16, and its timbre: 2=flute" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["good.mid"]


def note(start: float, end: float, pitch: int, **others) -> NoteEvent:
    return NoteEvent(start, end, pitch, 64, **others)


def quiet(decoded: np.ndarray) -> np.ndarray:
    """Return a decoded note as it is heard at velocity 64."""
    return decoded * 64 / 127


def test_channels_programs_and_the_timbre_of_the_rest(lookup):
    notes = (
        note(0, 0.2, 60, channel=1),
        note(3, 3.2, 60, channel=2, program=72),
        note(6, 6.2, 60, channel=3, program=72),
        note(9, 9.2, 60, channel=4),
    )

    def heard(**options) -> list[str]:
        """Return the names of the timbres of the notes."""
        audio, found = play(lookup, Melody(notes, ()), **options).audio, []
        for start in (0, 3, 6, 9):
            part = audio[start * RATE :][: 3 * RATE]
            for name in ("flute", "guitar", "keyboard", "string"):
                # In the first take, or the one that the second of the pitch has, and so on.
                takes = lookup.model.decode(np.stack([lookup.timbre(name).z] * 4), 60, 64, take=np.arange(4)).audio
                for decoded in takes:
                    expected = quiet(sustain_and_release(decoded, 60, 0.2))
                    length = min(len(part), len(expected))
                    if np.abs(part[:length] - expected[:length]).max() < 1e-5:
                        found.append(name)
        return found

    assert heard(timbre="guitar") == ["guitar"] * 4
    assert heard(timbre="guitar", channels={2: "string", 3: "0.5*flute + 0.5*flute"}) == [
        "guitar",
        "string",
        "flute",
        "guitar",
    ]
    assert heard(programs=True) == ["keyboard", "flute", "flute", "keyboard"]
    assert heard(timbre="guitar", programs=True, channels={3: "string"}) == ["guitar", "flute", "string", "guitar"]
    # Only what has the timbre of the morph takes part in it.
    morphed = heard(timbre="guitar", morph_to="string", channels={2: "flute", 3: "flute"})
    assert morphed == ["guitar", "flute", "flute", "string"]
    done = play(lookup, Melody(notes, ()), "flute", channels={3: "guitar", 7: "guitar"})
    assert done.skipped == (
        "program changes on channel 2 (--programs follows them)",
        "timbre for channel 7 (no notes there)",
    )
    with pytest.raises(InputError, match=r"--programs: .*organ"):
        play(lookup, Melody((note(0, 1, 60, program=16),), ()), programs=True)
    with pytest.raises(InputError, match="--channel: found 0, expected 1 to 16"):
        play(lookup, Melody(notes, ()), "flute", channels={0: "flute"})


def test_every_program_has_a_family():
    families = [family_of(program) for program in range(128)]
    named = {0: "keyboard", 11: "mallet", 19: "organ", 24: "guitar", 33: "bass", 40: "string", 52: "vocal", 56: "brass"}
    named |= {68: "reed", 73: "flute", 80: "synth_lead", 91: "vocal", 105: "guitar", 110: "string", 114: "mallet"}
    assert {program: families[program] for program in named} == named
    assert set(families) <= set(FAMILIES)


def test_the_drums_are_played_with_a_timbre_of_their_own(model, tmp_path, capsys):
    beat = [mido.Message("note_on", note=36, channel=9), mido.Message("note_off", note=36, time=100, channel=9)]
    path = str(write(tmp_path / "drums.mid", *beat))
    assert command.main([path, "--timbre", "flute", *model, "-o", str(tmp_path / "a.wav")]) == 2
    assert "found only drums (channel 10)" in capsys.readouterr().err
    assert command.main([path, "--channel", "10=guitar", *model, "-o", str(tmp_path / "a.flac")]) == 0
    assert "skipped" not in capsys.readouterr().out
    assert soundfile.info(tmp_path / "a.flac").format == "FLAC"


def test_a_bent_note_is_the_decoded_one_resampled(lookup):
    bend = ((0.0, 0.0), (0.5, 100.0), (0.75, -100.0), (1.0, 0.0))
    done = play(lookup, Melody((note(0, 1.0, 60, bend=bend),), ()), "flute")
    decoded = lookup.model.decode(lookup.timbre("flute").z[None], 60, 64).audio[0]
    expected = quiet(bend_sound(sustain_and_release(decoded, 60, bent_seconds(bend, 1.0)), bend))
    np.testing.assert_allclose(done.audio, expected, atol=1e-6)


def test_a_note_bent_by_more_than_3_semitones_is_decoded_there(lookup):
    notes = (note(0, 0.5, 60, bend=((0.0, 750.0),)), note(3, 3.5, 60, bend=((0.0, 300.0),)))
    done = play(lookup, Melody(notes, ()), "flute")
    for start, pitch, cents in ((0, 68, -50.0), (3, 60, 300.0)):
        decoded = lookup.model.decode(lookup.timbre("flute").z[None], pitch, 64).audio[0]
        bend = ((0.0, cents),)
        expected = quiet(bend_sound(sustain_and_release(decoded, pitch, bent_seconds(bend, 0.5)), bend))
        np.testing.assert_allclose(done.audio[start * RATE :][: len(expected)], expected, atol=1e-6)


def test_notes_above_half_the_sample_rate_are_silent_and_named(lookup, one_take):
    silent = play(lookup, Melody((note(0, 0.5, 127),), ()), "flute")
    assert not silent.audio.any()
    assert silent.skipped == ("1 note above B8 (7902 Hz) cannot sound at 16 kHz",)
    # Bent beyond, it is the highest pitch, bent, of which nothing is left but noise; bent down from beyond, it sounds.
    notes = (note(0, 0.5, 117, bend=((0.0, 700.0),)), note(3, 3.5, 121, bend=((0.0, -200.0),)))
    done = play(lookup, Melody(notes, ()), "flute")
    assert done.skipped == silent.skipped
    decoded = lookup.model.decode(lookup.timbre("flute").z[None], 119, 64).audio[0]
    for start, cents in ((0, 500.0), (3, 0.0)):
        bend = ((0.0, cents),)
        expected = quiet(bend_sound(sustain_and_release(decoded, 119, bent_seconds(bend, 0.5)), bend))
        np.testing.assert_allclose(done.audio[start * RATE :][: len(expected)], expected, atol=1e-6)


def test_a_vibrato_is_a_bend_that_moves(lookup):
    depth = ((0.0, 50.0), (0.25, 20.0))
    done = play(lookup, Melody((note(0, 0.5, 60, vibrato=depth),), ()), "flute")
    decoded = lookup.model.decode(lookup.timbre("flute").z[None], 60, 64).audio[0]
    bend = add_vibrato((), depth, 4.5)
    expected = quiet(bend_sound(sustain_and_release(decoded, 60, bent_seconds(bend, 0.5)), bend))
    np.testing.assert_allclose(done.audio, expected, atol=1e-6)
    plain = quiet(sustain_and_release(decoded, 60, 0.5))
    assert np.abs(done.audio[: RATE // 2] - plain[: RATE // 2]).max() > 0.1 * np.abs(plain).max()


def test_all_sound_off_is_silent_after_10_ms(lookup, tmp_path):
    def control(ticks: int, number: int, value: int) -> mido.Message:
        return mido.Message("control_change", time=ticks, control=number, value=value)

    note_on, note_off = mido.Message("note_on", note=60), mido.Message("note_off", note=60, time=100)
    # A note from 0.5 s to 1.0 s and, in its release, all sound off at 1.05 s; one from 1.25 s, and all off at 1.75 s.
    rests = mido.MetaMessage("text", time=100)
    path = write(
        tmp_path / "a.mid", rests, note_on, note_off, control(10, 120, 0), note_on.copy(time=40), control(100, 120, 0)
    )
    audio = play(lookup, path, "flute").audio
    silent = [slice(round(1.06 * RATE), round(1.25 * RATE)), slice(round(1.76 * RATE), None)]
    assert all(not audio[part].any() for part in silent)
    sounding = [np.abs(audio[round(at * RATE) :][: RATE // 20]).max() for at in (0.95, 1.0, 1.7)]
    assert min(sounding) > 1e-3


def test_options_without_effect_are_named(lookup, model, tmp_path, capsys):
    notes = (note(0, 0.2, 60, channel=2), note(0.5, 0.7, 62, channel=2))
    done = play(lookup, Melody(notes, ()), "flute", channels={2: "guitar"}, morph_to="string")
    assert done.skipped == ("--timbre and --morph-to (all notes have another timbre)",)
    done = play(lookup, Melody(notes, ()), "flute", channels={2: "guitar"})
    assert done.skipped == ("--timbre (all notes have another timbre)",)
    assert play(lookup, Melody(notes, ()), "flute", morph_to="string").skipped == ()
    done = play(lookup, Melody(notes[:1], ()), "flute", morph_to="string")
    assert done.skipped == ("--morph-to (its notes begin all at once)",)
    silent = write(tmp_path / "a.mid", mido.Message("control_change", control=7, value=0), mido.Message("note_on"))
    assert command.main([str(silent), "--timbre", "flute", *model, "-o", str(tmp_path / "a.wav")]) == 0
    printed = capsys.readouterr().out
    assert "a.mid: 1 note, 1 decoded, " in printed
    assert " s, all silent -> " in printed


def test_a_bend_of_octaves_down_ends_in_silence(lookup):
    """Its release would last for longer than the performance."""
    steep = ((0.0, 2400.0), (0.1, -2400.0))
    done = play(lookup, Melody((note(0, 0.6, 60, bend=steep),), ()), "flute")
    assert len(done.audio) <= 0.7 * RATE + lookup.model.config.num_samples
    assert abs(done.audio[-1]) < 1e-3


def test_volume_changes_while_a_note_sounds(lookup, one_take):
    notes = (note(0, 2.0, 60, gain=((0.0, 0.25), (1.0, 0.5))), note(5, 7.0, 60))
    audio = play(lookup, Melody(notes, ()), "flute").audio.astype(np.float64)
    first, plain = audio[: 2 * RATE], audio[5 * RATE : 7 * RATE]
    np.testing.assert_allclose(first[:RATE], plain[:RATE] * 0.25, atol=1e-6)
    np.testing.assert_allclose(first[RATE + 200 :], plain[RATE + 200 :] * 0.5, atol=1e-6)


def test_progress_reaches_1(lookup):
    fractions: list[float] = []
    play(
        lookup,
        melody(*[(0.1 * i, 0.1 * i + 0.1, 60 + i % 3, 64) for i in range(8)]),
        "flute",
        progress=fractions.append,
    )
    assert fractions == [pytest.approx((i + 1) / 8) for i in range(8)]


def test_damage_is_named_in_one_line(model, tmp_path, capsys):
    path = scale(tmp_path / "scale.mid")
    path.write_bytes(path.read_bytes()[:-4])
    assert command.main([str(path), "--timbre", "flute", *model, "-o", str(tmp_path / "a.wav")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert line.startswith(f"warning: {path} is damaged: track 1 has no end-of-track event; track 1 is")


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not part of the repository")
def test_the_files_from_the_field_have_their_notes():
    spans = {
        path.name: [(one.pitch, round(one.start, 3), round(one.end, 3)) for one in read_midi(path).notes]
        for path in CASES.glob("*/*.mid")
    }
    assert spans["t24_channel_prefix_bad.mid"] == [(60, 0, 0.5)]
    assert spans["t35_reset_ctrl.mid"] == [(60, 0, 0.5), (64, 1.0, 1.25), (67, 2.25, 2.5)]
    assert spans["t28_eot_late_61min.mid"] == [(60, 0, 0.5)]
    assert spans["t40_double_on_single_off.mid"] == [(60, 0, 0.5), (60, 0.25, 0.5), (64, 1.5, 2.0)]
    assert spans["t22_fewer_tracks.mid"] == [(60, 0, 0.5), (64, 0, 0.5)]
    bends = [one.bend for one in read_midi(next(CASES.glob("*/u_bend_micro.mid"))).notes]
    assert [round(bend[0][1]) if bend else 0 for bend in bends] == [0, 50, 100, 150, 200]


def test_a_place_that_cannot_be_written_is_named(lookup, tmp_path):
    done = play(lookup, melody((0.0, 0.1, 60, 64)), "flute")
    (tmp_path / "o.wav").mkdir()
    with pytest.raises(InputError, match=r"o.wav: (cannot be written|is a folder)"):
        done.save(tmp_path / "o.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["o.wav"]


def test_a_performance_plays_and_shows_itself(lookup, tmp_path):
    done = play(lookup, melody((0.0, 0.1, 60, 64), (9.0, 9.1, 60, 64)), "flute")
    assert done.audio.dtype == np.float32
    page = done._repr_html_()
    assert "data:audio/wav;base64," in page
    assert "data:image/png;base64," in page
    done.plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
