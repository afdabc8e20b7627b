"""docs/serving.md: its examples run, against a server of ours, and do what they say; serving/ has what they need."""

import base64
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import wave

import numpy as np
import prediction_server
import pytest
import small_models
import soundfile
import tensorflow as tf
from google.protobuf import text_format
from small_models import make_inputs
from tensorflow_serving.config import model_server_config_pb2

from nsynth_vae.config import Config
from nsynth_vae.exporters import saved_model, signatures

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
DIM = small_models.CONFIG.model.latent_dim
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def blocks(language: str, containing: str) -> str:
    """Return the page's code blocks of a language that have a word in them, one after the other.

    The latent vectors in them, of the default number of dimensions, are shortened to those of the tests' model.
    """
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    chosen = [block for block in found if containing in block]
    assert chosen, containing
    code, dimensions = "\n".join(chosen), Config().model.latent_dim
    zeros = re.sub(rf"\[([01](?:, 0){{{DIM - 1}}})(?:, 0){{{dimensions - DIM}}}\]", r"[\1]", code)
    return zeros.replace(f"np.zeros([1, {dimensions}]", f"np.zeros([1, {DIM}]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a folder with exports of a tiny model and two notes, as the page's reader has it."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(small_models.exported() / "exports", folder / "exports")
    for name, audio in zip(("violin", "piano"), make_inputs()["audio"], strict=False):
        soundfile.write(folder / f"{name}.wav", audio, 16000, "PCM_16")
    return folder


@pytest.fixture(scope="module")
def models(folder: pathlib.Path) -> dict[str, object]:
    """Return the loaded models."""
    return {name: tf.saved_model.load(str(folder / "exports" / name / "1")) for name in ("encoder", "decoder")}


@pytest.fixture(scope="module")
def ports(models: dict[str, object]):
    """Return the ports of a server of the models: gRPC's and REST's."""
    with prediction_server.serving(models) as found:
        yield found


def morph(models: dict[str, object], folder: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Return z of the page's morph, `[5, latent_dim]`, and its audio, `[5, 64000]`, by direct calls."""
    audio = np.stack([soundfile.read(folder / f"{name}.wav", dtype="float32")[0] for name in ("violin", "piano")])
    first, second = models["encoder"].signatures["serving_default"](audio=tf.constant(audio))["z_mean"].numpy()
    z = first + np.linspace(0, 1, 5, dtype=np.float32)[:, None] * (second - first)
    decode = models["decoder"].signatures["decode_audio"]
    return z, decode(z=tf.constant(z), pitch=tf.fill([5], 60), velocity=tf.fill([5], 100))["audio"].numpy()


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs bash and curl")
def test_rest_examples(folder, models, ports) -> None:
    """Encode, morph, decode and a bad request, by the page's own commands."""
    commands = blocks("bash", "curl").replace("localhost:8501", f"127.0.0.1:{ports[1]}")
    environment = {**ENVIRONMENT, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    z, audio = morph(models, folder)
    encoded = json.loads((folder / "encoded.json").read_text())["outputs"]
    assert set(encoded) == {"z_mean", "z_log_var"}
    np.testing.assert_allclose(encoded["z_mean"], z[[0, -1]], atol=1e-5)
    np.testing.assert_allclose(json.loads((folder / "decode.json").read_text())["inputs"]["z"], z, atol=1e-5)
    for index in range(5):
        found, sample_rate = soundfile.read(folder / f"morph-{index}.wav")
        assert sample_rate == 16000
        np.testing.assert_allclose(found, audio[index], atol=1e-3)
    samples = np.array(json.loads((folder / "samples.json").read_text())["predictions"])
    unit = np.zeros([2, DIM], np.float32)
    unit[1, 0] = 1
    decode = models["decoder"].signatures["decode_audio"]
    direct = decode(z=tf.constant(unit), pitch=tf.constant([60, 67]), velocity=tf.constant([100, 80]))["audio"]
    np.testing.assert_allclose(samples, direct, atol=1e-5)
    assert "pitch: expected 0 to 127, found 200" in json.loads((folder / "error.json").read_text())["error"]


def test_grpc_example(folder, models, ports, monkeypatch, capsys) -> None:
    """The same from Python."""
    code = blocks("python", "grpc").replace("localhost:8500", f"127.0.0.1:{ports[0]}")
    monkeypatch.chdir(folder)
    exec(compile(code, "docs/serving.md", "exec"), {})
    _, audio = morph(models, folder)
    found, _ = soundfile.read(folder / "morph.wav")
    np.testing.assert_allclose(found, audio.reshape(-1), atol=1e-3)
    printed = capsys.readouterr().out
    assert "INVALID_ARGUMENT" in printed
    assert "pitch: expected 0 to 127, found 200" in printed


@pytest.mark.parametrize("by_rows", [True, False])
def test_json_of_every_signature_is_the_direct_call(models, by_rows: bool) -> None:
    """JSON to `PredictRequest` to signature to JSON, by rows and by columns, gives what a direct call gives."""
    data, rng = make_inputs(), np.random.default_rng(1)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((data["audio"][0] * 32767).astype("<i2").tobytes())
    values = {
        "audio": data["audio"][:2],
        "log_mel": rng.normal(size=[2, 251, 128]).astype(np.float32),
        "z": rng.normal(size=[2, DIM]).astype(np.float32),
        "pitch": data["pitch"][:2],
        "velocity": data["velocity"][:2],
        "seed": np.array([0, 7], np.int32),
        "motion": np.array([1.0, 0.5], np.float32),
        "wav_bytes": np.array([content.getvalue()] * 2, object),
    }
    for name, model in models.items():
        for signature, run in model.signatures.items():
            given = {key: values[key] for key in run.structured_input_signature[1]}
            plain = {key: value.tolist() for key, value in given.items()}
            if "wav_bytes" in plain:
                plain["wav_bytes"] = [{"b64": base64.b64encode(item).decode()} for item in plain["wav_bytes"]]
            rows = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
            body = {"signature_name": signature} | ({"instances": rows} if by_rows else {"inputs": plain})
            request = prediction_server.from_json(models, name, json.dumps(body).encode())
            answer = prediction_server.to_json(prediction_server.predict(models, request), by_rows=by_rows)
            found = json.loads(answer)["predictions" if by_rows else "outputs"]
            direct = run(**{key: tf.constant(value) for key, value in given.items()})
            for key, value in direct.items():
                column = found if len(direct) == 1 else [row[key] for row in found] if by_rows else found[key]
                if key == "wav_bytes":
                    assert [base64.b64decode(item["b64"]) for item in column] == value.numpy().tolist()
                else:
                    np.testing.assert_allclose(np.array(column, np.float32), value, atol=1e-6, err_msg=signature)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_saved_model_cli_examples(folder, models) -> None:
    """`show` names inputs and outputs, `run` writes the audio of the direct call."""
    environment = {**ENVIRONMENT, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    commands = blocks("bash", "saved_model_cli")
    done = subprocess.run(["bash", "-euc", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"puts\['(\w+)'\] tensor_info:\s+dtype: (\w+)\s+shape: (.*)", done.stdout)
    notes = [("pitch", "DT_INT32", "(-1)"), ("velocity", "DT_INT32", "(-1)"), ("z", "DT_FLOAT", f"(-1, {DIM})")]
    assert shown == [*notes, ("audio", "DT_FLOAT", "(-1, 64000)")]
    decode = models["decoder"].signatures["decode_audio"]
    direct = decode(z=tf.zeros([1, DIM]), pitch=tf.constant([60]), velocity=tf.constant([100]))["audio"]
    np.testing.assert_allclose(np.load(folder / "made/audio.npy"), direct, atol=1e-5)


def test_table_of_checks_has_the_limits() -> None:
    """The page's numbers are the code's."""
    from nsynth_vae.config import LARGEST_SAMPLE, LARGEST_Z
    from nsynth_vae.exporters import input_checks

    limits = LARGEST_SAMPLE, input_checks.LARGEST_LOG_MEL, LARGEST_Z
    assert f"no value beyond {limits[0]:g}" in PAGE
    assert f"within {-limits[1]:g} to {limits[1]:g}" in PAGE
    assert f"within {-limits[2]:g} to {limits[2]:g}" in PAGE
    assert f"every signature with {' note and with '.join(map(str, saved_model.WARMUP_BATCHES))})" in PAGE
    assert f"synthesizes {signatures.CHUNK} notes at a time" in PAGE


def test_models_config_is_tf_servings() -> None:
    """Both models, below what compose.yaml mounts; batching is in a file of its own, which is optional."""
    text = (ROOT / "serving/models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    found = [(model.name, model.base_path, model.model_platform) for model in config.model_config_list.config]
    assert found == [(name, f"/models/{name}", "tensorflow") for name in ("encoder", "decoder")]
    compose = (ROOT / "serving/compose.yaml").read_text()
    assert "- ../exports:/models:ro" in compose
    assert "- .:/serving:ro" in compose
    assert "--model_config_file=/serving/models.config" in compose
    assert "batching" not in compose
    assert "--batching_parameters_file=/serving/batching.config" in (ROOT / "serving/compose.batching.yaml").read_text()
    batching = re.sub(r"#.*", "", (ROOT / "serving/batching.config").read_text())
    fields = re.findall(r"^(\w+) \{ value: \d+ \}$", batching, re.MULTILINE)
    assert fields == ["max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"]


def run_benchmark(*arguments: object) -> subprocess.CompletedProcess:
    """Return how benchmarks/serving.py ended."""
    command = [sys.executable, str(ROOT / "benchmarks/serving.py"), *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)


@pytest.mark.slow
def test_benchmark_prints_a_table(folder) -> None:
    """A line for each model and batch size, in numbers above 0."""
    done = run_benchmark("--exports", folder / "exports", "--rounds", 1, "--batches", "1,4")
    assert done.returncode == 0, done.stderr
    rows = [re.findall(r"[\w.]+", line) for line in done.stdout.splitlines()[4:]]
    assert [(row[0], row[1]) for row in rows] == [(name, n) for name in ("encoder", "decoder") for n in "14"]
    for row in rows:
        ms, processor, peak, loaded = map(float, row[2:])
        assert ms > 0
        assert processor > 0
        assert peak >= loaded > 100


def test_benchmark_of_nothing_is_an_error(tmp_path) -> None:
    """Says what it looked for."""
    done = run_benchmark("--exports", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'encoder'}: no version in it")
