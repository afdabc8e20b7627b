"""NSynth's plain WAV files, which are decoded without Python: never otherwise than the reader of all kinds would."""

import numpy as np
import soundfile
import tensorflow as tf
from conftest import sine

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
