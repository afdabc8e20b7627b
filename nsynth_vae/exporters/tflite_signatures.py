"""Signatures of the TFLite files: the endpoints for one note, of built-in operators only.

TFLite cannot check values: what is out of range is clamped.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.analysis.spectra import hann
from nsynth_vae.config import LARGEST_MOTION, AudioConfig, Config
from nsynth_vae.exporters.signatures import Endpoint, audio_spec, log_mel_spec, take_specs
from nsynth_vae.model.decoder import Decoder
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.synthesis.synthesizer import Synthesizer


def encoder_endpoint(encoder: Encoder, config: Config) -> Endpoint:
    """Return the encoder's endpoint: `audio` `[1, num_samples]`, -1..1 -> `z_mean`, `z_log_var` `[1, latent_dim]`."""

    def encode(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = encoder(log_mel(audio, config.audio))
        return _with_nan_of(audio, {"z_mean": z_mean, "z_log_var": z_log_var})

    return encode, [audio_spec(config.audio, 1)]


def log_mel(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Return `features.log_mel`, computed by TFLite's operators.

    TFLite's FFT takes powers of two only: other lengths are a product with the DFT's matrix.

    Args:
        audio: float32 `[batch, num_samples]`, -1..1.
        config: the audio configuration.

    Returns:
        float32 `[batch, num_frames, mel_bins]`.
    """
    if config.fft_length & (config.fft_length - 1) == 0:
        return features.log_mel(audio, config)
    half = config.frame_length // 2
    frames = tf.signal.frame(tf.pad(audio, [[0, 0], [half, half]]), config.frame_length, config.frame_step)
    angle = 2.0 * np.pi / config.fft_length * np.outer(range(config.frame_length), range(config.num_spectrogram_bins))
    window = hann(config.frame_length)[:, None]
    real, imaginary = (tf.matmul(frames, (window * wave(angle)).astype(np.float32)) for wave in (np.cos, np.sin))
    return features.magnitude_to_log_mel(tf.sqrt(tf.square(real) + tf.square(imaginary)), config)


def decoder_endpoints(decoder: Decoder, config: Config, synthesizer: Synthesizer | None) -> dict[str, Endpoint]:
    """Return signature -> endpoint of the decoder, as `signatures.decoder_endpoints` has them.

    `serving_default`, `decode_take` and `decode_motion` output `log_mel` and, with a synthesizer, `audio`;
    `decode_log_mel`, which is faster, the first. Pitch and velocity are clamped to 0..127, motion to 0..2: TFLite does
    not check the index of a look-up.
    """

    def taken(
        z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, seed: tf.Tensor, motion: tf.Tensor, *, median: bool
    ) -> dict[str, tf.Tensor]:
        pitch, velocity = _clamped(pitch), _clamped(velocity)
        take = decoder.take(z, pitch, velocity, seed, tf.clip_by_value(motion, 0.0, LARGEST_MOTION))
        outputs = {"log_mel": take.median if median else take.log_mel}
        if synthesizer is not None:
            outputs["audio"] = synthesizer(take.log_mel, pitch, seed, take.partials)
        return _with_nan_of(tf.reduce_sum(z) + tf.reduce_sum(motion), outputs)

    one = tf.ones([1])

    def decode(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return taken(z, pitch, velocity, tf.zeros([1], tf.int32), one, median=True)

    def decode_take(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return taken(z, pitch, velocity, seed, one, median=False)

    def decode_motion(
        z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor, seed: tf.Tensor, motion: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        return taken(z, pitch, velocity, seed, motion, median=False)

    def decode_log_mel(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        return _with_nan_of(z, {"log_mel": decoder(z, _clamped(pitch), _clamped(velocity))})

    specs = take_specs(config, 1)
    return {
        "serving_default": (decode, specs[:3]),
        "decode_log_mel": (decode_log_mel, specs[:3]),
        "decode_take": (decode_take, specs[:4]),
        "decode_motion": (decode_motion, specs),
    }


def synthesizer_endpoint(synthesizer: Synthesizer) -> Endpoint:
    """Return the synthesizer's endpoint: `log_mel`, `pitch` -> `audio` `[1, num_samples]`; pitch is clamped."""

    def synthesize(log_mel: tf.Tensor, pitch: tf.Tensor) -> dict[str, tf.Tensor]:
        return _with_nan_of(log_mel, {"audio": synthesizer(log_mel, _clamped(pitch))})

    return synthesize, [log_mel_spec(synthesizer.audio, 1), tf.TensorSpec([1], tf.int32, name="pitch")]


def transposition_endpoint(synthesizer: Synthesizer) -> Endpoint:
    """Return `Synthesizer.transpose` as an endpoint: `log_mel`, `pitch`, `to_pitch` -> `audio`; pitches are clamped."""

    def transpose(log_mel: tf.Tensor, pitch: tf.Tensor, to_pitch: tf.Tensor) -> dict[str, tf.Tensor]:
        return _with_nan_of(log_mel, {"audio": synthesizer.transpose(log_mel, _clamped(pitch), _clamped(to_pitch))})

    specs = [tf.TensorSpec([1], tf.int32, name=name) for name in ("pitch", "to_pitch")]
    return transpose, [log_mel_spec(synthesizer.audio, 1), *specs]


def _with_nan_of(values: tf.Tensor, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return the outputs, all NaN if a value of the input is not finite.

    Products with 8-bit inputs, and the maximum with a constant in log-mels, would turn NaN into a number. The zero is
    multiplied before the sum: TensorFlow 2.21's converter takes 0 times a scalar for 0.
    """
    zero = tf.reduce_sum(0.0 * values)
    return {name: value + zero for name, value in outputs.items()}


def _clamped(value: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(value, 0, 127)
