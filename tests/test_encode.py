"""`nsynth-vae encode` and `decode`: files to latent vectors and labels in JSON, and back to sound."""

import json
import pathlib
import sys

import mido
import numpy as np
import pytest
import soundfile
from fake_model import fake  # noqa: F401 (a fixture)

from nsynth_vae import decode, encode, instrument, interpolate, play, sample
from nsynth_vae.latent.summary import nearest

pytestmark = [pytest.mark.player, pytest.mark.usefixtures("fake")]

RATE = 44100


def tone(hertz: float, level: float = 0.5, seconds: float = 4.0, silence: float = 0.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.r_[np.zeros(round(silence * RATE)), level * np.sin(2 * np.pi * hertz * time)]


@pytest.fixture
def files(tmp_path: pathlib.Path) -> list[str]:
    sounds = {
        "flute_acoustic_001-069-090.wav": tone(440, seconds=3, silence=0.5),
        "My Cello.flac": tone(220, level=0.9, seconds=6),
        "quiet C4.wav": tone(261.6, level=0.005),
        "loud C4.wav": np.sign(tone(261.6)),
    }
    for name, audio in sounds.items():
        soundfile.write(tmp_path / name, audio, RATE)
    return [str(tmp_path / name) for name in sounds]


def run(files: list[str], output: pathlib.Path) -> list[dict]:
    assert encode.main([*files, "-o", str(output)]) == 0
    return json.loads(output.read_text(encoding="utf-8"))["notes"]


def test_notes_have_vector_labels_level_onset_names_and_warnings(files, tmp_path, capsys):
    notes = run(files, tmp_path / "z.json")
    assert [note["file"] for note in notes] == [pathlib.Path(file).as_posix() for file in files]
    assert all(
        list(note)
        == ["file", "z", "pitch", "velocity", "instrument", "level_db", "onset_seconds", "nearest", "warnings"]
        for note in notes
    )
    first, second, quiet, loud = notes
    assert (first["instrument"], first["pitch"], first["velocity"]) == ("flute_acoustic_001", 69, 90)
    assert first["onset_seconds"] == pytest.approx(0.4975, abs=0.002)
    assert first["level_db"] == pytest.approx(-6.02, abs=0.1)
    np.testing.assert_allclose(first["z"], [0.933, 0, 0], atol=0.01)
    assert first["warnings"] == ["3.50 s long, 0.50 to 3.50 s used"]
    assert (second["instrument"], second["velocity"], second["pitch"]) == ("My Cello", None, 57)
    assert second["warnings"] == [
        "6.00 s long, 0.00 to 4.00 s used",
        "pitch 57 (A3, 220.0 Hz) estimated from the sound",
    ]
    assert quiet["warnings"] == ["quiet: peaks at -46.0 dB of full scale, expected at least -45"]
    assert loud["warnings"] == ["peaks at full scale: may be clipped"]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5
    assert printed[0].endswith(
        "nearest flute_acoustic_001 (0.03), flute (0.07), guitar (1.37); 3.50 s long, 0.50 to 3.50 s used"
    )
    assert printed[-1] == f"4 notes -> {tmp_path / 'z.json'}"


def test_nearest_names_come_first_and_broken_ones_not_at_all(fake):  # noqa: F811
    found = nearest(np.array([0.85, 0, 0]), fake.attributes)
    assert [(one["name"], one["kind"]) for one in found] == [
        ("flute_acoustic_001", "instrument"),
        ("flute", "family"),
        ("guitar", "family"),
    ]
    np.testing.assert_allclose([one["distance"] for one in found], [0.05, 0.15, np.hypot(0.85, 1)])
    assert len(nearest(np.zeros(3), fake.attributes, 1)) == 2
    assert nearest(np.zeros(3), {}) == []


def test_a_pattern_is_expanded_where_the_shell_does_not(files, tmp_path):
    assert len(run([str(tmp_path / "*C4.wav")], tmp_path / "z.json")) == 2


def test_a_bad_file_leaves_nothing(files, tmp_path, capsys):
    (tmp_path / "text.wav").write_text("no sound")
    for name, message in (("text.wav", "text.wav: "), ("absent.wav", "absent.wav: cannot be read (No such file")):
        assert encode.main([files[0], str(tmp_path / name), "-o", str(tmp_path / "z.json")]) == 2
        assert message in capsys.readouterr().err
    assert encode.main([files[0], "-o", str(tmp_path)]) == 2
    assert "is a folder, expected the name of a JSON file to write" in capsys.readouterr().err
    assert not (tmp_path / "z.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_broken_link_is_named(tmp_path, capsys):
    for name, command, options in (("a.wav", encode, []), ("a.mid", play, ["--timbre", "flute"])):
        (tmp_path / name).symlink_to("nowhere")
        assert command.main([str(tmp_path / name), *options, "-o", str(tmp_path / "o.wav")]) == 2
        assert f"{name}: is a link to nowhere, which is not there" in capsys.readouterr().err


def test_notes_are_decoded_at_one_pitch_or_their_own(files, tmp_path):
    run(files[:2], tmp_path / "z.json")
    for options, pitches, velocities in (
        (["--pitch", "50", "--velocity", "30"], [50, 50], [30, 30]),
        ([], [69, 57], [90, 100]),
    ):
        output = tmp_path / f"out{len(options)}"
        assert decode.main([str(tmp_path / "z.json"), *options, "-o", str(output)]) == 0
        record = json.loads((output / "notes.json").read_text(encoding="utf-8"))
        assert [note["pitch"] for note in record["notes"]] == pitches
        assert [note["velocity"] for note in record["notes"]] == velocities
        assert record["files"] == ["note-00.wav", "note-01.wav", "notes.png"]
        audio, rate = soundfile.read(output / "note-00.wav")
        assert rate == 16000
        spectrum = np.abs(np.fft.rfft(audio))
        assert np.argmax(spectrum) / 4 == pytest.approx(440 * 2 ** ((pitches[0] - 69) / 12), abs=0.3)
    # What decode has written is decoded again, with the same latent vectors.
    again = tmp_path / "again"
    assert decode.main([str(tmp_path / "out0" / "notes.json"), "-o", str(again), "--no-picture"]) == 0
    assert json.loads((again / "notes.json").read_text())["files"] == ["note-00.wav", "note-01.wav"]
    assert (again / "note-01.wav").read_bytes() == (tmp_path / "out0" / "note-01.wav").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "cannot be read"),
        ("[]", "expected `notes`"),
        ('{"notes": []}', "expected `notes`"),
        ('{"notes": [1]}', "expected `notes`"),
        ('{"notes": [{"z": [1, 2], "pitch": 60}]}', "notes[0]: found a z of 2 numbers, expected 3"),
        ('{"notes": [{"z": [1, 2, "a"], "pitch": 60}]}', "expected 3"),
        ('{"notes": [{"z": [1, 2, 3], "pitch": 128}]}', "has the pitch 128, expected a MIDI number"),
        ('{"notes": [{"z": [1, 2, 3], "pitch": 60}, {"z": [1, 2, 3]}]}', "notes[1] has no pitch, expected --pitch"),
        ('{"notes": [{"z": [1, 2, 1e9], "pitch": 60}]}', "notes[0]: found 1000000000.0 in z"),
        ('{"notes": [{"z": [1, 2, NaN], "pitch": 60}]}', "notes[0]: found nan in z, expected -100 to 100"),
        ('{"notes": [{"z": [1, 2, 1e308], "pitch": 60}]}', "notes[0]: found 1e+308 in z"),
    ],
)
def test_files_that_cannot_be_decoded(content, message, tmp_path, capsys):
    (tmp_path / "z.json").write_text(content)
    assert decode.main([str(tmp_path / "z.json"), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


def test_every_command_says_what_was_done_to_a_file(fake, files, tmp_path, monkeypatch, capsys):  # noqa: F811
    mixture = {"weights": [1.0], "means": [[0.0] * 3], "standard_deviations": [[1.0] * 3], "families": {}}
    monkeypatch.setitem(fake.attributes, "mixture", mixture)
    path = tmp_path / "my flute A4.wav"
    note = tone(440, silence=0.5)
    soundfile.write(path, np.stack([note, -0.9 * note], 1) + 0.01, RATE)
    midi = tmp_path / "a.mid"
    melody = mido.MidiFile(
        tracks=[mido.MidiTrack([mido.Message("note_on", note=60), mido.Message("note_off", note=60)])]
    )
    melody.save(midi)
    for command, arguments in (
        (interpolate, ["flute", str(path), "--steps", "2", "--no-picture"]),
        (instrument, [f'0.5*flute + 0.5*"{path}"', "--pitches", "60-60", "--velocities", "100", "--no-picture"]),
        (sample, ["--near", str(path), "--count", "1", "--no-picture"]),
        (play, [str(midi), "--timbre", "flute", "--morph-to", str(path)]),
    ):
        fake.lookup.files.clear()
        output = tmp_path / f"{command.__name__}.wav"
        assert command.main([*arguments, "--output", str(output)]) == 0
        out = capsys.readouterr().out.splitlines()
        lines = [line for line in out if line.startswith(f"{path}: file, ")]
        assert len(lines) == 1, out
        assert (
            "channels cancel out, channel 1 of 2 used, offset of 1 % removed, 4.50 s long, 0.50 to 4.50 s" in lines[0]
        )
