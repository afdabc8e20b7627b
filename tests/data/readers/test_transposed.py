"""Tests of transposed notes: what they sound like, what they are called, and in which order they come."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest
import tensorflow as tf
from conftest import sine, write_folder

from nsynth_vae import features
from nsynth_vae.config import MOST_SEMITONES, AudioConfig
from nsynth_vae.data.batching.feature_batches import open_features
from nsynth_vae.data.batching.feature_cache import stream_features
from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.readers.transposed import with_pitch_shifts
from nsynth_vae.data.source import BadNotes
from nsynth_vae.notes import pitch_to_hertz

CONFIG = AudioConfig()
NAMES = [f"flute_acoustic_00{i}-{pitch:03d}-100" for i, pitch in ((1, 60), (1, 62), (2, 64), (2, 125))]


def tone(pitch: int, partials: int) -> np.ndarray:
    """Returns partials of amplitude 1 / k, swelling over the note, whose phases do not matter."""
    seconds = np.arange(CONFIG.num_samples) / CONFIG.sample_rate
    waves = [np.sin(2 * np.pi * k * pitch_to_hertz(pitch) * seconds + k) / k for k in range(1, partials + 1)]
    return (0.1 * np.sum(waves, axis=0) * (1 + seconds)).astype(np.float32)


@pytest.mark.parametrize("semitones", range(MOST_SEMITONES + 1))
def test_a_transposed_tone_is_the_tone_of_that_pitch(semitones: int) -> None:
    """Its partials, their widths, their levels and their growth."""
    found = features.pitch_shifted_log_mel(tone(57, 12), CONFIG, semitones).numpy()
    expected = features.log_mel(tone(57 + semitones, 12), CONFIG).numpy()
    assert found.shape == expected.shape
    # At the ends of a note more frames of a longer window hold silence; between partials there are only side lobes.
    inside = np.abs(found - expected)[4:-4] * CONFIG.log_mel_scale
    loud = expected[4:-4] > expected.max() - 3.0 / CONFIG.log_mel_scale
    assert loud.mean() > 0.1
    assert inside[loud].mean() < 0.05
    assert inside[loud].max() < 0.15


def test_no_semitones_change_nothing() -> None:
    audio = np.random.default_rng(0).normal(size=[2, CONFIG.num_samples]).astype(np.float32) * 0.1
    np.testing.assert_array_equal(
        features.pitch_shifted_log_mel(audio, CONFIG, 0), features.log_mel(tf.constant(audio), CONFIG)
    )


def test_formants_move_and_time_does_not() -> None:
    """As in librosa's transform of the same longer frames; a click stays where it is."""
    click = np.zeros(CONFIG.num_samples, np.float32)
    click[30000] = 0.9
    noise = np.random.default_rng(1).normal(size=CONFIG.num_samples).astype(np.float32) * 0.1 + click
    found = features.pitch_shifted_log_mel(noise, CONFIG, 5).numpy()
    length = 2 * round(CONFIG.frame_length * 2 ** (5 / 12) / 2)
    spectrogram = np.abs(
        librosa.stft(noise, n_fft=length, hop_length=CONFIG.frame_step, window="hann", pad_mode="constant")
    )
    mel = spectrogram[: CONFIG.num_spectrogram_bins].T * (CONFIG.frame_length / length)
    expected = features.magnitude_to_log_mel(tf.constant(mel), CONFIG).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)
    frames = features.pitch_shifted_log_mel(click, CONFIG, 5).numpy().mean(axis=1)
    assert abs(int(frames.argmax()) - 30000 / CONFIG.frame_step) <= 1


@pytest.fixture
def source(tmp_path):
    """Four notes of two instruments, of which the last is too high to be transposed far."""
    notes = {name: sine(220.0 + 40 * i) for i, name in enumerate(NAMES)}
    return open_source(str(write_folder(tmp_path / "nsynth-train", notes)), audio=CONFIG, bad_notes=BadNotes())


def test_copies_follow_the_notes(source) -> None:
    rows = np.array([0, 2, 3])
    joined, train = with_pitch_shifts(source, rows, 2, seed=0)
    count = len(source.table)
    for field in dataclasses.fields(source.table):
        plain = getattr(joined.table, field.name)[:count]
        np.testing.assert_array_equal(plain, getattr(source.table, field.name))
    assert joined.name == source.name
    # 125 + 3 is beyond MIDI.
    assert train.tolist() == [*rows, *range(count, len(joined.table))]
    assert 4 <= len(train) - len(rows) <= 6
    seen = set()
    for row in train[len(rows) :]:
        name, _, by = joined.table.note_str[row].rpartition(" +")
        (of,) = np.flatnonzero(source.table.note_str == name)
        assert 1 <= int(by) <= MOST_SEMITONES
        assert joined.table.pitch[row] == source.table.pitch[of] + int(by) <= 127
        assert joined.table.instrument_str[row] == f"{source.table.instrument_str[of]} +{by}"
        assert joined.location(row) == source.location(of)
        assert joined.fingerprint(row) == f"{source.fingerprint(of)} +{by}"
        seen.add((name, by))
    assert len(seen) == len(train) - len(rows)
    again, _ = with_pitch_shifts(source, rows, 2, seed=0)
    other, _ = with_pitch_shifts(source, rows, 2, seed=1)
    assert list(again.table.note_str) == list(joined.table.note_str) != list(other.table.note_str)


def test_features_are_those_of_the_transposed_note(source, tmp_path) -> None:
    """From memory, from disk and streamed, in any order."""
    joined, train = with_pitch_shifts(source, np.arange(4), 2, seed=0)
    audio = {int(note["row"]): note["audio"].numpy() for note in source.audio(np.arange(4))}
    expected = {}
    for row in train.tolist():
        name, _, by = joined.table.note_str[row].partition(" +")
        (of,) = np.flatnonzero(source.table.note_str == name)
        expected[row] = features.pitch_shifted_log_mel(audio[int(of)], CONFIG, int(by or 0)).numpy()
    for order in (None, (0, 3)):
        found = dict(stream_features(joined, train, CONFIG, BadNotes(), order))
        assert sorted(found) == sorted(expected)
        for row, log_mel in found.items():
            np.testing.assert_allclose(log_mel, expected[row], atol=1e-5)
        known = joined.order_of(train, order)
        assert known is None or list(found) == known.tolist()
    for options in ({"memory": True}, {"memory": False, "cache_dir": tmp_path / "cache"}):
        opened = open_features(joined, train, CONFIG, BadNotes(), **options)
        assert opened.rows.tolist() == train.tolist()
        batch = opened.read(np.arange(len(train)))
        np.testing.assert_array_equal(batch["pitch"], joined.table.pitch[train])
        np.testing.assert_allclose(batch["log_mel"], np.stack([expected[row] for row in train.tolist()]), atol=1e-5)
