"""The committed starter set is what it says it is, and its quality rules answer rightly on known sounds."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nsynth_vae.notes import FAMILIES, QUALITIES, SOURCES

ROOT = Path(__file__).parents[3]
STARTER_SET = ROOT / "nsynth_vae" / "data" / "starter_set"
SPLITS = ("train", "valid", "test")
SOUNDFONT = Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3")
RULED = {"bright", "dark", "fast_decay", "long_release", "nonlinear_env", "percussive"}


def script(name: str):
    """Imports a module of `scripts/` by its path."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def notes() -> dict[str, dict]:
    """note_str -> its record, with `split` and `file` added."""
    found = {}
    for split in SPLITS:
        folder = STARTER_SET / f"starter-{split}"
        for note_str, note in json.loads((folder / "examples.json").read_text()).items():
            assert note_str not in found
            found[note_str] = note | {"split": split, "file": folder / "audio" / f"{note_str}.ogg"}
    return found


@pytest.fixture(scope="module")
def instruments(notes) -> dict[str, list[dict]]:
    """instrument_str -> its notes."""
    found = defaultdict(list)
    for note in notes.values():
        found[note["instrument_str"]].append(note)
    return found


def named(instruments, name: str, **wanted) -> list[dict]:
    """The notes of the instrument of this name that have the wanted values."""
    [chosen] = [members for members in instruments.values() if members[0]["instrument_name"] == name]
    return [note for note in chosen if all(note[key] == value for key, value in wanted.items())]


def read(note: dict) -> np.ndarray:
    """A note's audio, float64 [64000]."""
    audio, sample_rate = soundfile.read(note["file"])
    assert (audio.shape, sample_rate) == ((64000,), 16000), note["note_str"]
    return audio


def test_counts_and_size(notes, instruments):
    assert len(instruments) >= 60
    assert len(notes) >= 1000
    assert {note["instrument_family_str"] for note in notes.values()} == set(FAMILIES)
    size = sum(file.stat().st_size for file in STARTER_SET.rglob("*") if file.is_file())
    assert size <= 25_000_000


def test_instruments_are_balanced_over_pitch_and_velocity(instruments):
    counts = [len(members) for members in instruments.values()]
    assert max(counts) - min(counts) <= 2
    for instrument_str, members in instruments.items():
        pitches = {note["pitch"] for note in members}
        assert len(pitches) >= 5, instrument_str
        velocities = defaultdict(set)
        for note in members:
            velocities[note["pitch"]].add(note["velocity"])
        complete = sorted(pitch for pitch, played in velocities.items() if played >= {25, 75, 127})
        assert len(complete) == 3, instrument_str
        # The three are a low, a middle and a high pitch.
        low, middle, high = (np.array(complete) - min(pitches)) / (max(pitches) - min(pitches))
        assert low < 0.3, instrument_str
        assert 0.35 < middle < 0.65, instrument_str
        assert high > 0.7, instrument_str


def test_instruments_span_their_natural_range(instruments):
    presets = json.loads((ROOT / "scripts" / "starter_presets.json").read_text())["presets"]
    ranges = {p["name"]: (p["lowest_pitch"], p["highest_pitch"]) for p in presets}
    for members in instruments.values():
        pitches = sorted({note["pitch"] for note in members})
        lowest, highest = ranges[members[0]["instrument_name"]]
        assert (pitches[0], pitches[-1]) == (lowest, highest)
        assert np.diff(pitches).max() <= 2 * (highest - lowest) / 8
    covered = {note["pitch"] for members in instruments.values() for note in members}
    assert covered >= set(range(28, 102))


def test_records_have_nsynths_keys_and_agree_with_their_name(notes):
    for note_str, note in notes.items():
        assert note["note_str"] == note_str
        instrument, pitch, velocity = note_str.split("-")
        assert (instrument, int(pitch), int(velocity)) == (
            note["instrument_str"],
            note["pitch"],
            note["velocity"],
        )
        family, source, number = instrument.rsplit("_", 2)
        assert (family, source) == (note["instrument_family_str"], note["instrument_source_str"])
        assert note["instrument_family"] == FAMILIES.index(family)
        assert note["instrument_source"] == SOURCES.index(source)
        # NSynth's own numbers stay below: the names never collide.
        assert int(number) >= 900
        assert note["note"] is None
        assert note["instrument"] is None
        assert note["sample_rate"] == 16000
        assert note["instrument_name"]
        assert note["sample_group"].startswith("fluidr3mono-")


