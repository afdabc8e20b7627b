"""Sounds with a single pitch, and without."""

import importlib.util
import pathlib
import sys

import numpy as np
import pytest

from nsynth_vae.analysis.single_pitch import confirms, find_single_pitch
from nsynth_vae.analysis.sound_files import read_sounds
from nsynth_vae.config import AudioConfig

pytestmark = pytest.mark.player

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHMARKS, CASES = ROOT / "benchmarks", ROOT.parent / "shared" / "cases"
TIME = np.arange(64000) / 16000


def benchmark():
    """Return the benchmark, whose sounds these are."""
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("single_pitch_benchmark", BENCHMARKS / "single_pitch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def harmonic(hertz: float, amplitudes: dict[int, float], decay: float = 2.0) -> np.ndarray:
    audio = sum(a * np.sin(2 * np.pi * k * hertz * TIME + k) for k, a in amplitudes.items() if k * hertz < 7800)
    return (0.2 * audio * np.exp(-TIME / decay)).astype(np.float32)


TIMBRES = {
    "sine": {1: 1.0},
    "saw": {k: 1 / k for k in range(1, 40)},
    "square": {k: 1 / k for k in range(1, 40, 2)},
    "octaves": {1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0},
    "weak fundamental": {1: 0.03, **{k: 1 / k for k in range(2, 20)}},
}


@pytest.mark.parametrize("timbre", TIMBRES)
@pytest.mark.parametrize("pitch", [33, 45, 57, 64, 76, 88])
def test_notes_have_one(timbre, pitch):
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    audio = harmonic(hertz, TIMBRES[timbre])
    found, estimate = find_single_pitch(audio)
    assert found == pitch
    assert abs(1200 * np.log2(estimate / hertz)) < 10
    assert confirms(audio, pitch)
    others = [pitch + semitones for semitones in (-12, -7, -1, 1, 5, 12, 19)]
    assert not any(confirms(audio, other) for other in others)


def test_half_a_semitone_off_is_confirmed_and_a_whole_one_is_not():
    for cents, agrees in ((0, True), (50, True), (-50, True), (70, False), (-70, False)):
        audio = harmonic(220 * 2 ** (cents / 1200), TIMBRES["saw"])
        assert confirms(audio, 57) == agrees


def test_vibrato_dc_and_hum_do_not_hide_it():
    phase = 2 * np.pi * np.cumsum(330 * 2 ** (0.3 / 12 * np.sin(2 * np.pi * 5 * TIME))) / 16000
    audio = 0.3 * sum(np.sin(k * phase) / k for k in range(1, 20))
    assert find_single_pitch(audio)[0] == 64
    assert find_single_pitch(audio + 0.2)[0] == 64
    lead = np.concatenate([np.zeros(8000), audio[:56000]])
    assert find_single_pitch(lead)[0] == 64
    assert find_single_pitch(audio + 0.01 * np.random.default_rng(0).standard_normal(64000))[0] == 64


@pytest.mark.parametrize("seed", [0, 5])
def test_chords_bells_cymbals_drums_glides_and_noise_have_none(seed):
    """At most one of 22, two of each kind, gets one: 5 %."""
    sounds = benchmark()
    found = [(kind, find_single_pitch(sounds.make_sound(kind, seed, n))) for kind in sounds.KINDS for n in range(2)]
    assert len(found) == 22
    accepted = [kind for kind, pitch in found if pitch is not None]
    assert len(accepted) <= 1, accepted


def gliding(base: float, semitones: np.ndarray) -> np.ndarray:
    """Return a sawtooth whose pitch is some semitones above a base, `[64000]`."""
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((base - 69 + semitones) / 12)) / 16000
    return (0.2 * sum(np.sin(k * phase) / k for k in range(1, 8))).astype(np.float32)


GLIDES = {
    "2 semitones in 4 s": 2 * TIME / 4,
    "3 semitones down in 4 s": -3 * TIME / 4,
    "an octave after 1 s": 12 * np.clip((TIME - 1) / 0.5, 0, 1),
    "an octave after 2.2 s": 12 * np.clip(TIME - 2.2, 0, 1),
    "a fifth after 2 s": 7 * np.clip((TIME - 2) / 2, 0, 1),
}


@pytest.mark.parametrize("glide", GLIDES)
def test_slow_and_late_glides_have_none(glide):
    for base in (50, 64):
        assert find_single_pitch(gliding(base, GLIDES[glide])) is None


def test_a_note_that_is_out_of_tune_by_half_a_semitone_at_its_end_has_one():
    for semitones in (0.5 * TIME / 4, 0.1 * np.sin(2 * np.pi * 5 * TIME), 12.0 * (TIME < 0.02)):
        assert find_single_pitch(gliding(57, semitones))[0] == 57


CHURCH = (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.667, 3.0)


@pytest.mark.parametrize(
    "amplitudes", [(0.6, 1, 0.7, 0.3, 0.8, 0.25, 0.3, 0.3), (1, 0.8, 0.6, 0.3, 0.6, 0.2, 0.2, 0.2)]
)
@pytest.mark.parametrize("strike", [147.0, 220.0])
def test_a_church_bell_has_none_though_its_hum_explains_most_of_it(amplitudes, strike):
    bell = sum(
        a * np.sin(2 * np.pi * strike * ratio * TIME) * np.exp(-TIME * ratio / 2.5)
        for a, ratio in zip(amplitudes, CHURCH, strict=True)
    )
    assert find_single_pitch(0.2 * bell) is None


def test_a_mallet_with_another_partial_has_one():
    mallet = harmonic(262, {1: 1.0, 2: 0.3}) + harmonic(262 * 2.76, {1: 0.6})
    assert find_single_pitch(mallet)[0] == 60


def test_two_sines_a_fifth_apart_have_none_but_a_low_organ_has_one():
    for hertz in (147, 220, 330):
        assert find_single_pitch(harmonic(hertz, {1: 1.0}, 9.0) + harmonic(hertz * 1.4983, {1: 1.0}, 9.0)) is None
    assert find_single_pitch(harmonic(55, {2: 0.5, 3: 1.0}, 9.0))[0] == 33


@pytest.mark.parametrize("decay", [500, 1000, 4000])
def test_decaying_noise_has_none(decay):
    for seed in range(5):
        noise = np.random.default_rng(seed).standard_normal(32000)
        assert find_single_pitch(0.3 * noise * np.exp(-np.arange(32000) / decay)) is None


def test_nothing_to_measure():
    for audio in (np.zeros(0), np.zeros(64000), np.full(64000, 0.5), np.eye(1, 64000, 100)[0]):
        assert find_single_pitch(audio) is None
        assert not confirms(audio, 60)
    with pytest.raises(ValueError, match="sample_rate is 44100, expected 16000"):
        find_single_pitch(np.zeros(100), 44100)


def test_the_benchmark_counts_sounds_and_notes(capsys):
    found = benchmark().main(["--sounds", "1", "--notes", "6", "--seed", "3"])
    assert sum(total for total, _ in found["unpitched"].values()) == 12
    assert sum(len(names) for names in found["notes"].values()) == 6
    assert len(found["notes"]["right"]) >= 4
    rows = capsys.readouterr().out.splitlines()
    assert "| real notes in chords | 1 |" in "\n".join(rows)
    assert rows[-1].startswith("| refused | ")


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not on this machine")
def test_sounds_of_the_cases_have_no_single_pitch() -> None:
    files = sorted(CASES.glob("24-*/*.wav"))
    assert len(files) == 4
    for sound in read_sounds(files, AudioConfig()):
        assert find_single_pitch(sound.audio) is None
