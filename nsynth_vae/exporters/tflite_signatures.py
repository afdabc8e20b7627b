"""What the TFLite files offer: the endpoints of `signatures` for one note, of operators that TFLite has built in.

TFLite has no checks of values: what is out of range is clamped.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nsynth_vae import features
from nsynth_vae.config import AudioConfig, Config
from nsynth_vae.exporters.signatures import Endpoint
from nsynth_vae.model.decoder import Decoder
from nsynth_vae.model.encoder import Encoder
from nsynth_vae.synthesis import spectral_ops
from nsynth_vae.synthesis.synthesizer import Synthesizer


def encoder_endpoint(encoder: Encoder, config: Config) -> Endpoint:
    """Returns `audio` `[1, num_samples]`, -1..1 -> `z_mean`, `z_log_var` `[1, latent_dim]`, for TFLite."""

    def encode(audio: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = encoder(log_mel(audio, config.audio))
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    return encode, [tf.TensorSpec([1, config.audio.num_samples], tf.float32, name="audio")]


def log_mel(audio: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """Returns `features.log_mel`, by operators that TFLite has.

    Its FFT is one of them, but takes powers of two only: for other lengths this is a product with the DFT's matrix.

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
    window = spectral_ops.hann(config.frame_length)[:, None]
    real, imaginary = (tf.matmul(frames, (window * wave(angle)).astype(np.float32)) for wave in (np.cos, np.sin))
    return features.magnitude_to_log_mel(tf.sqrt(tf.square(real) + tf.square(imaginary)), config)


def decoder_endpoint(decoder: Decoder, config: Config, synthesizer: Synthesizer | None) -> Endpoint:
    """Returns `z`, `pitch`, `velocity` -> `log_mel` and `audio`, for TFLite; without a synthesizer no `audio`.

    Pitch and velocity are clamped to 0..127: TFLite does not check the index of a look-up.
    """

    def decode(z: tf.Tensor, pitch: tf.Tensor, velocity: tf.Tensor) -> dict[str, tf.Tensor]:
        pitch, velocity = _clamped(pitch), _clamped(velocity)
        made = decoder(z, pitch, velocity)
        outputs = {"log_mel": made} | ({"audio": synthesizer(made, pitch)} if synthesizer else {})
        # 0, or NaN for a z that is not finite: a product with 8-bit inputs would make some number of it.
        nothing = 0.0 * tf.reduce_sum(z)
        return {name: value + nothing for name, value in outputs.items()}

    return decode, [
        tf.TensorSpec([1, config.model.latent_dim], tf.float32, name="z"),
        tf.TensorSpec([1], tf.int32, name="pitch"),
        tf.TensorSpec([1], tf.int32, name="velocity"),
    ]


def synthesizer_endpoint(synthesizer: Synthesizer) -> Endpoint:
    """Returns `log_mel` `[1, num_frames, mel_bins]`, `pitch` `[1]` -> `audio` `[1, num_samples]`, for TFLite.

    Pitch is clamped to 0..127.
    """
    audio = synthesizer.audio

    def synthesize(log_mel: tf.Tensor, pitch: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"audio": synthesizer(log_mel, _clamped(pitch))}

    return synthesize, [
        tf.TensorSpec([1, audio.num_frames, audio.num_mel_bins], tf.float32, name="log_mel"),
        tf.TensorSpec([1], tf.int32, name="pitch"),
    ]


def _clamped(value: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(value, 0, 127)
