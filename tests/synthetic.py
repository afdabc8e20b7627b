"""Notes that tests make themselves: seeded, short to describe, in NSynth's JSON/WAV layout."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np
import soundfile

SAMPLE_RATE, NUM_SAMPLES = 16000, 64000


def tone(
    pitch: int,
    partials: Sequence[float] = (1.0, 0.5, 0.25),
    decay: float = 1.0,
    level: float = 0.5,
    num_samples: int = NUM_SAMPLES,
) -> np.ndarray:
    """Returns a harmonic note, float32 `[samples]`: partials' amplitudes, exp(-t / decay) until its release at 3 s."""
    seconds = np.arange(num_samples) / SAMPLE_RATE
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    audio = sum(
        amplitude * np.sin(2 * np.pi * frequency * (k + 1) * seconds)
        for k, amplitude in enumerate(partials)
        if frequency * (k + 1) < SAMPLE_RATE / 2
    )
    envelope = np.exp(-seconds / decay) * np.where(seconds < 3, 1.0, np.exp(-(seconds - 3) / 0.1))
    return (level * audio * envelope / sum(partials)).astype(np.float32)


def write_split(
    folder: pathlib.Path,
    instruments: dict[str, Sequence[float]],
    pitches: Sequence[int],
    velocities: Sequence[int] = (100,),
    num_samples: int = NUM_SAMPLES,
) -> None:
    """Writes `folder/examples.json` and `folder/audio/*.wav`: every instrument at every pitch and velocity."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    examples = {}
    for instrument, partials in instruments.items():
        for pitch in pitches:
            for velocity in velocities:
                note_str = f"{instrument}-{pitch:03d}-{velocity:03d}"
                audio = tone(pitch, partials, level=0.6 * velocity / 127, num_samples=num_samples)
                soundfile.write(folder / "audio" / f"{note_str}.wav", audio, SAMPLE_RATE, subtype="PCM_16")
                examples[note_str] = {
                    "note_str": note_str,
                    "instrument_str": instrument,
                    "pitch": pitch,
                    "velocity": velocity,
                    "sample_rate": SAMPLE_RATE,
                }
    (folder / "examples.json").write_text(json.dumps(examples))


def write_nsynth(
    folder: pathlib.Path, train_pitches: Sequence[int] = range(48, 72, 4), num_samples: int = NUM_SAMPLES
) -> pathlib.Path:
    """Writes a tiny NSynth: three train instruments (one velocity of two for variety), two valid, two test."""
    write_split(
        folder / "nsynth-train",
        {
            "guitar_acoustic_001": (1.0, 0.5, 0.25, 0.1),
            "flute_synthetic_002": (1.0, 0.1),
            "organ_electronic_003": (1.0, 1.0, 1.0, 1.0),
        },
        train_pitches,
        (50, 100),
        num_samples,
    )
    write_split(
        folder / "nsynth-valid",
        {"guitar_acoustic_004": (1.0, 0.6, 0.3), "vocal_acoustic_005": (0.5, 1.0)},
        (50, 60),
        num_samples=num_samples,
    )
    write_split(
        folder / "nsynth-test",
        {"brass_acoustic_006": (0.4, 0.8, 0.6), "reed_acoustic_007": (1.0, 0.0, 0.7)},
        (52, 62),
        num_samples=num_samples,
    )
    return folder
