"""Sound files read in numpy: formats, resampling, onset and length, and the errors; without TensorFlow."""

import io
import pathlib
import struct

import numpy as np
import pytest
import soundfile
from conftest import sine

from nsynth_vae.analysis import sound_files, spectra
from nsynth_vae.analysis.audio_headers import FORMATS
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


@pytest.mark.parametrize(
    ("kind", "subtype", "tolerance"),
    [
        *(("WAV", subtype, 1e-2) for subtype in ("PCM_U8", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM")),
        *(("WAV", subtype, 5e-5) for subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 5e-5),
        ("W64", "PCM_16", 5e-5),
        ("AIFF", "PCM_16", 5e-5),
        ("AU", "PCM_16", 5e-5),
        ("CAF", "PCM_16", 5e-5),
        ("FLAC", "PCM_S8", 1e-2),
        ("FLAC", "PCM_16", 5e-5),
        ("FLAC", "PCM_24", 1e-6),
        ("OGG", "VORBIS", 0.1),
        ("OGG", "OPUS", 0.1),
        ("MP3", "MPEG_LAYER_III", 0.1),
    ],
)
def test_formats(kind, subtype, tolerance):
    """Every format that libsndfile writes is decoded, both channels."""
    audio = np.stack([sine(440, 48000, 0.5), 0.5 * sine(550, 48000, 0.5)], 1)
    contents = encoded(audio, 48000, kind, subtype)
    found, rate = sound_files.decode(contents)
    assert rate == 48000
    assert found.dtype == np.float32
    # Some formats fill their last block.
    assert found.shape[1] == 2
    assert 0 <= len(found) - len(audio) < 4096
    error = found[: len(audio)] - audio
    assert np.sqrt(np.mean(error**2) / np.mean(audio**2)) < tolerance * (20 if tolerance == 1e-2 else 3)


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
    assert 8000 - 80 <= start <= 8000
    assert sound.cut(CONFIG) == "6.50 s long, 0.50 to 4.50 s used"
    whole = np.append(np.zeros(8000), steady)[start : start + 64000]
    np.testing.assert_allclose(sound.audio[:-320], whole[:-320], atol=1e-6)
    assert abs(sound.audio[-1]) < 1e-4
    assert np.abs(sound.audio[-320:]).max() > 0.4
    soundfile.write(tmp_path / "late.wav", np.append(np.zeros(16000), steady[:8000]), 16000, subtype="FLOAT")
    late = read(tmp_path / "late.wav")
    assert late.onset > 15000
    assert not late.audio[8100:].any()
    kept = read(tmp_path / "late.wav", whole=True)
    assert kept.onset == 0
    assert kept.cut(CONFIG) == ""
    assert not kept.audio[:16000].any()
    soundfile.write(tmp_path / "silent.wav", np.zeros(100), 16000)
    assert read(tmp_path / "silent.wav").problem == "is silent, expected a peak of at least 0.001"
    assert read(tmp_path / "silent.wav", whole=True).problem == ""


def flac(**changes: bytes) -> bytes:
    contents = bytearray(encoded(sine(440, seconds=0.2), 16000, "FLAC"))
    contents[26:42] = changes.get("md5", contents[26:42])
    return bytes(contents)


def wav_with_nan() -> bytes:
    audio = sine(440)
    audio[9] = np.nan
    return encoded(audio, 16000, "WAV", "FLOAT")


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (b"", "is empty, expected audio"),
        (b"some text", "begins with b'some', expected WAV or FLAC or Ogg or MP3"),
        (encoded(sine(440), 16000, "WAV")[:5000], "holds 4956 of 128000 bytes of audio: truncated WAV"),
        (encoded(sine(440), 16000, "WAV")[:20], "ends within its header (20 bytes): truncated WAV"),
        (encoded(sine(440), 16000, "FLAC")[:-30], "cannot be decoded"),
        (flac(md5=b"0123456789abcdef"), "decodes to other samples than were encoded (MD5): damaged FLAC"),
        (encoded(sine(440), 16000, "OGG")[:-300], "truncated Ogg"),
        (encoded(sine(440), 16000, "MP3")[:-30], "truncated MP3"),
        (encoded(sine(440), 16000, "AIFF")[:10], "begins with b'FORM', expected WAV or FLAC or Ogg or MP3"),
        (wav_with_nan(), "holds NaN or infinite samples, expected finite ones"),
        (encoded(np.zeros(0), 16000, "WAV"), "is silent, expected a peak of at least 0.001"),
    ],
)
def test_invalid_files(contents, problem, tmp_path):
    (tmp_path / "a C4.wav").write_bytes(contents)
    sound = read(tmp_path / "a C4.wav")
    assert problem in sound.problem
    assert "\n" not in sound.problem
    assert not sound.audio.any()
    assert sound.audio.shape == (64000,)


