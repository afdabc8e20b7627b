"""The semitone axis: where sines are, how loud, and that an interval is a shift."""

import numpy as np
import pytest

from nsynth_vae.features import log_frequency
from nsynth_vae.features.log_frequency import BINS_A_PITCH, HARMONICS, NUM_BINS, log_spectrogram, stack_harmonics
from nsynth_vae.notes import pitch_to_hertz

TIME = np.arange(64000) / 16000


def sine(pitch: float, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * pitch_to_hertz(pitch) * TIME)).astype(np.float32)


def magnitude(spectrogram) -> np.ndarray:
    return np.exp(np.asarray(spectrogram) * 3.0 - 6.0) - 1e-4


@pytest.mark.parametrize("pitch", [33, 60, 81, 108, 119])
def test_a_sine_is_at_its_pitch(pitch):
    found = log_spectrogram(sine(pitch)[None]).numpy()
    assert found.shape == (1, log_frequency.num_frames(64000), NUM_BINS) == (1, 32, 384)
    spectrum = magnitude(found[0, 16])
    assert abs(int(spectrum.argmax()) - (BINS_A_PITCH * pitch + 1)) <= (3 if pitch < 40 else 0)
    assert int(spectrum.argmax()) // BINS_A_PITCH == pitch or pitch < 40


def test_the_level_of_a_sine():
    """The Hann window's main lobe has the sine's amplitude at its top, and sums to twice it where a bin is wide."""
    narrow, wide = (magnitude(log_spectrogram(sine(pitch)[None]))[0, 16].max() for pitch in (45, 105))
    assert 0.3 < narrow < 0.7
    assert wide == pytest.approx(1.0, rel=0.1)
    # Half the level is ln 2 / 3 less.
    one, half = (log_spectrogram(sine(69, level)[None])[0, 16].numpy().max() for level in (0.5, 0.25))
    assert one - half == pytest.approx(np.log(2) / 3, rel=1e-3)


def test_bins_beyond_half_the_sample_rate_are_empty():
    weights = log_frequency.weight_matrix()
    highest = int(np.flatnonzero(weights.any(axis=0)).max())
    assert pitch_to_hertz((highest - 1) / 3) < 8000 <= pitch_to_hertz(highest / 3)
    assert (weights[:, 60 : highest + 1].max(axis=0) > 0.5).all()


def test_the_harmonics_of_a_note_meet_at_its_pitch():
    audio = sum(sine(60 + 12 * np.log2(k), 0.1) for k in (1, 2, 3, 4, 5, 6, 8))
    spectrogram = log_spectrogram(audio[None].astype(np.float32))
    stacked = magnitude(stack_harmonics(spectrogram))[0, 16]
    assert stacked.shape == (NUM_BINS, len(HARMONICS))
    place = BINS_A_PITCH * 60 + 1
    # Nothing at the octave below, and every multiple where the pitch is.
    assert stacked[place, 0] < 1e-3
    assert (stacked[place, 1:] > 0.08).all()
    # An octave higher, every second multiple is missing.
    assert stacked[place + 12 * BINS_A_PITCH, HARMONICS.index(5.0)] < 1e-2


def test_a_harmonic_off_the_axis_is_silence():
    stacked = stack_harmonics(np.ones([1, 2, NUM_BINS], np.float32)).numpy()[0, 0]
    octave = 12 * BINS_A_PITCH
    silence = (np.log(1e-4) + 6.0) / 3.0
    np.testing.assert_allclose(stacked[:octave, 0], silence, rtol=1e-5)
    np.testing.assert_array_equal(stacked[octave:, 0], 1.0)
    np.testing.assert_array_equal(stacked[:-octave, 2], 1.0)
    np.testing.assert_allclose(stacked[-octave:, 2], silence, rtol=1e-5)


def test_a_note_does_not_depend_on_its_batch():
    notes = np.stack([sine(40), sine(70), np.zeros(64000, np.float32)])
    together = log_spectrogram(notes).numpy()
    for note, expected in zip(notes, together, strict=True):
        np.testing.assert_allclose(log_spectrogram(note[None]).numpy()[0], expected, atol=1e-4)
    np.testing.assert_allclose(together[2], (np.log(1e-4) + 6.0) / 3.0, rtol=1e-5)
