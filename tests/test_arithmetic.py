"""`python -m nsynth_vae.arithmetic`: the notes and figures it leaves, what it says, and every error it can end with."""

import json
import pathlib

import numpy as np
import pytest
import soundfile
from conftest import write_folder
from synthetic import tone
from timbres import export_model, vector

from nsynth_vae import arithmetic as command
from nsynth_vae import timbre_model
from nsynth_vae.analysis.descriptors import DESCRIPTORS, describe
from nsynth_vae.latent.lookup import TimbreLookup
from nsynth_vae.rendering.timbre_sum import _file_names, arithmetic


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[pathlib.Path, pathlib.Path]:
    return export_model(tmp_path_factory.mktemp("arithmetic"))


@pytest.fixture(scope="module")
def lookup(exported) -> TimbreLookup:
    return TimbreLookup(timbre_model.open_model(*exported))


def run(exported, output: pathlib.Path, *arguments: str) -> int:
    model, exports = map(str, exported)
    return command.main([*arguments, "--model", model, "--exports", exports, "--output", str(output)])


def read(folder: pathlib.Path, name: str) -> np.ndarray:
    audio, rate = soundfile.read(folder / name)
    info = soundfile.info(folder / name)
    assert (rate, audio.shape, info.subtype, info.format) == (16000, (64000,), "PCM_16", "WAV")
    return audio


