"""Sound files as people have them: every format, headers of who writes to a pipe, damage; without TensorFlow."""

import io
import os
import pathlib
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
import soundfile
from conftest import sine

from nsynth_vae.analysis import audio_reader, mp3_frames, ogg_pages
from nsynth_vae.analysis.audio_reader import Audio, read_audio
from nsynth_vae.files import AUDIO_EXTENSIONS

pytestmark = pytest.mark.player

CASES = pathlib.Path(__file__).parents[3] / "shared" / "cases"


def encoded(audio: np.ndarray, rate: int, kind: str, subtype: str | None = None, endian: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format=kind, subtype=subtype, endian=endian)
    return buffer.getvalue()


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def problem_of(contents: bytes | pathlib.Path) -> str:
    with pytest.raises(ValueError, match=r"expected|damaged|truncated|converts") as error:
        read_audio(contents)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("kind", "subtype", "tolerance"),
    [
        *(("WAV", subtype, 0.2) for subtype in ("PCM_U8", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")),
        *(("WAV", subtype, 1.5e-4) for subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        ("WAVEX", "PCM_24", 3e-6),
        ("AIFF", "ULAW", 0.2),
        ("AIFF", "FLOAT", 3e-6),
        *((kind, "PCM_16", 1.5e-4) for kind in ("RF64", "W64", "AIFF", "AU", "CAF", "VOC", "NIST", "FLAC")),
        ("CAF", "ALAC_16", 1.5e-4),
        ("FLAC", "PCM_S8", 0.2),
        ("FLAC", "PCM_24", 3e-6),
        ("OGG", "VORBIS", 0.3),
        ("OGG", "OPUS", 0.3),
        ("MP3", "MPEG_LAYER_III", 0.3),
    ],
)
def test_formats(kind, subtype, tolerance):
    """Every format that libsndfile writes is decoded, both channels (GSM has one)."""
    audio = np.stack([sine(440, 48000, 0.5), 0.5 * sine(550, 48000, 0.5)], 1)
    audio = audio[:, :1] if subtype == "GSM610" else audio
    contents = encoded(audio, 48000, kind, subtype)
    found = read_audio(contents)
    assert (found.sample_rate, found.warnings, found.start, found.length) == (48000, (), 0, len(found.samples))
    assert found.samples.dtype == np.float32
    # Some formats fill their last block.
    assert found.samples.shape[1] == audio.shape[1]
    assert 0 <= len(found.samples) - len(audio) < 4096
    error = found.samples[: len(audio)] - audio
    assert np.sqrt(np.mean(error**2) / np.mean(audio**2)) < tolerance


@pytest.mark.filterwarnings("ignore:Chunk")
@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_wav_is_what_scipy_reads(dtype, endian, tmp_path):
    wavfile = pytest.importorskip("scipy.io.wavfile")
    audio = noise(3000).reshape(-1, 2)
    subtype = {"int16": "PCM_16", "int32": "PCM_32", "float32": "FLOAT"}[dtype]
    (tmp_path / "a.wav").write_bytes(encoded(audio, 22050, "WAV", subtype, endian))
    rate, expected = wavfile.read(tmp_path / "a.wav")
    scale = 1.0 if dtype == "float32" else np.iinfo(dtype).max + 1.0
    found = read_audio(tmp_path / "a.wav")
    assert found.sample_rate == rate
    np.testing.assert_array_equal(found.samples, (expected / scale).astype(np.float32))


def chunk(name: bytes, contents: bytes, *, size: int | None = None, pad: bool = True, order: str = "<") -> bytes:
    stated = struct.pack(f"{order}I", len(contents) if size is None else size)
    return name + stated + contents + b"\0" * (pad and len(contents) % 2)


def wav(
    audio: np.ndarray, *, before: bytes = b"", size: int | None = None, after: bytes = b"", bits: int = 16
) -> bytes:
    """Returns a mono WAV of 16 kHz, with chunks before and after its audio, and a size of it that may be wrong."""
    scaled = np.rint(audio.astype(np.float64) * 2 ** (bits - 1)).astype("<i4")
    data = scaled.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
    layout = struct.pack("<HHIIHH", 1, 1, 16000, 16000 * bits // 8, bits // 8, bits)
    return b"RIFF" + bytes(4) + b"WAVE" + before + chunk(b"fmt ", layout) + chunk(b"data", data, size=size) + after


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFDB, 0x7FFFFFFF, 0x7FFFF000, 0, 3002, 3001, 3044])
@pytest.mark.parametrize("order", ["<", ">"])
def test_wav_of_unknown_length(size, order):
    """What writers to pipes, recorders that died and careless writers state: the file is read to its end."""
    audio = noise(1500)
    contents = bytearray(encoded(audio, 16000, "WAV", "PCM_16", "LITTLE" if order == "<" else "BIG"))
    struct.pack_into(f"{order}I", contents, 40, size)
    found = read_audio(bytes(contents))
    np.testing.assert_allclose(found.samples[:, 0], audio, atol=5e-5)


@pytest.mark.parametrize(
    ("kind", "at", "packed"),
    [
        ("CAF", b"data", struct.pack(">q", -1)),
        ("CAF", b"data", struct.pack(">q", 0)),
        ("AIFF", b"SSND", struct.pack(">I", 0xFFFFFFFF)),
        ("AIFF", b"SSND", struct.pack(">I", 0)),
        ("AIFF", b"SSND", struct.pack(">I", 8)),
        ("RF64", b"data", struct.pack("<I", 0)),
        ("RF64", b"ds64\x1c\0\0\0", bytes(24)),
        ("RF64", b"ds64\x1c\0\0\0", b"\xff" * 16 + bytes(8)),
        ("W64", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", struct.pack("<Q", 24)),
        ("W64", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", struct.pack("<Q", 2**63 - 1)),
        ("AU", b".snd\x00\x00\x00\x18", struct.pack(">I", 0)),
        ("AU", b".snd\x00\x00\x00\x18", struct.pack(">I", 0x7FFFFFFF)),
        ("AU", b".snd\x00\x00\x00\x18", struct.pack(">I", 0xFFFFFFFF)),
    ],
)
def test_others_of_unknown_length(kind, at, packed):
    audio = noise(1500)
    contents = bytearray(encoded(audio, 16000, kind, "PCM_16"))
    place = contents.index(at) + len(at)
    contents[place : place + len(packed)] = packed
    found = read_audio(bytes(contents))
    np.testing.assert_allclose(found.samples[:1500, 0], audio, atol=5e-5)


def test_bw64_is_read_as_rf64():
    """Broadcasters have called it so since 2016, which libsndfile does not know (ITU-R BS.2088)."""
    audio = noise(1500)
    contents = b"BW64" + encoded(audio, 16000, "RF64", "PCM_24")[4:]
    np.testing.assert_allclose(read_audio(contents).samples[:, 0], audio, atol=5e-7)
    assert problem_of(contents[:-1000]) == "holds 3500 of 4500 bytes of audio: truncated RF64"


def test_chunks_around_the_audio():
    """Padded and not, before and after; with names that begin with what follows."""
    audio = noise(1501)
    odd = (chunk(b"LIST", b"INFOabc"), chunk(b"LIST", b"INFOabc", pad=False), chunk(b"bext", bytes(601), pad=False))
    for before in (*odd, odd[1] + odd[2], odd[2] + odd[0], chunk(b"JUNK", bytes(28))):
        for bits in (16, 24):
            for after in (b"", chunk(b"smpl", bytes(36)), chunk(b"LIST", b"INFOabc", pad=False)):
                found = read_audio(wav(audio, before=before, bits=bits, after=after))
                np.testing.assert_allclose(found.samples[:, 0], audio, atol=5e-5)
    # A size of 0 before other chunks is what it says.
    empty = wav(audio[:0], after=chunk(b"LIST", b"INFOabcd"))
    assert problem_of(empty) == "holds no samples, expected sound"


def test_bits_that_are_not_all_used():
    """20 of 24 bits, and 24 of 32, by WAVE_FORMAT_EXTENSIBLE."""
    audio = noise(999)
    for bits, size in ((20, 24), (24, 32)):
        scaled = np.rint(audio * 2.0 ** (bits - 1)).astype(np.int64) << (size - bits)
        data = scaled.astype("<i4").view(np.uint8).reshape(-1, 4)[:, : size // 8].tobytes()
        guid = bytes.fromhex("0100000000001000800000aa00389b71")
        block = size // 8
        layout = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16000, 16000 * block, block, size, 22, bits, 4) + guid
        contents = b"RIFF" + bytes(4) + b"WAVE" + chunk(b"fmt ", layout) + chunk(b"data", data)
        np.testing.assert_allclose(read_audio(contents).samples[:, 0], audio, atol=2.0**-19)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("bits", [16, 24])
def test_chunks_after_audio_of_unknown_length_are_no_audio(size, bits):
    audio = noise(1500)
    for after in (chunk(b"LIST", b"INFOabcd"), chunk(b"smpl", bytes(36)) + chunk(b"LIST", b"INFOabc", pad=False)):
        found = read_audio(wav(audio, bits=bits, size=size, after=after))
        np.testing.assert_allclose(found.samples[:, 0], audio, atol=5e-5)
        # What only looks like a chunk is audio.
        assert read_audio(wav(audio, bits=bits, size=size, after=after[:-2])).length > len(audio)


W64_CHUNK = b"LIST\x8c\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a" + struct.pack("<Q", 24 + 800)


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "CAF", "AU"])
def test_what_follows_the_audio_is_not_decoded(kind):
    """Libsndfile takes all that follows in W64, and in AU of G.721, for audio: here 800 random bytes."""
    subtype = "G721_32" if kind == "AU" else "PCM_16"
    contents = encoded(noise(1500), 16000, kind, subtype)
    junk = np.random.default_rng(1).bytes(800)
    for after in (junk, W64_CHUNK + junk, bytes(800), b"TAG" + junk[:125]):
        found = read_audio(contents + bytes(-len(contents) % 8) + after)
        np.testing.assert_array_equal(found.samples, read_audio(contents).samples)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        *((kind, "PCM_16") for kind in ("WAV", "RF64", "W64", "AIFF", "CAF", "AU", "FLAC")),
        *(("WAV", "IMA_ADPCM"), ("CAF", "ALAC_16"), ("AU", "G721_32")),
    ],
)
def test_files_one_after_the_other(kind, subtype):
    one, two, three = (encoded(noise(size, size), 16000, kind, subtype) for size in (3000, 2000, 1000))
    expected = np.concatenate([read_audio(contents).samples for contents in (one, two, three)])
    found = read_audio(one + two + three)
    assert found.warnings == (f"3 {kind}s one after the other, all read",)
    np.testing.assert_array_equal(found.samples, expected)
    other = encoded(noise(2000), 32000, kind, subtype)
    assert problem_of(one + other) == "changes from 16000 to 32000 Hz, expected one sample rate"
    assert "truncated" in problem_of(one + two[: len(two) // 2])


@pytest.mark.parametrize("bits", [16, 24])
def test_two_chunks_of_audio(bits):
    first, second = noise(1501), noise(700, 1)
    contents = wav(first, bits=bits, after=chunk(b"LIST", b"INFOabc") + wav(second, bits=bits)[36:])
    found = read_audio(contents)
    assert found.warnings == ("2 chunks of audio, all read",)
    np.testing.assert_allclose(found.samples[:, 0], np.concatenate([first, second]), atol=5e-5)


def mp3_in_wav(frames: bytes, *, extensible: bool = False, **changes) -> bytes:
    layout = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 44100, 8000, 1, 0, 12, 1, 2, 417, 1, 0)
    if extensible:
        layout = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 44100, 8000, 1, 0, 22, 0, 4, 0x55) + bytes(14)
    return b"RIFF" + bytes(4) + b"WAVE" + chunk(b"fmt ", layout) + chunk(b"data", frames, **changes)


