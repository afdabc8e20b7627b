"""What the files of an instrument say together, without their sound."""

import pytest

from nsynth_vae.analysis.evidence import Evidence
from nsynth_vae.analysis.file_names import parse_file_name
from nsynth_vae.analysis.instrument_votes import settle
from nsynth_vae.analysis.sound_labels import label_sounds

pytestmark = pytest.mark.player


def evidence(*files):
    """Return the evidence of (name, pitch of the sound or None, root key)."""
    return [Evidence(parse_file_name(name), root[0] if root else None, sound) for name, sound, *root in files]


def velocities(*files):
    return [one.velocity for one in label_sounds(evidence(*files))]


def test_layers_are_spread_whatever_else_the_instrument_has():
    layers = [(f"Vib_C4_v{layer}", 60) for layer in (1, 2, 3)]
    for other, velocity in (("_mf", 80), ("-090", 90), ("_pp_v1", 33), ("", None)):
        assert velocities(*layers, (f"Vib_D4{other}", 62)) == [42, 85, 127, velocity]
    assert velocities(*((f"Vib_C4_v{layer}", 60) for layer in range(4))) == [32, 64, 95, 127]
    for word in ("vel", "vl", "L", "lyr", "lay"):
        assert velocities(*((f"Vib_C4_{word}{layer}", 60) for layer in (3, 1, 2))) == [127, 42, 85]


def test_layers_are_said():
    found = label_sounds(evidence(("Vib_C4_v0", 60), ("Vib_C4_v1", 60)))
    assert [one.warnings for one in found] == [
        ("layer 0 of 0 to 1: velocity 64",),
        ("layer 1 of 0 to 1: velocity 127",),
    ]
    (one,) = label_sounds(evidence(("Vib_C4_vel1", 60)))
    assert (one.velocity, one.warnings) == (None, ("layer 1 of an unknown number: velocity 100",))


def test_a_velocity_above_16_shows_that_v_is_one():
    assert velocities(("Vib_C4_v1", 60), ("Vib_C4_v16", 60), ("Vib_C4_v17", 60)) == [1, 16, 17]
    # Of its instrument alone, and not of other words.
    assert velocities(("Vib_C4_v1", 60), ("Vib_C4_v2", 60), ("Sax_C4_v64", 60)) == [64, 127, 64]
    assert velocities(("Vib_C4_dyn1", 60), ("Vib_C4_dyn2", 60), ("Vib_D4_v64", 62)) == [64, 127, 64]


def test_dynamics_beside_takes():
    names = [f"Vib_C4_{dynamic}_v{take}" for dynamic in ("pp", "mf", "ff") for take in (1, 2)]
    assert velocities(*((name, 60) for name in names)) == [33, 33, 80, 80, 112, 112]


def test_small_numbers_after_the_pitch_count_takes():
    found = label_sounds(evidence(*((f"cello-048-{take:03d}", 48) for take in (1, 2, 12))))
    assert [(one.instrument, one.pitch, one.velocity) for one in found] == [("cello", 48, None)] * 3
    assert found[2].warnings == ("12 after the pitch counts takes: velocity 100",)
    assert velocities(("cello-048-012", 48), ("cello-048-100", 48)) == [12, 100]
    assert velocities(("C4_001", 60), ("C4_002", 60)) == [None, None]
    assert velocities(("guitar_acoustic_010-055-005", 55)) == [5]  # NSynth's own names count nothing.
    (take,) = label_sounds(evidence(("take_001_001", 60)))
    assert take.warnings == ()


def test_pitch_velocity_and_take():
    files = [(f"Piano_{p}_{v}_{take}", p) for p in (60, 64) for v in (64, 127) for take in (1, 2)]
    found = label_sounds(evidence(*files, ("Piano_65_64_1", None)))
    assert {one.instrument for one in found} == {"Piano"}
    assert [(one.pitch, one.velocity) for one in found[::2]] == [(60, 64), (60, 127), (64, 64), (64, 127), (65, 64)]