def test_qualities_are_flags_and_unknown_where_there_is_no_rule(notes):
    counts = {quality: Counter() for quality in QUALITIES}
    for note in notes.values():
        flags = dict(zip(QUALITIES, note["qualities"], strict=True))
        assert note["qualities_str"] == [quality for quality in QUALITIES if flags[quality] == 1]
        for quality, flag in flags.items():
            counts[quality][flag] += 1
        assert not (flags["bright"] == 1 and flags["dark"] == 1)
    for quality, count in counts.items():
        if quality in RULED:
            assert min(count[0], count[1]) >= 50, quality
            assert count[0] + count[1] + count[None] == len(notes)
        else:
            assert count == {None: len(notes)}


def test_qualities_of_instruments_everyone_knows(instruments):
    def flags(name: str, quality: str) -> set:
        return {note["qualities"][QUALITIES.index(quality)] for note in named(instruments, name)}

    assert flags("Xylophone", "percussive") == {1}
    assert flags("Violin", "percussive") == {0}
    assert 1 not in flags("Trombone", "percussive")
    assert flags("Marimba", "fast_decay") == {1}
    assert flags("Clarinet", "fast_decay") == {0}
    assert 0 not in flags("Halo Pad", "long_release")
    assert flags("Clarinet", "nonlinear_env") == {0}
    assert 1 in flags("Sine Wave", "dark")
    assert 0 not in flags("Sine Wave", "dark")
    assert 1 not in flags("Sine Wave", "bright")
    assert 1 in flags("Harpsichord", "bright")
    assert 1 not in flags("Harpsichord", "dark")


def test_no_sample_group_and_no_instrument_is_in_two_splits(notes, instruments):
    for key in ("sample_group", "instrument_str"):
        splits = defaultdict(set)
        for note in notes.values():
            splits[note[key]].add(note["split"])
        assert all(len(found) == 1 for found in splits.values()), key
    share = Counter(members[0]["split"] for members in instruments.values())
    assert share["train"] / len(instruments) == pytest.approx(0.8, abs=0.05)
    for split in ("valid", "test"):
        families = {note["instrument_family_str"] for note in notes.values() if note["split"] == split}
        assert len(families) >= 6
        assert share[split] / len(instruments) == pytest.approx(0.1, abs=0.03)


def test_no_preset_that_is_not_at_its_written_pitch(notes):
    presets = json.loads((ROOT / "scripts" / "starter_presets.json").read_text())["presets"]
    excluded = {preset["name"] for preset in presets if "not_at_written_pitch" in preset}
    assert len(excluded) == 14
    assert not excluded & {note["instrument_name"] for note in notes.values()}
    groups = {preset["name"]: f"fluidr3mono-{preset['sample_group']}" for preset in presets}
    assert all(note["sample_group"] == groups[note["instrument_name"]] for note in notes.values())


def test_files_are_those_that_are_named(notes):
    assert {note["file"] for note in notes.values()} == set(STARTER_SET.glob("*/audio/*"))
    top = {path.name for path in STARTER_SET.iterdir()}
    assert top == {"README.md", "LICENSE", *(f"starter-{split}" for split in SPLITS)}


def test_licence_and_readme_say_what_they_must(notes, instruments):
    licence = (STARTER_SET / "LICENSE").read_text()
    assert "Copyright © 2014-2017 Michael Cowgill" in licence
    assert "Copyright © 2000-2002, 2008 Frank Wen" in licence
    assert "Permission is hereby granted, free of charge" in licence
    readme = (STARTER_SET / "README.md").read_text()
    assert "This is not NSynth." in readme
    assert f"{len(notes):,} notes of {len(instruments)} sampled instruments" in readme
    assert all(instrument_str in readme for instrument_str in instruments)


def test_audio_is_four_seconds_neither_clipped_nor_silent_nor_offset(notes):
    for note in list(notes.values())[::16]:
        audio = read(note)
        peak = np.abs(audio).max()
        assert 0.001 < peak < 0.99, note["note_str"]
        assert abs(audio.mean()) < 0.002 * peak, note["note_str"]


