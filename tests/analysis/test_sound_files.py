"""Sound files read in numpy: formats, resampling, onset and length, and the errors; without TensorFlow."""

import io
import pathlib

import numpy as np
import pytest
import soundfile
from conftest import sine

from nsynth_vae.analysis import sound_files
from nsynth_vae.config import AudioConfig

pytestmark = pytest.mark.player

CONFIG = AudioConfig()
RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000)


def encoded(audio: np.ndarray, rate: int, kind: str, subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def read(path: pathlib.Path, **options) -> sound_files.Sound:
    (sound,) = sound_files.read_sounds([path], CONFIG, **options)
    return sound


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_file_becomes_mono_at_the_target_rate_without_delay(rate, channels, tmp_path):
    left = sine(440, rate, 1.0)
    audio = np.stack([left * gain for gain in (1.0, 0.5, -0.25)[:channels]], 1)
    soundfile.write(tmp_path / "a C4 v90.wav", audio, rate, subtype="FLOAT")
    sound = read(tmp_path / "a C4 v90.wav", whole=True)
    assert sound.problem == ""
    assert (sound.named.pitch, sound.named.velocity) == (60, 90)
    assert abs(sound.samples - 16000) <= 1
    expected = np.pad(sine(440, 16000, 1.0) * audio[100, :].mean() / audio[100, 0], (0, 48000))
    # The attack of 2 ms has sound above half of a low rate.
    np.testing.assert_allclose(sound.audio[200:15800], expected[200:15800], atol=2e-3)


def test_odd_rates():
    """Any rate that a header can state, and sounds of a few samples."""
    for rate in (1000, 7999, 44101, 384000):
        for samples in (0, 1, 2, 50, rate // 4):
            found = sound_files.resample(np.full([samples, 1], 0.5, np.float32), rate, 16000)
            assert found.shape == (found.size, 1)
            assert abs(found.size - samples * 16000 / rate) <= 1
            assert found.dtype == np.float32


def test_onset_cut_and_fade(tmp_path):
    """As the docstring of the module says."""
    steady = 0.5 * np.sin(2 * np.pi * 440 * np.arange(96000) / 16000)
    soundfile.write(tmp_path / "long.wav", np.append(np.zeros(8000), steady), 16000, subtype="FLOAT")
    sound = read(tmp_path / "long.wav")
    start = sound.onset
    assert 8000 - 40 <= start <= 8000
    assert sound.remarks(CONFIG) == ("6.50 s long, 0.50 to 4.50 s used",)
    whole = 2 * 10 ** (-0.6 / 20) * np.append(np.zeros(8000), steady)[start : start + 64000]
    np.testing.assert_allclose(sound.audio[:-320], whole[:-320], atol=1e-6)
    assert abs(sound.audio[-1]) < 1e-4
    assert np.abs(sound.audio[-320:]).max() > 0.8
    soundfile.write(tmp_path / "late.wav", np.append(np.zeros(16000), steady[:8000]), 16000, subtype="FLOAT")
    late = read(tmp_path / "late.wav")
    assert late.onset > 15000
    assert not late.audio[8100:].any()
    kept = read(tmp_path / "late.wav", whole=True)
    assert kept.onset == 0
    assert kept.remarks(CONFIG) == ()
    assert not kept.audio[:16000].any()
    soundfile.write(tmp_path / "silent.wav", np.zeros(100), 16000)
    assert read(tmp_path / "silent.wav").problem == "is silent, expected a peak of at least 0.001"
    assert read(tmp_path / "silent.wav", whole=True).problem == ""


@pytest.mark.parametrize("options", [{}, {"whole": True}, {"keep_level": True}])
def test_a_quiet_file_is_named_whether_its_level_is_set_or_kept(options, tmp_path):
    said = "quiet: peaks at -50.0 dB of full scale, expected at least -45"
    for level, remarks in ((10**-2.5, (said,)), (0.1, () if options else ("level raised by 19 dB",))):
        soundfile.write(tmp_path / "a.wav", sine(440, level=level), 16000, subtype="PCM_24")
        assert read(tmp_path / "a.wav", **options).remarks(CONFIG) == remarks
    soundfile.write(tmp_path / "a.wav", sine(440, level=10**-2.5), 16000, subtype="PCM_24")
    assert read(tmp_path / "a.wav", whole=True, as_is=True).remarks(CONFIG) == ()


def wav_with_nan() -> bytes:
    audio = sine(440)
    audio[9] = np.nan
    return encoded(audio, 16000, "WAV", "FLOAT")


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (b"", "is empty, expected a sound file"),
        (b"some text", "is of an unknown format, expected a sound file, such as WAV, FLAC, Ogg, MP3 or AIFF"),
        (encoded(sine(440), 16000, "WAV")[:5000], "holds 4956 of 128000 bytes of audio: truncated WAV"),
        (encoded(sine(440), 16000, "FLAC")[:-30], "damaged FLAC"),
        (encoded(np.zeros(100), 16000, "WAV"), "is silent, expected a peak of at least 0.001"),
        (encoded(np.zeros(0), 16000, "WAV"), "holds no samples, expected sound"),
        (wav_with_nan(), "holds NaN or infinite samples, expected finite ones"),
        (
            encoded(32767 * sine(440, level=1.0), 16000, "WAV", "FLOAT"),
            "holds samples up to 32583.4, expected -1 to 1: integers written as float",
        ),
    ],
)
def test_invalid_files(contents, problem, tmp_path):
    (tmp_path / "a C4.wav").write_bytes(contents)
    sound = read(tmp_path / "a C4.wav")
    assert problem in sound.problem
    assert "\n" not in sound.problem
    assert not sound.audio.any()
    assert sound.audio.shape == (64000,)


