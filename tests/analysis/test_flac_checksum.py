"""FLAC's MD5 of all samples, against what libsndfile's encoder states."""

import io

import numpy as np
import pytest
import soundfile

from nsynth_vae.analysis import flac_checksum
from nsynth_vae.analysis.audio_reader import read_audio

pytestmark = pytest.mark.player


def encoded(subtype: str, channels: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-1.0, 1.0, [4001, channels])
    noise[:2] = [[-1.0], [1.0]]
    soundfile.write(buffer, noise, 16000, format="FLAC", subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(("subtype", "bits"), [*flac_checksum.BITS.items()])
def test_digest_is_the_encoders(subtype, bits, channels):
    contents = encoded(subtype, channels)
    digest = flac_checksum.SampleDigest(bits)
    samples, _ = soundfile.read(io.BytesIO(contents), dtype="float32", always_2d=True)
    for part in np.array_split(samples, 7):
        digest.update(part)
    assert digest.digest() == flac_checksum.stated_md5(contents[:42]) != b""
    integers, _ = soundfile.read(io.BytesIO(contents), dtype="int32", always_2d=True)
    other = flac_checksum.SampleDigest(bits)
    other.update(integers >> 32 - bits)
    assert other.digest() == digest.digest()
    np.testing.assert_array_equal(read_audio(contents).samples, samples)


@pytest.mark.parametrize("subtype", flac_checksum.BITS)
def test_other_samples_are_refused_and_no_md5_is_not(subtype):
    contents = encoded(subtype, 1)
    unstated = contents[:26] + bytes(16) + contents[42:]
    assert flac_checksum.stated_md5(unstated) == b""
    np.testing.assert_array_equal(read_audio(unstated).samples, read_audio(contents).samples)
    changed = contents[:26] + bytes([contents[26] ^ 1]) + contents[27:]
    for damaged in (changed, b"ID3\x04\x00\x00\x00\x00\x00\x00" + changed):
        with pytest.raises(ValueError, match=r"^decodes to other samples than were encoded \(MD5\): damaged FLAC$"):
            read_audio(damaged)
