"""Recordings as notes: folding, onset and level, and what is said of them."""

import numpy as np
import pytest

from nsynth_vae.analysis import recordings

pytestmark = pytest.mark.player

RATE = 16000


def note(hertz: float = 220.0, seconds: float = 2.0) -> np.ndarray:
    """Return a decaying note of six harmonics, float64 `[samples]`, peak 0.5."""
    time = np.arange(round(seconds * RATE)) / RATE
    audio = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 7)) * np.exp(-3 * time)
    return 0.5 * audio / np.abs(audio).max()


def late(audio: np.ndarray, samples: int) -> np.ndarray:
    return np.append(np.zeros(samples), audio)[: audio.size]


@pytest.mark.parametrize(
    ("channels", "used"),
    [
        ([note(), -note()], 1),
        ([0.5 * note(), -note()], 2),
        ([note(250.0), late(note(250.0), 32)], 1),
        ([note(1000.0), late(note(1000.0), 8)], 1),
        ([note(), -note(), np.zeros(32000), np.zeros(32000)], 1),
    ],
)
def test_channels_that_cancel_out_give_the_loudest(channels, used):
    """Of opposite phase, and half a period late: then the mean has no fundamental."""
    audio, said = recordings.fold(np.stack(channels, 1))
    np.testing.assert_array_equal(audio, channels[used - 1])
    assert said == f"channels cancel out, channel {used} of {len(channels)} used"


@pytest.mark.parametrize(
    "channels",
    [
        [note()],
        [note(), note()],
        [note(), 0.3 * note()],
        [note(), np.zeros(32000)],
        [note(), np.zeros(32000), np.zeros(32000), np.zeros(32000), np.zeros(32000), np.zeros(32000)],
        [note(220.0), note(331.0)],
        list(np.random.default_rng(0).normal(size=[2, 32000])),
        list(np.random.default_rng(0).normal(size=[6, 32000])),
        [np.zeros(32000), np.zeros(32000)],
        [np.zeros(0), np.zeros(0)],
    ],
)
def test_other_channels_give_their_mean(channels):
    audio, said = recordings.fold(np.stack(channels, 1))
    np.testing.assert_allclose(audio, np.mean(channels, axis=0), atol=1e-15)
    assert said == ""


def test_a_clean_note_is_left_as_it_is():
    audio = note().astype(np.float32)
    for recording in (recordings.prepare(audio[:, None], RATE), recordings.leave(audio[:, None], RATE)):
        np.testing.assert_array_equal(recording.audio, audio)
        assert recording.onset == 0
        assert recording.remarks == ()


def test_everything_at_once_is_removed_and_said():
    audio = np.append(np.zeros(24000), note())
    time, rng = np.arange(audio.size) / RATE, np.random.default_rng(0)
    hum = 0.02 * np.sin(2 * np.pi * 50 * time) + 0.01 * np.sin(2 * np.pi * 150 * time)
    recorded = 0.1 * (audio + hum + rng.normal(scale=0.002, size=audio.size))
    recording = recordings.prepare(np.stack([recorded, -recorded], 1) + 0.004, RATE)
    assert recording.remarks[0] == "channels cancel out, channel 1 of 2 used"
    assert recording.remarks[1:3] == ("offset of 0.4 % removed", "hum of 50 Hz at -56 dB removed")
    assert recording.remarks[3].startswith("noise at -7")
    assert recording.onset == pytest.approx(24000, abs=60)
    error = recording.audio - 0.1 * audio
    assert np.std(error) < 0.1 * np.std(0.1 * (recorded / 0.1 - audio))
    assert recording.audio.dtype == np.float32


@pytest.mark.parametrize("kind", ["hiss", "hum"])
def test_background_that_ends_with_the_lead_in_is_cut_off_and_the_note_left(kind):
    """A gate, or hum in the opposite phase, would take from a note that has none of it."""
    time = np.arange(24000) / RATE
    before = 0.01 * np.random.default_rng(0).normal(size=24000) if kind == "hiss" else 0.02 * np.sin(100 * np.pi * time)
    sound = np.append(note(), np.zeros(8000))
    recording = recordings.prepare(np.append(before, sound)[:, None].astype(np.float32), RATE)
    assert recording.remarks == ("background before the note cut off",)
    assert recording.onset == pytest.approx(24000, abs=60)
    np.testing.assert_array_equal(recording.audio[24000:], sound.astype(np.float32))
    # Cut or faded out for less than 0.2 s, it goes on under the note.
    faded = np.append(np.zeros(24000), note()) + np.resize(before, 56000)
    faded[-2400:] *= np.linspace(1.0, 0.0, 2400)
    assert "background before the note cut off" not in recordings.prepare(faded[:, None], RATE).remarks


