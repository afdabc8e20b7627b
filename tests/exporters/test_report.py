"""The report on exported files, and the example that plays one: what they say of real files of a small model."""

import json
import os
import pathlib
import subprocess
import sys
import wave

import numpy as np
import pytest
import small_models
import tensorflow as tf
from small_models import SMALL, WIDE, make_inputs, make_vae
from small_models import sound as synthesized

from nsynth_vae.analysis import metrics
from nsynth_vae.exporters import report as export_report
from nsynth_vae.exporters import tflite
from nsynth_vae.pretrained import SYNTHESIZER, SYNTHESIZER_TFLITE

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "decode_tflite.py"


def make_notes(count: int = 2) -> dict[str, np.ndarray]:
    """Return notes as a data source would give them."""
    data = make_inputs()
    noise = 1e-3 * np.random.default_rng(3).normal(size=data["audio"].shape).astype(np.float32)
    return {"audio": (data["audio"] + noise)[:count], **{name: data[name][:count] for name in ("pitch", "velocity")}}


@pytest.fixture(scope="module")
def measured() -> tuple:
    """Return a model, its files and the report on them."""
    vae = make_vae(WIDE)
    paths = small_models.tflite_files() | {"synthesizer_float16": SYNTHESIZER / SYNTHESIZER_TFLITE}
    return vae, paths, export_report.measure(vae, WIDE, paths, make_notes(), runs=3)


def test_files_are_measured(measured) -> None:
    """Sizes, operators, errors and time of the six files, and no other."""
    _, paths, report = measured
    assert (report["notes"], report["runs"], report["cpu_cores"]) == (2, 3, os.cpu_count())
    assert set(report["versions"]) == {"nsynth_vae", "python", "tensorflow", "keras", "ai-edge-litert", "numpy"}
    assert list(report["files"]) == list(tflite.FILES)
    for stem, file in report["files"].items():
        assert file["megabytes"] == paths[stem].stat().st_size / 1e6
        assert 0 < file["milliseconds"] < 5000
        assert file["operators"]["CONV_2D"] >= 15
        outputs = {"z_mean", "z_log_var"} if stem.startswith("encoder") else {"log_mel", "audio"}
        assert set(file["errors"]) == outputs
        for error in file["errors"].values():
            assert 0 <= error["mean"] <= error["max"]
    errors = {stem: file["errors"] for stem, file in report["files"].items()}
    assert errors["encoder_float32"]["z_mean"]["max"] < 1e-4
    assert errors["decoder_float32"]["log_mel"]["max"] < 1e-4
    assert errors["decoder_float32"]["audio"]["max"] < 1e-3
    assert 1e-5 < errors["encoder_float16"]["z_mean"]["max"] < 1e-2
    assert 1e-5 < errors["decoder_float16"]["log_mel"]["max"] < 1e-2


def test_sound_is_judged_by_metrics(measured) -> None:
    """Beside the notes themselves and Keras's audio."""
    vae, _, report = measured
    notes = make_notes()
    assert list(report["sound"]) == ["the notes", "Keras"]
    real = report["sound"]["the notes"]
    assert real["in_tune"] == 1.0
    assert real["log_mel_l1"] == 0.0
    assert real["off_harmonic_db"] < -20.0
    from nsynth_vae import features

    z_mean, _ = vae.encoder(features.log_mel(notes["audio"], WIDE.audio))
    audio = synthesized(vae.decoder(z_mean, notes["pitch"], notes["velocity"]).numpy(), notes["pitch"])
    expected = np.mean([metrics.log_mel_l1(a, b) for a, b in zip(notes["audio"], audio, strict=True)])
    assert report["sound"]["Keras"]["log_mel_l1"] == pytest.approx(expected, rel=1e-3)
    assert report["files"]["decoder_float32"]["sound"]["log_mel_l1"] == pytest.approx(expected, rel=1e-2)
    assert "sound" not in report["files"]["encoder_float32"]


def test_a_report_is_written_twice(measured, tmp_path: pathlib.Path) -> None:
    """As JSON, whole, and as Markdown, a row for each file."""
    report = measured[2]
    paths = export_report.write(report, tmp_path)
    assert [path.name for path in paths] == ["report.json", "report.md"] == sorted(p.name for p in tmp_path.iterdir())
    assert json.loads(paths[0].read_text()) == report
    text = paths[1].read_text()
    assert text == export_report.to_markdown(report)
    assert "2 notes" in text
    assert f"{os.cpu_count()} CPU cores" in text
    assert f"tensorflow {tf.__version__}" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == ["| the notes", "| Keras", *(f"| `{stem}`" for stem in tflite.FILES)]
    assert len({len(row) for row in rows}) == 1
    assert rows[0][3] == "error of `z_mean`"
    assert rows[2][-3] == "1.000"
    operators = [line for line in text.splitlines() if line.startswith("- `") and "CONV_2D" in line]
    assert len(operators) == 6
    assert "RFFT2D 1" in operators[0]


def test_a_silent_note_has_no_off_harmonic_db() -> None:
    """And a report still has a mean of the other notes, or none."""
    notes = make_notes()
    silence = np.zeros_like(notes["audio"])
    found = export_report._sound(notes, silence)
    assert found["off_harmonic_db"] is None
    assert found["in_tune"] == 0.0
    assert found["log_mel_l1"] > 0.1
    assert export_report._sound_cells(found)[1] == ""
    half = np.stack([notes["audio"][0], silence[1]])
    f0 = metrics.note_f0(half[0], 60)
    assert export_report._sound(notes, half)["off_harmonic_db"] == metrics.off_harmonic_db(half[0], f0)


