"""Labels of sound files, where names, root keys and sounds agree, and where they do not."""

import numpy as np
import pytest

from nsynth_vae.analysis.evidence import Evidence, examine
from nsynth_vae.analysis.file_names import parse_file_name
from nsynth_vae.analysis.sound_files import Sound
from nsynth_vae.analysis.sound_labels import label_sounds
from nsynth_vae.config import AudioConfig
from nsynth_vae.errors import InputError

pytestmark = pytest.mark.player

TIME = np.arange(32000) / 16000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(32000)).astype(np.float32)


def note(pitch: float) -> np.ndarray:
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    return (0.2 * sum(np.sin(2 * np.pi * k * hertz * TIME) / k for k in range(1, 12) if k * hertz < 7800)).astype(
        np.float32
    )


def labels(*files, **options):
    """Return the labels of (name, pitch or None for noise, root key)."""
    evidence = [
        examine(parse_file_name(name), root[0] if root else None, NOISE if pitch is None else note(pitch))
        for name, pitch, *root in files
    ]
    return label_sounds(evidence, **options)


def pitches(*files, **options):
    return [label.pitch for label in labels(*files, **options)]


def test_names_that_agree():
    found = labels(("Piano C4", 60), ("piano_60_100", 60), ("Strings_C_4", 60), ("60", 60), ("Piano_C3_60", 60))
    assert [(one.pitch, one.source, one.warnings) for one in found] == [(60, "name", ())] * 5
    assert [one.instrument for one in found] == ["Piano", "piano", "Strings", "sample", "Piano"]


def test_numbers_are_believed_only_where_the_sound_agrees():
    found = labels(("take_001_001", 57), ("take_002_001", 64), ("bell-01", 70), ("Section_B_3", 62))
    assert [one.pitch for one in found] == [57, 64, 70, 62]
    assert [one.source for one in found] == ["sound"] * 4
    assert [one.velocity for one in found] == [None] * 4
    assert [one.instrument for one in found] == ["take", "take", "bell-01", "Section_B_3"]


def test_numbers_of_unpitched_sounds():
    """Alone they are not believed; beside files of their instrument whose numbers are right, they are."""
    (alone,) = labels(("drum-036-100", None))
    assert (alone.pitch, alone.velocity) == (None, None)
    found = labels(("kit-060-100", 60), ("kit-062-100", 62), ("kit-036-090", None))
    assert [(one.pitch, one.velocity) for one in found] == [(60, 100), (62, 100), (36, 90)]


def test_a_name_without_a_sound_to_compare_is_kept_and_said():
    found = labels(("snare C4", None), ("noise", None))
    warnings = ("no single pitch in the sound, the name's is kept: 60 (C4)",)
    assert [(one.pitch, one.source, one.warnings) for one in found] == [(60, "name", warnings), (None, "", ())]


def test_names_that_the_sound_must_confirm_in_another_octave_convention():
    files = [("PadC3", 60), ("PadE3", 64), ("Pad_G_3", 67)]
    with pytest.raises(InputError, match=r"3 of 3 files .* sound an octave above it"):
        labels(*files)
    found = labels(*files, octave_shift="auto")
    assert [(one.pitch, one.instrument, one.source) for one in found] == [
        (60, "Pad", "name"),
        (64, "Pad", "name"),
        (67, "Pad", "name"),
    ]
    assert pitches(("take C_3", 60), ("Section_B_3", 62), ("MicA2", 64)) == [60, 62, 64]


def test_numbers_that_count_the_files_are_no_instruments():
    notes = (("C4", 60), ("D4", 62), ("E4", 64))
    found = labels(*((f"{number:02d} Violin {name}", pitch) for number, (name, pitch) in enumerate(notes, 1)))
    assert [one.instrument for one in found] == ["Violin"] * 3
    found = labels(*((f"12 string {name}", pitch) for name, pitch in notes), ("2 violins C4", 60), ("4 violins D4", 62))
    assert [one.instrument for one in found] == ["12 string"] * 3 + ["2 violins", "4 violins"]