def test_mp3_in_wav(capfd):
    """Without a first frame that states their number, libsndfile reads part of a variable rate."""
    audio = np.concatenate([sine(440, 44100, 1.0), noise(44100), np.zeros(88200)])
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", 44100, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5
    ) as file:
        file.write(audio)
    whole = buffer.getvalue()
    bare = whole[whole.index(whole[:2], 4) :]
    for frames in (whole, bare):
        expected = read_audio(frames)
        assert 0 <= expected.length - len(audio) < 4 * 1152
        for extensible in (False, True):
            for changes in ({}, {"size": 0}, {"size": 0xFFFFFFFF}):
                for after in (b"", chunk(b"LIST", b"INFOabcd")):
                    found = read_audio(mp3_in_wav(frames, extensible=extensible, **changes) + after)
                    assert found.warnings == ()
                    np.testing.assert_array_equal(found.samples, expected.samples)
    middle = len(bare) // 2
    damaged = mp3_in_wav(bare[:middle] + bare[middle + 50 :])
    assert "bytes between its frames that are none: damaged MP3" in problem_of(damaged)
    assert problem_of(mp3_in_wav(whole[:middle])).endswith("frames: truncated MP3")
    assert problem_of(mp3_in_wav(whole)[:middle]).endswith("bytes of audio: truncated WAV")
    assert problem_of(mp3_in_wav(bytes(range(1, 200)))) == "holds no frames: damaged MP3"
    assert capfd.readouterr().err == ""


