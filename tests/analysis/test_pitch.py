"""The pitch of a sound."""

import math

import numpy as np
import pytest
from scipy import signal

from nsynth_vae.analysis.pitch import estimate_pitch, in_tune, median_f0
from nsynth_vae.notes import note_name

TIME = np.arange(64000) / 16000


def harmonic(hertz: float, odd: bool = False) -> np.ndarray:
    """Return a decaying sawtooth (or square), without aliases, float32 `[64000]`."""
    partials = range(1, 60, 2 if odd else 1)
    audio = sum(np.sin(2 * np.pi * k * hertz * TIME) / k for k in partials if k * hertz < 7800)
    return (0.3 * audio * np.exp(-TIME / 2)).astype(np.float32)


def cents(found: float | None, expected: float) -> float:
    return math.inf if found is None else abs(1200 * math.log2(found / expected))


@pytest.mark.parametrize("pitch", [21, 24, 28, 33, 36, 45, 57, 60, 69, 72, 76, 83, 84, 93, 96, 97, 103, 108])
def test_synthetic_notes(pitch):
    """Over a piano's range, for a sine, a sawtooth and a square: below, in and above swift-f0's range."""
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    sine = (0.5 * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)
    for audio in (sine, harmonic(hertz), harmonic(hertz, odd=True)):
        assert cents(median_f0(audio), hertz) < 45
        assert estimate_pitch(audio)[0] == pitch
        assert in_tune(audio, pitch)
        assert not in_tune(audio, pitch + 1)
        assert not in_tune(audio, pitch - 1)
        assert not in_tune(audio, pitch - 12)


def test_half_a_semitone_off_is_out_of_tune():
    assert in_tune(harmonic(440 * 2 ** (0.35 / 12)), 69)
    assert not in_tune(harmonic(440 * 2 ** (0.65 / 12)), 69)
    assert in_tune(harmonic(440 * 2 ** (0.65 / 12)), 70)


def test_octave_of_a_flute():
    """A strong fundamental at C5 with a weaker octave: swift-f0 alone hears C6."""
    audio = sum(a * np.sin(2 * np.pi * k * 523.25 * TIME) for k, a in ((1, 0.5), (2, 0.15), (3, 0.02), (4, 0.02)))
    assert estimate_pitch(audio.astype(np.float32))[0] == 72
    assert in_tune(audio, 72)
    assert not in_tune(audio, 84)


def test_short_sound_padded_with_zeros():
    audio = harmonic(220)
    audio[6000:] = 0
    pitch, hertz = estimate_pitch(audio)
    assert pitch == 57
    assert cents(hertz, 220) < 20


def unpitched() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).standard_normal(64000)

    def band(low: float, high: float) -> np.ndarray:
        return signal.sosfilt(signal.butter(2, [low, high], "bandpass", fs=16000, output="sos"), noise)

    return {
        "white noise": 0.1 * noise,
        "drum": 0.3 * noise * np.exp(-TIME * 10),
        "snare": band(800, 1200) * np.exp(-TIME * 8),
        "hi-hat": band(5000, 7900) * np.exp(-TIME * 30),
        "rumble": band(30, 60),
        "click": np.eye(1, 64000, 100)[0],
        "silence": np.zeros(64000),
        "nothing": np.zeros(0),
        "hum": np.full(64000, 0.5),
    }


@pytest.mark.parametrize("name", unpitched())
def test_unpitched(name):
    audio = unpitched()[name].astype(np.float32)
    assert median_f0(audio) is None
    assert estimate_pitch(audio) is None
    assert not any(in_tune(audio, pitch) for pitch in (30, 60, 100))


def test_other_rates_are_refused():
    with pytest.raises(ValueError, match="sample_rate is 44100, expected 16000"):
        median_f0(np.zeros(100), 44100)


def test_note_names():
    assert [note_name(pitch) for pitch in (0, 57, 60, 70, 127)] == ["C-1", "A3", "C4", "A#4", "G9"]
