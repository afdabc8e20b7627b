"""benchmarks/serving_load.py and serving/smoke.sh: loads of a tiny size, and what they refuse."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import prediction_server
import pytest
import small_models
import tensorflow as tf
from test_benchmarks import load_benchmark

ROOT = pathlib.Path(__file__).parents[1]
SMOKE = ROOT / "serving/smoke.sh"


@pytest.fixture(scope="module")
def load():
    """Return the module."""
    return load_benchmark("serving_load")


@pytest.fixture(scope="module")
def exports() -> pathlib.Path:
    """Return the exports of the tests' model."""
    return small_models.exported() / "exports"


def figures(load, tmp_path: pathlib.Path, *arguments: object) -> list[dict]:
    """Return what the command writes, of 6 requests of each kind and 3 clients."""
    file = tmp_path / "figures.json"
    assert load.main([*map(str, arguments), "--requests", "6", "--clients", "3", "--json", str(file)]) == 0
    return json.loads(file.read_text())


def check_figures(found: list[dict], transports: list[str]) -> None:
    assert [(row["transport"], row["signature"]) for row in found] == [
        (transport, signature) for transport in transports for signature in ("encode_wav", "decode_wav")
    ]
    for row in found:
        assert 0 < row["p50"] <= row["p95"] <= row["longest"]
        assert row["first"] > 0
        # No faster than if all three clients had always had the quickest half's slowest answer, for three requests.
        assert 0 < row["requests_per_second"] <= 6 / (3 * row["p50"] / 1000 / 3)


def test_load_in_sessions(load, exports, tmp_path, capsys):
    found = figures(load, tmp_path, "--exports", exports, "--versions", "1")
    check_figures(found, ["C API session"])
    table = capsys.readouterr().out.splitlines()
    assert table[0].endswith("6 requests of each kind, 3 at once.")
    assert len(table) == 4 + 2
    assert {line.count("|") for line in table[2:]} == {8}


@pytest.mark.slow
def test_load_of_a_server(load, exports, tmp_path):
    """By gRPC and REST, which answer alike."""
    models = {name: tf.saved_model.load(str(exports / name / "1")) for name in ("encoder", "decoder")}
    with prediction_server.serving(models) as (rpc, rest):
        options = ["--grpc", f"127.0.0.1:{rpc}", "--rest", f"127.0.0.1:{rest}", "--versions", "1", "--label", "tiny"]
        found = figures(load, tmp_path, "--exports", exports, *options)
        calls = load.Grpc(f"127.0.0.1:{rpc}"), load.Rest(f"127.0.0.1:{rest}")
        inputs = load.make_requests(small_models.CONFIG.model.latent_dim)["decode_wav"][3]
        one, two = (call("decode_wav", inputs, 2) for call in calls)
        assert load.difference(one, two) == 0.0
        assert len(one["wav_bytes"][0]) == 44 + 2 * 64000
    check_figures(found, ["gRPC, tiny", "REST, tiny"])


def test_other_answers_and_accepted_requests_end_it(load):
    one = {"z_mean": np.zeros([1, 3])}
    load.check(one, {"z_mean": np.full([1, 3], 9e-4)}, "REST")
    for other in ({"z_mean": np.full([1, 3], 2e-3)}, {"z": np.zeros([1, 3])}, {"z_mean": np.full([1, 3], np.nan)}):
        with pytest.raises(SystemExit, match="error: REST: found another answer than before"):
            load.check(one, other, "REST")
    with pytest.raises(SystemExit, match="error: REST: answered an invalid request, expected 'pitch: expected 0"):
        load.check_invalid(lambda *_: one, {}, 1, "REST")

    def refuse(*_: object) -> dict:
        raise load.RefusedError("no")

    with pytest.raises(SystemExit, match="error: REST: found 'no' for an invalid request"):
        load.check_invalid(refuse, {}, 1, "REST")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--exports", "nowhere"], 1, "error: nowhere/encoder: no version in it"),
        (["--requests", "0"], 2, "--requests and --clients: expected 1 or more"),
    ],
)
def test_bad_options(options, code, message):
    command = [sys.executable, str(ROOT / "benchmarks/serving_load.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert message in done.stderr


DOCKER = """
    #!{python}
    # Docker that has no image but a prediction server on this machine.
    import pathlib, signal, subprocess, sys, time
    here, command, arguments = pathlib.Path(__file__).parent, sys.argv[1], sys.argv[2:]
    if command == "run":
        models = next(value for value in arguments if value.endswith(":/models:ro")).removesuffix(":/models:ro")
        (here / "runs").open("a").write(" ".join(arguments) + "\\n")
        (here / "ports").unlink(missing_ok=True)
        log = (here / "log").open("w")
        process = subprocess.Popen([{python!r}, __file__, "serve", models], stdout=log, stderr=log)
        while not (here / "ports").exists():
            assert process.poll() is None
            time.sleep(0.1)
        print(process.pid)
    elif command == "serve":
        sys.path.insert(0, {tests!r})
        import prediction_server, tensorflow as tf
        models = {{}}
        for name in ("encoder", "decoder"):
            for version in "12":
                folder = pathlib.Path(arguments[0]) / name / version
                models[name] = tf.saved_model.load(str(folder))
                print("Finished reading warmup data for model at", folder / "assets.extra", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        with prediction_server.serving(models) as ports:
            (here / "ports.new").write_text(" ".join(map(str, ports)))
            (here / "ports.new").rename(here / "ports")
            signal.pause()
    elif command == "port":
        print("127.0.0.1:" + (here / "ports").read_text().split()[arguments[1] == "8501/tcp"])
    elif command == "logs":
        print((here / "log").read_text())
    elif command == "stop":
        subprocess.run(["kill", arguments[-1]], check=True)
"""


def smoke(tmp_path: pathlib.Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """Return how serving/smoke.sh ends with what is in tmp_path / bin before anything else."""
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    given = {**os.environ, "PATH": path, "PYTHON": sys.executable, "TMPDIR": str(tmp_path), **environment}
    return subprocess.run([str(SMOKE), *map(str, arguments)], env=given, capture_output=True, text=True)


def put_docker(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / "docker"
    file.write_text(textwrap.dedent(text).lstrip())
    file.chmod(0o755)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_smoke_without_docker_or_exports(tmp_path):
    """One line, exit code 2, and nothing left behind."""
    put_docker(tmp_path, "#!/bin/sh\nexit 1\n")
    done = smoke(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: docker: found none that runs, expected Docker")
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\nexit 0\n")
    done = smoke(tmp_path, tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {tmp_path}/nowhere/encoder: found no version, expected what python -m nsynth_vae.export writes\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
    assert subprocess.run(["bash", "-n", str(SMOKE)]).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl"))), reason="needs bash and curl")
def test_smoke_runs_through(exports, tmp_path):
    """All its steps, with a server of ours in the place of TF Serving's image."""
    put_docker(tmp_path, DOCKER.format(python=sys.executable, tests=str(ROOT / "tests")))
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "REQUESTS": "4", "CLIENTS": "2", "PYTHONPATH": str(ROOT)}
    done = smoke(tmp_path, exports, **environment)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ")[0] for line in done.stdout.splitlines() if "_wav`" in line]
    assert rows == [
        f"| {transport}, {label}"
        for label in ("no batching", "batching")
        for transport in ("gRPC", "gRPC", "REST", "REST")
    ]
    runs = (tmp_path / "bin" / "runs").read_text().splitlines()
    assert ["--enable_batching" in run for run in runs] == [False, True]
    assert all(" tensorflow/serving:" in run for run in runs)
    assert done.stdout.endswith("All passed.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
