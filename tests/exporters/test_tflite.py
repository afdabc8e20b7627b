"""TFLite files: signatures, operators, metadata, parity with Keras in a process without this package, bad requests."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import small_models
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from small_models import AUDIO, CONFIG, SMALL, WIDE, make_inputs, make_vae, sound

from nsynth_vae import features
from nsynth_vae.config import AudioConfig, Config
from nsynth_vae.errors import InputError
from nsynth_vae.exporters import tflite, tflite_quantization, tflite_signatures
from nsynth_vae.exporters.model_export import model_metadata
from nsynth_vae.files import read_tflite
from nsynth_vae.pretrained import (
    SYNTHESIZER,
    SYNTHESIZER_TFLITE,
    TIMBRE_MODEL,
    page_files,
    player_files,
    read_tflite_metadata,
)
from nsynth_vae.synthesis.vocoder import load_synthesizer

# Runs in a process of its own, in which neither this package nor TensorFlow can be imported.
CLIENT = """
import sys
sys.modules["nsynth_vae"] = sys.modules["tensorflow"] = None
import numpy as np
from ai_edge_litert.interpreter import Interpreter
folder, inputs, outputs = sys.argv[1:]
data, found = dict(np.load(inputs)), {}
for kind in ("float32", "float16", "int8"):
    for model, names in (("encoder", ["audio"]), ("decoder", ["z", "pitch", "velocity"])):
        run = Interpreter(f"{folder}/{model}_{kind}.tflite", num_threads=1).get_signature_runner("serving_default")
        made = [run(**{name: data[name][i : i + 1] for name in names}) for i in range(len(data["pitch"]))]
        for name in made[0]:
            found[f"{model}_{kind}_{name}"] = np.concatenate([one[name] for one in made])
np.savez(outputs, **found)
"""

# Asks each file for what is wrong, and says how it took it. A crash would end the process.
FUZZ = """
import sys
sys.modules["nsynth_vae"] = sys.modules["tensorflow"] = None
import json
import numpy as np
from ai_edge_litert.interpreter import Interpreter
outcomes = {}
i32 = lambda *values: np.array(values, np.int32)
for path in sys.argv[1:]:
    interpreter = Interpreter(path, num_threads=1)
    details = interpreter.get_signature_runner("serving_default").get_input_details()
    good = {name: np.full(item["shape"], 1, item["dtype"]) for name, item in details.items()}
    first = "audio" if "audio" in good else "z"
    size = good[first].shape[1]
    cases = {
        "good": {},
        "NaN": {first: np.full([1, size], np.nan, np.float32)},
        "infinite": {first: np.full([1, size], -np.inf, np.float32)},
        "one NaN": {first: np.where(np.arange(size) == 1, np.nan, 0.1).astype(np.float32)[None]},
        "one infinite": {first: np.where(np.arange(size) == 1, np.inf, 0.1).astype(np.float32)[None]},
        "huge": {first: np.full([1, size], 3e38, np.float32)},
        "too short": {first: np.ones([1, size - 1], np.float32)},
        "no notes": {first: np.ones([0, size], np.float32)},
        "two notes": {first: np.ones([2, size], np.float32)},
        "no batch": {first: np.ones([size], np.float32)},
        "float64": {first: np.ones([1, size])},
        "int32": {first: np.ones([1, size], np.int32)},
        "text": {first: np.array([["a"] * size])},
    }
    if first == "z":
        cases |= {
            "extreme pitch": {"pitch": i32(2**31 - 1), "velocity": i32(-(2**31))},
            "negative pitch": {"pitch": i32(-1)},
            "float pitch": {"pitch": np.array([60.0], np.float32)},
            "int64 pitch": {"pitch": np.array([60])},
            "three pitches": {"pitch": i32(60, 61, 62)},
            "no pitch": {"pitch": i32()},
        }
    for name, changed in cases.items():
        # A request that went wrong must not break the next: one runner gets all, as in a server.
        run = interpreter.get_signature_runner("serving_default")
        try:
            made = run(**(good | changed))
            kinds = {"NaN" if np.isnan(value).all() else bool(np.isfinite(value).all()) for value in made.values()}
            outcome = {(True,): "finite", ("NaN",): "NaN"}.get(tuple(kinds), "mixed")
        except (ValueError, RuntimeError, TypeError) as error:
            outcome = "error"
        outcomes[f"{path} {name}"] = outcome
    for wrong in ({}, {"unknown": good[first]}):
        try:
            interpreter.get_signature_runner("serving_default")(**wrong)
            outcomes[f"{path} {list(wrong)}"] = "finite"
        except (ValueError, RuntimeError, TypeError) as error:
            outcomes[f"{path} {list(wrong)}"] = "error"
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def written() -> tuple:
    """Return a model, its files' paths and what the writing returned and reported."""
    paths = small_models.tflite_files()
    return make_vae(WIDE), paths, json.loads((paths["encoder_int8"].parent / "written.json").read_text())


