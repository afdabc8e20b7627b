"""Labels in file names, as sample libraries write them."""

import pathlib

import pytest

from nsynth_vae.analysis.file_names import parse_file_name, parse_path

pytestmark = pytest.mark.player

SURE = [
    ("C4", "sample", 60, None),
    ("Piano C4", "Piano", 60, None),
    ("A#3", "sample", 58, None),
    ("Bb2", "sample", 46, None),
    ("bb2 pad", "pad", 46, None),
    ("pad_c-1", "pad", 0, None),
    ("vl_C#-1", "vl", 1, None),
    ("Piano.mf.G9", "Piano", 127, 80),
    ("My Cello A#3 v90", "My Cello", 58, 90),
    ("Cello-A3-vel64", "Cello", 57, 64),
    ("E4-100", "sample", 64, 100),
    ("C2 lead E4", "C2 lead", 64, None),
    ("guitar_acoustic_010-055-025", "guitar_acoustic_010", 55, 25),
    ("violin_As3_1_forte_arco-normal", "violin", 58, 96),  # Philharmonia
    ("violin_A3_025_mezzo-piano_normal", "violin", 57, 64),
    ("Fs3", "sample", 54, None),  # Tone.js
    ("Csharp4", "sample", 61, None),
    ("Dflat4", "sample", 61, None),
    ("C4v127", "sample", 60, 127),
    ("Vibes_C4_rr2", "Vibes", 60, None),
    ("Harp_A2_mf_RR2", "Harp", 45, 80),  # VSCO
    ("Violin.arco.ff.sulG.C4.stereo", "Violin.arco.sulG", 60, 112),  # Iowa
    ("Piano_C3_60", "Piano", 60, None),  # C3 = 60, with the MIDI number
    ("60_C4_Piano", "Piano", 60, None),
    ("Loop_C3_120", "Loop", 48, None),  # a tempo
    ("Pad_120bpm_C2", "Pad_120bpm", 36, None),
    ("Grand-C3-V127-ABCD", "Grand", 48, 127),  # Logic's Auto Sampler
    ("Violin D sharp 3", "Violin", 51, None),
    ("Cello_A_flat_2", "Cello", 44, None),
    ("Geige Cis4", "Geige", 61, None),  # German
    ("Geige Es3", "Geige", 51, None),
    ("Horn_Ges3", "Horn", 54, None),
    ("Violin (D#3)", "Violin", 51, None),
    ("piano@C4", "piano", 60, None),
    ("01_C4", "sample", 60, None),  # a number of the file
    ("808 C1", "808", 24, None),
    ("ff_C4_piano", "piano", 60, 112),
    ("C4_p_1", "sample", 60, 49),
    ("C4_440Hz", "sample", 60, None),
    ("Violin_C3_90_1", "Violin", 48, 90),
    ("C4_60_90", "sample", 60, 90),
    ("Grand Piano A4 Soft", "Grand Piano", 69, 49),
    ("Marimba_hit_C2_loud_01", "Marimba_hit", 36, 112),  # VSCO
    ("Vibes C4 soft mallet", "Vibes", 60, None),
    ("Piano C\uff034", "Piano", 61, None),
    ("Vib_C4_pp_v1", "Vib", 60, 33),  # the layer counts takes
    ("Piano C4-090", "Piano", 60, 90),
]
UNSURE = [
    ("piano-060-100", "piano", 60, 100),
    ("a-b_060_127", "a-b", 60, 127),
    ("060-100", "sample", 60, 100),
    ("piano_60_100", "piano", 60, 100),
    ("piano_60", "piano", 60, None),
    ("60", "sample", 60, None),
    ("Strings_C_4", "Strings", 60, None),
    ("Violin-C-4", "Violin", 60, None),
    ("PianoC#4", "Piano", 61, None),
    ("harpBb3", "harp", 58, None),
    ("Violin60", "Violin", 60, None),
    ("Geige H3", "Geige", 59, None),
    ("n60v100", "sample", 60, 100),
    ("Violin-n051-v90", "Violin", 51, 90),
    ("Violin_p60", "Violin", 60, None),
    ("cello_60_1", "cello", 60, None),  # a take
    ("060_1", "sample", 60, None),
    ("Piano_60_64_1", "Piano", 60, 64),
    ("Piano_60_64_02", "Piano", 60, 64),
    ("Kit_01_60_64", "Kit_01", 60, 64),
    ("Violin_2_60_1", "Violin_2", 60, None),
    ("Piano_60_mf_rr1", "Piano", 60, 80),
    ("Piano_60_mf_1", "Piano", 60, 80),
    ("Piano_60_1_mf", "Piano", 60, 80),
    ("Piano_mf_60", "Piano", 60, 80),
    ("Pno60f", "Pno", 60, 96),
    ("Piano_60_loud", "Piano", 60, 112),
    ("Piano.C.4", "Piano", 60, None),
    ("HammondB3-060-050", "Hammond", 59, 60),
]


@pytest.mark.parametrize(("stem", "instrument", "pitch", "velocity"), [*SURE, *UNSURE])
def test_labels(stem, instrument, pitch, velocity):
    found = parse_file_name(stem)
    assert (found.instrument, found.pitch, found.velocity, found.layer) == (instrument, pitch, velocity, None)
    assert found.readings[0].sure == ((stem, instrument, pitch, velocity) in SURE)


@pytest.mark.parametrize("stem", ["Cello", "Bass2b", "A440", "kick 808", "G#9", "pad v200", "ABC4", "Loop_120"])
def test_names_without_labels(stem):
    found = parse_file_name(stem)
    assert (found.instrument, found.readings, found.velocity, found.layer) == (stem, (), None, None)


