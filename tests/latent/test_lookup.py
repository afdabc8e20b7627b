"""Lookup by name: files of any kind, notes of a source, names and aliases of a model; and texts that name nothing."""

import dataclasses
import os
import pathlib
import re
import threading

import numpy as np
import pytest
import soundfile
from conftest import write_folder
from scipy.signal import resample_poly
from synthetic import tone
from timbres import ATTRIBUTES, export_model, lookup_with, named_lookup, vector

from nsynth_vae import timbre_model
from nsynth_vae.analysis.recordings import prepare, set_level
from nsynth_vae.analysis.sound_labels import NO_PITCH
from nsynth_vae.data.open_sources import open_sources
from nsynth_vae.data.source import BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.latent import expression
from nsynth_vae.latent.lookup import ALIASES, TimbreLookup
from nsynth_vae.notes import FAMILIES, QUALITIES, SOURCES

NOTES = {
    "guitar_acoustic_010-057-100": tone(57, (1.0, 0.5, 0.3, 0.2)),
    "guitar_acoustic_010-069-025": tone(69, (1.0, 0.5, 0.3, 0.2), level=0.1),
    "my organ.2-060-127": tone(60, (1.0, 1.0, 1.0, 1.0), decay=100.0),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> timbre_model.TimbreModel:
    return timbre_model.open_model(*export_model(tmp_path_factory.mktemp("lookup")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """Three notes in NSynth's layout, the third of them with a file that is cut off."""
    root = tmp_path_factory.mktemp("data") / "nsynth"
    write_folder(root / "nsynth-train", {**NOTES, "broken-060-100": tone(60)})
    path = root / "nsynth-train" / "audio" / "broken-060-100.wav"
    path.write_bytes(path.read_bytes()[:5000])
    return root


@pytest.fixture(scope="module")
def lookup(model, folder) -> TimbreLookup:
    source = open_sources([folder], audio=model.config, bad_notes=BadNotes("skip"), log=lambda line: None)
    return TimbreLookup(model, source=source)


def sound(sample_rate: int = 16000, pitch: int = 57) -> np.ndarray:
    """Return a note at any rate, float64 `[samples]`; the noise in it is above what formats add, and no recording's."""
    noise = 0.006 * np.random.default_rng(pitch).standard_normal(64000) * np.exp(-np.arange(64000) / 20000)
    return resample_poly(tone(pitch, (1.0, 0.5, 0.3, 0.2)) + noise, sample_rate // 50, 320)


def prepared(*notes: np.ndarray) -> np.ndarray:
    """Return notes at 16 kHz as files are encoded: without noise, and at one level."""
    return np.stack([set_level(prepare(note[:, None], 16000).audio)[0] for note in notes])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other))


@pytest.mark.parametrize(
    ("name", "rate", "channels", "keywords"),
    [
        ("a3 stereo A3.wav", 44100, 2, {"subtype": "FLOAT"}),
        ("A3 v90.flac", 22050, 1, {"subtype": "PCM_24"}),
        ("bell-057-064.ogg", 48000, 2, {"format": "OGG", "subtype": "VORBIS"}),
        ("tone A3.mp3", 44100, 1, {"format": "MP3"}),
        ("no name.WAV", 16000, 1, {"subtype": "PCM_16"}),
        ("no extension A3", 96000, 1, {"format": "WAV"}),
    ],
)
def test_files_of_any_format_and_rate(name, rate, channels, keywords, lookup, model, tmp_path):
    soundfile.write(tmp_path / name, np.stack([sound(rate)] * channels, 1), rate, **keywords)
    timbre = lookup.timbre(str(tmp_path / name))
    asked, other = model.encode(prepared(sound(), sound(pitch=60)))
    assert timbre.z.dtype == np.float32
    assert timbre.name == str(tmp_path / name)
    # Vorbis and MP3 are noisier than what they encode; the noise of the others ends at 7.6 kHz after resampling.
    assert distance(timbre.z, asked) < (0.4 if name.endswith(("ogg", "mp3")) else 0.15) * distance(asked, other)
    velocity = {"A3 v90.flac": 90, "bell-057-064.ogg": 64}.get(name)
    assert (timbre.pitch, timbre.velocity) == (57, velocity)
    estimated = name == "no name.WAV"
    assert timbre.description == (
        "file, pitch 57 (A3, 220.3 Hz) estimated from the sound" if estimated else "file, pitch 57"
    )


def test_silence_in_front_goes_and_what_is_longer_than_a_note(lookup, model, tmp_path):
    late = np.concatenate([np.zeros(8000), sound(), np.zeros(100_000)])
    soundfile.write(tmp_path / "late A3.wav", late, 16000, subtype="FLOAT")
    timbre = lookup.timbre(str(tmp_path / "late A3.wav"))
    assert re.fullmatch(r"file, pitch 57, 10\.75 s long, 0\.(49|50) to 4\.(49|50) s used", timbre.description)
    asked, other = model.encode(prepared(sound(), sound(pitch=60)))
    assert distance(timbre.z, asked) < 0.2 * distance(asked, other)


def test_a_short_sound_is_followed_by_silence(lookup, model, tmp_path):
    soundfile.write(tmp_path / "short A3.wav", sound()[:8000], 16000, subtype="FLOAT")
    timbre = lookup.timbre(str(tmp_path / "short A3.wav"))
    padded = np.where(np.arange(64000) < 8000, sound(), 0.0)
    np.testing.assert_allclose(timbre.z, model.encode(prepared(padded))[0], atol=1e-4)


def test_a_sound_without_a_pitch_is_a_timbre(lookup, tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(32000)
    soundfile.write(tmp_path / "noise.wav", noise, 16000)
    timbre = lookup.timbre(str(tmp_path / "noise.wav"))
    assert (timbre.pitch, timbre.velocity, timbre.description) == (None, None, f"file, {NO_PITCH}")


def test_pitches_at_another_sample_rate(model, tmp_path):
    config = dataclasses.replace(model.config, sample_rate=22050)
    other = TimbreLookup(dataclasses.replace(model, config=config))
    for name, pitch in (("tone.wav", 57), ("tone A3.wav", 57), ("tone C4.wav", 57)):
        soundfile.write(tmp_path / name, sound(22050), 22050)
        assert other.timbre(str(tmp_path / name)).pitch == pitch


def test_notes_of_a_source_go_by_their_exact_names(lookup, model, folder):
    for name in NOTES:
        timbre = lookup.timbre(name)
        audio, _ = soundfile.read(folder / "nsynth-train" / "audio" / f"{name}.wav", dtype="float32")
        np.testing.assert_allclose(timbre.z, model.encode(audio[None])[0], atol=1e-4)
        pitch, velocity = int(name[-7:-4]), int(name[-3:])
        assert (timbre.name, timbre.pitch, timbre.velocity) == (name, pitch, velocity)
        assert timbre.description == f"note of {folder}, pitch {pitch}, velocity {velocity}"
    assert not lookup.knows("GUITAR_acoustic_010-057-100")


def test_a_file_is_encoded_at_a_level_of_its_own_and_a_note_as_it_is(lookup, model, folder):
    name = "guitar_acoustic_010-057-100"
    path = folder / "nsynth-train" / "audio" / f"{name}.wav"
    note, file = lookup.timbre(name), lookup.timbre(str(path))
    audio, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(note.z, model.encode(audio[None])[0], atol=1e-4)
    np.testing.assert_allclose(file.z, model.encode(prepared(audio))[0], atol=1e-4)
    assert (file.pitch, file.velocity) == (note.pitch, note.velocity)


def test_files_and_notes_in_expressions(lookup, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("my flute A4.wav", "flute_A4.wav"):
        soundfile.write(name, sound(), 16000)
    file, note = lookup.timbre("my flute A4.wav"), lookup.timbre("guitar_acoustic_010-057-100")
    organ = lookup.timbre("my organ.2-060-127")
    bright = vector("bright")
    for text, z, pitch in (
        ("'my flute A4.wav' + bright", file.z + bright, 69),
        ("flute_A4.wav + bright", file.z + bright, 69),
        ("guitar_acoustic_010-057-100+bright", note.z + bright, 57),
        ("guitar_acoustic_010-057-100 + guitar_acoustic_010 - flute", note.z + [-0.9, 0.9, 0, 0, 0, 0], 57),
        ("0.5*my organ.2-060-127 + 0.5*flute", 0.5 * (organ.z + vector("flute")), 60),
        ("0.5*'guitar_acoustic_010-057-100' + 0.5*\"~/my flute A4.wav\"", 0.5 * (note.z + file.z), None),
    ):
        timbre = expression.evaluate(text, lookup)
        np.testing.assert_allclose(timbre.z, z, atol=1e-5, err_msg=text)
        assert timbre.pitch == pitch, text
    timbre = expression.evaluate("my flute A4.wav", lookup)
    np.testing.assert_array_equal(timbre.z, file.z)
    assert (timbre.name, timbre.pitch, timbre.velocity) == ("my flute A4.wav", 69, None)
    timbre = expression.evaluate("guitar_acoustic_010-069-025 - bright", lookup)
    assert (timbre.pitch, timbre.velocity) == (69, 25)


def test_a_pipe_is_a_file(lookup, tmp_path):
    """As in `interpolate flute <(ffmpeg ...)`; it can be read once."""
    soundfile.write(tmp_path / "a.flac", sound(), 16000)
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        # More than a pipe holds needs someone who reads.
        thread = threading.Thread(target=lambda: (pipe.write((tmp_path / "a.flac").read_bytes()), pipe.close()))
        thread.start()
        found = expression.evaluate(f"/dev/fd/{reading}", lookup)
        thread.join()
    os.close(reading)
    np.testing.assert_array_equal(found.z, lookup.timbre(str(tmp_path / "a.flac")).z)


def test_files_that_are_no_sounds(lookup, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("text.wav").write_text("some text")
    pathlib.Path("empty.wav").write_bytes(b"")
    soundfile.write("silent A3.wav", np.zeros(16000), 16000)
    soundfile.write("cut.flac", sound(), 16000)
    pathlib.Path("cut.flac").write_bytes(pathlib.Path("cut.flac").read_bytes()[:3000])
    pathlib.Path("folder.wav").mkdir()
    for name, message in (
        ("text.wav", "text.wav: is of an unknown format, expected a sound file, such as WAV"),
        ("empty.wav", "empty.wav: is empty, expected a sound file"),
        ("silent A3.wav", "silent A3.wav: is silent, expected a peak of at least 0.001"),
        ("cut.flac", "cut.flac: cannot be decoded from sample 0 on (flac decoder lost sync): truncated or"),
        ("/dev/null", "/dev/null: is a device, expected a sound file, such as WAV, FLAC"),
        ("folder.wav", "'folder.wav': is a folder, expected a sound file, such as WAV, FLAC"),
        ("missing.wav", "'missing.wav': no such name or file"),
        ("a" * 5000 + ".wav", "no such name or file"),
        ("a\0b.wav", "'a\\x00b.wav': no such name or file"),
    ):
        text = name if name < "f" else f'"{name}" + bright'
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            expression.evaluate(text, lookup)
        assert "\n" not in str(caught.value)
    name = os.fsdecode(b"\xff.wav")
    soundfile.write("right.wav", sound(), 16000)
    pathlib.Path("right.wav").rename(name)
    with pytest.raises(InputError, match=r"\\udcff.wav: is no UTF-8, expected a name that is"):
        lookup.timbre(name)


def test_notes_that_are_not_there_or_broken(lookup):
    for text, message in (
        ("guitar_acoustic_010-058-100", "no such note in .*nsynth; nearest: guitar_acoustic_010-05"),
        ("gitar_acoustic_010-057-100", "no such note in .*nsynth; nearest: guitar_acoustic_010"),
        ("broken-060-100", r"broken-060-100\.wav.*: .*truncated"),
    ):
        with pytest.raises(InputError, match=message):
            expression.evaluate(f"{text} + bright", lookup)
    with pytest.raises(InputError, match="a note's name is looked up in --data, which is not given"):
        named_lookup().timbre("guitar_acoustic_010-057-100")


@pytest.mark.parametrize(
    ("text", "name", "written"),
    [
        ("flute", "flute", "flute"),
        ("  Flute ", "flute", "flute"),
        ("VIOLIN", "string", "violin"),
        ("double bass", "string", "double_bass"),
        ("Grand-Piano", "keyboard", "grand_piano"),
        ("ukulele", "guitar", "ukulele"),
        ("lead", "synth_lead", "lead"),
        ("synth lead", "synth_lead", "synth_lead"),
        ("Synth-Lead", "synth_lead", "synth_lead"),
        ("guitar_acoustic_010", "guitar_acoustic_010", "guitar_acoustic_010"),
        ("Guitar Acoustic 010", "guitar_acoustic_010", "guitar_acoustic_010"),
        ("my_cello", "My Cello", "My Cello"),
        ("My Cello", "My Cello", "My Cello"),
        ("steel drum", "steel-drum", "steel-drum"),
        ("808-bass", "808_bass", "808_bass"),
    ],
)
def test_names(text, name, written):
    timbre = named_lookup().timbre(text)
    np.testing.assert_array_equal(timbre.z, vector(name))
    assert (timbre.name, timbre.pitch, timbre.velocity) == (written, None, None)
    assert named_lookup().is_timbre(text)
    assert not named_lookup().is_direction(text)
    assert name in timbre.description


@pytest.mark.parametrize(
    ("text", "name", "descriptor"),
    [
        ("bright", "bright", "spectral_centroid"),
        ("Tempo Synced", "tempo-synced", None),
        ("synth", "synthetic", None),
        ("synthesizer", "synthetic", None),
        ("ACOUSTIC", "acoustic", None),
    ],
)
def test_directions(text, name, descriptor):
    lookup = named_lookup()
    assert lookup.is_direction(text)
    assert not lookup.is_timbre(text)
    assert lookup.knows(text)
    direction = lookup.direction(text)
    np.testing.assert_array_equal(direction.z, vector(name))
    assert lookup.descriptor(text) == descriptor
    assert direction.description == f"direction {name}, learnt from {ATTRIBUTES['directions'][name]['learnt_from']}"


def test_aliases_are_in_the_form_in_which_they_are_looked_up():
    for alias, name in ALIASES.items():
        assert alias == alias.lower().replace(" ", "_").replace("-", "_")
        assert alias not in (*FAMILIES, *SOURCES)
        assert name in (*FAMILIES, *SOURCES, *QUALITIES)
        assert named_lookup().knows(alias)
        assert named_lookup().is_direction(alias) == (name not in FAMILIES)


def test_a_models_own_name_goes_before_an_alias_and_a_name_before_a_file(lookup, tmp_path, monkeypatch):
    own = {"violin": {"centroid": [2.0] * 6, "notes": 9}, "Bright": {"centroid": [3.0] * 6, "notes": 1}}
    found = lookup_with({**ATTRIBUTES, "instruments": own})
    assert found.timbre("violin").description == "instrument violin, mean of 9 notes"
    assert found.is_timbre("bright")
    assert found.timbre("Bright").z[0] == 3.0
    monkeypatch.chdir(tmp_path)
    soundfile.write("flute", sound(), 16000, format="WAV")
    np.testing.assert_array_equal(lookup.timbre("flute").z, vector("flute"))
    assert lookup.timbre("./flute").pitch == 57


def test_two_instruments_that_differ_in_case_are_told_apart():
    own = {"Pad": {"centroid": [1.0] * 6}, "pad": {"centroid": [2.0] * 6}}
    lookup = lookup_with({"instruments": own})
    assert (lookup.timbre("Pad").z[0], lookup.timbre("pad").z[0]) == (1.0, 2.0)
    assert lookup.timbre("pad").description == "instrument pad, mean of its notes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("viollin", "'viollin': no such name or file; nearest: violin"),
        ("guitar_acoustic_01", "'guitar_acoustic_01': no such name or file; nearest: guitar_acoustic_010"),
        ("Strng", "'Strng': no such name or file; nearest: string, strings"),
        ("zzz", "knows flute, guitar, keyboard, string, synth_lead, acoustic, bright, dark, synthetic, tempo"),
        ("", "'': no such name or file; toy knows flute"),
        ("bright", "'bright': is a direction, expected a timbre, which it can be added to: flute + bright"),
        ("trumpet", "'trumpet' (brass): not among the families in the attributes of toy: flute, guitar, keyboard, "),
        ("brass", "'brass': not among the families in the attributes of toy: flute, guitar"),
    ],
)
def test_what_is_no_point(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        named_lookup().timbre(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flute", "'flute': is a timbre; expected a direction such as bright"),
        ("brigt", "'brigt': no such name or file; nearest: bright; expected a direction such as bright"),
        ("distorted", "'distorted' (distortion): not among the directions in the attributes of toy: acoustic, bright"),
        ("electronic", "'electronic': not among the directions in the attributes of toy: acoustic"),
    ],
)
def test_what_is_no_direction(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        named_lookup().direction(text)


def test_what_was_not_learnt_says_why():
    lookup = lookup_with({"directions": {"bright": {"direction": [0.0] * 6}}, "not_learnt": {"inharmonic": "too few"}})
    with pytest.raises(InputError, match=r"^'inharmonic': toy has not learnt it: too few$"):
        lookup.direction("inharmonic")
    # One of NSynth's, but nothing is said of it.
    with pytest.raises(InputError, match=r"'reverb': not among the directions in the attributes of toy: bright$"):
        lookup.direction("reverb")


def test_nearest_names_are_ones_that_the_model_has():
    lookup = lookup_with({"families": {"flute": {"centroid": [0.0] * 6}}})
    with pytest.raises(InputError, match=r"'viollin': no such name or file; toy knows flute, and 0 instruments$"):
        lookup.timbre("viollin")
    with pytest.raises(InputError, match=r"toy knows no families and no directions, and 0 instruments$"):
        lookup_with({}).timbre("viollin")


@pytest.mark.parametrize(
    "entry", [{"centroid": [1.0] * 5}, {"centroid": [float("nan")] * 6}, {"centroid": "many"}, {}, [1.0] * 6, None]
)
def test_broken_attributes(entry):
    lookup = lookup_with({"families": {"flute": entry}, "directions": []})
    with pytest.raises(
        InputError, match="'flute': the attributes of toy have no centroid of 6 numbers for it; `python"
    ):
        lookup.timbre("flute")
    with pytest.raises(InputError, match=r"'bright': toy has no directions; `python -m nsynth_vae.attributes --model"):
        lookup.direction("bright")


@pytest.mark.parametrize("descriptor", [{}, [], 1.5, True])
def test_a_descriptor_of_another_form_is_none(descriptor):
    directions = {"bright": ATTRIBUTES["directions"]["bright"] | {"descriptor": descriptor}}
    assert lookup_with({**ATTRIBUTES, "directions": directions}).descriptor("bright") is None


@pytest.mark.filterwarnings("error")
def test_a_number_beyond_float32_is_no_vector():
    centroid = [1e308, *ATTRIBUTES["families"]["flute"]["centroid"][1:]]
    with pytest.raises(InputError, match="have no centroid of"):
        lookup_with({**ATTRIBUTES, "families": {"flute": {"centroid": centroid}}}).timbre("flute")
