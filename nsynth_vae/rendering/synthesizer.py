"""Synthesizer of log-mels on LiteRT."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import numpy as np

from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.config import AudioConfig, SynthesisConfig
from nsynth_vae.errors import InputError, tflite_errors
from nsynth_vae.files import read_tflite
from nsynth_vae.pretrained import SYNTHESIZER_TFLITE
from nsynth_vae.timbre_model import THREADS


def open_synthesizer(folder: str | os.PathLike, config: AudioConfig) -> Callable[[np.ndarray, int, int], np.ndarray]:
    """Open the synthesizer in a model folder.

    Args:
        folder: holds `config.json` and `SYNTHESIZER_TFLITE`.
        config: the features that the synthesizer must have been trained on.

    Returns:
        A function of a log-mel, float32 `[num_frames, mel_bins]`, the MIDI pitch of its partials, and the MIDI pitch to
        play it at. It returns audio, float32 `[num_samples]`, -1..1.

    Raises:
        InputError: if the folder has no synthesizer, or one of other features.
    """
    from ai_edge_litert.interpreter import Interpreter

    folder = pathlib.Path(folder)
    expected = "expected a synthesizer's folder with config.json and " + SYNTHESIZER_TFLITE
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder, {expected}")
    if SynthesisConfig.load(folder / "config.json").audio != config:
        raise InputError(f"{folder}: a synthesizer of other features than the default ones, expected the default ones")
    file = folder / SYNTHESIZER_TFLITE
    with tflite_errors(file):
        # Its content: LiteRT does not open every path that Windows has.
        content = read_tflite(file)
        interpreter = Interpreter(model_content=content, num_threads=THREADS)
        play, transpose = map(interpreter.get_signature_runner, ("serving_default", "transpose"))

    def synthesize(log_mel: np.ndarray, pitch: int, to_pitch: int) -> np.ndarray:
        inputs = {"log_mel": log_mel[None], "pitch": np.array([pitch], np.int32)}
        with quiet(), tflite_errors(file):
            if pitch == to_pitch:
                return play(**inputs)["audio"][0]
            return transpose(**inputs, to_pitch=np.array([to_pitch], np.int32))["audio"][0]

    return synthesize