@pytest.mark.parametrize(
    ("stem", "pitch", "layer"),
    [("A0v1", 21, 1), ("C8v16", 108, 16), ("D#1v3", 27, 3), ("Vib_C4_v2", 60, 2), ("Vib_C4_v0", 60, 0)],
)
def test_layers(stem, pitch, layer):
    found = parse_file_name(stem)
    assert (found.pitch, found.layer, found.velocity) == (pitch, layer, None)
    assert (found.by, found.instrument) == ("v", "Vib" if stem.startswith("Vib") else "sample")
    for word in ("vel", "velocity_", "vl", "L", "lyr", "lay", "layer", "dyn"):
        other = parse_file_name(f"{stem[: stem.index('v', 1)].rstrip('_')}_{word}{layer}")
        assert (other.layer, other.velocity, other.instrument) == (layer, None, found.instrument)
        assert other.by == ("v" if word.startswith("ve") else "layer")


@pytest.mark.parametrize(
    ("stem", "otherwise"),
    [("take_001_001", "take"), ("bell-01", "bell-01"), ("Section_B_3", "Section_B_3"), ("piano-060-100", "piano")],
)
def test_the_instrument_if_the_pitch_is_not_believed(stem, otherwise):
    found = parse_file_name(stem)
    assert found.readings
    assert not found.readings[0].sure
    assert found.otherwise == otherwise


@pytest.mark.parametrize(
    ("stem", "instrument", "pitch", "velocity"),
    [
        ("Flute.nonvib.ff.C4B4", "Flute.nonvib", 60, 112),  # Iowa
        ("gliss C4-C5", "gliss", 60, None),
        ("Organ_C4_to_G4", "Organ", 60, None),
        ("pad C4-E4-G4", "pad", 60, None),
        ("pad_A3_C4_E4", "pad", 57, None),
    ],
)
def test_several_notes_in_one_file(stem, instrument, pitch, velocity):
    """The first of them is the pitch only where the sound has it; a chord has none."""
    found = parse_file_name(stem)
    assert (found.instrument, found.otherwise, found.velocity) == (instrument, instrument, velocity)
    assert [(one.pitch, one.sure) for one in found.readings] == [(pitch, False)]


def test_other_readings_of_a_name():
    assert [one.pitch for one in parse_file_name("Piano_C3_60").readings] == [60, 48]
    assert [one.pitch for one in parse_file_name("Violin-C-1").readings] == [0, 24]
    # A# elsewhere, A flat in German.
    assert [(one.pitch, one.sure) for one in parse_file_name("As3").readings] == [(58, True), (56, False)]


def test_first_violins_are_no_layer():
    assert [parse_file_name(stem).layer for stem in ("Vl1_C4", "Orchestra_L2_C4")] == [None, None]


def test_a_velocity_counts_before_a_layer():
    found = parse_file_name("Sax_C4_v100_L1")
    assert (found.instrument, found.velocity, found.layer) == ("Sax", 100, None)


@pytest.mark.parametrize(
    ("stem", "instrument", "pitch", "velocity"),
    [
        ("HammondB3-060-050", "HammondB3", 60, 50),
        ("Yamaha C7 60", "Yamaha C7", 60, None),
        ("Piano C4-090", "Piano C4", 90, None),
    ],
)
def test_numbers_after_a_notes_name_may_be_the_pitch(stem, instrument, pitch, velocity):
    other = parse_file_name(stem).other
    assert (other.instrument, other.pitch, other.velocity, other.other) == (instrument, pitch, velocity, None)
    assert not other.readings[0].sure


def test_a_number_beside_a_notes_name_may_be_its_pitch():
    assert [parse_file_name(stem).key for stem in ("Piano_C3_60", "Piano_C4_84", "Piano_C4_85")] == [60, 84, None]
    assert parse_file_name("Piano_C3_60_90").key is None  # A velocity stands beside it: there is no doubt.
    assert parse_file_name("loop_C3_60").key is None  # A pitch or a tempo, no velocity.


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("Cello C4.wav", ("Cello", 60, None)),
        ("strings/cello/C4 v90.wav", ("strings_cello", 60, 90)),
        ("pp/Cello C4.wav", ("Cello", 60, 33)),
        ("Cello/mezzo-forte/C4.wav", ("Cello", 60, 80)),
        ("Cello/loud/60_1.wav", ("Cello", 60, 112)),
        ("v90/Cello 60.wav", ("Cello", 60, 90)),
        ("Cello/RR2/C4.wav", ("Cello", 60, None)),
        ("piano/C4.wav", ("piano", 60, None)),
        ("C4/violin_1.wav", ("violin", 60, None)),
        ("Violin/F#3/pp/take 2.wav", ("Violin", 54, 33)),
        ("C4/violin C4_1.wav", ("violin", 60, None)),
        ("B3/C4.wav", ("B3", 60, None)),  # an organ
    ],
)
def test_folders(path, labels):
    found = parse_path(pathlib.PurePath(path))
    assert (found.instrument, found.pitch, found.velocity) == labels


def test_the_folder_is_the_instrument_of_all_readings():
    found = parse_path(pathlib.PurePath("organ/HammondB3-060-050.wav"))
    assert (found.instrument, found.otherwise, found.other.instrument) == ("organ",) * 3
    assert parse_path(pathlib.PurePath("layer2/C4.wav")).layer == 2
