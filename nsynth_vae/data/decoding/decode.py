"""Decoder of audio files in the graph, for NSynth's layout: plain WAV and FLAC by operators.

WAV of NSynth's kind is read by `tf.io.decode_raw`, FLAC of 16 bits by tensorflow-io, where it loads. Its decoder
accepts damaged files, so those are validated in Python. All other files are decoded there, by `analysis.audio_reader`,
as the commands do. So is FLAC where tensorflow-io does not load, which is beside TensorFlow 2.18 and later: to the same
samples, in the same time (2 ms of the processor for a note of 4 s).
"""

from __future__ import annotations

import functools
import io
import warnings
from types import ModuleType

import numpy as np
import tensorflow as tf

from nsynth_vae.analysis import audio_reader, flac_checksum


def decode(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decode an audio file.

    Args:
        contents: string [], the file's bytes.

    Returns:
        (audio: float32 `[samples, channels]`, -1..1; sample_rate: int64 [], Hz; problem: string [], empty if
        valid). With a problem, audio is `[0, 1]`.
    """
    plain, rate = tf.cond(
        tf.strings.length(contents) >= 44, lambda: _plain_wav(contents), lambda: (tf.constant(False), tf.constant(0))
    )

    def samples() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        values = tf.io.decode_raw(tf.strings.substr(contents, 44, -1), tf.int16)
        return tf.cast(values, tf.float32)[:, tf.newaxis] * 2.0**-15, tf.cast(rate, tf.int64), tf.constant("")

    audio, sample_rate, problem = tf.cond(plain, samples, lambda: _decode_any(contents))
    return tf.ensure_shape(audio, [None, None]), sample_rate, tf.ensure_shape(problem, [])


def _plain_wav(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return whether a file is NSynth's kind of WAV, and its rate in Hz: 16 bits, mono, whole, a header of 44 bytes.

    Such a file is decoded without Python, which saves a seventh of the time that a note's features take.
    """
    size = tf.strings.length(contents) - 44
    header = tf.io.decode_raw(tf.strings.substr(contents, 0, 44), tf.int32)
    expected = [int.from_bytes(name, "little") for name in (b"RIFF", b"WAVE", b"fmt ", b"data")]
    # Sixteen bytes of format: PCM, one channel; two bytes a block of 16 bits.
    expected = tf.stack([*expected, 16, 1 | 1 << 16, 2 | 16 << 16, size])
    rate = header[6]
    known = (rate >= audio_reader.RATES[0]) & (rate <= audio_reader.RATES[1])
    same = tf.reduce_all(tf.gather(header, [0, 2, 3, 9, 4, 5, 8, 10]) == expected)
    return same & (size > 0) & (size % 2 == 0) & known, rate


def _decode_any(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decode a file of any kind; see `decode`."""

    def inspect(contents: bytes | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
        contents = _bytes(contents)
        is_plain, rate = _plain_flac(contents)
        audio, problem = np.zeros([0, 1], np.float32), ""
        if not is_plain:
            try:
                found = audio_reader.read_audio(contents)
                audio, rate = found.samples, found.sample_rate
            except ValueError as error:
                problem = str(error)
        return np.array(is_plain), audio, np.array(rate, np.int64), problem

    types = (tf.bool, tf.float32, tf.int64, tf.string)
    is_plain, audio, sample_rate, problem = tf.numpy_function(inspect, [contents], types, stateful=False)
    for scalar in (is_plain, sample_rate, problem):
        scalar.set_shape([])

    operators = tensorflow_io_operators()
    if operators:

        def flac() -> tuple[tf.Tensor, tf.Tensor]:
            values = operators.decode_flac(contents, dtype=tf.int16)
            flaw = tf.numpy_function(_flac_flaw, [contents, values], tf.string, stateful=False)
            flaw.set_shape([])
            return tf.cast(values, tf.float32) * 2.0**-15, flaw

        audio, problem = tf.cond(is_plain, flac, lambda: (audio, problem))
    audio = tf.cond(tf.equal(problem, ""), lambda: audio, lambda: tf.zeros([0, 1]))
    return tf.ensure_shape(audio, [None, None]), sample_rate, tf.ensure_shape(problem, [])


@functools.cache
def tensorflow_io_operators() -> ModuleType | None:
    """Return tensorflow-io's audio decoders; None where it is not installed, or not for this TensorFlow."""
    try:
        with warnings.catch_warnings():
            # Of its file systems, which are not used here.
            warnings.simplefilter("ignore")
            import tensorflow_io as tfio
            from tensorflow_io.python.ops import core_ops

            # Operators are loaded at the first use of one.
            core_ops.io_audio_decode_flac  # noqa: B018
    except (ImportError, NotImplementedError, OSError, tf.errors.OpError):
        return None
    return tfio.audio


def _plain_flac(contents: bytes) -> tuple[bool, int]:
    """Return whether tensorflow-io decodes a file, and its rate in Hz if so.

    It does FLAC of 16 bits that states its MD5, and is not so long that only a part of it is read.
    """
    import soundfile

    if contents[:4] != b"fLaC" or not (flac_checksum.stated_md5(contents) and tensorflow_io_operators()):
        return False, 0
    try:
        if len(audio_reader.find_layout(io.BytesIO(contents)).parts) > 1:
            return False, 0
        found = soundfile.info(io.BytesIO(contents))
    except (ValueError, soundfile.LibsndfileError):
        # `read_audio` finds the same, and says it.
        return False, 0
    return found.subtype == "PCM_16" and found.duration <= audio_reader.LONGEST_SECONDS, found.samplerate


def _bytes(contents: bytes | np.ndarray) -> bytes:
    """Return the bytes that `tf.numpy_function` passes: bare in a graph, in an array outside."""
    return contents.item() if isinstance(contents, np.ndarray) else contents


def _flac_flaw(contents: bytes | np.ndarray, values: np.ndarray) -> str:
    """Return what is wrong with FLAC samples, int16 `[samples, channels]`, by the file's MD5; empty if nothing is."""
    digest = flac_checksum.SampleDigest(16)
    digest.update(values)
    return "" if digest.digest() == flac_checksum.stated_md5(_bytes(contents)) else flac_checksum.MISMATCH