def id3(size: int) -> bytes:
    return b"ID3\x04\x00\x00" + bytes([size >> 21, size >> 14 & 127, size >> 7 & 127, size & 127]) + bytes(size)


def ape(size: int, *, header: bool = True) -> bytes:
    """Returns an APE tag of version 2, with a header, as most have, or without."""
    numbers = struct.pack("<IIII8x", 2000, size + 32, 1, header << 31)
    return b"APETAGEX" * header + numbers * header + bytes(size) + b"APETAGEX" + numbers


def streamed_flac(contents: bytes) -> bytes:
    """Returns a FLAC as it is written to a pipe: length and MD5 are 0."""
    numbers = int.from_bytes(contents[18:26], "big") >> 36 << 36
    return contents[:18] + numbers.to_bytes(8, "big") + bytes(16) + contents[42:]


@pytest.mark.parametrize("front", [b"", id3(300)])
@pytest.mark.parametrize("back", [b"", b"TAG" + bytes(125), ape(100), ape(0, header=False) + b"TAG" + bytes(125)])
@pytest.mark.parametrize("streamed", [False, True])
def test_flac_from_a_pipe_and_with_tags(front, back, streamed):
    audio = noise(50001)
    contents = encoded(audio, 16000, "FLAC")
    found = read_audio(front + (streamed_flac(contents) if streamed else contents) + back)
    assert found.length == 50001
    np.testing.assert_allclose(found.samples[:, 0], audio, atol=5e-5)