def test_an_instrument_whose_name_ends_in_a_note():
    pitches = (60, 62, 64, 59, 71, 47)
    found = label_sounds(evidence(*((f"HammondB3-{pitch:03d}-050", pitch) for pitch in pitches)))
    assert [(one.instrument, one.pitch, one.velocity) for one in found] == [("HammondB3", p, 50) for p in pitches]
    found = label_sounds(evidence(*((f"Yamaha C7 {p}", p) for p in (60, 62, 64, 84)), ("Yamaha C7 65", None)))
    assert [(one.instrument, one.pitch, one.velocity) for one in found[1:]] == [
        ("Yamaha C7", 62, None),
        ("Yamaha C7", 64, None),
        ("Yamaha C7", 84, None),
        ("Yamaha C7", 65, None),
    ]
    found = label_sounds(evidence(*((f"Yamaha C4 {v}", 60) for v in (62, 90)), ("Yamaha D4 90", 62)))
    assert [(one.instrument, one.pitch, one.velocity) for one in found] == [
        ("Yamaha", 60, 62),
        ("Yamaha", 60, 90),
        ("Yamaha", 62, 90),
    ]


def test_a_number_that_no_sound_tells_is_no_velocity():
    (one,) = label_sounds(evidence(("HammondB3-060-050", None)))
    assert (one.pitch, one.velocity) == (None, None)
    (one,) = label_sounds(evidence(("Yamaha C7 60", None)))
    assert (one.pitch, one.velocity) == (96, None)
    assert one.warnings[0] == "60 may be a velocity or a pitch, no sound says which: velocity 100"


def test_velocities_octaves_from_the_pitch_are_velocities():
    numbers = (24, 36, 60, 84, 108, 120)
    for pitch, name in ((60, "C4"), (62, "D4")):
        assert velocities(*((f"Piano_{name}_{number}", pitch) for number in numbers)) == list(numbers)
    assert velocities(("Piano_C4_60", 60), ("Piano_D4_60", 62)) == [60, 60]
    assert velocities(("Piano_C4_72", 60)) == [72]  # The sound has the name's pitch.


def test_keys_that_are_the_same_far_from_all_names():
    names = (("C", 60), ("D", 62), ("E", 64))
    for octave in (3, 4):
        found = label_sounds(evidence(*((f"Piano_{name}{octave}_{key}", key) for name, key in names)))
        assert [(one.instrument, one.pitch, one.velocity) for one in found] == [("Piano", p, None) for _, p in names]
    found = label_sounds(evidence(("Piano_C3_60", 60), ("Piano_C4_90", 60)))
    assert [(one.pitch, one.velocity) for one in found] == [(60, None), (60, 90)]
    assert settle(evidence(("Piano_C4_60", None)))[0].named.pitch == 60


def test_a_default_root_key_is_ignored():
    files = [("pad", 60, 60), ("pad b", 62, 60), ("pad c", 64, 60), ("pad d", None, 60)]
    found = label_sounds(evidence(*files))
    assert [(one.pitch, one.source) for one in found] == [(60, "sound"), (62, "sound"), (64, "sound"), (None, "")]
    said = "the root key 60 (C4) is ignored: all files have it, and sound at other pitches"
    assert [one.warnings for one in found] == [(said,)] * 4
    # Not where it is right, where trackers err by octaves, or where one is another.
    for kept in ([("a", 60, 60)] * 3, [("a", 60, 60), ("b", 72, 60), ("c", 48, 60)], [*files, ("e", 57, 57)]):
        assert [one.root_key for one in settle(evidence(*kept))] == [root for _, _, root in kept]
    # Of one instrument among others.
    mixed = settle(evidence(*((f"a {name}", p, 60) for name, p in (("C4", 60), ("D4", 62), ("E4", 64))), ("b", 57, 57)))
    assert [one.root_key for one in mixed] == [None, None, None, 57]
