"""Vocoder: log-mel and pitch to audio, by the shipped synthesizer or Griffin-Lim."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import tensorflow as tf

from nsynth_vae import pretrained
from nsynth_vae.config import AudioConfig, SynthesisConfig
from nsynth_vae.pretrained import SYNTHESIZER
from nsynth_vae.synthesis import griffin_lim
from nsynth_vae.synthesis.synthesizer import Synthesizer


def load_synthesizer(folder: str | os.PathLike | None = None) -> Synthesizer:
    """Rebuild the trained synthesizer of a folder; by default the one that comes with the package.

    Raises:
        InputError: if the folder or a file is missing or broken, or the weights are another synthesizer's.
    """
    synthesizer, _ = pretrained.load(
        SYNTHESIZER if folder is None else folder,
        SynthesisConfig.load,
        lambda config: Synthesizer(config, make_noise=False),
        kind="synthesizer",
        expected="a synthesizer's",
    )
    return synthesizer


@functools.lru_cache(maxsize=4)
def shipped_synthesizer_for(config: AudioConfig) -> Synthesizer | None:
    """Return the shipped synthesizer, loaded once, or None if it was trained on other features than these."""
    synthesizer = load_synthesizer()
    return synthesizer if synthesizer.audio == config else None


@functools.lru_cache(maxsize=4)
def vocoder_for(config: AudioConfig) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the vocoder of these features: a function of log-mels and pitches that returns audio.

    It is the shipped synthesizer, where the features are those that it was trained on; else Griffin-Lim, which ignores
    the pitch. Both take float32 `[batch, num_frames, mel_bins]` and int32 `[batch]`, and return float32
    `[batch, num_samples]`.
    """
    synthesizer = shipped_synthesizer_for(config)

    def synthesize(log_mel: tf.Tensor, pitch: tf.Tensor) -> tf.Tensor:
        return synthesizer(log_mel, pitch) if synthesizer else griffin_lim.log_mel_to_audio(log_mel, config)

    shape = [None, config.num_frames, config.num_mel_bins]
    signature = [tf.TensorSpec(shape, tf.float32), tf.TensorSpec([None], tf.int32)]
    return tf.function(synthesize, input_signature=signature, autograph=False)