def test_the_sound_is_followed_where_it_is_another_pitch():
    (one,) = labels(("flute C4", 65))
    assert (one.pitch, one.source) == (65, "sound")
    assert one.warnings == ("name says 60 (C4), sounds 65 (F4); the sound is followed",)
    assert abs(one.hertz - 349.23) < 1


def test_sixty_cents_are_the_limit():
    assert labels(("C4", 60.5))[0].warnings == ()
    (off,) = labels(("C4", 60.75))
    assert off.pitch == 61
    assert len(off.warnings) == 1


def test_a_single_file_an_octave_off_keeps_its_name():
    found = labels(("a C4", 60), ("a D4", 62), ("a E3", 64))
    assert [one.pitch for one in found] == [60, 62, 52]
    assert [one.warnings for one in found][2] == ("name says 52 (E3), sounds 64 (E4); the name is kept",)


@pytest.mark.parametrize("octaves", [1, 2, -1])
def test_another_octave_convention(octaves):
    files = [(f"pad {name}4", 60 + semitone + 12 * octaves) for name, semitone in (("C", 0), ("E", 4), ("G", 7))]
    sounds = [pitch for _, pitch in files]
    word = {1: "an octave above", 2: "2 octaves above", -1: "an octave below"}[octaves]
    with pytest.raises(InputError, match=rf"^folder: 3 of 3 files .* sound {word} it, .* --octave-shift {octaves} "):
        labels(*files, where="folder")
    assert pitches(*files, octave_shift="auto") == sounds
    assert pitches(*files, octave_shift=octaves) == sounds
    assert pitches(*files, octave_shift=0) == [60, 64, 67]
    assert all(one.warnings == () for one in labels(*files, octave_shift=octaves))
    assert all("the name is kept" in one.warnings[0] for one in labels(*files, octave_shift=0))


def test_the_shift_is_what_most_files_say():
    files = [("a C3", 60), ("a E3", 64), ("a G3", 67), ("a A4", 69), ("hat C3", None)]
    with pytest.raises(InputError, match="3 of 4 files"):
        labels(*files)
    assert pitches(*files, octave_shift="auto") == [60, 64, 67, 81, 60]
    assert pitches(*files[:1], ("a E4", 64), ("a G4", 67)) == [48, 64, 67]


def test_one_file_alone_is_no_error():
    (one,) = labels(("pad C3", 60), alone=True)
    assert (one.pitch, one.warnings) == (48, ("name says 48 (C3), sounds 60 (C4); the name is kept",))
    assert pitches(("pad C3", 60), alone=True, octave_shift="auto") == [60]


def test_a_shift_beyond_midi_is_no_pitch():
    (one,) = labels(("C9", None), octave_shift=2)
    assert one.pitch is None
    assert one.warnings == ("C11 with --octave-shift 2 is no MIDI pitch",)


def test_root_keys():
    found = labels(("bell-01", None, 57), ("pad", 57, 57), ("pad", 60, 57), ("pad C4", 60, 57))
    assert [(one.pitch, one.source) for one in found] == [
        (57, "root key"),
        (57, "root key"),
        (60, "sound"),
        (60, "name"),
    ]
    assert found[0].remarks() == (
        "no single pitch in the sound, the root key's is kept: 57 (A3)",
        "pitch 57 (A3), root key of the file",
    )
    assert found[1].remarks() == ("pitch 57 (A3), root key of the file",)
    assert found[2].warnings == ("root key says 57 (A3), sounds 60 (C4); the sound is followed",)
    (octave,) = labels(("pad", 69, 57))
    assert octave.warnings == ("root key says 57 (A3), sounds 69 (A4); the root key is kept",)


def sounding(*files, **options):
    """Return the labels of (name, pitch of the sound, root key), without a sound."""
    named = [(parse_file_name(name), root[0] if root else None, float(sound)) for name, sound, *root in files]
    return label_sounds([Evidence(*one) for one in named], **options)


