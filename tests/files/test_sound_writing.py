"""Tests of `sound_writing`: WAV and FLAC by the suffix."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from nsynth_vae.errors import InputError
from nsynth_vae.files import check_sound_file, save_sound

pytestmark = pytest.mark.player

AUDIO = np.sin(np.arange(4000) / 20) * 0.5


@pytest.mark.parametrize(("name", "kind"), [("a.wav", "WAV"), ("a.b.FLAC", "FLAC"), ("new/c.flac", "FLAC")])
def test_the_suffix_decides_the_format(tmp_path, name, kind):
    check_sound_file(tmp_path / name)
    save_sound(tmp_path / name, AUDIO, 16000)
    about = soundfile.info(tmp_path / name)
    assert (about.format, about.subtype, about.channels, about.samplerate) == (kind, "PCM_16", 1, 16000)
    read, _ = soundfile.read(tmp_path / name)
    np.testing.assert_allclose(read, AUDIO, atol=1e-4)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [name.split("/")[-1]]


@pytest.mark.parametrize(
    ("name", "found"), [("a.mp3", "the suffix .mp3"), ("a.wav.ogg", "the suffix .ogg"), ("a", "no suffix")]
)
def test_other_suffixes_are_errors(tmp_path, name, found):
    for write in (check_sound_file, lambda path: save_sound(path, AUDIO, 16000)):
        with pytest.raises(InputError, match=f"{name}: found {found}, expected a name that ends in .wav or .flac"):
            write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_sound_file(tmp_path):
    with pytest.raises(InputError, match="is a folder, expected the name of a WAV or FLAC file"):
        check_sound_file(tmp_path)
