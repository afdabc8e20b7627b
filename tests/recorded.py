"""Notes between silences, and mains hum, for the tests of recordings."""

import numpy as np

RATE = 16000


def note(hertz: float = 220.0, *, seconds: float = 3.0, silence: float = 1.5, decay: float = 3.0) -> np.ndarray:
    """Return a decaying note of 12 harmonics between two silences, float64 `[samples]`, peak 0.5."""
    time = np.arange(round(seconds * RATE)) / RATE
    audio = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 13)) * np.exp(-decay * time)
    around = np.zeros(round(silence * RATE))
    return 0.5 * np.concatenate([around, audio / np.abs(audio).max(), around])


def db(audio: np.ndarray) -> float:
    return 10.0 * float(np.log10(np.mean(np.square(audio))))


def hum(samples: int, hertz: float, level_db: float = -36.0) -> np.ndarray:
    time = np.arange(samples) / RATE
    audio = sum(np.sin(2 * np.pi * k * hertz * time + k) / k for k in (1, 2, 3, 5))
    return audio * 10 ** (level_db / 20) / np.sqrt(np.mean(audio**2))