def test_a_root_key_and_a_sound_that_agree_count_more_than_a_name():
    for alone in (False, True):
        (one,) = sounding(("pad C3", 60, 60), alone=alone)
        assert (one.pitch, one.source) == (60, "root key")
        assert one.warnings == ("name says 48 (C3), the root key and the sound 60 (C4); the root key is taken",)
    assert [one.pitch for one in sounding(("pad C3", 60, 60), ("pad D3", 62, 62), ("pad E3", 64, 64))] == [60, 62, 64]
    (one,) = sounding(("pad C3", 60, 48))
    assert (one.pitch, one.source) == (48, "name")


def test_root_keys_of_another_octave_convention():
    files = [("a", 60, 48), ("b", 62, 50), ("c", 64, 52)]
    with pytest.raises(
        InputError, match=r"^folder: 3 of 3 files with a pitch in their names or root keys sound an octave"
    ):
        sounding(*files, where="folder")
    for shift, pitches in (("auto", [60, 62, 64]), (1, [60, 62, 64]), (0, [48, 50, 52])):
        assert [one.pitch for one in sounding(*files, octave_shift=shift)] == pitches
    assert [one.pitch for one in sounding(files[0], ("b", 50, 50), ("c", 52, 52))] == [48, 50, 52]


def test_one_instrument_of_another_octave_convention_among_right_ones():
    right = [
        (f"{instrument} {name}4", 60 + n) for instrument in ("a", "b") for n, name in ((0, "C"), (2, "D"), (4, "E"))
    ]
    wrong = [("pad C3", 60), ("pad D3", 62), ("pad E3", 64)]
    said = r"^x: 3 of 3 files of pad with .* sound an octave above it, .* --octave-shift auto shifts each instrument by"
    with pytest.raises(InputError, match=said):
        sounding(*right, *wrong, where="x")
    found = sounding(*right, *wrong, octave_shift="auto")
    assert [one.pitch for one in found] == [60, 62, 64] * 3
    assert all(one.warnings == () for one in found)
    assert [one.pitch for one in sounding(*right, *wrong, octave_shift=0)][6:] == [48, 50, 52]
    # Two files are too few to tell, and keep what most files say.
    assert [one.pitch for one in sounding(*right, *wrong[:2])][6:] == [48, 50]
    with pytest.raises(InputError, match=r"^x: 8 of 11 files with a pitch .* --octave-shift auto"):
        sounding(*right[:3], *((f"{n} {name}", sound) for n in "cdef" for name, sound in wrong[:2]), where="x")


def test_numbers_have_no_octave_convention():
    files = [("pad C3", 60), ("pad D3", 62), ("pad E3", 64), ("pad 65", 65), ("guitar_acoustic_010-055-025", 67)]
    found = sounding(*files, octave_shift="auto")
    assert [one.pitch for one in found] == [60, 62, 64, 65, 55]


def test_layers_are_spread_over_the_velocities():
    found = labels(*((f"Vib_C4_v{layer}", 60) for layer in (1, 2, 3)))
    assert [one.velocity for one in found] == [42, 85, 127]
    assert found[0].warnings == ("layer 1 of 3: velocity 42",)
    piano = [one.velocity for one in labels(*((f"A3v{layer}", 57) for layer in range(1, 17)))]
    assert piano == sorted(set(piano))
    assert (piano[0], piano[-1]) == (8, 127)


def test_velocities_are_no_layers():
    assert [one.velocity for one in labels(*((f"a C4 v{v}", 60) for v in (8, 64, 127)))] == [8, 64, 127]


def test_a_layer_alone_has_no_velocity():
    (one,) = labels(("Vib_C4_v2", 60))
    assert one.velocity is None
    assert one.warnings == ("layer 2 of an unknown number: velocity 100",)


def test_at_another_sample_rate():
    time = np.arange(44100) / 44100
    audio = (0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    sound = Sound(audio, "", audio.size, 0, parse_file_name("tone"))
    assert label_sounds([sound.examine(AudioConfig(sample_rate=44100))])[0].pitch == 57
