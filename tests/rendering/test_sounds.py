"""Notes of a rendering: numbered names, labels, WAVs, log-mels and descriptors."""

import numpy as np
import pytest
import soundfile
import synthetic

from nsynth_vae.analysis.descriptors import describe
from nsynth_vae.config import AudioConfig
from nsynth_vae.rendering import sounds

pytestmark = pytest.mark.player

CONFIG = AudioConfig()


def test_files_are_numbered_row_by_row():
    assert sounds.numbered("step", 3) == ["step-00.wav", "step-01.wav", "step-02.wav"]
    assert sounds.numbered("step", 2, 2) == [f"step-{place}.wav" for place in ("00-00", "00-01", "01-00", "01-01")]
    # Names sort as the notes do.
    many = sounds.numbered("sample", 101)
    assert many[0] == "sample-000.wav"
    assert many == sorted(many)


def test_labels_are_one_short_line():
    assert sounds.label("flute") == "flute"
    assert sounds.label("a\nb\udcff") == "a?b?"
    assert sounds.label("recordings/of/a/day/guitar.wav") == "guitar.wav"
    assert sounds.label('0.5*flute + 0.5*"a/b.wav"') == '0.5*flute + 0.5*"a/b.wav"'
    long = sounds.label("recordings/0.5*guitar_acoustic_010 + 0.5*flute")
    assert long == "recordings/0.5*…_010 + 0.5*flute"
    assert len(long) == 32


def test_sounds_are_written_and_joined(tmp_path):
    audio = np.stack([synthetic.tone(60), synthetic.tone(64, (1.0,)), 2 * synthetic.tone(67)])
    sounds.write_wavs(tmp_path, ["a.wav", "b.wav", "c.wav"], audio, CONFIG)
    for name, sound in zip("abc", audio, strict=True):
        read, rate = soundfile.read(tmp_path / f"{name}.wav")
        assert rate == 16000
        assert soundfile.info(tmp_path / f"{name}.wav").subtype == "PCM_16"
        np.testing.assert_allclose(read, np.clip(sound, -1, 1), atol=2**-15)
    sounds.write_joined(tmp_path / "joined.wav", audio, CONFIG)
    joined, _ = soundfile.read(tmp_path / "joined.wav")
    assert joined.shape == (3 * 24000,)
    np.testing.assert_allclose(joined[24000:47000], audio[1, :23000], atol=2**-15)


def test_log_mels_and_descriptors_are_those_of_each_sound():
    pytest.importorskip("tensorflow")
    from nsynth_vae import features

    audio = np.stack([synthetic.tone(48 + n % 24) for n in range(40)])
    found = sounds.Sounds.of(audio, 48, CONFIG)
    expected = features.log_mel(audio[[0, 39]], CONFIG).numpy()
    # Near the floor of -1.3 the two differ by the rounding of TensorFlow's float32 FFT.
    np.testing.assert_allclose(found.log_mel[[0, 39]], expected, atol=0.02)
    np.testing.assert_allclose(found.log_mel[[0, 39]][expected > 0], expected[expected > 0], atol=1e-4)
    assert len(found.log_mel) == 40
    assert found.descriptors[:2] == [describe(audio[0], 48), describe(audio[1], 48)]
