"""Public API: importing it, its examples, shapes and errors of encoding and decoding, and what notebooks show."""

import base64
import doctest
import io
import re
import subprocess
import sys

import mido
import numpy as np
import PIL.Image
import pytest
import soundfile
import synthetic
import timbres

import nsynth_vae
from nsynth_vae import api, pretrained
from nsynth_vae.errors import InputError
from nsynth_vae.rendering import model as rendering_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return timbres.export_model(tmp_path_factory.mktemp("api"))[0].parent


@pytest.fixture(scope="module")
def model(folder):
    return nsynth_vae.load_model(folder / "small", exports=folder / "exports")


def test_importing_has_no_side_effect():
    code = (
        "import os, sys; before = dict(os.environ); import nsynth_vae; "
        "print(dict(os.environ) == before, {'numpy', 'tensorflow', 'keras', 'matplotlib'} & {*sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("True set()\n", "")


def test_public_names_are_listed_and_lazy():
    assert set(nsynth_vae.__all__) <= set(dir(nsynth_vae))
    assert nsynth_vae.InputError is InputError
    assert nsynth_vae.load_model is api.load_model
    assert nsynth_vae.Config().audio == nsynth_vae.AudioConfig()
    for name in nsynth_vae.__all__:
        assert getattr(nsynth_vae, name) is not None
    with pytest.raises(AttributeError, match="module 'nsynth_vae' has no attribute 'nothing'"):
        _ = nsynth_vae.nothing


def run_examples(model, folder, monkeypatch) -> None:
    """Run the docstrings' examples in a folder with the files that they name."""
    monkeypatch.chdir(folder)
    soundfile.write(folder / "my voice.wav", synthetic.tone(60), 16000)
    notes = [mido.Message(kind, note=note, time=240) for note in (60, 64) for kind in ("note_on", "note_off")]
    mido.MidiFile(tracks=[mido.MidiTrack(notes)]).save(folder / "melody.mid")
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    examples = [
        test
        for module in (nsynth_vae, api, rendering_model)
        for test in finder.find(module, extraglobs={"model": model})
        if test.examples
    ]
    methods = ("encode", "decode", "interpolate", "arithmetic", "sample", "play", "instrument", "resynthesize")
    assert {test.name.split(".")[-1] for test in examples} >= {*methods, "load_model"}
    output = io.StringIO()
    for test in examples:
        runner.run(test, out=output.write)
    assert not runner.summarize(verbose=False).failed, output.getvalue()
    assert (folder / "morph" / "morph.json").exists()
    assert (folder / "note" / "note-00.wav").exists()
    assert (folder / "melody.wav").exists()


def test_examples_run(model, folder, monkeypatch):
    # The shipped model is the small one here, whose exports are there.
    monkeypatch.setattr(pretrained, "TIMBRE_MODEL", folder / "small")
    run_examples(model, folder, monkeypatch)


@pytest.mark.slow
def test_examples_run_with_the_shipped_model(tmp_path, monkeypatch):
    run_examples(nsynth_vae.load_model(exports=tmp_path / "exports"), tmp_path, monkeypatch)


def test_a_note_and_notes_keep_their_shapes(model):
    audio = np.stack([synthetic.tone(60), synthetic.tone(64)])
    z = model.encode(audio)
    assert z.shape == (2, timbres.DIM)
    np.testing.assert_allclose(model.encode(audio[1]), z[1], atol=1e-5)
    # Shorter audio is padded, longer audio is cut.
    np.testing.assert_allclose(model.encode(np.pad(audio[1], (0, 99))), z[1], atol=1e-5)
    np.testing.assert_allclose(model.encode(np.trim_zeros(np.pad(audio[1][:32000], (0, 32000)), "b")).shape, z[1].shape)
    one, two = model.decode(z[0], 48), model.decode(z, 48, np.array([100, 50]))
    assert one.audio.shape == (64000,)
    assert two.audio.shape == (2, 64000)
    np.testing.assert_allclose(two.audio[0], one.audio, atol=1e-4)
    np.testing.assert_allclose(two.log_mel[0], one.log_mel, atol=1e-4)
    scale = model.decode(z[0], pitch=[60, 62, 64])
    assert scale.audio.shape == (3, 64000)
    np.testing.assert_array_equal(scale.pitch, [60, 62, 64])
    np.testing.assert_array_equal(scale.velocity, [100] * 3)


def test_timbres_are_names_files_vectors_and_themselves(model, tmp_path):
    path = tmp_path / "C4.wav"
    soundfile.write(path, synthetic.tone(60), 22050)
    np.testing.assert_array_equal(model.encode("flute"), timbres.vector("flute"))
    np.testing.assert_array_equal(model.encode(path), model.encode(str(path)))
    morph = model.interpolate(path, timbres.vector("guitar"), steps=2)
    np.testing.assert_array_equal(morph.z, [model.encode(path), timbres.vector("guitar")])
    again = model.interpolate(morph.timbres[0], "guitar", steps=2)
    np.testing.assert_array_equal(again.audio, morph.audio)
    assert morph.timbres[1].description == "latent vector"
    assert model.families == tuple(timbres.ATTRIBUTES["families"])
    assert model.directions == tuple(timbres.ATTRIBUTES["directions"])
    assert "My Cello" in model.instruments
    assert repr(model) == "<TimbreModel small: 6 dimensions, 4 instruments>"


def test_notes_of_data_are_found_by_name(folder, tmp_path):
    synthetic.write_split(tmp_path / "nsynth" / "nsynth-test", {"reed_acoustic_007": (1.0, 0.5)}, (62,))
    with_data = nsynth_vae.load_model(folder / "small", data=str(tmp_path / "nsynth"))
    assert with_data.timbre("reed_acoustic_007-062-100").pitch == 62
    with pytest.raises(InputError, match="no/data: no such file or folder"):
        nsynth_vae.load_model(folder / "small", data=["no/data"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.encode(np.zeros([2, 2, 64000])), r"audio: found shape \(2, 2, 64000\), expected \[sa"),
        (
            lambda model: model.encode(np.full(64000, np.nan)),
            "audio: holds NaN or infinite samples, expected finite ones",
        ),
        (lambda model: model.encode("flutte"), "'flutte': no such name or file; nearest: flute"),
        (lambda model: model.decode(np.zeros(5)), r"z: found shape \(5,\), expected \[6\] or \[notes, 6\]"),
        (lambda model: model.decode(np.full(6, np.nan)), "z: found nan, expected -"),
        (lambda model: model.decode(np.zeros(6), 128), "pitch: found 128, expected MIDI numbers, 0 to 127"),
        (lambda model: model.decode(np.zeros(6), 60.5), "pitch: found 60.5, expected MIDI numbers"),
        (lambda model: model.decode(np.zeros(6), 60, -1), "velocity: found -1, expected MIDI numbers"),
        (lambda model: model.decode(np.zeros([2, 6]), [60, 61, 62]), "found different numbers of notes"),
        (lambda model: model.interpolate("flute"), "timbres: found 1, expected two, or four for a grid"),
        (
            lambda model: model.interpolate("flute", np.zeros(3)),
            r"timbre: found shape \(3,\), expected a finite latent",
        ),
        (lambda model: nsynth_vae.load_model("no/model"), "no/model: found no config.json"),
    ],
)
def test_bad_input_is_named(model, call, message):
    with pytest.raises(InputError, match=message):
        call(model)


def test_a_notebook_plays_and_shows_results(model):
    morph = model.interpolate("flute", "guitar", steps=3)
    note = model.decode(timbres.vector("flute"))
    for result, samples in ((morph, 3 * 24000), (note, 64000), (model.sample(2, method="prior"), 2 * 24000)):
        html = result._repr_html_()
        wav, png = (base64.b64decode(data) for data in re.findall(r'src="data:[\w/]+;base64,([^"]+)"', html))
        audio, rate = soundfile.read(io.BytesIO(wav))
        assert (rate, audio.shape) == (16000, (samples,))
        expected = np.ravel(result.audio[..., :1000])[:1000]
        np.testing.assert_allclose(audio[:1000], expected, atol=2**-14)
        with PIL.Image.open(io.BytesIO(png)) as picture:
            assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20)) > 100
        assert re.match(r"<div><audio controls src=", html)
