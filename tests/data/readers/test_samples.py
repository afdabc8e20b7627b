"""A user's own samples."""

import os
import shutil
import sys

import numpy as np
import pytest
import soundfile
from conftest import read_audio, sine
from scipy.signal import resample_poly

from nsynth_vae.data.readers.samples import SamplesSource, find_audio
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import BadNoteError, InputError
from nsynth_vae.notes import FAMILIES, UNKNOWN


def open_folder(path, config, bad_notes=None, log=lambda text: None):
    return SamplesSource(path, audio=config, bad_notes=bad_notes or BadNotes(), log=log)


def expected_note(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return a file's audio as it should be, by scipy: mono, 16 kHz, 2.5 ms before the onset, 4 s, peak -0.6 dB."""
    divisor = np.gcd(sample_rate, 16000)
    mono = resample_poly(audio.mean(axis=1), 16000 // divisor, sample_rate // divisor, window=("kaiser", 12.0))
    onset = max(int(np.argmax(np.abs(mono) >= 0.01 * np.abs(mono).max())) - 40, 0)
    note = np.pad(mono[onset:], (0, 64000))[:64000]
    return note * 10 ** (-0.6 / 20) / np.abs(note).max()


def test_formats_and_rates(tmp_path, audio_config):
    """Each format and rate gives what scipy's resampling of soundfile gives: no shift, no gain."""
    cases = [
        (8000, "WAV", "PCM_16"),
        (22050, "WAV", "PCM_24"),
        (44100, "WAV", "PCM_U8"),
        (44100, "WAV", "PCM_32"),
        (48000, "WAV", "FLOAT"),
        (96000, "WAV", "DOUBLE"),
        (11025, "FLAC", "PCM_16"),
        (48000, "FLAC", "PCM_24"),
        (44100, "OGG", "VORBIS"),
        (16000, "OGG", "VORBIS"),
        (44100, "MP3", "MPEG_LAYER_III"),
    ]
    for rate, extension, subtype in cases:
        left = np.append(np.zeros(rate // 10), sine(440, rate, 3.0, 0.8))
        audio = np.stack([left, 0.25 * np.roll(left, 3), 0.1 * left], 1)
        audio = audio[:, :2] if extension in ("MP3", "OGG") else audio
        soundfile.write(
            tmp_path / f"{rate}{subtype}-069-100.{extension}", audio, rate, subtype=subtype, format=extension
        )
    source = open_folder(tmp_path, audio_config)
    assert len(source.table) == len(cases)
    assert set(source.table.pitch) == {69}
    for row, audio, problem in read_audio(source):
        assert problem == ""
        expected = expected_note(*soundfile.read(source.location(row), always_2d=True))
        best = min(range(-2, 3), key=lambda shift: np.abs(audio - np.roll(expected, shift)).sum())
        assert best == 0, source.location(row)
        error = np.sqrt(np.mean((audio - expected) ** 2) / np.mean(expected**2))
        assert error < (0.01 if "U8" in source.location(row) else 1e-3), source.location(row)
        assert abs(np.std(audio) / np.std(expected) - 1) < 1e-3


def test_long_sounds_are_cut_from_the_onset_with_a_fade(tmp_path, audio_config, messages):
    held = 0.5 * np.sin(2 * np.pi * 440 * np.arange(96000) / 16000)
    soundfile.write(tmp_path / "long-069-100.wav", np.append(np.zeros(8000), held), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "late-069-100.wav", np.append(np.zeros(16000), held[:8000]), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "exact-069-100.wav", held[:64000], 16000, subtype="FLOAT")
    source = open_folder(tmp_path, audio_config, log=messages.append)
    assert messages[:2] == [
        f"{tmp_path}/late-069-100.wav: 1.50 s long, 1.00 to 1.50 s used",
        f"{tmp_path}/long-069-100.wav: 6.50 s long, 0.50 to 4.50 s used",
    ]
    notes = {source.location(row).rsplit("/", 1)[1][:4]: audio for row, audio, _ in read_audio(source)}
    peak = 10 ** (-0.6 / 20)
    np.testing.assert_allclose(notes["exac"], 2 * peak * held[:64000], atol=1e-6)
    start = np.flatnonzero(notes["long"])[0]
    assert 30 <= start <= 40
    np.testing.assert_allclose(notes["long"][start:63600], 2 * peak * held[1 : 63600 - start + 1], atol=1e-5)
    faded = notes["long"][-320:]
    assert abs(faded[-1]) < 1e-4
    assert np.abs(faded[:40]).max() > 0.8
    assert np.abs(faded[-40:]).max() < 0.03
    assert not notes["late"][8100:].any()
    assert notes["late"][1000] != 0


def test_pitch_is_estimated_and_said(tmp_path, audio_config, messages):
    soundfile.write(tmp_path / "my pad.wav", sine(220, 44100, 2.0) + 0.5 * sine(440, 44100, 2.0), 44100)
    table = open_folder(tmp_path, audio_config, log=messages.append).table
    assert table.pitch.tolist() == [57]
    assert table.note_str.tolist() == ["my pad-057-100"]
    assert len(messages) == 1
    assert messages[0].startswith(f"{tmp_path}/my pad.wav: pitch 57 (A3, 2")
    assert messages[0].endswith(" Hz) estimated from the sound")


def test_unpitched_sound_is_a_bad_note(tmp_path, audio_config, skip):
    noise = np.random.default_rng(0).standard_normal(32000)
    soundfile.write(tmp_path / "noise.wav", 0.1 * noise, 16000)
    soundfile.write(tmp_path / "snare.wav", 0.3 * noise * np.exp(-np.arange(32000) / 1000), 16000)
    soundfile.write(tmp_path / "noise C4.wav", 0.1 * noise, 16000)
    assert open_folder(tmp_path, audio_config, skip).table.pitch.tolist() == [60]
    assert [file.rsplit("/", 1)[1] for file in skip.skipped] == ["noise.wav", "snare.wav"]
    assert all(
        "has no pitch in its name and no single pitch in its sound" in problem for problem in skip.skipped.values()
    )
    with pytest.raises(BadNoteError, match=r"noise\.wav: has no pitch"):
        open_folder(tmp_path, audio_config)


def test_instruments_velocities_and_collisions(tmp_path, audio_config):
    for name in (
        "strings/cello/C4.wav",
        "strings/cello/D4 v20.WAV",
        "strings/cello/take2/C4.wav",
        "pad-060-100.wav",
        "guitar_acoustic_010-055-025.wav",
        "pad C4.wav",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sine({"D4": 294, "gu": 196}.get(path.name[:2], 262)), 16000)
    source = open_folder(tmp_path, audio_config)
    table = source.table
    labels = {
        source.location(row)[len(str(tmp_path)) + 1 :]: (table.note_str[row], table.instrument_str[row])
        for row in range(len(table))
    }
    assert labels == {
        "strings/cello/C4.wav": ("strings_cello-060-100", "strings_cello"),
        "strings/cello/D4 v20.WAV": ("strings_cello-062-020", "strings_cello"),
        "strings/cello/take2/C4.wav": ("strings_cello_take2-060-100", "strings_cello_take2"),
        "pad C4.wav": ("pad-060-100", "pad"),
        "pad-060-100.wav": ("pad.2-060-100", "pad"),
        "guitar_acoustic_010-055-025.wav": ("guitar_acoustic_010-055-025", "guitar_acoustic_010"),
    }
    guitar = list(table.instrument_str).index("guitar_acoustic_010")
    assert table.instrument_family[guitar] == FAMILIES.index("guitar")
    assert table.instrument_source[guitar] == 0
    assert table.velocity[guitar] == 25
    others = np.arange(len(table)) != guitar
    assert (table.instrument_family[others] == UNKNOWN).all()
    assert (table.split == UNKNOWN).all()
    assert (table.qualities == UNKNOWN).all()


def test_bad_files(tmp_path, audio_config, skip):
    soundfile.write(tmp_path / "good C4.flac", sine(262), 16000)
    soundfile.write(tmp_path / "whole.mp3", sine(262), 16000)
    (tmp_path / "cut C4.mp3").write_bytes((tmp_path / "whole.mp3").read_bytes()[:-3000])
    (tmp_path / "whole.mp3").unlink()
    (tmp_path / "empty C4.ogg").write_bytes(b"")
    (tmp_path / "cut C4.flac").write_bytes((tmp_path / "good C4.flac").read_bytes()[:-30])
    soundfile.write(tmp_path / "silent C4.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "none C4.wav", np.zeros(0), 16000)
    nan = sine(262)
    nan[9] = np.nan
    soundfile.write(tmp_path / "nan C4.wav", nan, 16000, subtype="FLOAT")
    source = open_folder(tmp_path, audio_config, skip)
    assert source.table.note_str.tolist() == ["good-060-100"]
    problems = {file.rsplit("/", 1)[1].split()[0] + file[-4:]: text for file, text in skip.skipped.items()}
    expected = {
        "cut.mp3": "truncated MP3",
        "empty.ogg": "is empty",
        "cutflac": "damaged FLAC",
        "silent.wav": "is silent",
        "none.wav": "holds no samples",
        "nan.wav": "holds NaN",
    }
    assert problems.keys() == expected.keys()
    assert all(text in problems[name] and "\n" not in problems[name] for name, text in expected.items())


def test_other_files(tmp_path, audio_config, messages):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.wav").write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "a.wav").write_text("x")
    assert find_audio(tmp_path) == ([], [tmp_path / "notes.txt"])
    with pytest.raises(InputError, match="no audio in it, expected a sound file, such as WAV"):
        open_folder(tmp_path, audio_config)
    soundfile.write(tmp_path / "a C4.wav", sine(262), 16000)
    assert len(open_folder(tmp_path, audio_config, log=messages.append).table) == 1
    assert messages == [f"{tmp_path}: 1 files that are not audio are ignored"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_to_folders_are_followed_once_and_broken_ones_named(tmp_path, audio_config, messages):
    root, library = tmp_path / "root", tmp_path / "library"
    for folder in (root / "flute", library / "horn"):
        folder.mkdir(parents=True)
        soundfile.write(folder / "C4.wav", sine(262), 16000)
    (root / "flute" / "D4.wav").symlink_to(library / "horn" / "C4.wav")
    for link, target in {"horn": library / "horn", "again": root / "flute", "up": tmp_path, "gone": "nowhere"}.items():
        (root / link).symlink_to(target)
    (root / "lost C5.wav").symlink_to("nowhere.wav")
    bad_notes = BadNotes("skip")
    source = open_folder(root, audio_config, bad_notes, messages.append)
    assert sorted(source.table.instrument_str) == ["flute", "flute", "horn"]
    problem = "is a link to nowhere.wav, which is not there"
    assert bad_notes.skipped == {str(root / "lost C5.wav"): problem}
    assert f"{root / 'gone'}: is a link to nowhere, which is not there" in messages
    with pytest.raises(BadNoteError, match=problem):
        open_folder(root, audio_config)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no UTF-8")
def test_names_that_are_no_utf_8_are_read_as_windows_1252(tmp_path, audio_config):
    folder = tmp_path / os.fsdecode(b"fl\xfbte")
    folder.mkdir()
    soundfile.write(tmp_path / "a.wav", sine(262), 16000)
    names = [os.fsdecode(name) for name in (b"caf\xe9 C4.wav", b"caf\xe9\x81 C4.wav")]
    for file in (*(tmp_path / name for name in names), folder / "C4.wav"):
        shutil.copy(tmp_path / "a.wav", file)
    (tmp_path / "a.wav").unlink()
    source = open_folder(tmp_path, audio_config)
    assert sorted(source.table.instrument_str) == ["café", "café\ufffd", "flûte"]
    for _, audio, problem in read_audio(source):
        assert problem == ""
        assert np.abs(audio).max() > 0.1
    assert all(source.read(row)[1] == "" for row in range(3))