def test_flacs_one_after_the_other_are_found_at_the_edges_of_blocks():
    """The file is searched in blocks of a megabyte; without a length, each ends where the next begins."""
    two = encoded(noise(1000), 16000, "FLAC")
    for size in (*range(2**20 - 9, 2**20 + 2), 2**21 + 5):
        one = encoded(noise(3000, 1), 16000, "FLAC")
        # A block of padding, of any size, before the frames.
        padding = size - len(one) - 4
        one = one[:4] + b"\0" + one[5:42] + b"\1" + padding.to_bytes(3, "big") + bytes(padding) + one[42:]
        assert len(one) == size
        for first in (one, streamed_flac(one)):
            found = read_audio(first + two + one)
            assert found.warnings == ("3 FLACs one after the other, all read",)
            assert found.length == 7000


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "OGG", "FLAC"])
def test_other_formats_behind_tags(kind):
    contents = encoded(noise(9000), 16000, kind)
    for front in (id3(300) + id3(20), id3(300) + bytes(100)):
        np.testing.assert_array_equal(read_audio(front + contents).samples, read_audio(contents).samples)
    np.testing.assert_array_equal(read_audio(id3(300) + contents).samples, read_audio(contents).samples)


def test_damaged_flac_is_found_with_and_without_a_checksum():
    """Any damaged frame, by its own checksum; a file cut between two frames, by its length."""
    contents = encoded(noise(20000), 16000, "FLAC")
    for whole in (contents, streamed_flac(contents)):
        assert len(read_audio(whole).samples) == 20000
        for position in range(120, len(whole), 1997):
            damaged = whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :]
            assert "damaged FLAC" in problem_of(damaged)
    cuts = [problem_of(contents[:size]) for size in range(len(contents) * 3 // 4, len(contents), 61)]
    second = contents.index(contents[86:88], 90)
    cuts.append(problem_of(contents[:second]))
    assert all("truncated FLAC" in problem or "truncated or damaged FLAC" in problem for problem in cuts)
    # What is after a stream of unknown length could be a damaged frame, which is in the last block of 1600 samples.
    after = "cannot be decoded from sample 19200 on (flac decoder lost sync): truncated or damaged FLAC"
    assert problem_of(streamed_flac(contents) + b"junk" * 100) == after
    assert read_audio(contents + b"junk" * 100).length == 20000


def mp3(seconds: float = 1.5, rate: int = 44100, hertz: float = 220.0) -> bytes:
    return encoded(sine(hertz, rate, seconds), rate, "MP3")


def test_mp3_with_something_around_its_frames(capfd):
    """Players read these; so does this, and says what it passes over."""
    whole, plain = mp3(), read_audio(mp3())
    assert plain.warnings == ()
    assert plain.length == 66150
    assert plain.sample_rate == 44100
    junk = bytes(np.random.default_rng(1).integers(0, 255, 500, np.uint8))
    after = "500 bytes after the last frame are no sound and passed over"
    before = "{} bytes before the first frame are no sound and passed over"
    cases: list[tuple[bytes, tuple[str, ...]]] = [
        (whole + junk, (after,)),
        (bytes(512) + whole, (before.format(512),)),
        (junk + whole, (before.format(500),)),
        (id3(100) + bytes(64) + whole, ()),
        (id3(100) + whole + b"TAG" + bytes(125), ()),
        (whole + bytes(2000), ()),
        (whole + b"APETAGEX" + struct.pack("<IIII8x", 2000, 100, 1, 0) + bytes(100), ()),
    ]
    for contents, warnings in cases:
        found = read_audio(contents)
        assert found.warnings == warnings
        np.testing.assert_array_equal(found.samples, plain.samples)
    cut = read_audio(whole[:-30])
    assert cut.warnings == ("the last frame is cut off and left out",)
    np.testing.assert_allclose(cut.samples[:60000], plain.samples[:60000], atol=1e-6)
    assert 66150 - 2 * 1152 <= cut.length < 66150
    assert capfd.readouterr().err == ""


def test_mp3s_one_after_the_other():
    one, two = mp3(1.5, hertz=220), mp3(1.0, hertz=330)
    for between in (b"", id3(50), b"TAG" + bytes(125)):
        found = read_audio(one + between + two)
        assert found.warnings == ("2 MP3s one after the other, all read",)
        expected = np.concatenate([read_audio(one).samples, read_audio(two).samples])
        np.testing.assert_array_equal(found.samples, expected)
    junk = read_audio(one + b"\x55" * 300 + two)
    assert junk.warnings[0] == "300 bytes between its frames are no sound and passed over"
    np.testing.assert_array_equal(junk.samples, expected)
    stereo = read_audio(one + encoded(np.repeat(sine(330, 44100, 1.0)[:, None], 2, 1), 44100, "MP3"))
    assert stereo.samples.shape == expected.shape
    np.testing.assert_allclose(stereo.samples, expected, atol=0.02)
    assert "changes from 44100 to 48000 Hz: damaged MP3" in problem_of(one + mp3(rate=48000))
    # Without a name in its first frame, another one begins where the channels change.
    bare = [frames[frames.index(frames[:2], 4) :] for frames in (one, encoded(np.zeros([44100, 2]), 44100, "MP3"))]
    for first, second in (bare, bare[::-1]):
        found = read_audio(first + second)
        assert found.warnings == ("2 MP3s one after the other, all read",)
        assert found.length == read_audio(first).length + read_audio(second).length
        assert found.samples.shape[1] == read_audio(first).samples.shape[1]


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_mp3_of_free_format(rate, capfd):
    """Headers without a bit rate: the decoder finds the size of a frame by the next one."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, 1, format="MP3", bitrate_mode="CONSTANT", compression_level=0.5
    ) as file:
        file.write(sine(220, rate, 1.0))
    contents = buffer.getvalue()
    frames = bytearray(contents[contents.index(contents[:2], 4) :])
    expected, position = read_audio(bytes(frames)), 0
    while frame := mp3_frames._frame(bytes(frames), position):
        frames[position + 2] &= 0x0F
        position += frame.size
    for front in (b"", id3(50)):
        found = read_audio(front + bytes(frames))
        assert found.warnings == ("is of free format: its frames are not checked",)
        assert abs(found.length - expected.length) <= 1152
        found_power, power = (np.sqrt(np.mean(one.samples**2)) for one in (found, expected))
        np.testing.assert_allclose(found_power, power, rtol=0.05)
    assert "damaged MP3" in problem_of(bytes(frames[:20]))
    assert capfd.readouterr().err == ""


def test_mp3_without_a_number_of_frames():
    """Libsndfile guesses a length by the first frame's bit rate, and stops there: a loud end after silence is lost."""
    audio = np.concatenate([np.zeros(44100), noise(88200)])
    whole = encoded(audio, 44100, "MP3")
    assert b"Xing" in whole[:64]
    bare = whole[whole.index(whole[:2], 4) :]
    with soundfile.SoundFile(io.BytesIO(bare)) as file:
        guessed = len(file.read())
    found, expected = read_audio(bare), read_audio(whole)
    # Without the encoder's numbers, its delay and padding are not cut off.
    assert 0 <= found.length - expected.length < 4 * 1152
    assert found.length != guessed
    delay = next(
        at for at in range(2 * 1152) if np.array_equal(found.samples[at : at + 50000], expected.samples[:50000])
    )
    np.testing.assert_allclose(found.samples[delay : delay + 100000], expected.samples[:100000], atol=1e-6)


def test_damaged_mp3():
    whole = mp3()
    middle = len(whole) // 2
    assert "damaged MP3" in problem_of(whole[:middle] + whole[middle + 50 :])
    assert problem_of(whole[:middle]).endswith("frames: truncated MP3")
    assert problem_of(id3(50) + bytes(range(1, 200))) == "holds no frames: damaged MP3"
    assert problem_of(whole[:20]) == "holds no frames: damaged MP3"


def test_ogg_streams_one_after_the_other():
    for subtype, rate in (("VORBIS", 44100), ("OPUS", 48000)):
        one, two = (encoded(sine(hertz, rate, 1.0), rate, "OGG", subtype) for hertz in (220, 330))
        found = read_audio(one + two)
        assert found.warnings == ("2 streams one after the other, all read",)
        expected = np.concatenate([read_audio(one).samples, read_audio(two).samples])
        np.testing.assert_array_equal(found.samples, expected)
        assert read_audio(one + b"some text").warnings == ("9 bytes after its end are passed over",)


def test_ogg_checksum_is_the_polynomial():
    """Against a bit by bit CRC: 0x04c11db7, from 0, most significant bit first, not inverted."""
    data = bytes(range(256)) * 3
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 1 << 31 else 0)) & 0xFFFFFFFF
    assert ogg_pages.checksum(data) == crc != zlib.crc32(data)


