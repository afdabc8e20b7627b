"""Vocoder: log-mel and pitch to audio, by the shipped synthesizer or Griffin-Lim."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import tensorflow as tf

from nsynth_vae import pretrained
from nsynth_vae.config import AudioConfig, SynthesisConfig
from nsynth_vae.nn.draws import PartialMotion
from nsynth_vae.pretrained import SYNTHESIZER
from nsynth_vae.synthesis import griffin_lim
from nsynth_vae.synthesis.synthesizer import Synthesizer

Vocoder = Callable[..., tf.Tensor]
"""(log_mel, pitch, seed, motion) -> audio, as `Synthesizer.call` has them; seed and motion can be left out."""


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
def vocoder_for(config: AudioConfig) -> Vocoder:
    """Return the vocoder of these features.

    It is the shipped synthesizer, where the features are those that it was trained on; else Griffin-Lim, which needs
    the log-mel alone.
    """
    synthesizer = shipped_synthesizer_for(config)

    def synthesize(
        log_mel: tf.Tensor, pitch: tf.Tensor, seed: tf.Tensor | None = None, motion: PartialMotion | None = None
    ) -> tf.Tensor:
        if synthesizer is None:
            return griffin_lim.log_mel_to_audio(log_mel, config)
        return synthesizer(log_mel, pitch, seed, motion)

    return tf.function(synthesize, reduce_retracing=True, autograph=False)