def test_a_file_that_is_not_there(tmp_path):
    kinds = "expected a sound file, such as WAV, FLAC, Ogg, MP3 or AIFF"
    assert read(tmp_path / "nothing.wav").problem == f"cannot be read (No such file or directory), {kinds}"
    assert read(tmp_path).problem == f"is a folder, {kinds}"


def test_check_format():
    """What a note of NSynth's layout must have."""
    note = sine(440)[:, None]
    assert sound_files.check_format(note, 16000, CONFIG)[1] == ""
    for audio, rate, problem in (
        (note, 44100, "has a sample rate of 44100 Hz, expected 16000"),
        (np.repeat(note, 2, 1), 16000, "has 2 channels, expected 1"),
        (note[:-1], 16000, "holds 63999 samples, expected 64000 (truncated?)"),
        (0.001 * note, 16000, "is silent, expected a peak of at least 0.001"),
    ):
        found, said = sound_files.check_format(audio, rate, CONFIG)
        assert said == problem
        assert not found.any()


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
def test_resampling_adds_no_shift_and_no_gain(rate):
    time = np.arange(rate) / rate
    pulse = np.exp(-(((time - 0.25) * 300) ** 2)).astype(np.float32)
    found = sound_files.resample(pulse, rate, 16000)
    assert found.shape == (16000,)
    expected = np.exp(-(((np.arange(16000) / 16000 - 0.25) * 300) ** 2))
    centre = (np.arange(16000) * found).sum() / found.sum()
    assert abs(centre - 4000) < 0.01
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 44056])
def test_resampling_leaves_no_step_at_the_ends(rate):
    """An offset and hum go on beyond a recording: zeros there would ring."""
    seconds = np.arange(round(0.5 * rate)) / rate
    audio = (0.3 + 0.2 * np.sin(2 * np.pi * 50 * seconds + 1)).astype(np.float32)
    found = sound_files.resample(np.stack([audio, -audio], 1), rate, 16000)
    expected = 0.3 + 0.2 * np.sin(2 * np.pi * 50 * np.arange(8000) / 16000 + 1)
    np.testing.assert_allclose(found[:, 0], expected, atol=2e-4)
    np.testing.assert_array_equal(found[:, 0], -found[:, 1])
    for samples in (1, 2, 30):
        short = sound_files.resample(np.full(samples, 0.3, np.float32), rate, 16000)
        np.testing.assert_allclose(short, 0.3, atol=1e-3)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_an_offset_leaves_the_note_as_it_is_at_any_rate(rate, tmp_path):
    audio = sine(220, rate, 3.0)
    notes = []
    for offset in (0.0, 0.01):
        soundfile.write(tmp_path / "A3.wav", audio + offset, rate, subtype="PCM_24")
        notes.append(read(tmp_path / "A3.wav").audio)
    np.testing.assert_allclose(notes[1], notes[0], atol=2e-5)


def test_a_whole_note_with_a_lead_in_is_not_faded(tmp_path):
    """Cut at 4 s from 2.5 ms before its onset, as the file without the lead-in is."""
    tone = (0.5 * np.sin(2 * np.pi * 220.3 * np.arange(64000) / 16000 + 1)).astype(np.float32)
    soundfile.write(tmp_path / "A3.wav", np.append(np.zeros(16000), tone), 16000, subtype="FLOAT")
    found = read(tmp_path / "A3.wav")
    before = 16000 - found.onset
    assert 30 < before <= 40
    gain = found.audio[before:] @ tone[:-before] / (tone[:-before] @ tone[:-before])
    np.testing.assert_allclose(found.audio[before:], gain * tone[:-before], atol=1e-5)