@pytest.fixture(scope="module")
def computed(written, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Return what all files make of seven notes in another process; the encoder also of quiet ones and silence."""
    _, paths, _ = written
    folder, data = tmp_path_factory.mktemp("client"), make_notes()
    np.savez(folder / "inputs.npz", **data)
    client(CLIENT, paths["encoder_int8"].parent, folder / "inputs.npz", folder / "outputs.npz")
    return dict(np.load(folder / "outputs.npz"))


def make_notes() -> dict[str, np.ndarray]:
    """Return seven notes in some noise; the encoder's last three are quieter: by 60 dB, by 100 dB, silent.

    Sines without noise would measure the rounding of TensorFlow's own FFT, which is more than TFLite's.
    """
    data = make_inputs()
    data["audio"] += 1e-3 * np.random.default_rng(3).normal(size=data["audio"].shape).astype(np.float32)
    data["audio"][-3:] *= np.array([1e-3, 1e-5, 0], np.float32)[:, None]
    return data


def client(program: str, *arguments: object) -> str:
    """Run a program of this file in another process; returns what it prints."""
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def details(path: pathlib.Path) -> tuple[dict, dict]:
    """Return what a file's signature takes and gives: name -> (shape, dtype)."""
    run = Interpreter(str(path)).get_signature_runner("serving_default")
    return tuple(
        {name: (item["shape"].tolist(), item["dtype"]) for name, item in found.items()}
        for found in (run.get_input_details(), run.get_output_details())
    )


def test_the_contracts_files(written) -> None:
    """Names, shapes, dtypes; built-in operators only; 8 bits in the networks alone."""
    _, paths, made = written
    assert list(made["paths"]) == list(tflite.FILES)
    assert made["lines"] == ["encoder: TFLite", "decoder: TFLite"]
    names = {path.name for path in paths["encoder_int8"].parent.iterdir()}
    assert names == {"written.json", *made["paths"].values()}
    vector, audio = ([1, 6], np.float32), ([1, 64000], np.float32)
    for stem, path in paths.items():
        assert path.name == f"{stem}.tflite"
        takes, gives = details(path)
        operators = tflite_quantization.operators(path.read_bytes())
        assert all(name.isupper() and name != "CUSTOM" for name in operators), operators
        assert ("DEQUANTIZE" in operators) == (not stem.endswith("32"))
        if stem.startswith("encoder"):
            assert takes == {"audio": audio}
            assert gives == {"z_mean": vector, "z_log_var": vector}
        else:
            assert takes == {"z": vector, "pitch": ([1], np.int32), "velocity": ([1], np.int32)}
            assert set(gives) == {"log_mel", "audio"}
    sizes = {stem: path.stat().st_size for stem, path in paths.items()}
    for model in ("encoder", "decoder"):
        assert sizes[f"{model}_int8"] < sizes[f"{model}_float16"] < sizes[f"{model}_float32"]


@pytest.mark.parametrize(("kind", "tolerance"), [("float32", 1e-4), ("float16", 1e-2), ("int8", 0.5)])
def test_encoder(written, computed, kind: str, tolerance: float) -> None:
    """Keras's z, of quiet notes and of silence too."""
    vae = written[0]
    expected = vae.encoder(features.log_mel(make_notes()["audio"], AUDIO))
    assert np.ptp(expected[0], axis=0).max() > 0.5
    for name, value in zip(("z_mean", "z_log_var"), expected, strict=True):
        np.testing.assert_allclose(computed[f"encoder_{kind}_{name}"], value, atol=tolerance)


@pytest.mark.parametrize(("kind", "tolerance"), [("float32", 1e-4), ("float16", 1e-2), ("int8", 0.3)])
def test_decoder(written, computed, kind: str, tolerance: float) -> None:
    """Keras's log-mel, and the synthesizer's audio of it."""
    vae, data = written[0], make_notes()
    log_mel, audio = computed[f"decoder_{kind}_log_mel"], computed[f"decoder_{kind}_audio"]
    assert log_mel.shape == (7, 251, 128)
    assert audio.shape == (7, 64000)
    assert audio.dtype == np.float32
    expected = vae.decoder(*(data[name] for name in ("z", "pitch", "velocity"))).numpy()
    np.testing.assert_allclose(log_mel, expected, atol=tolerance)
    # These log-mels are like no note's, and loud: rounding is amplified. `.ci/check_exports.py` has notes.
    if kind != "int8":
        np.testing.assert_allclose(audio, sound(log_mel, data["pitch"]), atol=1e-2)
    assert 0.01 < np.abs(audio).max() <= 1.0


def test_decoder_clamps_and_repeats(written) -> None:
    """TFLite does not check the index of a look-up; and the same request has the same answer."""
    for kind in tflite.KINDS:
        run = Interpreter(str(written[1][f"decoder_{kind}"]), num_threads=1).get_signature_runner("serving_default")

        def made(pitch: int, velocity: int, run=run) -> dict:
            given = {"pitch": np.array([pitch], np.int32), "velocity": np.array([velocity], np.int32)}
            return run(z=np.full([1, 6], 0.5, np.float32), **given)

        for outside, inside in (((1000, -5), (127, 0)), ((-1, 128), (0, 127)), ((60, 100), (60, 100))):
            for name, value in made(*outside).items():
                np.testing.assert_array_equal(value, made(*inside)[name])


def test_bad_requests(written) -> None:
    """An error or a sane answer, never a crash; and the right answer after it."""
    paths = [str(path) for path in written[1].values()]
    outcomes = json.loads(client(FUZZ, *paths).splitlines()[-1])
    for path in paths:
        own = {name.removeprefix(f"{path} "): outcome for name, outcome in outcomes.items() if name.startswith(path)}
        errors = {name for name, outcome in own.items() if outcome == "error"}
        expected = {"too short", "no notes", "two notes", "no batch", "float64", "int32", "text", "[]", "['unknown']"}
        if "decoder" in path:
            expected |= {"float pitch", "int64 pitch", "three pitches", "no pitch"}
            assert own["extreme pitch"] == own["negative pitch"] == "finite"
        assert errors == expected, (path, own)
        assert own["good"] == "finite"
        assert {own["NaN"], own["infinite"], own["one NaN"], own["one infinite"]} == {"NaN"}


def order(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """Return the names of a file's inputs and outputs in the order of their indices."""
    interpreter = Interpreter(str(path), num_threads=1)
    run = interpreter.get_signature_runner("serving_default")
    names = []
    for named, listed in (
        (run.get_input_details(), interpreter.get_input_details()),
        (run.get_output_details(), interpreter.get_output_details()),
    ):
        name_of = {detail["index"]: name for name, detail in named.items()}
        names.append([name_of[detail["index"]] for detail in listed])
    return names[0], names[1]


def test_the_order_of_tensors_is_the_documented_one(written) -> None:
    """For clients without signature runners; in the shipped files as well."""
    page = (pathlib.Path(__file__).parents[2] / "docs" / "tflite.md").read_text(encoding="utf-8")
    table = page.split("## Order of the tensors")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+?)_[*\w]+`.*?\| (.*) \| (.*) \|$", table, re.MULTILINE)
    documented = {model: tuple(re.findall(r"\d `(\w+)`", cell) for cell in cells) for model, *cells in rows}
    assert documented.keys() == {"encoder", "decoder", "synthesizer"}
    for model in ("encoder", "decoder"):
        shipped = [files(TIMBRE_MODEL)[model] for files in (player_files, page_files)]
        for path in (*(written[1][f"{model}_{kind}"] for kind in tflite.KINDS), *shipped):
            assert order(path) == documented[model], path


def test_a_file_carries_its_checksum(written, tmp_path: pathlib.Path) -> None:
    """LiteRT would run, or crash on, a damaged one."""
    for path in written[1].values():
        content = bytearray(read_tflite(path))
        content[len(content) // 2] ^= 1
        (tmp_path / "damaged.tflite").write_bytes(content)
        with pytest.raises(ValueError, match="damaged"):
            read_tflite(tmp_path / "damaged.tflite")


def test_metadata_inside(written) -> None:
    """What a client needs to know, and what goes in and out."""
    for stem, path in written[1].items():
        model, kind = stem.split("_")
        metadata = read_tflite_metadata(path)
        assert metadata["model"] == model
        assert metadata["weights"] == kind
        assert {name: metadata[name] for name in model_metadata(WIDE)} == model_metadata(WIDE)
    assert metadata["inputs"]["pitch"]["dtype"] == "int32"
    assert metadata["inputs"]["z"]["shape"] == [1, 6]
    assert metadata["outputs"]["audio"] == {
        "dtype": "float32",
        "shape": [1, 64000],
        "description": "4 s, mono, -1 to 1; an encoder's note starts at sample 0",
    }
    assert all(item["description"] for part in ("inputs", "outputs") for item in metadata[part].values())


def test_read_metadata_says_what_is_wrong(tmp_path: pathlib.Path) -> None:
    """Each message, with the file's name."""
    with pytest.raises(InputError, match=r"nowhere.tflite: No such file or directory, expected a TFLite file"):
        read_tflite_metadata(tmp_path / "nowhere.tflite")
    (tmp_path / "a.tflite").write_text("no model")
    with pytest.raises(InputError, match=r"a.tflite: found something else, expected a whole TFLite file"):
        read_tflite_metadata(tmp_path / "a.tflite")
    synthesizer = SYNTHESIZER / SYNTHESIZER_TFLITE
    with pytest.raises(InputError, match=r"float16.tflite: found no metadata nsynth_vae.json, expected a file of this"):
        read_tflite_metadata(synthesizer)


@pytest.mark.slow
def test_synthesizer(tmp_path: pathlib.Path) -> None:
    """TensorFlow's audio to 1e-3, though in float16, from a file of at most 5.1 MB; the shipped one and a new one."""
    shipped = SYNTHESIZER / SYNTHESIZER_TFLITE
    assert shipped.stat().st_size <= 5e6
    synthesizer = load_synthesizer()
    tflite.export_synthesizer(synthesizer, tmp_path / "synthesizer.tflite")
    assert [item.name for item in tmp_path.iterdir()] == ["synthesizer.tflite"]
    data = make_inputs()
    for file in (shipped, tmp_path / "synthesizer.tflite"):
        assert all(name.isupper() for name in tflite_quantization.operators(file.read_bytes()))
        takes, gives = details(file)
        assert takes == {"log_mel": ([1, 251, 128], np.float32), "pitch": ([1], np.int32)}
        assert list(gives) == ["audio"]
        interpreter = Interpreter(str(file), num_threads=1)
        run, transpose = (interpreter.get_signature_runner(name) for name in ("serving_default", "transpose"))
        for index in range(7):
            log_mel = features.log_mel(tf.constant(data["audio"][index : index + 1]), AUDIO).numpy()
            given = {"log_mel": log_mel, "pitch": data["pitch"][index : index + 1]}
            made = run(**given)["audio"]
            assert made.shape == (1, 64000)
            assert made.dtype == np.float32
            np.testing.assert_allclose(made, sound(**given), atol=1e-3)
            to_pitch = np.clip(data["pitch"][index : index + 1] + 7, 0, 127)
            np.testing.assert_allclose(
                transpose(**given, to_pitch=to_pitch)["audio"],
                synthesizer.transpose(*map(tf.constant, (log_mel, given["pitch"], to_pitch))),
                atol=1e-3,
            )
        assert order(file) == (["pitch", "log_mel"], ["audio"])
        silence = features.log_mel(tf.zeros([1, 64000]), AUDIO).numpy()
        assert np.abs(run(log_mel=silence, pitch=np.array([60], np.int32))["audio"]).max() < 1e-6
    for bad in (np.nan, np.inf, -np.inf):
        silence[0, 100, 60] = bad
        assert np.isnan(run(log_mel=silence, pitch=np.array([60], np.int32))["audio"]).all()
        assert np.isnan(transpose(log_mel=silence, pitch=np.int32([60]), to_pitch=np.int32([62]))["audio"]).all()
    assert read_tflite(tmp_path / "synthesizer.tflite").count(b'"checksum": "00000000"') == 0
    with pytest.raises(InputError, match=r"synthesizer.tflite: .*, expected a folder that can be written"):
        tflite.export_synthesizer(load_synthesizer(), tmp_path / "synthesizer.tflite" / "file")


@pytest.mark.slow
@pytest.mark.parametrize(
    "audio",
    [
        SMALL.audio,
        AudioConfig(num_samples=5000, frame_length=600, frame_step=170, fft_length=1024, num_mel_bins=64),
        AudioConfig(num_samples=4096, frame_length=500, frame_step=200, fft_length=600, num_mel_bins=32),
    ],
)
def test_other_features(tmp_path: pathlib.Path, audio: AudioConfig) -> None:
    """No audio from the decoder without a synthesizer; an encoder for any frames, powers of two or not."""
    config = Config(audio=audio, model=SMALL.model)
    vae = make_vae(config)
    paths = tflite.write_models(tmp_path, vae.encoder, vae.decoder, config, None, {}, lambda line: None)
    for kind in tflite.KINDS:
        assert list(details(paths[f"decoder_{kind}"])[1]) == ["log_mel"]
    notes = np.random.default_rng(0).normal(size=(1, audio.num_samples)).astype(np.float32) * 0.1
    expected = features.log_mel(notes, audio)
    np.testing.assert_allclose(tflite_signatures.log_mel(notes, audio), expected, atol=1e-4)
    run = Interpreter(str(paths["encoder_float32"])).get_signature_runner("serving_default")
    np.testing.assert_allclose(run(audio=notes)["z_mean"], vae.encoder(expected)[0], atol=1e-4)


def test_weights_are_known_by_their_values() -> None:
    """Also after the converter has multiplied each output by a gain; nothing else is taken for weights."""
    vae = make_vae(CONFIG)
    kernel = np.asarray(vae.decoder.start.kernel).T
    plan = tflite._plan("int8", [vae.decoder], rest="float16", exact=[vae.decoder.template])
    gain = np.linspace(-2.0, 2.0, len(kernel), dtype=np.float32)[:, None]
    gain[3] = 0.0
    assert plan(kernel) == plan(kernel * gain) == "int8"
    assert plan(kernel[:, ::-1].copy()) == "float32"  # Not weights, and small.
    assert plan(np.asarray(vae.decoder.condition.kernel).T) == "float32"  # Too small.
    assert plan(vae.decoder.template) == "float32"
    assert plan(vae.decoder.template + 1) == "float16"
    assert plan(np.zeros([64, 64], np.float32)) == "float16"
    assert plan(np.zeros([8], np.float32)) == "float32"