def damaged(contents: bytes, at: float) -> bytes:
    place = int(len(contents) * at)
    return contents[:place] + bytes([contents[place] ^ 0x5A]) + contents[place + 1 :]


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (encoded(noise(9000), 16000, "WAV")[:5000], "holds 4956 of 18000 bytes of audio: truncated WAV"),
        (encoded(noise(9000), 16000, "RF64")[:5000], "of 18000 bytes of audio: truncated RF64"),
        (encoded(noise(9000), 16000, "W64")[:5000], "of 18000 bytes of audio: truncated W64"),
        (encoded(noise(9000), 16000, "AIFF")[:5000], "of 18008 bytes of audio: truncated AIFF"),
        (encoded(noise(9000), 16000, "CAF", "PCM_16")[:5000], "of 18004 bytes of audio: truncated CAF"),
        (encoded(noise(9000), 16000, "AU")[:5000], "of 18000 bytes of audio: truncated AU"),
        (encoded(noise(9000), 16000, "WAV")[:20], "ends within its header (20 bytes): truncated WAV"),
        (encoded(noise(9000), 16000, "AIFF")[:10], "ends within its header (10 bytes): truncated AIFF"),
        (encoded(noise(9000), 16000, "FLAC")[:30], "damaged FLAC"),
        (encoded(noise(9000), 16000, "OGG")[:-300], "truncated Ogg Vorbis"),
        (encoded(noise(9000), 48000, "OGG", "OPUS")[:-300], "truncated Opus"),
        (damaged(encoded(noise(9000), 16000, "OGG"), 0.7), "damaged Ogg Vorbis"),
        (damaged(encoded(noise(9000), 48000, "OGG", "OPUS"), 0.7), "damaged Opus"),
    ],
)
def test_damage_is_named_with_the_format(contents, problem):
    assert problem in problem_of(contents)


