"""Labels of a folder of samples: names, layers, root keys, and another octave convention."""

import struct

import numpy as np
import pytest
import soundfile
from conftest import sine

from nsynth_vae.config import DataConfig
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.open_sources import open_sources
from nsynth_vae.data.readers.samples import SamplesSource
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import InputError


def open_folder(path, config, log=lambda text: None):
    return SamplesSource(path, audio=config, bad_notes=BadNotes(), log=log)


def test_a_folder_of_another_octave_convention(tmp_path, audio_config, messages):
    """The learner's side of `sound_labels`: an error with an option, which the configuration holds."""
    for name, hertz in (("C3", 262), ("E3", 330), ("G3", 392)):
        soundfile.write(tmp_path / f"pad {name}.wav", sine(hertz), 16000)
    expected = r"3 of 3 files .* sound an octave above it, .*; --octave-shift 1 \(or auto\) shifts the pitches"
    options = {"audio": audio_config, "bad_notes": BadNotes(), "log": messages.append}
    with pytest.raises(InputError, match=rf"^{tmp_path}: {expected}"):
        open_sources([tmp_path], **options)
    for shift, pitches in (("auto", [60, 64, 67]), (1, [60, 64, 67]), (0, [48, 52, 55])):
        messages.clear()
        assert open_sources([tmp_path], octave_shift=shift, **options).table.pitch.tolist() == pitches
        assert len(messages) == (0 if shift else 3)
    config = DataConfig(data=(str(tmp_path),), octave_shift=1, split_by="instrument")
    source, _ = open_splits(config, split="all", **options)
    assert source.table.pitch.tolist() == [60, 64, 67]
    with pytest.raises(InputError, match="octave_shift: found 'up', expected octaves, -4 to 4, or auto"):
        DataConfig(octave_shift="up")


def test_layers_are_those_of_the_files_folder(tmp_path, audio_config):
    for folder, layers in (("piano", 4), ("vibes", 2)):
        (tmp_path / folder).mkdir()
        for layer in range(1, layers + 1):
            soundfile.write(tmp_path / folder / f"C4v{layer}.wav", sine(262), 16000)
    table = open_folder(tmp_path, audio_config).table
    assert table.velocity.tolist() == [32, 64, 95, 127, 64, 127]
    assert table.instrument_str.tolist() == ["piano"] * 4 + ["vibes"] * 2


def test_instruments_of_one_pitch_are_said_to_be(tmp_path, audio_config, messages):
    for name in ("bell-01", "bell-02"):
        soundfile.write(tmp_path / f"{name}.wav", sine(262), 16000)
    open_folder(tmp_path, audio_config, log=messages.append)
    assert messages[-1] == (
        f"{tmp_path}: 2 of its 2 instruments by folders and names have notes of one pitch only; "
        "the files of one instrument belong into a folder of its name"
    )
    for name in ("piano C4", "piano A4"):
        soundfile.write(tmp_path / f"{name}.wav", sine(262 if name == "piano C4" else 440), 16000)
    soundfile.write(tmp_path / "bell-03.wav", sine(262), 16000)
    open_folder(tmp_path, audio_config, log=messages.append)
    assert f"{tmp_path}: 3 of its 4 instruments by folders and names have notes of one pitch only" in messages[-1]


def test_the_root_key_of_a_file_is_its_pitch(tmp_path, audio_config, messages):
    soundfile.write(tmp_path / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(32000), 16000)
    smpl = struct.pack("<4s10I", b"smpl", 36, 0, 0, 22675, 57, 0, 0, 0, 0, 0)
    contents = bytearray((tmp_path / "noise.wav").read_bytes() + smpl)
    contents[4:8] = struct.pack("<I", len(contents) - 8)
    (tmp_path / "noise.wav").write_bytes(contents)
    assert open_folder(tmp_path, audio_config, log=messages.append).table.pitch.tolist() == [57]
    assert messages == [
        f"{tmp_path}/noise.wav: no single pitch in the sound, the root key's is kept: 57 (A3)",
        f"{tmp_path}/noise.wav: pitch 57 (A3), root key of the file",
    ]


def test_folders_named_by_a_note_or_a_dynamic_are_no_instruments(tmp_path, audio_config, messages):
    for folder, name, hertz in (
        ("C4", "violin_1", 262),
        ("C4", "violin_2", 262),
        ("D4", "violin_1", 294),
        ("flute/pp", "A4", 440),
        ("flute/ff", "A4", 440),
        ("flute", "C5", 523),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / folder / f"{name}.wav", sine(hertz), 16000)
    table = open_folder(tmp_path, audio_config, log=messages.append).table
    assert sorted(table.note_str) == [
        "flute-069-033",
        "flute-069-112",
        "flute-072-100",
        "violin-060-100",
        "violin-062-100",
        "violin.2-060-100",
    ]
    assert messages == []