def test_velocity_means_level(instruments):
    for name in ("Acoustic Grand", "Trumpet", "Violin", "Choir Aahs"):
        level = {}
        pitch = named(instruments, name, velocity=25)[1]["pitch"]
        for velocity in (25, 75, 127):
            [note] = named(instruments, name, velocity=velocity, pitch=pitch)
            level[velocity] = 20 * np.log10(np.sqrt(np.mean(read(note) ** 2)))
        # FluidSynth's curve: 40 log10(127 / velocity) dB below full velocity.
        assert level[127] - level[25] == pytest.approx(28.2, abs=3), name
        assert level[127] - level[75] == pytest.approx(9.2, abs=2), name


def test_level_is_one_gain_for_an_instrument(instruments):
    for members in list(instruments.values())[::12]:
        peak = max(np.abs(read(note)).max() for note in members if note["velocity"] == 127)
        loudest = max(peak, max(np.abs(read(note)).max() for note in members if note["velocity"] == 100))
        assert loudest == pytest.approx(0.9, abs=0.07), members[0]["instrument_str"]


def test_notes_sound_at_their_pitch(instruments):
    from swift_f0 import SwiftF0

    detector = SwiftF0(threads=1)
    names = ("Trombone", "Recorder", "Reed Organ", "Oboe", "Viola", "Solo Vox", "Saw Lead", "Trumpet")
    for name in names:
        for note in named(instruments, name, velocity=75):
            found = detector.detect(read(note) * 5, 16000)
            held = (found.timestamps > 0.2) & (found.timestamps < 2.4) & (found.confidence > 0.5)
            semitones = 69 + 12 * np.log2(np.median(found.pitch_hz[held]) / 440)
            assert semitones == pytest.approx(note["pitch"], abs=0.5), note["note_str"]


def test_attack_is_at_time_zero(instruments):
    names = ("Nylon Guitar", "Banjo", "Koto", "Harp", "Xylophone", "Marimba", "Kalimba", "Harpsichord")
    for name in (*names, "Pizzicato Strings", "Fingered Bass", "Picked Bass", "Acoustic Grand"):
        for note in named(instruments, name, velocity=127):
            audio = np.abs(read(note))
            # 2 %: Picked Bass has 40 ms of the pick on the string, 5 % loud, before the string itself.
            assert np.argmax(audio > 0.02 * audio.max()) < 0.030 * 16000, note["note_str"]


# The rules, on sounds whose answers are known.

TIME = np.arange(64000) / 16000


def released(audio: np.ndarray, *, decibels_per_second: float) -> np.ndarray:
    """The sound with a release after 3 s that falls this fast."""
    return audio * 10 ** (-decibels_per_second * np.maximum(TIME - 3, 0) / 20)


def tone(envelope: np.ndarray) -> np.ndarray:
    """A 440 Hz sine (from its maximum, so that it is loud at once) under an envelope [64000]."""
    return np.cos(2 * np.pi * 440 * TIME) * envelope


@pytest.mark.parametrize(("decay_db_per_second", "expected"), [(40, 1), (10.0, None), (3.0, 0), (0.0, 0)])
def test_fast_decay(decay_db_per_second, expected):
    rules = script("starter_qualities")
    assert rules.fast_decay(tone(10 ** (-decay_db_per_second * TIME / 20))) == expected


def test_fast_decay_is_not_said_of_a_note_that_comes_back():
    envelope = 10 ** (-40 * TIME / 20) + 0.5 * (np.abs(TIME - 2.5) < 0.1)
    assert script("starter_qualities").fast_decay(tone(envelope)) is None


@pytest.mark.parametrize(("release_db_per_second", "expected"), [(0, 1), (30, 1), (60, None), (100, 0)])
def test_long_release(release_db_per_second, expected):
    audio = released(tone(np.ones(64000)), decibels_per_second=release_db_per_second)
    assert script("starter_qualities").long_release(audio) == expected


