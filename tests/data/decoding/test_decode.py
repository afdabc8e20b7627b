"""Decoder of audio files in the graph: its operators never decode otherwise than the reader of all kinds would."""

import io
import re
import sys
import types

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from conftest import sine

from nsynth_vae.analysis import flac_checksum
from nsynth_vae.data.decoding import decode


def test_a_changed_header_is_never_read_otherwise(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sine(440)[:1000], 16000, subtype="PCM_16")
    whole = path.read_bytes()
    assert len(whole) == 44 + 2000
    files = [whole, whole[:-1], whole[:-2], whole[:44], whole[:43], whole + b"\0", whole + b"abcd", b""]
    for position in range(44):
        for flipped in (0x01, 0x80):
            files.append(whole[:position] + bytes([whole[position] ^ flipped]) + whole[position + 1 :])
    one = tf.function(decode.decode, input_signature=[tf.TensorSpec([], tf.string)])
    two = tf.function(decode._decode_any, input_signature=[tf.TensorSpec([], tf.string)])
    plain = 0
    for file in files:
        contents = tf.constant(file)
        expected = two(contents)
        for found, value in zip(one(contents), expected, strict=True):
            np.testing.assert_array_equal(found, value)
        plain += len(file) >= 44 and bool(decode._plain_wav(contents)[0])
    # The whole one; RIFF's own size, the rate up to 1.5 MHz, and the bytes a second may be any.
    assert plain == 1 + 2 * 4 + 2 * 3 - 1 + 2 * 4


@pytest.fixture
def no_tensorflow_io(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tensorflow-io be missing, as on Python 3.13."""
    monkeypatch.setattr(decode, "tensorflow_io_operators", lambda: None)


def decode_both(contents: bytes, monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, int, str]]:
    """Return (audio, sample rate, problem) of a file by tensorflow-io's operators and without them."""
    found = []
    for operators in (decode.tensorflow_io_operators(), None):
        monkeypatch.setattr(decode, "tensorflow_io_operators", lambda operators=operators: operators)
        audio, rate, problem = decode.decode(tf.constant(contents))
        found.append((audio.numpy(), int(rate), problem.numpy().decode()))
        monkeypatch.undo()
    return found


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
def test_tensorflow_io_and_libsndfile_decode_alike(rate, monkeypatch):
    """The samples are the same, so the features are."""
    if not decode.tensorflow_io_operators():
        pytest.skip("tensorflow-io is not installed")
    mono = sine(440, rate, 2.0) + 0.05 * np.random.default_rng(0).standard_normal(2 * rate).astype(np.float32)
    stereo = np.stack([mono, 0.5 * np.roll(mono, 5)], 1)
    kinds = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_S8"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")]
    kinds += [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")][: 1 if rate > 48000 else 2]
    for channels in (mono[:, None], stereo):
        for kind, subtype in kinds:
            buffer = io.BytesIO()
            soundfile.write(buffer, channels, rate, format=kind, subtype=subtype)
            one, two = decode_both(buffer.getvalue(), monkeypatch)
            assert one[1:] == two[1:] == (rate, "")
            assert one[0].shape[1] == channels.shape[1]
            np.testing.assert_array_equal(one[0], two[0], err_msg=f"{kind} {subtype}")


def test_the_same_part_of_a_long_flac_is_read(monkeypatch):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.append(np.zeros(8000 * 20), sine(440, 8000, 20.0)), 8000, format="FLAC")
    one, two = decode_both(buffer.getvalue(), monkeypatch)
    assert one[1:] == two[1:] == (8000, "")
    assert len(one[0]) < 8000 * 31
    np.testing.assert_array_equal(one[0], two[0])


def test_flac_is_read_by_tensorflow_io_where_it_loads(monkeypatch):
    """By its operator for 16 bits, which the test counts; by libsndfile for others."""
    if not decode.tensorflow_io_operators():
        pytest.skip("tensorflow-io is not installed")
    calls, operators = [], decode.tensorflow_io_operators()
    counted = types.SimpleNamespace(
        decode_flac=lambda contents, dtype: calls.append(dtype) or operators.decode_flac(contents, dtype=dtype)
    )
    monkeypatch.setattr(decode, "tensorflow_io_operators", lambda: counted)
    for subtype in ("PCM_S8", "PCM_16", "PCM_24"):
        buffer = io.BytesIO()
        soundfile.write(buffer, sine(440), 16000, format="FLAC", subtype=subtype)
        assert decode.decode(tf.constant(buffer.getvalue()))[2] == b""
    assert calls == [tf.int16]


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_flac_of_other_samples_is_refused_with_and_without_tensorflow_io(subtype, monkeypatch):
    """Frames of another recording, all whole: only the MD5 shows it."""
    files = []
    for seed in (0, 1):
        buffer = io.BytesIO()
        noise = np.random.default_rng(seed).uniform(-0.5, 0.5, 5000)
        soundfile.write(buffer, noise, 16000, format="FLAC", subtype=subtype)
        files.append(buffer.getvalue())
    mixed = files[0][:26] + files[1][26:42] + files[0][42:]
    for _, _, problem in decode_both(mixed, monkeypatch):
        assert problem == flac_checksum.MISMATCH
    for audio, _, problem in decode_both(files[0], monkeypatch):
        assert problem == ""
        assert audio.shape == (5000, 1)


def test_flacs_one_after_the_other_are_all_read(monkeypatch):
    """Operators read the first."""
    files = []
    for hertz in (220, 330):
        buffer = io.BytesIO()
        soundfile.write(buffer, sine(hertz, 16000, 0.5), 16000, format="FLAC")
        files.append(buffer.getvalue())
    for audio, _, problem in decode_both(files[0] + files[1], monkeypatch):
        assert problem == ""
        assert audio.shape == (16000, 1)


def test_damaged_files_without_tensorflow_io(no_tensorflow_io):
    """Each is a problem in words: no operator is there that could raise or crash."""
    for kind in ("FLAC", "OGG"):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.random.default_rng(0).uniform(-0.5, 0.5, 30000), 16000, format=kind)
        whole = buffer.getvalue()
        flipped = whole[:9000] + bytes([whole[9000] ^ 0x5A]) + whole[9001:]
        for damaged in (whole[: len(whole) * 9 // 10], flipped, whole[:30], whole[:4]):
            audio, _, problem = decode.decode(tf.constant(damaged))
            assert audio.shape == (0, 1)
            assert re.search("damaged|truncated", problem.numpy().decode())


def test_tensorflow_io_that_does_not_load_is_not_used(monkeypatch):
    """Its package may be there for another TensorFlow: then its operators say so at their first use."""
    broken = types.ModuleType("tensorflow_io.python.ops")

    def refuse(name: str) -> object:
        raise NotImplementedError("unable to open file: libtensorflow_io.so")

    broken.core_ops = types.ModuleType("core_ops")
    broken.core_ops.__getattr__ = refuse
    modules = {"tensorflow_io": types.ModuleType("tensorflow_io"), "tensorflow_io.python": types.ModuleType("python")}
    for name, module in (modules | {broken.__name__: broken}).items():
        monkeypatch.setitem(sys.modules, name, module)
    assert decode.tensorflow_io_operators.__wrapped__() is None
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)
    assert decode.tensorflow_io_operators.__wrapped__() is None