def test_headers_of_odd_rates():
    """A damaged header is not an endless resampling."""
    contents = bytearray(encoded(sine(440), 16000, "WAV"))
    for rate in (0, 1, 2**31 - 1):
        struct.pack_into("<I", contents, 24, rate)
        assert problem_of(bytes(contents)).endswith("damaged WAV")


FTYP = b"\0\0\0\x20ftyp"


def wav_of(tag: int, bits: int = 16, subformat: int | None = None) -> bytes:
    """Returns a WAV of another encoding, by its number or that in an extension."""
    more = bytes(2) if subformat is None else struct.pack("<HHIH", 22, bits, 4, subformat)
    layout = struct.pack("<HHIIHH", tag, 1, 44100, 8000, bits // 8, bits) + more
    layout += b"" if subformat is None else bytes.fromhex("000000001000800000aa00389b71")
    return b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", layout) + chunk(b"data", bytes(8))


CONVERTIBLE = {
    "MP2": bytes.fromhex("fffd9004"),
    "MP1": bytes.fromhex("ffff9004"),
    "an encoding (0x1234) in WAV": wav_of(0x1234),
    "G.726 in WAV": wav_of(0x45),
    "Vorbis in WAV": wav_of(0x674F),
    "MP2 in WAV": wav_of(0x50),
    "16-bit float in WAV": wav_of(3, 16),
    "64-bit PCM in WAV": wav_of(1, 64),
    "WMA in WAV": wav_of(0xFFFE, 16, 0x161),
    "AAC (ADIF)": b"ADIF",
    "QuickTime or MP4": b"\0\0\0\x08wide",
    "TAK": b"tBaK",
    "AAC or ALAC in M4A": FTYP + b"M4A \0\0\2\0",
    "MP4": FTYP + b"isom\0\0\2\0",
    "AAC (ADTS)": b"\xff\xf1\x50\x80\x2e\x7f\xfc",
    "WMA (or other ASF)": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "Matroska or WebM": b"\x1a\x45\xdf\xa3\x01\0\0\0",
    "Monkey's Audio": b"MAC \x96\x0f\0\0",
    "WavPack": b"wvpk\x10\0\0\0",
    "AVI video": b"RIFF\0\0\0\0AVI LIST",
}


@pytest.mark.parametrize("kind", CONVERTIBLE)
def test_what_is_not_read_is_named_with_the_command_that_converts(kind, tmp_path):
    path = tmp_path / "my song.m4a"
    path.write_bytes(CONVERTIBLE[kind].ljust(100, b"\1"))
    command = f"`ffmpeg -i '{path}' '{tmp_path}/my song.wav'` converts it"
    assert problem_of(path) == f"is {kind}, which is not read here; {command}"
    wrong = path.rename(tmp_path / "song.wav")
    assert problem_of(wrong).endswith(f"`ffmpeg -i {wrong} {tmp_path}/song-pcm.wav` converts it")


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        (b"MThd\0\0\0\6", "a MIDI file"),
        (b"PK\3\4....", "a ZIP archive"),
        (b"\x1f\x8b\x08", "a GZIP archive"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer to a file"),
        (b"RIFF\0\0\0\0sfbk", "a SoundFont"),
        ("hello".encode("utf-16"), "a text in UTF-16"),
        (bytes(3000), "zeros"),
        (b"\xff" * 3000, "of an unknown format"),
        (b"\xff\xfd\xff\xff" * 99, "of an unknown format"),
        (b"\xff\xf1\xff\xff" * 99, "of an unknown format"),
        (b"hello", "of an unknown format"),
    ],
)
def test_what_is_no_sound_is_named(contents, found):
    assert problem_of(contents) == f"is {found}, expected a sound file, such as WAV, FLAC, Ogg, MP3 or AIFF"