def test_the_onset_is_where_the_sound_nears_its_peak():
    silence = np.zeros(8000)
    assert recordings.find_onset(np.append(silence, note()), RATE) == pytest.approx(8000 - 40, abs=1)
    assert recordings.find_onset(note(), RATE) == 0
    for nothing in (silence, np.zeros(0), np.full(100, 1e-12)):
        assert recordings.find_onset(nothing, RATE) == 0
    noise = 0.01 * np.random.default_rng(0).normal(size=8000)
    assert recordings.find_onset(np.append(noise, note()), RATE) == 0
    assert recordings.find_onset(np.append(noise, note()), RATE, 0.01) == pytest.approx(8000 - 40, abs=20)


def test_a_count_in_is_passed_over_and_a_phrase_is_not():
    click = np.append(0.9 * np.sin(np.arange(400)) * np.exp(-np.arange(400) / 90), np.zeros(7600))
    assert recordings.find_onset(np.concatenate([click, click, click, note()]), RATE) == pytest.approx(23960, abs=2)
    short = np.append(note(seconds=0.5) * np.linspace(1, 0, 8000), np.zeros(8000))
    assert recordings.find_onset(np.concatenate([short, note(), note()]), RATE) == 0


@pytest.mark.parametrize("seconds", [0.05, 0.1])
@pytest.mark.parametrize("length", [0.3, 3.0])
def test_beeps_are_a_count_in_before_any_note(seconds, length):
    """Four of them weigh more than a short pluck."""
    beep = 0.3 * np.sin(2 * np.pi * 880 * np.arange(round(seconds * RATE)) / RATE)
    beat = np.append(beep, np.zeros(RATE // 2 - beep.size))
    pluck = note(seconds=length) * np.exp(-8.0 * np.arange(round(length * RATE)) / RATE)
    onset = 4 * RATE // 2
    assert recordings.find_onset(np.concatenate([np.tile(beat, 4), pluck]), RATE) == pytest.approx(onset - 40, abs=2)
    # Echoes are alike and regular, too.
    echoes = np.concatenate([gain * np.append(pluck[:2400], np.zeros(5600)) for gain in (1.0, 0.7, 0.5, 0.35)])
    assert recordings.find_onset(echoes, RATE) == 0
    uneven = np.concatenate([beat, beat, beat[: RATE // 3], beat, pluck])
    assert recordings.find_onset(uneven, RATE) < RATE


def test_a_phrase_is_named():
    one = note(seconds=0.5)
    said = "3 sounds with silence between them, the first is taken for the note"
    phrase = np.concatenate([np.append(one, np.zeros(RATE // 2))] * 3)
    assert recordings.prepare(phrase[:, None], RATE).remarks == (said,)
    # The shortest silence, and what is hardly there, are parts of a note.
    for other in (np.append(np.zeros(RATE // 8), one), np.append(np.zeros(RATE // 2), 0.1 * one)):
        assert recordings.prepare(np.append(one, other)[:, None], RATE).remarks == ()


def test_the_level_is_set_by_the_peak():
    """NSynth's notes peak at -0.6 dB, median."""
    for gain in (1.0, 1e-3, 20.0):
        audio, peak_db = recordings.set_level(gain * note())
        assert np.abs(audio).max() == pytest.approx(10 ** (-0.6 / 20), rel=1e-6)
        assert peak_db == pytest.approx(20 * np.log10(0.5 * gain), abs=1e-9)
        np.testing.assert_allclose(audio, note() * 2 * 10 ** (-0.6 / 20), atol=1e-6)
    audio, peak_db = recordings.set_level(np.zeros(10))
    assert not audio.any()
    assert peak_db == -np.inf


@pytest.mark.parametrize(
    ("peak_db", "said"),
    [
        (0.0, ()),
        (-12.5, ()),
        (-30.0, ("level raised by 29 dB",)),
        (-44.9, ("level raised by 44 dB",)),
        (-45.1, ("quiet: peaks at -45.1 dB of full scale, expected at least -45",)),
    ],
)
def test_low_levels_are_named(peak_db, said):
    assert recordings.level_remarks(peak_db) == said