def test_damaged_flac_is_found_with_and_without_a_checksum():
    """Any damaged block: by its own checksum, or by the MD5 of all samples."""
    for md5 in ({}, {"md5": bytes(16)}):
        whole = flac(**md5)
        assert sound_files.decode(whole)[0].shape == (3200, 1)
        for position in range(120, len(whole), 97):
            with pytest.raises(ValueError, match=r"damaged|cannot be decoded"):
                sound_files.decode(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])


def test_only_formats_that_are_allowed(tmp_path):
    """A folder that the tf.data graph will read has no others."""
    for kind, message in (("AIFF", "begins with b'FORM'"), ("MP3", "is MP3, expected WAV or FLAC")):
        with pytest.raises(ValueError, match=message):
            sound_files.decode(encoded(sine(440), 16000, kind), ("wav", "flac"))
    ulaw = encoded(sine(440), 16000, "WAV", "ULAW")
    with pytest.raises(ValueError, match="is WAV of format 7 with 8 bits, expected PCM"):
        sound_files.decode(ulaw, FORMATS)
    assert len(sound_files.decode(ulaw)[0]) == 64000
    missing = read(tmp_path / "nothing.wav")
    assert missing.problem == "cannot be read (No such file or directory), expected a sound file"


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


def test_the_log_mel_is_that_of_the_tensorflow_path(tmp_path):
    """Within 0.02 nats, mostly bit for bit, for all formats and rates that both read."""
    pytest.importorskip("tensorflow")
    from nsynth_vae.data.readers.samples import SamplesSource
    from nsynth_vae.data.source import BadNotes

    cases = [
        *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        *(("FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24")),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
    ]
    rng = np.random.default_rng(0)
    for rate in RATES:
        noise = rng.standard_normal(rate)
        for channels in (1, 2):
            note = sum(sine(220 * k, rate, 1.0, 0.3 / k) for k in range(1, 40) if 220 * k < rate / 2)
            audio = np.append(np.zeros(rate // 10), note + 0.01 * noise)
            audio = np.stack([audio, 0.5 * np.roll(audio, 5)], 1)[:, :channels]
            for kind, subtype in cases:
                if kind == "MP3" and rate > 48000:
                    continue
                path = tmp_path / f"{kind}{subtype}{rate}x{channels}-057-100.{kind.lower()}"
                soundfile.write(path, audio, rate, format=kind, subtype=subtype)
    source = SamplesSource(tmp_path, audio=CONFIG, bad_notes=BadNotes(), log=lambda line: None)
    assert len(source.table) > 180
    for element in source.audio(np.arange(len(source.table))):
        row = int(element["row"])
        audio, problem = source.read(row)
        assert problem == element["problem"].numpy().decode() == ""
        found, expected = spectra.log_mel(np.stack([audio, element["audio"].numpy()]), CONFIG) * CONFIG.log_mel_scale
        name = source.location(row)
        if name.endswith(("wav", "flac")):
            np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=name)
        # Vorbis and MP3 decoders differ by 2e-7, which is up to 0.03 nats within a nat of the floor of silence.
        audible = expected > np.log(CONFIG.log_offset) + 1.0 - CONFIG.log_mel_center
        assert np.abs(found - expected)[audible].max() < 0.02, name
        assert np.abs(found - expected).max() < 0.04, name
        assert np.abs(found - expected).mean() < 1e-3, name


def test_headers_of_zero_rate():
    """A damaged header is not an endless resampling."""
    contents = bytearray(encoded(sine(440), 16000, "WAV"))
    struct.pack_into("<I", contents, 24, 0)
    with pytest.raises(ValueError, match="states 0 Hz and 1 channels: damaged WAV"):
        sound_files.decode(bytes(contents))