def long_file(path: pathlib.Path, start: float, seconds: float, *, level: float = 0.0, kind: str = "WAV") -> np.ndarray:
    """Writes a stereo file with a note somewhere, and noise of a level all over it; returns the note."""
    rate = 44100
    audio = np.random.default_rng(0).standard_normal((int(seconds * rate), 2)).astype(np.float32) * level
    note = np.repeat(sine(220, rate, 4.0)[:, None], 2, 1)
    audio[int(start * rate) : int(start * rate) + len(note)] += note
    soundfile.write(path, audio, rate, format=kind, subtype=None if kind == "MP3" else "PCM_16")
    return note


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3"])
@pytest.mark.parametrize(("start", "level"), [(0.0, 0.0), (50.0, 0.0), (50.0, 0.02), (50.0, 0.08)])
def test_of_a_long_file_the_part_with_the_sound_is_read(kind, start, level, tmp_path):
    note = long_file(tmp_path / "a", start, 70.0, level=level, kind=kind)
    found = read_audio(tmp_path / "a")
    assert found.length == 70 * 44100
    assert 0 <= start - found.start / 44100 <= 1.2
    assert len(found.samples) <= 30 * 44100
    at = int(start * 44100) - found.start
    error = found.samples[at : at + 40000] - note[:40000]
    assert np.sqrt(np.mean(error**2)) < level + 0.01


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_long_file_takes_little_memory(tmp_path):
    """10 minutes of 44.1 kHz, stereo; 106 MB."""
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 44100, 2, "PCM_16") as file:
        for second in range(600):
            file.write(noise(88200, second).reshape(-1, 2))
    code = (
        "import pathlib, re, sys; from nsynth_vae.analysis.sound_files import read_sound; "
        "from nsynth_vae.config import AudioConfig; sound = read_sound(pathlib.Path(sys.argv[1]), AudioConfig()); "
        "print(sound.samples, re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])"
    )
    ran = subprocess.run([sys.executable, "-c", code, tmp_path / "a.wav"], capture_output=True, text=True, check=True)
    samples, kilobytes = map(int, ran.stdout.split())
    assert samples == 600 * 16000
    assert kilobytes < 150_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_pipe_is_read(kind, tmp_path, monkeypatch):
    contents = encoded(sine(220, 44100, 3.0), 44100, kind)
    os.mkfifo(tmp_path / "a")
    writer = threading.Thread(target=(tmp_path / "a").write_bytes, args=[contents])
    writer.start()
    found = read_audio(tmp_path / "a")
    writer.join()
    np.testing.assert_array_equal(found.samples, read_audio(contents).samples)
    monkeypatch.setattr(audio_reader, "LARGEST_PIPE", 1 << 20)
    writer = threading.Thread(target=(tmp_path / "a").write_bytes, args=[bytes((1 << 20) + 1)])
    writer.start()
    assert problem_of(tmp_path / "a") == "is a pipe with more than 1 MB in it, expected a file of that size"
    writer.join()