@pytest.mark.slow
def test_other_features(tmp_path: pathlib.Path) -> None:
    """Without a synthesizer there is no sound to judge."""
    vae = make_vae(SMALL)
    paths = tflite.write_models(tmp_path, vae.encoder, vae.decoder, SMALL, None, {}, lambda line: None)
    notes = make_notes() | {"audio": make_notes()["audio"][:, : SMALL.audio.num_samples]}
    report = export_report.measure(vae, SMALL, paths, notes, runs=1)
    assert report["sound"] == {}
    assert set(report["files"]["decoder_int8"]["errors"]) == {"log_mel"}
    assert "| `decoder_int8` |" in export_report.to_markdown(report)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"audio": np.zeros([2, 63999], np.float32)},
            r"audio: found float32 \[2, 63999\], expected float32 \[notes, num",
        ),
        ({"audio": np.zeros([2, 64000])}, r"audio: found float64 \[2, 64000\], expected float32"),
        ({"pitch": np.array([60, 61])}, r"pitch: found int64 \[2\], expected int32 \[notes\], at least one note"),
        ({"velocity": np.zeros([3], np.int32)}, r"velocity: found int32 \[3\], expected int32 \[notes\]"),
    ],
)
def test_notes_that_do_not_fit(changed: dict, message: str) -> None:
    """Said before anything is computed."""
    with pytest.raises(ValueError, match=message):
        export_report.measure(None, WIDE, {}, make_notes() | changed)
    with pytest.raises(ValueError, match="at least one note"):
        export_report.measure(None, WIDE, {}, make_notes(0))


def play(*arguments: object, folder: pathlib.Path) -> subprocess.CompletedProcess:
    """Run the example where neither TensorFlow nor this package can be imported."""
    program = "import sys, runpy; sys.modules['tensorflow'] = sys.modules['nsynth_vae'] = sys.modules['keras'] = None; "
    program += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-I", "-c", program, str(EXAMPLE), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def samples(path: pathlib.Path) -> np.ndarray:
    """Return a WAV file's samples, after a look at its format."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_the_example_plays_a_note(measured, tmp_path: pathlib.Path) -> None:
    """Of a random place by its seed, or of one in a file; what the decoder gives is in the WAV file."""
    vae, paths, _ = measured
    z = np.random.default_rng(3).normal(size=WIDE.model.latent_dim)
    np.save(tmp_path / "z.npy", z[None])
    (tmp_path / "z.json").write_text(json.dumps(z.tolist()))
    for source in (["--seed", 3], ["--z", "z.npy"], ["--z", "z.json"]):
        done = play(paths["decoder_float32"], "--pitch", 60, "--velocity", 90, *source, folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        found = samples(tmp_path / "note.wav") / 32767
        pitch = np.array([60], np.int32)
        log_mel = vae.decoder(z[None].astype(np.float32), pitch, np.array([90], np.int32)).numpy()
        assert np.abs(found).max() > 0.01
        assert found.shape == (64000,)
        np.testing.assert_allclose(found, synthesized(log_mel, pitch)[0], atol=1e-2)
    done = play(paths["decoder_int8"], "-o", "other.wav", folder=tmp_path)
    assert done.returncode == 0
    assert samples(tmp_path / "other.wav").size == 64000


def test_the_example_says_what_is_wrong(measured, tmp_path: pathlib.Path) -> None:
    """In one line, and writes nothing."""
    paths = measured[1]
    (tmp_path / "broken.tflite").write_text("no model")
    (tmp_path / "short.json").write_text("[1, 2]")
    (tmp_path / "text.json").write_text("{}")
    (tmp_path / "broken.json").write_text("[1,")
    (tmp_path / "empty.npy").write_text("")
    np.save(tmp_path / "nan.npy", np.full([6], np.nan))
    decoder = paths["decoder_float16"]
    cases = {
        ("nowhere.tflite",): "nowhere.tflite: No such file",
        ("broken.tflite",): "broken.tflite: The model is not a valid Flatbuffer",
        (paths["encoder_float32"],): "encoder_float32.tflite: found no output audio, expected a decoder of",
        (paths["synthesizer_float16"],): "found no output audio, expected a decoder of",
        (decoder, "--z", "short.json"): "short.json: found 2 numbers, expected 6 finite ones",
        (decoder, "--z", "nan.npy"): "nan.npy: found 6 numbers, expected 6 finite ones",
        (decoder, "--z", "text.json"): "text.json: float() argument",
        (decoder, "--z", "broken.json"): "broken.json: Expecting value",
        (decoder, "--z", "empty.npy"): "empty.npy: No data left",
        (decoder, "--z", "nowhere.npy"): "nowhere.npy: No such file",
        (decoder, "-o", "no/such/folder.wav"): "no/such/folder.wav: No such file",
    }
    for arguments, message in cases.items():
        done = play(*arguments, folder=tmp_path)
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 2, (arguments, done.stderr)
        assert last.startswith("error: "), (arguments, done.stderr)
        assert message in last, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    for name in ("--pitch", "--velocity"):
        done = play(decoder, name, 128, folder=tmp_path)
        assert done.returncode == 2
        assert f"argument {name}: invalid choice: 128" in done.stderr
    assert not list(tmp_path.glob("*.wav"))
