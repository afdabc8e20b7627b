"""Decoder of audio files in the graph: WAV, FLAC, Ogg Vorbis and MP3 of any rate and number of channels.

FLAC, Vorbis and MP3 are tensorflow-io's, resampling is soxr's. WAV is read by `tf.io.decode_raw`: `tf.audio.decode_wav`
takes 16 bits only, and tensorflow-io takes WAV's 32-bit integers for floats. The decoders accept damaged files or crash
on them, so a file's header and checksums are validated in Python first (some 50 microseconds a file). Only NSynth's own
plain WAV files are validated in the graph.
"""

from __future__ import annotations

import io

import numpy as np
import tensorflow as tf

from nsynth_vae.analysis import audio_headers, sound_files


def decode(
    contents: tf.Tensor, formats: tuple[str, ...] = audio_headers.FORMATS
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decode an audio file.

    Args:
        contents: string [], the file's bytes.
        formats: those of `audio_headers.FORMATS` that are allowed.

    Returns:
        (audio: float32 `[samples, channels]`, -1..1; sample_rate: int64 [], Hz; problem: string [], empty if
        valid). With a problem, audio is `[0, 1]`.
    """
    if "wav" not in formats:
        return _decode_any(contents, formats)
    plain, rate = tf.cond(
        tf.strings.length(contents) >= 44, lambda: _plain_wav(contents), lambda: (tf.constant(False), tf.constant(0))
    )

    def samples() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        values = tf.io.decode_raw(tf.strings.substr(contents, 44, -1), tf.int16)
        return tf.cast(values, tf.float32)[:, tf.newaxis] * 2.0**-15, tf.cast(rate, tf.int64), tf.constant("")

    audio, sample_rate, problem = tf.cond(plain, samples, lambda: _decode_any(contents, formats))
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
    return tf.reduce_all(tf.gather(header, [0, 2, 3, 9, 4, 5, 8, 10]) == expected) & (size % 2 == 0) & (rate > 0), rate


def _decode_any(contents: tf.Tensor, formats: tuple[str, ...]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decode a file of any kind; see `decode`."""

    def inspect(contents: bytes | np.ndarray) -> tuple[np.ndarray, str]:
        try:
            found = audio_headers.read_header(_bytes(contents), formats)
        except ValueError as error:
            return np.array([0, 0, 1, 0, 0], np.int64), str(error)
        index = 1 + audio_headers.ENCODINGS.index(found.encoding)
        return np.array([index, found.sample_rate, found.channels, found.offset, found.size], np.int64), ""

    numbers, problem = tf.numpy_function(inspect, [contents], (tf.int64, tf.string), stateful=False)
    problem.set_shape([])
    index, sample_rate, channels, offset, size = tf.unstack(tf.ensure_shape(numbers, [5]))

    def raw(dtype: tf.DType) -> tf.Tensor:
        return tf.io.decode_raw(tf.strings.substr(contents, offset, size), dtype)

    def integers(values: tf.Tensor, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
        audio = tf.cast(values, tf.float32) * 2.0 ** (1 - bits)
        return tf.reshape(audio, tf.stack([-1, channels])), problem

    def unsigned() -> tuple[tf.Tensor, tf.Tensor]:
        return integers(tf.cast(raw(tf.uint8), tf.int32) - 128, 8)

    def three_bytes() -> tuple[tf.Tensor, tf.Tensor]:
        low, middle, high = tf.unstack(tf.cast(tf.reshape(raw(tf.uint8), [-1, 3]), tf.int32), axis=1)
        return integers(low + 256 * middle + 65536 * (high - 256 * tf.cast(high > 127, tf.int32)), 24)

    def flac(bits: int) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow_io as tfio

        values = tfio.audio.decode_flac(contents, dtype={8: tf.uint8, 16: tf.int16, 24: tf.int32}[bits])
        if bits == 8:
            values = tf.cast(values, tf.int32) - 128
        elif bits == 24:
            values = tf.bitwise.right_shift(values, 8)
        flaw = tf.numpy_function(_flac_flaw, [contents, values, bits], tf.string, stateful=False)
        flaw.set_shape([])
        return integers(values, bits)[0], flaw

    def vorbis() -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow_io as tfio

        return tfio.audio.decode_vorbis(contents), problem

    def mp3() -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow_io as tfio

        return tfio.audio.decode_mp3(contents), problem

    def floats(dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.reshape(tf.cast(raw(dtype), tf.float32), tf.stack([-1, channels])), problem

    readers = {
        "u8": unsigned,
        "s16": lambda: integers(raw(tf.int16), 16),
        "s24": three_bytes,
        "s32": lambda: integers(raw(tf.int32), 32),
        "f32": lambda: floats(tf.float32),
        "f64": lambda: floats(tf.float64),
        "flac8": lambda: flac(8),
        "flac16": lambda: flac(16),
        "flac24": lambda: flac(24),
        "vorbis": vorbis,
        "mp3": mp3,
    }

    def nothing() -> tuple[tf.Tensor, tf.Tensor]:
        return tf.zeros([0, 1]), problem

    allowed = {"flac": "flac", "ogg": "vorbis", "mp3": "mp3"}
    missing = tuple(allowed[name] for name in allowed if name not in formats)
    branches = [nothing] + [
        nothing if missing and encoding.startswith(missing) else readers[encoding]
        for encoding in audio_headers.ENCODINGS
    ]
    audio, problem = tf.switch_case(tf.cast(index, tf.int32), branches)
    good = tf.equal(problem, "")
    audio = tf.cond(good, lambda: audio, lambda: tf.zeros([0, 1]))
    return tf.ensure_shape(audio, [None, None]), sample_rate, tf.ensure_shape(problem, [])


def _bytes(contents: bytes | np.ndarray) -> bytes:
    """Return the bytes that `tf.numpy_function` passes: bare in a graph, in an array outside."""
    return contents.item() if isinstance(contents, np.ndarray) else contents


def _flac_flaw(contents: bytes | np.ndarray, values: np.ndarray, bits: int) -> str:
    """Return the problem of decoded FLAC samples (int `[samples, channels]`) by the file's MD5, or an empty string."""
    contents = _bytes(contents)
    if not any(audio_headers.flac_md5(contents)):
        # The encoder left it out; libsndfile's decoder validates each block's own checksum.
        import soundfile

        try:
            soundfile.read(io.BytesIO(contents), dtype="int16")
        except soundfile.LibsndfileError as error:
            return f"cannot be decoded ({error.error_string.strip()}): damaged FLAC"
    return sound_files.check_flac(contents, values, int(bits))


def resample(audio: tf.Tensor, rate_in: tf.Tensor, rate_out: int) -> tf.Tensor:
    """Resample audio with `sound_files.resample`, as the player does.

    Args:
        audio: float32 `[samples, channels]`.
        rate_in: int64 [], Hz.
        rate_out: Hz.

    Returns:
        float32 `[samples * rate_out / rate_in, channels]`.
    """

    def change() -> tf.Tensor:
        changed = tf.numpy_function(
            lambda values, rate: sound_files.resample(values, int(rate), rate_out),
            [audio, rate_in],
            tf.float32,
            stateful=False,
        )
        return tf.ensure_shape(changed, [None, audio.shape[1]])

    return tf.cond(tf.equal(rate_in, rate_out), lambda: audio, change)