def test_folders_devices_and_files_that_are_not_there(tmp_path):
    expected = "expected a sound file, such as WAV, FLAC, Ogg, MP3 or AIFF"
    (tmp_path / "x.wav").mkdir()
    (tmp_path / "empty.wav").touch()
    assert problem_of(tmp_path / "x.wav") == f"is a folder, {expected}"
    assert problem_of(tmp_path / "empty.wav") == f"is empty, {expected}"
    assert problem_of(tmp_path / "a.wav") == f"cannot be read (No such file or directory), {expected}"
    for device in filter(pathlib.Path.exists, map(pathlib.Path, ("/dev/null", "/dev/zero"))):
        assert problem_of(device) == f"is a device, {expected}"


def test_samples_that_no_player_takes():
    loud = np.append(noise(100), np.float32(40.0))
    expected = "holds samples up to 40, expected -1 to 1: integers written as float"
    assert problem_of(encoded(loud, 16000, "WAV", "FLOAT")) == expected
    assert problem_of(encoded(-loud, 16000, "AIFF", "DOUBLE")) == expected
    for value in (np.nan, np.inf):
        assert problem_of(encoded(np.append(noise(100), value), 16000, "WAV", "FLOAT")) == audio_reader.NOT_FINITE
    assert read_audio(encoded(np.append(noise(100), 31.0), 16000, "WAV", "FLOAT")).samples.max() == 31.0


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not part of the repository")
def test_cases_of_the_field():
    unreadable = {"aac A3.m4a": "M4A", "int-range A3.wav": "integers written as float"}
    warned = {
        "junk A3.mp3": "after the last",
        "trunc A3.mp3": "cut off",
        "twice A3.mp3": "2 MP3s",
        "zeros A3.mp3": "512",
    }
    seen = 0
    for path in sorted(file for number in (16, 26, 27, 29) for file in CASES.glob(f"{number}-*/*")):
        seen += 1
        assert path.suffix in AUDIO_EXTENSIONS
        if path.name in unreadable:
            assert unreadable[path.name] in problem_of(path)
            continue
        found: Audio = read_audio(path)
        assert abs(found.length / found.sample_rate - (3.0 if "twice" in path.name else 1.5)) < 0.08, path
        assert 0.4 < np.abs(found.samples).max() < 0.55, path
        assert warned.get(path.name, "") in "".join(found.warnings), path
        assert bool(found.warnings) == (path.name in warned), path
    assert seen >= 20


MUTATED = (
    *(("WAV", subtype) for subtype in ("PCM_16", "FLOAT", "IMA_ADPCM", "MS_ADPCM", "GSM610")),
    *(("WAVEX", "PCM_24"), ("AU", "ULAW"), ("CAF", "ALAC_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)),
    *((kind, "PCM_16") for kind in ("RF64", "W64", "AIFF", "CAF", "FLAC")),
)


def mutated(contents: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Returns a file with bits flipped, an end cut off, its header edited, another file's end or random bytes in it."""
    changed, place = bytearray(contents), int(rng.integers(len(contents)))
    kind = rng.integers(5)
    if kind == 0:
        for at in rng.integers(len(contents), size=rng.integers(1, 20)):
            changed[at] ^= 1 << rng.integers(8)
    elif kind == 1:
        del changed[place:]
    elif kind == 2:
        for at in rng.integers(min(100, len(contents)), size=rng.integers(1, 6)):
            changed[at] = rng.integers(256)
    elif kind == 3:
        changed[place:] = other[rng.integers(len(other)) :]
    else:
        changed[place:place] = rng.bytes(rng.integers(1, 200))
    return bytes(changed)


def test_mutated_files_are_read_or_refused():
    """In a second each, with one sentence, and never with samples that no one can use."""
    rng = np.random.default_rng(0)
    files = [encoded(0.5 * noise(16000), 16000, *kind) for kind in MUTATED]
    for _ in range(8000):
        contents, other = (files[rng.integers(len(files))] for _ in range(2))
        begun, found, problem = time.monotonic(), None, ""
        try:
            found = read_audio(mutated(contents, other, rng))
        except ValueError as error:
            problem = str(error)
        assert time.monotonic() - begun < 10
        assert "\n" not in problem
        assert len(problem) < 300
        assert found is None or 0 <= np.abs(found.samples).max() <= 32


def test_no_flac_with_a_changed_bit_is_read_as_other_samples():
    contents = encoded(0.1 * noise(16000), 16000, "FLAC")
    expected = read_audio(contents).samples
    rng = np.random.default_rng(0)
    for _ in range(3000):
        changed = bytearray(contents)
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
        try:
            found = read_audio(bytes(changed)).samples
        except ValueError:
            continue
        np.testing.assert_array_equal(found, expected)