def is_png(path: pathlib.Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_violin_brighter(exported, lookup, tmp_path, capsys):
    output = tmp_path / "new" / "out"
    assert run(exported, output, "violin + bright - 0.5*dark", "--pitch", "64", "--velocity", "80") == 0
    out, err = capsys.readouterr()
    assert sorted(path.name for path in output.iterdir()) == ["result.json", "result.png", "result.wav", "violin.wav"]
    record = json.loads((output / "result.json").read_text())
    assert record["model"] == "small"
    assert record["files"] == ["result.png", "result.wav", "violin.wav"]
    assert (record["expression"], record["normalised"]) == ("violin + bright - 0.5*dark",) * 2
    assert (record["pitch"], record["velocity"]) == (64, 80)
    assert "before" not in record
    assert record["units"]["spectral_centroid"] == DESCRIPTORS["spectral_centroid"].unit
    (violin,) = record["timbres"]
    assert (violin["name"], violin["weight"], violin["file"]) == ("violin", 1, "violin.wav")
    weights = {each["name"]: (each["weight"], each["descriptor"]) for each in record["directions"]}
    assert weights == {"bright": (1, "spectral_centroid"), "dark": (-0.5, "spectral_centroid")}
    edited = vector("string") + vector("bright") - 0.5 * vector("dark")
    np.testing.assert_allclose(record["result"]["z"], edited, atol=1e-5)
    np.testing.assert_allclose(violin["z"], vector("string"), atol=1e-5)
    played = lookup.model.decode(np.stack([vector("string"), edited]), 64, 80).audio
    for name, audio, note in zip(("violin.wav", "result.wav"), played, (violin, record["result"]), strict=True):
        np.testing.assert_allclose(read(output, name), np.clip(audio, -1, 1), atol=2e-4)
        assert note["descriptors"] == pytest.approx(describe(audio, 64), rel=1e-3)
    assert is_png(output / "result.png")
    before, after = (note["descriptors"]["spectral_centroid"] for note in (violin, record["result"]))
    assert before != after
    assert err == ""
    assert out.splitlines()[-5:] == [
        "violin: family string, mean of 50 notes",
        "bright: direction bright, learnt from the quality bright: 30 notes with it, 40 without",
        "dark: direction dark, learnt from spectral_centroid: lowest quarter, highest quarter",
        f"spectral_centroid (bright, dark): {before:.4g} -> {after:.4g} octaves above f0",
        f"violin + bright - 0.5*dark at pitch 64, velocity 80 -> {output}: "
        "violin.wav, result.wav, result.png, result.json",
    ]


def test_several_timbres_are_rendered_before_the_directions(lookup, tmp_path):
    result = arithmetic(lookup, "0.5*(piano + my cello) + bright")
    assert result.names == ("piano", "My_Cello", "before", "result")
    blend = 0.5 * (vector("keyboard") + vector("My Cello"))
    np.testing.assert_allclose(
        result.z, [vector("keyboard"), vector("My Cello"), blend, blend + vector("bright")], atol=1e-6
    )
    assert (result.pitch, result.velocity, result.model) == (60, 100, "small")
    np.testing.assert_allclose(result.audio, lookup.model.decode(result.z, 60, 100).audio, atol=1e-5)
    expected = tuple(each["spectral_centroid"] for each in result.sounds.descriptors[-2:])
    assert result.effect == {"spectral_centroid": expected}
    assert expected[0] != expected[1]
    result.save(tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["before"]["file"] == "before.wav"
    assert [each["file"] for each in record["timbres"]] == [
        "piano.wav",
        "My_Cello.wav",
    ]
    np.testing.assert_allclose(record["before"]["z"], blend, atol=1e-5)
    assert record["directions"][0]["direction"] == vector("bright").tolist()


def test_a_source_moves_and_has_no_descriptor(lookup):
    result = arithmetic(lookup, "piano - acoustic + synth", pitch=48)
    np.testing.assert_allclose(
        result.z, [vector("keyboard"), vector("keyboard") - vector("acoustic") + vector("synthetic")], atol=1e-6
    )
    assert result.effect == {}
    assert result.learnt_to_raise == {}
    assert result.summary().splitlines() == [
        "piano: family keyboard, mean of 30 notes",
        "acoustic: direction acoustic, learnt from the source",
        "synth: direction synthetic, learnt from the source",
        "piano - acoustic + synth at pitch 48, velocity 100",
    ]


def test_files_and_notes(exported, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "notes" / "nsynth-train", {"reed_acoustic_001-055-100": tone(55)})
    soundfile.write(tmp_path / "my result.flac", np.stack([tone(55)] * 2, 1), 32000)
    soundfile.write(tmp_path / "result.wav", tone(55), 16000)
    expression = "0.25*'my result.flac' + 0.25*\"result.wav\" + 0.5*reed_acoustic_001-055-100"
    arguments = [expression, "--data", "notes", "--velocity", "127"]
    assert run(exported, tmp_path / "out", *arguments) == 0
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["normalised"] == '0.25*"my result.flac" + 0.25*result.wav + 0.5*reed_acoustic_001-055-100'
    assert [timbre["file"] for timbre in record["timbres"]] == [
        "my_result.wav",
        "result-2.wav",
        "reed_acoustic_001-055-100.wav",
    ]
    assert [point["description"].split(", pitch")[0] for point in record["timbres"]] == [
        "file",
        "file",
        "note of notes",
    ]
    assert record["velocity"] == 127
    assert record["directions"] == []
    z = [np.array(timbre["z"]) for timbre in record["timbres"]]
    np.testing.assert_allclose(record["result"]["z"], 0.25 * z[0] + 0.25 * z[1] + 0.5 * z[2], atol=1e-4)
    # The user's own result.wav stays.
    assert run(exported, tmp_path, "result.wav") == 2
    assert "result.wav: is there, and not of a former run" in capsys.readouterr().err
    np.testing.assert_allclose(soundfile.read(tmp_path / "result.wav")[0], tone(55), atol=1e-4)


def test_the_pitch_is_that_of_the_notes_in_common(lookup, tmp_path):
    soundfile.write(tmp_path / "G3.wav", tone(55), 16000)
    for text, pitch in ((f"'{tmp_path}/G3.wav' + bright", 55), (f"0.5*'{tmp_path}/G3.wav' + 0.5*flute", 55)):
        assert arithmetic(lookup, text).pitch == pitch
    assert arithmetic(lookup, f"'{tmp_path}/G3.wav'", pitch=60).pitch == 60


@pytest.mark.parametrize(("pitch", "velocity"), [(0, 0), (127, 127), (0, 127), (127, 1)])
def test_pitch_and_velocity_at_the_edges(pitch, velocity, lookup, tmp_path):
    result = arithmetic(lookup, "flute - dark", pitch=pitch, velocity=velocity)
    assert result.audio.shape == (2, 64000)
    assert np.all(np.isfinite(result.audio))
    # A fundamental above half the sample rate is silent.
    assert result.audio.any() == (pitch < 120)
    result.save(tmp_path)
    record = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert (record["pitch"], record["velocity"]) == (pitch, velocity)


def test_a_pitch_that_cannot_sound_is_named(exported, tmp_path, capsys):
    assert run(exported, tmp_path / "out", "flute", "--pitch", "127") == 0
    assert "warning: 1 note above B8 (7902 Hz) cannot sound at 16 kHz\n" in capsys.readouterr().out


def test_a_second_run_replaces_the_first_ones_files(lookup, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for expression, names in (("flute + bright", ["flute.wav"]), ("guitar", ["guitar.wav"])):
        arithmetic(lookup, expression).save(tmp_path)
        found = sorted(path.name for path in tmp_path.iterdir())
        assert found == sorted([*names, "notes.txt", "result.json", "result.png", "result.wav"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["violin + brigt"], "error: 'brigt': no such name or file; nearest: bright\n"),
        (["viollin"], "error: 'viollin': no such name or file; nearest: violin, viola\n"),
        ([""], "error: '': found nothing, expected a timbre such as violin + bright - dark\n"),
        (
            ["flute + guitar"],
            "error: 'flute + guitar': the weights of the timbres add to 2, expected 1: write 0.5*flute",
        ),
        (["bright"], "error: 'bright': the weights of the timbres add to 0, expected 1"),
        (["flute + "], "error: 'flute +': found the end, expected a name, a number, - or ( (character 8)\n"),
        (["flute", "--data", "nowhere"], "error: nowhere: no such file or folder, expected `starter`"),
        (["flute", "--pitch", "128"], "error: argument --pitch: found '128', expected a MIDI number, 0 to 127"),
        (["flute", "--pitch", "60.5"], "error: argument --pitch: found '60.5', expected a MIDI number"),
        (["flute", "--velocity", "-1"], "error: argument --velocity: found '-1', expected a MIDI number"),
        (["flute", "guitar"], "error: unrecognized arguments: guitar"),
        ([], "error: the following arguments are required: EXPRESSION"),
    ],
)
def test_bad_input_ends_in_one_line_and_writes_nothing(arguments, message, exported, tmp_path, capsys):
    try:
        code = run(exported, tmp_path / "out", *arguments)
    except SystemExit as end:
        code = end.code
    err = capsys.readouterr().err
    assert code == 2
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_is_found_out_first(exported, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(exported, tmp_path / "file", "nonsense") == 2
    assert capsys.readouterr().err.startswith(
        f"error: {tmp_path}/file: {tmp_path}/file is no folder, expected a folder"
    )


def test_a_function_checks_pitch_and_velocity(lookup):
    for keywords, message in (({"pitch": 128}, "--pitch: found 128"), ({"velocity": -1}, "--velocity: found -1")):
        with pytest.raises(ValueError, match=f"^{message}, expected a MIDI number, 0 to 127$"):
            arithmetic(lookup, "flute", **keywords)


def test_an_expression_that_begins_with_minus(exported, tmp_path):
    assert run(exported, tmp_path / "spaced", "-flute + 2*guitar") == 0
    assert run(exported, tmp_path / "sum", "2*guitar-flute") == 0
    first, second = (read(tmp_path / name, "result.wav") for name in ("spaced", "sum"))
    np.testing.assert_array_equal(first, second)


def test_names_of_files():
    names = ["a/flute.wav", "b/Flute.FLAC", "flute", "before", "My Cello", "..", "x" * 300, "ü#1", "my.pad", "a:b*c"]
    assert _file_names(names) == [
        "flute",
        "Flute-2",
        "flute-3",
        "before-2",
        "My_Cello",
        "timbre",
        "x" * 80,
        "ü#1",
        "my.pad",
        "a_b_c",
    ]