def test_long_release_is_unknown_when_nothing_is_left_to_release():
    audio = released(tone(10 ** (-20 * TIME / 20)), decibels_per_second=100)
    assert script("starter_qualities").long_release(audio) is None


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        (10 ** (-100 * TIME / 20), 1),  # struck
        (np.minimum(TIME / 0.3, 1.0), 0),  # swells and holds
        (np.ones(64000), None),  # sharp, then held: an organ, or is it?
        (np.minimum(TIME / 0.3, 1.0) * 10 ** (-20 * TIME / 20), None),  # swells and decays
    ],
)
def test_percussive(envelope, expected):
    assert script("starter_qualities").percussive(tone(envelope)) == expected


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        (10 ** (-10 * TIME / 20), 0),  # only falls
        (np.ones(64000), 0),
        (1 + 0.8 * np.sin(2 * np.pi * TIME), 1),  # a tremolo of 1 Hz, 19 dB deep
        (0.1 + 0.3 * TIME, 1),  # a crescendo
        (1 + 0.2 * np.sin(2 * np.pi * TIME), None),  # 3.5 dB
        # What is more than 40 dB below the loudest does not count.
        (10 ** (-60 * TIME / 20) + 1e-3 * (TIME > 2), 0),
    ],
)
def test_nonlinear_env(envelope, expected):
    assert script("starter_qualities").nonlinear_env(tone(envelope)) == expected


def test_attack_seconds():
    ramp = tone(np.minimum(TIME / 0.5, 1.0))
    assert script("starter_qualities").attack_seconds(ramp) == pytest.approx(0.4, abs=0.003)


def test_spectral_centroid():
    rules = script("starter_qualities")
    assert rules.spectral_centroid(np.sin(2 * np.pi * 1000 * TIME)) == pytest.approx(1000, abs=5)
    noise = np.random.default_rng(0).standard_normal(64000)
    assert rules.spectral_centroid(noise) == pytest.approx(4000, abs=50)
    assert rules.spectral_centroid(1e-3 * noise) == pytest.approx(rules.spectral_centroid(noise))


def test_bright_dark_by_quarters():
    bright_dark = script("starter_qualities").bright_dark
    neighbours = np.arange(100.0)
    assert bright_dark(90.0, neighbours) == (1, 0)
    assert bright_dark(60.0, neighbours) == (None, 0)
    assert bright_dark(40.0, neighbours) == (0, None)
    assert bright_dark(10.0, neighbours) == (0, 1)
    assert bright_dark(10.0, neighbours[:19]) == (None, None)


def test_choose_notes_prefers_rare_pitches_and_keeps_the_ends(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    plan = script("starter_plan")
    used = Counter()
    first = plan.choose_notes(40, 80, used)
    second = plan.choose_notes(40, 80, used)
    assert len(first) == len(second) == 15
    pitches = [sorted({pitch for pitch, _ in played}) for played in (first, second)]
    assert pitches[0] == [40, 45, 50, 55, 60, 65, 70, 75, 80]
    assert (pitches[1][0], pitches[1][-1]) == (40, 80)
    assert not set(pitches[0][1:-1]) & set(pitches[1])
    assert Counter(velocity for _, velocity in first) == dict.fromkeys((25, 50, 75, 100, 127), 3)


def test_a_coded_note_is_the_same_bytes_every_time_and_close_to_the_note(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    coding = script("starter_coding")
    audio = 0.5 * tone(10 ** (-10 * TIME / 20))
    first, second = (coding.encode_note(audio, "bass_acoustic_900-060-100") for _ in range(2))
    assert first == second
    other = coding.encode_note(audio, "bass_acoustic_900-061-100")
    assert first != other
    assert len(first) == len(other)
    assert coding.coding_error([audio]) < 0.3


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not SOUNDFONT.is_file(),
    reason="needs FluidSynth and the sound font",
)
def test_rendering_again_gives_the_committed_notes(instruments, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    plan, make = script("starter_plan"), script("make_starter_set")
    [trumpet] = [
        instrument
        for instrument in plan.plan_starter_set(ROOT / "scripts" / "starter_presets.json")
        if instrument.instrument_name == "Trumpet"
    ]
    played = make.play(trumpet, SOUNDFONT)
    committed = {(note["pitch"], note["velocity"]): note for note in named(instruments, "Trumpet")}
    assert played.notes.keys() == committed.keys()
    for key, note in committed.items():
        error = read(note) - played.notes[key]
        assert np.mean(error**2) < 1e-3 * np.mean(played.notes[key] ** 2), note["note_str"]
