"""`python -m nsynth_vae.resynthesize`: its files and lines, in tune, and every error it can end with."""

import errno
import os
import pathlib
import re
import subprocess
import sys
import time
import wave

import numpy as np
import pytest
import soundfile
from conftest import read_audio, sine

from nsynth_vae import resynthesize as command
from nsynth_vae.analysis import griffin_lim as griffin_lim_module
from nsynth_vae.analysis import spectra
from nsynth_vae.analysis.pitch import in_tune
from nsynth_vae.analysis.sound_files import read_sounds
from nsynth_vae.analysis.sound_labels import label_sounds
from nsynth_vae.config import AudioConfig
from nsynth_vae.data.readers.samples import SamplesSource
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.files import sound_writing
from nsynth_vae.pretrained import SYNTHESIZER
from nsynth_vae.rendering import resynthesis
from nsynth_vae.rendering.resynthesis import Resynthesis

pytestmark = pytest.mark.player

NOISE = 0.1 * np.random.default_rng(0).standard_normal(32000)


def harmonic(pitch: float, sample_rate: int = 16000, seconds: float = 4.0) -> np.ndarray:
    """Return a decaying note of six partials, float64 `[samples]`."""
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    return sum(sine(k * hertz, sample_rate, seconds, 0.3 / k).astype(np.float64) for k in range(1, 7))


@pytest.fixture(scope="module")
def notes(tmp_path_factory) -> list[pathlib.Path]:
    """Two files: short, 44.1 kHz, stereo and named; long, late and not named."""
    folder = tmp_path_factory.mktemp("notes")
    left = harmonic(57, 44100, 2.0)
    soundfile.write(folder / "Bell A3.flac", np.stack([left, 0.5 * left], 1), 44100)
    soundfile.write(folder / "my.pad.ogg", np.append(np.zeros(8000), harmonic(64, seconds=6.0)), 16000)
    return [folder / "Bell A3.flac", folder / "my.pad.ogg"]


@pytest.fixture(scope="module")
def griffin_lim(notes, tmp_path_factory):
    """The two notes by Griffin-Lim: (files written, lines reported)."""
    output = tmp_path_factory.mktemp("run") / "new" / "folder"
    return resynthesize([str(note) for note in notes], output, method="griffin-lim")


class FakeSynthesizer:
    """Synthesizer that keeps the pitches it is called with, and always gives the same note."""

    def __init__(self) -> None:
        """Begin without calls."""
        self.loaded, self.pitches = [], []

    def load(self, folder, config):
        assert config == AudioConfig()
        self.loaded.append(folder)
        return self.play

    def play(self, log_mel, pitch, to_pitch):
        assert log_mel.shape == (251, 128)
        assert log_mel.dtype == np.float32
        self.pitches.append((pitch, to_pitch))
        return 0.5 * sine(440)


@pytest.fixture
def fake(monkeypatch) -> FakeSynthesizer:
    synthesizer = FakeSynthesizer()
    monkeypatch.setattr(resynthesis, "open_synthesizer", synthesizer.load)
    return synthesizer


def resynthesize(files, output, **options) -> tuple[list[pathlib.Path], list[str]]:
    """Return the files written, in the order of `files`, and the lines reported."""
    lines: list[str] = []
    result = resynthesis.resynthesize(files, output, report=lines.append, **options)
    return [output / f"{file.stem}.wav" for file in result.files], lines


def write_note(path: pathlib.Path, audio: np.ndarray | None = None) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sine(261.63) if audio is None else audio, 16000)
    return path


