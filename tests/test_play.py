"""Tests of `play`: MIDI files made with mido, played by a small exported model."""

from __future__ import annotations

import pathlib

import mido
import numpy as np
import pytest
import soundfile
import timbres

from nsynth_vae import play as command
from nsynth_vae import timbre_model
from nsynth_vae.errors import InputError
from nsynth_vae.instruments.midi import Melody, NoteEvent
from nsynth_vae.instruments.performance import MORPH_STEPS, PEAK, play
from nsynth_vae.instruments.voice import sustain_and_release
from nsynth_vae.latent.lookup import TimbreLookup

RATE = timbres.AUDIO.sample_rate


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
    """Write three notes, of 0.5 s each, and two drum beats."""
    messages = []
    for pitch in (60, 62, 64):
        messages.append(mido.Message("note_on", note=pitch, velocity=100))
        messages.append(mido.Message("note_off", note=pitch, time=100))
    beats = [mido.Message("note_on", note=36, velocity=100, channel=9)] * 2
    return write(path, *messages, *beats, mido.Message("pitchwheel", pitch=100, channel=1))


def test_a_note_is_the_decoded_one_at_its_time_and_velocity(lookup):
    done = play(lookup, melody((0.25, 0.75, 60, 97)), "flute")
    z = lookup.timbre("flute").z
    decoded = lookup.model.decode(z[None], 60, 96).audio[0]
    expected = sustain_and_release(decoded, 60, 0.5) * 97 / 127
    expected *= min(1.0, (PEAK - 0.5 / 32767) / np.abs(expected).max())
    assert not done.audio[: RATE // 4].any()
    assert len(done.audio) == RATE // 4 + len(expected)
    np.testing.assert_allclose(done.audio[RATE // 4 :], expected, atol=1e-6)
    assert (done.notes, done.decoded, done.skipped) == (1, 1, ())


def test_notes_sound_together_and_the_same_ones_are_decoded_once(lookup):
    notes = [(0.0, 1.0, 60, 40), (0.5, 1.5, 67, 40), (2.0, 3.0, 60, 41), (2.0, 6.5, 64, 40)]
    alone = [play(lookup, melody(note), "flute") for note in notes]
    done = play(lookup, melody(*notes), "flute")
    assert (done.notes, done.decoded) == (4, 3)
    assert max(one.lowered_db for one in (done, *alone)) == 0.0
    mixed = np.zeros(len(done.audio))
    for one in alone:
        mixed[: len(one.audio)] += one.audio
    np.testing.assert_allclose(done.audio, mixed, atol=1e-5)


def test_a_morph_begins_and_ends_with_its_timbres_exactly(lookup):
    notes = [(0.0, 0.2, 60, 48), (3.0, 3.2, 60, 48), (6.0, 6.2, 60, 48)]
    done = play(lookup, melody(*notes), "flute", morph_to="guitar")
    ends = [lookup.timbre(name).z for name in ("flute", "guitar")]
    middle = 0.5 * (ends[0] + ends[1])
    decoded = lookup.model.decode(np.stack([ends[0], middle, ends[1]]), 60, 48).audio
    assert done.decoded == 3
    assert not np.allclose(decoded[0], decoded[2], atol=1e-3)
    for (start, *_), note in zip(notes, decoded, strict=True):
        expected = sustain_and_release(note, 60, 0.2) * 48 / 127
        first = round(start * RATE)
        np.testing.assert_allclose(done.audio[first : first + len(expected)], expected, atol=1e-5)
    one = play(lookup, melody((1.0, 1.2, 60, 48)), "flute", morph_to="guitar")
    np.testing.assert_allclose(one.audio[RATE:], sustain_and_release(decoded[0], 60, 0.2) * 48 / 127, atol=1e-5)


def test_a_morph_has_so_many_steps_at_most(lookup):
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


def test_a_loud_mix_is_lowered_to_1_db_below_full_scale(lookup, tmp_path):
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
    assert "skipped: 2 drum notes (channel 10), pitch bend on channel 2\n" in printed
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
        (good, "", [], "is a folder, expected the name of a WAV"),
        (good, "good.mid", [], "is the melody, expected another file"),
        (good, "file/o.wav", [], "file is no folder"),
    ):
        arguments = [str(path), "--timbre", "flute", *more, *model, "-o", str(tmp_path / output)]
        assert command.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_place_that_cannot_be_written_is_named(lookup, tmp_path):
    done = play(lookup, melody((0.0, 0.1, 60, 64)), "flute")
    (tmp_path / "o.wav").mkdir()
    with pytest.raises(InputError, match=r"o.wav: cannot be written"):
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
