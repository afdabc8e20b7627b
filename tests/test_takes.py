"""Takes and motion of notes in the API, the commands and instruments; refinement of latent vectors."""

from __future__ import annotations

import json
import pathlib
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
import timbres

import nsynth_vae
from nsynth_vae import decode, encode, instrument, interpolate
from nsynth_vae.errors import InputError
from nsynth_vae.latent.refinement import refine
from nsynth_vae.pretrained import TIMBRE_MODEL


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options for a small model, exported, that knows a few names."""
    folder, exports = timbres.export_model(tmp_path_factory.mktemp("takes"))
    return ["--model", str(folder), "--exports", str(exports)]


@pytest.fixture(scope="module")
def shipped() -> nsynth_vae.TimbreModel:
    return nsynth_vae.load_model(TIMBRE_MODEL)


def test_takes_of_the_shipped_model_are_one_note_played_again(shipped):
    z = shipped.encode("string")
    first, again, other = (shipped.decode(z, 60, 100, take=take).audio for take in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.corrcoef(first, other)[0, 1] < 0.9
    level = [10 * np.log10(np.mean(np.square(sound))) for sound in (first, other)]
    assert abs(level[0] - level[1]) < 1.5


def test_motion_0_is_steady_and_2_moves_further(shipped):
    from nsynth_vae.analysis.motion import measure_motion

    z = shipped.encode("string")
    found = [
        measure_motion(shipped.decode(z, 60, 100, motion=factor).audio.astype(np.float64), 261.63)
        for factor in (0.0, 1.0, 2.0)
    ]
    for name in ("shimmer_db", "phase_wobble_cents"):
        steady, moving, twice = (each[name] for each in found)
        assert steady < 0.5 * moving
        assert twice > 1.3 * moving


def test_what_is_no_take_or_motion_is_named(shipped):
    z = np.zeros(shipped.latent_dim, np.float32)
    for options, message in (
        ({"take": 0.5}, "take: found 0.5, expected integers of 32 bits"),
        ({"take": 2**31}, "take: found 2147483648, expected integers of 32 bits"),
        ({"motion": 2.5}, "motion: found 2.5, expected 0 to 2"),
        ({"motion": float("nan")}, "motion: found nan, expected 0 to 2"),
    ):
        with pytest.raises(InputError, match=message):
            shipped.decode(z, **options)
        with pytest.raises(InputError, match=message):
            nsynth_vae.load_model(TIMBRE_MODEL, **options)


def test_a_model_plays_the_take_and_motion_that_it_was_loaded_with(shipped):
    model = nsynth_vae.load_model(TIMBRE_MODEL, take=3, motion=0.5)
    z = shipped.encode("flute")
    expected = shipped.decode(z, take=3, motion=0.5).audio
    np.testing.assert_array_equal(model.decode(z).audio, expected)
    np.testing.assert_array_equal(model.decode(z, take=0, motion=1.0).audio, shipped.decode(z).audio)


def test_commands_play_another_take(small, tmp_path):
    def morph(name: str, *options: str) -> bytes:
        ends = ["flute", "guitar", "--steps", "2", "--no-picture", "-o", str(tmp_path / name)]
        assert interpolate.main([*ends, *options, *small]) == 0
        return (tmp_path / name / "morph.wav").read_bytes()

    assert morph("first") == morph("again", "--take", "0", "--motion", "1") != morph("other", "--take", "1")


def test_commands_name_what_is_no_take_or_motion(small, tmp_path, capsys):
    for options, message in (
        (("--take", "x"), "'x', expected an integer of 32 bits"),
        (("--motion", "3"), "'3', expected 0 to 2"),
    ):
        with pytest.raises(SystemExit) as done:
            decode.main(["z.json", "-o", str(tmp_path / "out"), *options, *small])
        assert done.value.code == 2
        assert message in capsys.readouterr().err


def test_round_robins_are_takes_that_samplers_play_in_turn(small, tmp_path, capsys):
    folder = tmp_path / "robin"
    options = ["--pitches", "60-63", "--velocities", "100", "--round-robin", "3", "--format", "sfz,dspreset,sf2"]
    assert instrument.main(["flute", "-o", str(folder), *options, "--no-picture", *small]) == 0
    regions = [line for line in (folder / "robin.sfz").read_text().split("\n") if line.startswith("<region>")]
    assert len(regions) == 2 * 3
    for number, region in enumerate(regions):
        assert f"seq_length=3 seq_position={number % 3 + 1}" in region
    samples = ElementTree.parse(folder / "robin.dspreset").getroot().findall(".//sample")
    assert [sample.get("seqPosition") for sample in samples] == ["1", "2", "3"] * 2
    assert {(sample.get("seqMode"), sample.get("seqLength")) for sample in samples} == {("round_robin", "3")}
    record = json.loads((folder / "instrument.json").read_text())
    assert [sample["take"] for sample in record["samples"]] == [0, 1, 2] * 2
    sounds = [soundfile.read(folder / sample["file"])[0] for sample in record["samples"][:3]]
    length = min(map(len, sounds))
    assert len({sound[:length].tobytes() for sound in sounds}) == 3
    # A SoundFont has no round robins, which is said.
    said = "SoundFonts have no round robins: the .sf2 has the first take of each note"
    assert said in capsys.readouterr().out
    alone = tmp_path / "alone"
    one = [*options[:4], "--format", "sf2", "--no-picture"]
    assert instrument.main(["flute", "-o", str(alone), *one, *small]) == 0
    assert said not in capsys.readouterr().out
    sizes = [(each / f"{each.name}.sf2").stat().st_size for each in (folder, alone)]
    assert abs(sizes[0] - sizes[1]) < 0.2 * sizes[1]


def test_the_largest_take_has_round_robins_too(small, tmp_path):
    options = ["--pitches", "60-60", "--velocities", "100", "--round-robin", "3", "--take", str(2**31 - 1)]
    assert instrument.main(["flute", "-o", str(tmp_path / "robin"), *options, "--no-picture", *small]) == 0
    sounds = [soundfile.read(file)[0] for file in sorted((tmp_path / "robin" / "samples").iterdir())]
    assert len({sound[:8000].tobytes() for sound in sounds}) == 3


def test_too_many_round_robins_are_named(small, tmp_path, capsys):
    assert instrument.main(["flute", "-o", str(tmp_path / "x"), "--round-robin", "17", *small]) == 2
    assert "--round-robin: found 17, expected 1 to 16 takes of each note" in capsys.readouterr().err


def test_refinement_finds_the_z_of_a_decoded_note():
    """A decoder that is linear in z but for a bend: the true z is found from another one."""
    generator = np.random.default_rng(0)
    slopes = generator.normal(size=[5, 20, 30])
    slopes[4] = 0.0

    def decoder(z: np.ndarray) -> np.ndarray:
        return np.einsum("nd,dfm->nfm", z + 0.1 * np.sin(z), slopes)

    true = generator.normal(size=5).astype(np.float32)
    start = true + np.float32([0.8, -0.6, 0.5, -0.9, 0.7])
    z, errors = refine(decoder, start, decoder(true[None])[0], 30)
    np.testing.assert_allclose(z[:4], true[:4], atol=0.01)
    assert z[4] == start[4]
    assert errors[-1] < 0.02 * errors[0]
    assert np.all(np.diff(errors) < 0)


@pytest.mark.slow
def test_refined_files_are_nearer(shipped, tmp_path):
    note = shipped.decode(shipped.encode("brass"), 57, 100).audio
    soundfile.write(tmp_path / "brass-057-100.wav", note, 16000)
    output = tmp_path / "z.json"
    assert encode.main([str(tmp_path / "brass-057-100.wav"), "--refine", "3", "-o", str(output)]) == 0
    (found,) = json.loads(output.read_text())["notes"]
    before, after = found["log_mel_l1"]
    assert after < 0.97 * before
    assert len(found["z"]) == shipped.latent_dim


def test_refinement_needs_a_pitch_and_a_sound(shipped, tmp_path):
    noise = 0.1 * np.random.default_rng(0).normal(size=64000).astype(np.float32)
    with pytest.raises(InputError, match="refine: found no single pitch in the sound, expected one, or `pitch`"):
        shipped.encode(noise, refine=1)
    with pytest.raises(InputError, match="refine: found the timbre flute, expected a sound file or audio"):
        shipped.encode("flute", refine=1)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"broken\.wav: "):
        shipped.encode(pathlib.Path(tmp_path / "broken.wav"), refine=1)


def test_a_file_keeps_its_level_where_it_is_asked_for(tmp_path):
    time = np.arange(64000) / 16000
    note = sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 9)) * np.exp(-time)
    files = []
    for name, peak in (("loud", 0.5), ("quiet", 0.05)):
        files.append(tmp_path / f"{name}.wav")
        soundfile.write(files[-1], peak * note / np.abs(note).max(), 16000, subtype="FLOAT")
    found = {}
    for option in ([], ["--keep-level"]):
        assert encode.main([*map(str, files), *option, "-o", str(tmp_path / "z.json")]) == 0
        found[len(option)] = np.array(
            [each["z"] for each in json.loads((tmp_path / "z.json").read_text(encoding="utf-8"))["notes"]]
        )
    np.testing.assert_allclose(*found[0], atol=0.02)
    # 20 dB, of 7 dB a unit; and nothing else.
    assert found[1][0, 0] - found[1][1, 0] == pytest.approx(20 / 7, rel=0.01)
    np.testing.assert_allclose(found[1][0, 1:], found[1][1, 1:], atol=0.05)
    kept = nsynth_vae.load_model(TIMBRE_MODEL, keep_level=True)
    np.testing.assert_allclose(kept.encode(str(files[1])), found[1][1], atol=1e-4)
    decoded = [kept.decode(kept.encode(str(file)), 57, 100).audio[:48000] for file in files]
    levels = [10 * np.log10(np.mean(np.square(audio))) for audio in decoded]
    assert levels[0] - levels[1] == pytest.approx(20, abs=1.0)