def contents(folder: pathlib.Path) -> dict[pathlib.Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_note(path: pathlib.Path) -> np.ndarray:
    """Check the format of a file by a reader that is not soundfile, and return its audio."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        assert file.getnframes() == 64000
        audio = np.frombuffer(file.readframes(64000), "<i2") / 2**15
    assert audio.size == 64000
    assert 0.01 < np.abs(audio).max() <= 1
    return audio


def log_mel_error(audio: np.ndarray, file: pathlib.Path) -> float:
    """Return the mean difference, in nats, of log-mels where the file's is within 40 dB of its loudest."""
    config = AudioConfig()
    (sound,) = read_sounds([file], config, whole=True)
    found, target = spectra.log_mel(np.stack([audio, sound.audio]), config)
    loud = target > target.max() - np.log(100) / config.log_mel_scale
    return float(np.mean(np.abs(found - target)[loud])) * config.log_mel_scale


def test_griffin_lim_gives_the_notes_back(notes, griffin_lim):
    written, _said = griffin_lim
    assert [path.name for path in written] == ["Bell A3.wav", "my.pad.wav"]
    assert sorted(written[0].parent.iterdir()) == sorted(written)
    audio = [assert_note(path) for path in written]
    for sound, file, pitch in zip(audio, notes, (57, 64), strict=True):
        assert in_tune(sound, pitch)
        assert not in_tune(sound, pitch + 1)
        assert log_mel_error(sound, file) < 0.2
    assert log_mel_error(audio[0], notes[1]) > 2
    assert log_mel_error(audio[1], notes[0]) > 2
    # The short one ends at 2 s; the late one begins at once.
    assert np.std(audio[0][33000:]) < 0.01 * np.std(audio[0][:32000])
    assert np.abs(audio[1][:800]).max() > 0.3 * np.abs(audio[1]).max()


def test_what_is_said(notes, griffin_lim):
    written, said = griffin_lim
    # Vorbis begins a little before the sound that it encodes.
    cut = re.fullmatch(r"(.+): 6\.50 s long, (0\.\d\d) to (4\.\d\d) s used", said[0])
    assert cut[1] == str(notes[1])
    assert 0.45 <= float(cut[2]) <= 0.5
    assert cut[3][1:] == cut[2][1:]
    assert said[1] == f"{notes[0]}: pitch 57 (A3, from its name) -> {written[0]}"
    assert said[2].startswith(f"{notes[1]}: pitch 64 (E4, 3")
    assert len(said) == 3
    assert said[2].endswith(f" Hz, estimated from the sound) -> {written[1]}")


def test_the_same_note_gives_the_same_bytes(notes, griffin_lim, tmp_path, capsys):
    """Alone or with others, by the command or by the function."""
    output = tmp_path / "again"
    assert command.main([str(notes[1]), "-o", str(output), "--method", "griffin-lim"]) == 0
    assert contents(output) == {output / "my.pad.wav": griffin_lim[0][1].read_bytes()}
    assert capsys.readouterr().out.count("\n") == 2


def test_a_file_is_read_as_in_a_folder_of_samples(notes):
    pytest.importorskip("tensorflow")
    config = AudioConfig()
    source = SamplesSource(notes[0].parent, audio=config, bad_notes=BadNotes(), log=lambda line: None)
    sounds = list(read_sounds(notes, config))
    for row, audio, problem in read_audio(source):
        file = pathlib.Path(source.location(row))
        sound = sounds[notes.index(file)]
        np.testing.assert_array_equal(sound.audio, source.read(row)[0])
        np.testing.assert_allclose(sound.audio, audio, atol=1e-6)
        assert sound.problem == problem == ""
        (label,) = label_sounds([sound.examine(config)])
        assert label.pitch == source.table.pitch[row]


def test_the_synthesizer_plays_each_note_at_its_own_pitch(notes, tmp_path):
    written, said = resynthesize(notes, tmp_path / "a")
    for path, file, pitch in zip(written, notes, (57, 64), strict=True):
        audio = assert_note(path)
        assert in_tune(audio, pitch)
        assert not in_tune(audio, pitch + 1)
        assert log_mel_error(audio, file) < 1.0
    assert len(said) == 3
    again, _ = resynthesize(notes[1:], tmp_path / "b")
    assert again[0].read_bytes() == written[1].read_bytes()


def test_the_synthesizer_plays_another_pitch(notes, tmp_path):
    (path,), said = resynthesize(notes[:1], tmp_path, pitch=62)
    audio = assert_note(path)
    assert in_tune(audio, 62)
    assert not in_tune(audio, 57)
    assert said == [f"{notes[0]}: pitch 57 (A3, from its name), played at 62 (D4) -> {path}"]


def test_the_synthesizer_is_told_the_pitch(fake, notes, tmp_path, capsys):
    arguments = [*map(str, notes), "--output", str(tmp_path)]
    assert command.main(arguments) == 0
    assert fake.pitches == [(57, 57), (64, 64)]
    assert fake.loaded == [SYNTHESIZER]
    audio = assert_note(tmp_path / "Bell A3.wav")
    np.testing.assert_allclose(audio, 0.5 * sine(440), atol=1e-4)
    assert command.main([*arguments, "--pitch", "0", "--model", "some/folder"]) == 0
    assert fake.pitches[2:] == [(57, 0), (64, 0)]
    assert fake.loaded[1:] == [pathlib.Path("some/folder")]
    assert capsys.readouterr().out.count(", played at 0 (C-1)") == 2


def test_a_wrong_name_is_mended_by_the_pitch(fake, tmp_path):
    """A sound that already has the target pitch is not moved."""
    path = write_note(tmp_path / "flute A3.wav", sine(440))
    (written,), lines = resynthesize([path], tmp_path / "out", pitch=69)
    assert fake.pitches == [(69, 69)]
    assert lines == [
        f"{path}: name says 57 (A3), sounds 69 (A4); the name is kept",
        f"{path}: pitch 69 (A4, estimated; the name says 57) -> {written}",
    ]


def test_the_sound_is_followed_where_it_has_another_pitch_than_the_name(fake, tmp_path):
    path = write_note(tmp_path / "flute C3.wav", sine(440))
    _, lines = resynthesize([path], tmp_path / "out")
    assert fake.pitches == [(69, 69)]
    assert lines[0] == f"{path}: name says 48 (C3), sounds 69 (A4); the sound is followed"
    assert "pitch 69 (A4, 44" in lines[1]


def test_names_of_another_octave_convention(fake, tmp_path):
    files = [write_note(tmp_path / f"pad {name}.wav", sine(440 * ratio)) for name, ratio in (("A3", 1), ("E3", 0.75))]
    with pytest.raises(InputError, match=r"2 of 2 files .* sound an octave above it, .*--octave-shift 1 \(or auto\)"):
        resynthesize(files, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    resynthesize(files, tmp_path / "out", octave_shift="auto")
    resynthesize(files, tmp_path / "out", octave_shift=1)
    resynthesize(files, tmp_path / "out", octave_shift=0)
    assert fake.pitches == [(69, 69), (64, 64)] * 2 + [(57, 57), (52, 52)]


def test_a_short_sound_stays_in_its_place_and_silence_stays_silent(notes, tmp_path):
    late = np.concatenate([np.zeros(8000, np.float32), sine(440)[:40000]])
    files = [write_note(tmp_path / "late A4.wav", late), write_note(tmp_path / "silence C4.wav", np.zeros(3000))]
    written, _ = resynthesize(files, tmp_path / "out")
    audio = assert_note(written[0])
    assert np.abs(audio[:7000]).max() < 1e-3 < np.abs(audio[8000:9000]).max()
    assert in_tune(audio[8000:48000], 69)
    assert not soundfile.read(written[1])[0].any()


def test_a_sound_without_a_pitch(fake, monkeypatch, tmp_path):
    """The synthesizer needs `--pitch` for it, Griffin-Lim does not."""

    def play(log_mel, config, iterations):
        assert log_mel.shape == (1, 251, 128)
        assert iterations == 60
        return np.full([1, 64000], 0.5)

    monkeypatch.setattr(griffin_lim_module, "log_mel_to_audio", play)
    snare, output = write_note(tmp_path / "snare.wav", NOISE), tmp_path / "out"
    with pytest.raises(
        InputError, match=r"snare.wav: has no pitch in its name and no single pitch in its sound.*or --pitch P$"
    ):
        resynthesize([snare], output)
    assert not output.exists()
    (path,), lines = resynthesize([snare], output, pitch=60)
    assert fake.pitches == [(60, 60)]
    lines += resynthesize([snare], output, method="griffin-lim")[1]
    assert lines == [f"{snare}: pitch 60 (C4, --pitch) -> {path}", f"{snare}: no pitch -> {path}"]


def bad_paths(folder: pathlib.Path) -> dict[str, tuple[list[pathlib.Path], pathlib.Path, str]]:
    """Return cases of (files, output, error) that are found before anything is read."""
    good, same = write_note(folder / "good C4.wav"), write_note(folder / "more" / "good C4.flac")
    case, file = write_note(folder / "more" / "GOOD C4.wav"), folder / "file"
    file.write_text("x")
    (folder / "link.wav").symlink_to(good)
    (folder / "full" / "good C4.wav").mkdir(parents=True)
    output, gone, long = folder / "out", folder / "gone C4.wav", folder / ("x" * 300)
    latin = folder / os.fsdecode(b"\xe9.wav")
    kinds = "expected a sound file, such as WAV, FLAC, Ogg, MP3 or AIFF"
    names = "expected files of different names"
    return {
        "missing": ([good, gone], output, f"{gone}: cannot be read (No such file or directory), {kinds}"),
        "unreadable": ([good, long], output, f"{long}: cannot be read (File name too long), {kinds}"),
        "folder": ([folder], output, f"{folder}: is a folder, {kinds}"),
        "device": ([pathlib.Path("/dev/null")], output, f"/dev/null: is a device, {kinds}"),
        "name": ([latin], output, f"{folder}/\\udce9.wav: is no UTF-8, expected a name that is"),
        "stem": ([good, same], output, f"{same}: would be written to {output}/good C4.wav, as {good} is, {names}"),
        "case": ([good, case], output, f"{case}: would be written to {output}/GOOD C4.wav, as {good} is, {names}"),
        "twice": ([good, good], output, f"{good}: would be written to {output}/good C4.wav, as {good} is, {names}"),
        "file": ([good], file, f"{file}: {file} is no folder, expected a folder to write to"),
        "below": ([good], file / "a", f"{file}/a: {file} is no folder, expected a folder to write to"),
        "taken": (
            [good],
            folder / "full",
            f"{folder}/full/good C4.wav: found a folder, expected a place for the note of {good}",
        ),
        "input": (
            [good],
            folder,
            f"{folder}/good C4.wav: is to be written, and read as {good}, expected another --output",
        ),
        "other input": (
            [same, folder / "link.wav"],
            folder,
            f"{folder}/good C4.wav: is to be written, and read as {folder}/link.wav, expected another --output",
        ),
        "long output": ([good], folder / ("y" * 300), f"{folder}/{'y' * 300}: cannot be made (File name too long)"),
    }


@pytest.mark.parametrize(
    "case",
    [
        *("missing", "unreadable", "folder", "device", "name", "stem", "case", "twice", "file", "below", "taken"),
        *("input", "other input", "long output"),
    ],
)
def test_bad_paths(case, fake, tmp_path, capsys):
    files, output, expected = bad_paths(tmp_path)[case]
    before = sorted(tmp_path.rglob("*"))
    assert command.main([*map(str, files), "-o", str(output)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {expected}")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert not fake.pitches


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text C4.wav", "is of an unknown format, expected a sound file"),
        ("damaged C4.flac", "cannot be decoded"),
        ("noise.wav", "has no pitch in its name and no single pitch in its sound"),
    ],
)
def test_nothing_is_written_when_one_file_is_bad(name, expected, fake, tmp_path, capsys):
    good, bad = write_note(tmp_path / "good C4.wav"), tmp_path / name
    write_note(bad, NOISE if name == "noise.wav" else None)
    if name.startswith("text"):
        bad.write_text("some text")
    if name.startswith("damaged"):
        bad.write_bytes(bad.read_bytes()[:-30])
    assert command.main([str(good), str(bad), "-o", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {bad}: {expected}")
    assert err.count("\n") == 1
    assert out == ""
    assert not (tmp_path / "out").exists()
    assert not fake.pitches


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--pitch", "128"], "error: argument --pitch: found '128', expected a MIDI number, 0 to 127"),
        (
            ["--pitch", "H4"],
            "error: argument --pitch: found 'H4', expected a MIDI number, 0 to 127, or a name such as C4",
        ),
        (["--pitch", "60", "--method", "griffin-lim"], "error: --pitch: found 60 with --method griffin-lim, expected"),
        (["--model", "m", "--method", "griffin-lim"], "error: --model: found m with --method griffin-lim, expected"),
        (["--method", "wavenet"], "error: argument --method: invalid choice: 'wavenet'"),
        (["--output"], "error: argument --output/-o: expected one argument"),
    ],
)
def test_bad_options(options, expected, tmp_path, capsys):
    note = write_note(tmp_path / "good C4.wav")
    arguments = [str(note), "--output", str(tmp_path / "out"), *options]
    try:
        code = command.main(arguments)
    except SystemExit as end:
        code = end.code
    err = capsys.readouterr().err
    assert code == 2
    assert err.startswith(expected)
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_files_and_output_are_required(tmp_path, capsys):
    for arguments, missing in ((["-o", str(tmp_path)], "FILE"), ([str(tmp_path / "a.wav")], "--output/-o")):
        with pytest.raises(SystemExit) as end:
            command.main(arguments)
        err = capsys.readouterr().err
        assert end.value.code == 2
        assert err.count("\n") == 1
        assert err.startswith(f"error: the following arguments are required: {missing} ")
    with pytest.raises(InputError, match=r"^--method: found 'wavenet', expected synthesizer or griffin-lim$"):
        resynthesize([], tmp_path, method="wavenet")
    with pytest.raises(InputError, match=r"^--pitch: found 128, expected a MIDI number, 0 to 127$"):
        resynthesize([], tmp_path, pitch=128)


def test_a_full_disk_leaves_nothing_half_written(fake, tmp_path, monkeypatch, capsys):
    good, output = write_note(tmp_path / "good C4.wav"), tmp_path / "out"
    assert command.main([str(good), "-o", str(output)]) == 0
    before = contents(tmp_path)

    def fill(path, audio, sample_rate):
        path.write_bytes(b"RIFF")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(sound_writing, "write_wav", fill)
    assert command.main([str(good), "-o", str(output)]) == 2
    assert capsys.readouterr().err == (
        f"error: {output}/good C4.wav: cannot be written (No space left on device), expected a place for a WAV\n"
    )
    assert contents(tmp_path) == before
    assert command.main([str(good), "-o", str(tmp_path / "new" / "folder")]) == 2
    assert not (tmp_path / "new").exists()


def test_ctrl_c_keeps_what_is_whole(fake, tmp_path, monkeypatch, capsys):
    files = [write_note(tmp_path / f"{name} C4.wav") for name in "ab"]
    write_wav = sound_writing.write_wav

    def interrupt(path, audio, sample_rate):
        write_wav(path, audio, sample_rate)
        if len(fake.pitches) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(sound_writing, "write_wav", interrupt)
    assert command.main([*map(str, files), "-o", str(tmp_path / "out")]) == 130
    assert [path.name for path in contents(tmp_path / "out")] == ["a C4.wav"]
    assert_note(tmp_path / "out" / "a C4.wav")


def test_the_function_returns_audio_that_can_be_saved_and_shown(fake, tmp_path):
    files = [write_note(tmp_path / "notes" / f"{name} C4.wav") for name in "ab"]
    found = resynthesis.resynthesize(files, pitch=62)
    assert isinstance(found, Resynthesis)
    assert found.audio.shape == (2, 64000)
    assert found.audio.dtype == np.float32
    assert found.pitches == (62, 62)
    assert {path.name for path in contents(tmp_path)} == {"a C4.wav", "b C4.wav"}
    found.save(tmp_path / "out")
    assert {path.name for path in contents(tmp_path / "out")} == {"a C4.wav", "b C4.wav"}
    np.testing.assert_allclose(assert_note(tmp_path / "out" / "b C4.wav"), found.audio[1], atol=1e-4)
    assert "<audio controls" in found._repr_html_()


def test_help_answers_in_two_seconds_without_tensorflow():
    times = []
    for _ in range(2):
        started = time.perf_counter()
        command = [sys.executable, "-m", "nsynth_vae.resynthesize", "--help"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 2.0
    assert "--output DIR" in ran.stdout
    assert ran.stderr == ""
    check = "import sys, nsynth_vae.resynthesize as r; r.make_parser(); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stdout == "False\n"
