"""`python -m nsynth_vae.interpolate`: its path, sounds and figures, the cross-fade, its errors."""

import dataclasses
import json
import pathlib

import matplotlib.image
import numpy as np
import pytest
import soundfile
import synthetic
import timbres

from nsynth_vae import interpolate as command
from nsynth_vae import load_model, timbre_model
from nsynth_vae.analysis.descriptors import describe
from nsynth_vae.errors import InputError
from nsynth_vae.latent.lookup import Timbre, TimbreLookup
from nsynth_vae.rendering import brightness_equalizer
from nsynth_vae.rendering.morph import interpolate
from nsynth_vae.rendering.sounds import Sounds


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model that knows a few names, exported."""
    folder, exports = timbres.export_model(tmp_path_factory.mktemp("interpolate"))
    return ["--model", str(folder), "--exports", str(exports)]


@pytest.fixture(scope="module")
def lookup(model):
    return TimbreLookup(timbre_model.open_model(model[1], model[3]))


def run(arguments: list, output: pathlib.Path) -> dict:
    assert command.main([*map(str, arguments), "-o", str(output)]) == 0
    return json.loads((output / "morph.json").read_text())


def read(path: pathlib.Path) -> np.ndarray:
    audio, rate = soundfile.read(path)
    assert rate == 16000
    return audio


def test_the_path_is_straight_and_its_ends_are_the_timbres(lookup):
    morph = interpolate(lookup, ["flute", "guitar"], steps=5, pitch=62, velocity=90)
    ends = np.stack([timbres.vector("flute"), timbres.vector("guitar")])
    np.testing.assert_array_equal(morph.z[[0, -1]], ends)
    np.testing.assert_allclose(morph.z, np.linspace(*ends, 5), atol=1e-6)
    np.testing.assert_allclose(morph.weights, [[1, 0], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0, 1]])
    played = lookup.model.decode(ends, 62, 90).audio
    np.testing.assert_allclose(morph.sounds.audio[[0, -1]], played, atol=1e-4)
    assert morph.sounds.descriptors[2] == describe(morph.sounds.audio[2], 62)
    assert morph.cross_fade is None
    assert morph.pitch == 62


def test_slerp_goes_along_the_arc(lookup):
    morph = interpolate(lookup, ["flute", "guitar"], steps=3, method="slerp")
    # A quarter turn between two unit vectors.
    np.testing.assert_allclose(morph.z[1, :2], np.sqrt([0.5, 0.5]), atol=1e-6)
    np.testing.assert_array_equal(morph.z[[0, 2]], [timbres.vector("flute"), timbres.vector("guitar")])


def test_a_grid_has_the_timbres_at_its_corners(lookup, tmp_path):
    names = ["flute", "guitar", "keyboard", "string + bright"]
    morph = interpolate(lookup, names, steps=3, compare=True)
    corners = np.stack([*map(timbres.vector, names[:3]), timbres.vector("string") + timbres.vector("bright")])
    np.testing.assert_allclose(morph.z[[0, 2, 6, 8]], corners, atol=1e-6)
    np.testing.assert_allclose(morph.z[4], corners.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(morph.z[1], corners[:2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(morph.z[5], corners[[1, 3]].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(morph.weights @ corners, morph.z, atol=1e-6)
    np.testing.assert_allclose(morph.cross_fade.audio[4], morph.sounds.audio[[0, 2, 6, 8]].mean(axis=0), atol=1e-6)
    morph.save(tmp_path)
    places = [f"{row:02}-{column:02}" for row in range(3) for column in range(3)]
    sounds = [f"{kind}-{place}.wav" for kind in ("cross-fade", "step") for place in places]
    others = ["cross-fade.wav", "morph.json", "morph.png", "morph.wav"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(sounds + others)
    assert read(tmp_path / "morph.wav").shape == (9 * 24000,)
    record = json.loads((tmp_path / "morph.json").read_text())
    assert [step["file"] for step in record["morph"]] == [f"step-{place}.wav" for place in places]
    assert [timbre["name"] for timbre in record["timbres"]] == names


def test_files_hold_the_path_and_its_sounds(lookup, model, tmp_path, capsys):
    record = run(["flute", "guitar", "--steps", 4, "--pitch", 50, "--compare", *model], tmp_path / "out")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "flute: family flute, mean of 40 notes"
    assert said[-1] == f"4 notes at pitch 50, velocity 100 -> {tmp_path / 'out'}"
    morph = interpolate(lookup, ["flute", "guitar"], steps=4, pitch=50, compare=True)
    for key in ("pitch", "velocity", "method", "steps", "model"):
        assert record[key] == getattr(morph, key)
    for kind, sounds in (("morph", morph.sounds), ("cross_fade", morph.cross_fade)):
        for number, step in enumerate(record[kind]):
            assert step["file"] == f"{'step' if kind == 'morph' else 'cross-fade'}-{number:02}.wav"
            np.testing.assert_allclose(read(tmp_path / "out" / step["file"]), sounds.audio[number], atol=2**-14)
            assert step["descriptors"] == pytest.approx(sounds.descriptors[number], rel=1e-5)
            np.testing.assert_allclose(step["weights"], morph.weights[number], rtol=1e-5)
    np.testing.assert_allclose([step["z"] for step in record["morph"]], morph.z, atol=1e-6)
    assert not any("z" in step for step in record["cross_fade"])
    assert set(record["units"]) == set(record["morph"][0]["descriptors"])
    joined = read(tmp_path / "out" / "morph.wav")
    assert joined.shape == (4 * 24000,)
    np.testing.assert_allclose(joined[24000:47000], morph.sounds.audio[1, :23000], atol=2**-14)
    # Again, without the cross-fade: of it nothing is left.
    run(["flute", "guitar", "--steps", 2, *model], tmp_path / "out")
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["morph.json", "morph.png", "morph.wav", "step-00.wav", "step-01.wav"]


def test_the_figure_has_a_row_for_the_cross_fade(lookup, tmp_path):
    shapes = []
    for compare in (False, True):
        morph = interpolate(lookup, ["flute", "guitar"], steps=3, compare=compare)
        morph.save(tmp_path / str(compare))
        picture = matplotlib.image.imread(tmp_path / str(compare) / "morph.png")[..., :3]
        shapes.append(picture.shape)
        assert picture[: 180 + 180 * compare].std() > 0.15
    assert shapes[1][0] - shapes[0][0] == 180


def test_a_cross_fade_is_a_mix_of_the_decoded_ends(lookup):
    morph = interpolate(lookup, ["flute", "guitar"], steps=3, method="slerp", compare=True)
    first, last = morph.sounds.audio[[0, -1]]
    for number, mixed in enumerate((first, (first + last) / 2, last)):
        np.testing.assert_allclose(morph.cross_fade.audio[number], mixed, atol=1e-6)
    assert np.abs(morph.sounds.audio[1] - (first + last) / 2).max() > 0.01


def test_a_path_is_equalised_between_its_ends(lookup, tmp_path):
    shipped = load_model()
    plain = shipped.interpolate("organ", "mallet", steps=3, equalize=False)
    morph = shipped.interpolate("organ", "mallet", steps=3)
    np.testing.assert_array_equal(morph.z, plain.z)
    np.testing.assert_allclose(plain.sounds.audio, shipped.decode(plain.z, 60, 100).audio, atol=1e-4)
    found, equalizers = brightness_equalizer.equalize(plain.sounds.audio, plain.weights, 16000)
    np.testing.assert_allclose(morph.sounds.audio, found, atol=1e-4)
    np.testing.assert_allclose(morph.sounds.audio[[0, 2]], plain.sounds.audio[[0, 2]], atol=1e-4)
    assert not np.allclose(morph.sounds.audio[1], plain.sounds.audio[1], rtol=0, atol=1e-5)
    assert plain.equalizers is None
    assert equalizers[1] != brightness_equalizer.Equalizer()
    record = run(["organ", "mallet", "--steps", 3], tmp_path / "out")
    assert record["equalized"] is True
    curves = [step["equalizer"] for step in record["morph"]]
    assert curves[0] == curves[2] == {"tilt": 0, "curvature": 0}
    assert curves[1]["tilt"] == pytest.approx(equalizers[1].tilt, rel=0.05, abs=0.01)
    grid = interpolate(lookup, ["flute", "guitar", "keyboard", "string"], steps=3)
    assert grid.equalizers[0] == brightness_equalizer.Equalizer() != grid.equalizers[4]
    record = run(["organ", "mallet", "--steps", 3, "--no-equalize"], tmp_path / "out")
    assert record["equalized"] is False
    assert "equalizer" not in record["morph"][0]
    np.testing.assert_allclose(read(tmp_path / "out" / "step-01.wav"), plain.sounds.audio[1], atol=2**-14)


@pytest.mark.parametrize("method", ["lerp", "slerp"])
def test_a_timbre_and_itself_is_one_note(lookup, tmp_path, method):
    morph = interpolate(lookup, ["flute", "flute"], steps=3, method=method, compare=True)
    np.testing.assert_array_equal(morph.z, [timbres.vector("flute")] * 3)
    np.testing.assert_allclose(morph.sounds.audio, morph.sounds.audio[[0, 0, 0]], atol=1e-4)
    np.testing.assert_allclose(morph.cross_fade.audio, morph.sounds.audio[[0, 0, 0]], atol=1e-4)
    morph.save(tmp_path / "out")
    assert matplotlib.image.imread(tmp_path / "out" / "morph.png")[..., :3].std() > 0.15


def test_what_is_given_decides_the_pitch_unless_it_is_given(lookup):
    low, again, high, unknown = (Timbre(str(pitch), timbres.vector("flute"), pitch) for pitch in (55, 55, 64, None))

    def pitch(*timbres: Timbre, **given: int) -> int:
        return interpolate(lookup, timbres, steps=2, **given).pitch

    assert pitch(low, again) == 55
    assert pitch(unknown, low) == 55
    assert pitch(low, high) == pitch(unknown, unknown) == 60
    assert pitch(low, again, pitch=70) == 70


def test_a_file_of_another_rate_is_a_timbre(lookup, model, tmp_path):
    """A recording in stereo at 48 kHz that says its pitch."""
    path = tmp_path / "dull-055-080.flac"
    soundfile.write(path, np.repeat(np.stack([synthetic.tone(55), synthetic.tone(55)], axis=1), 3, axis=0), 48000)
    record = run([path, path, "--steps", 2, *model], tmp_path / "out")
    assert (record["pitch"], record["velocity"]) == (55, 100)
    assert record["timbres"][0] == record["timbres"][1]
    assert record["timbres"][0]["name"] == str(path)
    np.testing.assert_allclose(record["morph"][0]["z"], lookup.timbre(str(path)).z, rtol=1e-5)


def test_notes_of_a_source_are_found_by_name(model, tmp_path):
    synthetic.write_split(tmp_path / "nsynth" / "nsynth-test", {"reed_acoustic_007": (1.0, 0.5)}, (62, 64))
    names = ["reed_acoustic_007-062-100", "reed_acoustic_007-064-100"]
    record = run([*names, "--steps", 2, "--data", tmp_path / "nsynth", *model], tmp_path / "out")
    assert [timbre["name"] for timbre in record["timbres"]] == names
    assert record["pitch"] == 60
    # As it is: a user's own file would be set to the typical level first.
    audio, _ = soundfile.read(tmp_path / "nsynth" / "nsynth-test" / "audio" / f"{names[0]}.wav", dtype="float32")
    z = timbre_model.open_model(model[1], model[3]).encode(audio[None])[0]
    np.testing.assert_allclose(record["morph"][0]["z"], z, atol=1e-4)


@pytest.mark.parametrize("pitch", [0, 127])
@pytest.mark.parametrize("velocity", [0, 127])
def test_the_edges_of_midi_sound(lookup, pitch, velocity):
    morph = interpolate(lookup, ["flute", "guitar"], steps=2, pitch=pitch, velocity=velocity)
    assert np.isfinite(morph.sounds.audio).all()
    assert (morph.pitch, morph.velocity) == (pitch, velocity)


def test_a_path_through_silence_is_written_with_gaps(lookup, tmp_path):
    """What descriptors cannot say of silence is null, and a gap in the figure."""
    morph = interpolate(lookup, ["flute", "guitar"], steps=2)
    descriptors = [describe(np.zeros(64000, np.float32), 60)] * 2
    silent = Sounds(audio=np.zeros_like(morph.audio), config=morph.config, descriptors=descriptors)
    dataclasses.replace(morph, sounds=silent).save(tmp_path / "out")
    found = json.loads((tmp_path / "out" / "morph.json").read_text())["morph"][0]["descriptors"]
    assert set(found.values()) == {None}


def error_of(arguments: list[str], capsys) -> str:
    try:
        code = command.main(arguments)
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert error.startswith("error: ")
    assert "\n" not in error
    return error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flute"], "timbres: found 1, expected two, or four for a grid"),
        (["flute", "guitar", "string"], "timbres: found 3, expected two, or four for a grid"),
        (["flute", "guitar", "--steps", "1"], "--steps: found 1, expected 2 to 1024"),
        (["flute"] * 4 + ["--steps", "33"], "--steps: found 33, expected 2 to 32 for a grid"),
        (["flute", "guitar", "--steps", "many"], "argument --steps: invalid int value: 'many'"),
        (["flute"] * 4 + ["--method", "slerp"], "--method: found slerp with four timbres, expected lerp"),
        (["flute", "guitar", "--method", "cubic"], "invalid choice: 'cubic'"),
        (["flute", "guitar", "--pitch", "128"], "argument --pitch: found '128', expected a MIDI number, 0 to 127"),
        (["flute", "guitar", "--velocity", "loud"], "argument --velocity: found 'loud', expected a MIDI number"),
        (["flute", "gitar"], "'gitar': no such name or file; nearest: guitar"),
        (["flute", ""], "''"),
        (["flute", "{text}"], "notes.wav: "),
        (["flute", "guitar", "--data", "no/data"], "no/data: no such file or folder"),
        (["flute", "guitar", "--model", "no/model"], "no/model: found no config.json"),
        (["flute", "guitar", "--output", "{text}"], "notes.wav is no folder, expected a folder to write to"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, model, tmp_path, capsys):
    (tmp_path / "notes.wav").write_text("no sound")
    arguments = [argument.replace("{text}", str(tmp_path / "notes.wav")) for argument in arguments]
    timbres_first = ["--output", str(tmp_path / "out"), *model]
    assert message in error_of([*timbres_first, *arguments], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.wav"]


def test_a_given_file_is_not_written_over(model, tmp_path, capsys):
    """A recording that happens to be called as a step, in the folder where the steps are to go."""
    soundfile.write(tmp_path / "step-00.wav", synthetic.tone(60), 16000)
    before = (tmp_path / "step-00.wav").read_bytes()
    error = error_of([str(tmp_path / "step-00.wav"), "flute", *model, "-o", str(tmp_path)], capsys)
    assert "step-00.wav: is there, and not of a former run" in error
    assert [path.name for path in tmp_path.iterdir()] == ["step-00.wav"]
    assert (tmp_path / "step-00.wav").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pitch": -1}, "--pitch: found -1"),
        ({"velocity": 128}, "--velocity: found 128"),
        ({"method": "cubic"}, "--method: found 'cubic', expected lerp or slerp"),
        ({"steps": 1}, "--steps: found 1"),
    ],
)
def test_a_notebook_gets_the_same_errors(given, message):
    with pytest.raises(InputError, match=message):
        interpolate(timbres.named_lookup(), ["flute", "guitar"], **given)
