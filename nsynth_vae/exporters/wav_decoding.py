"""WAV files decoded inside exported graphs: PCM of 16 bits and float of 32, with any chunks around, and the errors.

`tf.audio.decode_wav` takes neither float nor WAVE_FORMAT_EXTENSIBLE (of Windows tools and sox) nor other chunks
before the format, and its errors do not name the input.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from nsynth_vae.analysis.audio_chunks import SLACK, UNKNOWN
from nsynth_vae.config import LARGEST_SAMPLE, AudioConfig
from nsynth_vae.exporters.input_checks import bounded, gated

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


def decode_wav(content: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return the samples, float32 `[samples]`, of a mono WAV file at the model's sample rate.

    Args:
        content: string [], the file's bytes.
        config: gives the sample rate.
    """
    size = tf.cast(tf.strings.length(content), tf.int64)
    long_enough = tf.strings.join([content, "\0" * 12])
    (content,) = gated(
        (content,),
        (tf.strings.substr(long_enough, 0, 4) == b"RIFF") & (tf.strings.substr(long_enough, 8, 4) == b"WAVE"),
        lambda: tf.strings.format("wav_bytes: expected a WAV file, found {} bytes that do not begin like one", size),
    )
    layout, data = _find_chunks(content, size)
    (content,) = gated(
        (content,),
        (layout > 0) & (layout + 16 <= size) & (data > 0),
        lambda: tf.strings.format(
            "wav_bytes: expected a WAV file with its format and audio, found {} bytes without", size
        ),
    )
    tag, bits = _number(content, layout, 2), _number(content, layout + 14, 2)
    channels, rate = _number(content, layout + 2, 2), _number(content, layout + 4, 4)
    # The encoding of an extensible format is in its GUID, after 24 bytes.
    extended = (tag == _EXTENSIBLE) & (layout + 26 <= size)
    tag = tf.cond(extended, lambda: _number(content, layout + 24, 2), lambda: tag)
    is_pcm, is_float = (tag == _PCM) & (bits == 16), (tag == _FLOAT) & (bits == 32)
    stated, available = _number(content, data - 4, 4), size - data
    # The size that a writer to a pipe states is no size, or 0.
    unknown = (stated >= UNKNOWN) | (stated == 0)
    checks = (
        (is_pcm | is_float, "PCM of 16 bits or float of 32, found format {} with {} bits", (tag, bits)),
        (rate == config.sample_rate, f"a sample rate of {config.sample_rate} Hz, found {{}}", (rate,)),
        (channels == 1, "1 channel, found {}", (channels,)),
        (unknown | (stated <= available + SLACK), "{} bytes of audio, found {} (truncated)", (stated, available)),
    )
    for passed, words, found in checks:
        message = functools.partial(tf.strings.format, f"wav_bytes: expected {words}", found)
        (content,) = gated((content,), passed, message)
    length = tf.where(unknown, available, tf.minimum(stated, available))
    samples = tf.strings.substr(content, data, length - length % tf.where(is_pcm, tf.constant(2, tf.int64), 4))
    samples = tf.cond(
        is_pcm,
        lambda: tf.cast(tf.io.decode_raw(samples, tf.int16), tf.float32) * 2.0**-15,
        lambda: tf.io.decode_raw(samples, tf.float32),
    )
    return bounded("wav_bytes", samples, LARGEST_SAMPLE, "samples within -1 to 1")


def _find_chunks(content: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return where the contents of the chunks `fmt ` and `data` begin, int64 []; 0 for one that is not there."""

    def search(position: tf.Tensor, layout: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        name, stated = tf.strings.substr(content, position, 4), _number(content, position + 4, 4)
        start = position + 8
        layout, data = tf.where(name == b"fmt ", start, layout), tf.where(name == b"data", start, data)
        return start + stated + stated % 2, layout, data

    nowhere = tf.constant(0, tf.int64)
    _, layout, data = tf.while_loop(
        lambda position, layout, data: (position + 8 <= size) & (data == 0),
        search,
        (tf.constant(12, tf.int64), nowhere, nowhere),
        parallel_iterations=1,
    )
    return layout, data


def _number(content: tf.Tensor, position: tf.Tensor, size: int) -> tf.Tensor:
    """Return an unsigned little-endian integer of 2 or 4 bytes, int64 []."""
    parts = tf.cast(tf.io.decode_raw(tf.strings.substr(content, position, size), tf.uint8), tf.int64)
    return tf.reduce_sum(parts * tf.constant([256**power for power in range(size)], tf.int64))
