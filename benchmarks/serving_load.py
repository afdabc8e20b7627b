"""Load of exported SavedModels: many requests at once, their answers checked, and the quantiles of their times.

    python benchmarks/serving_load.py [--exports DIR] [--requests N] [--clients N]
    python benchmarks/serving_load.py --grpc HOST:PORT --rest HOST:PORT [--versions 1,2]

The first form runs the newest encoder and decoder below DIR in sessions of TensorFlow's C API, by threads of this
process, without TensorFlow's Python. The second sends the same requests to a TF Serving that has them, which
`serving/smoke.sh` starts. A request is one note: `encode_wav` takes a WAV file of 4 s, `decode_wav` makes one.

Before the load, each request is answered alone, by all of `--versions`, and an invalid one fails with its sentence.
Under the load, every answer has to be the one that it was alone. Prints a table.
"""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import io
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from common import add_json_option, make_parser, say, write_figures

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

KINDS = {"encode_wav": "encoder", "decode_wav": "decoder"}
"""Signatures that are requested, and their models."""

NOTES = 16
"""Different notes; requests take them in turn."""

INVALID = "pitch: expected 0 to 127, found 200"

TIMEOUT = 60.0
"""Seconds that a request may take."""

Inputs = Mapping[str, np.ndarray]


class RefusedError(Exception):
    """A request that was answered by an error, in the server's words."""


class Transport(Protocol):
    """A way to have a signature run."""

    def __call__(self, signature: str, inputs: Inputs, version: int | None = None) -> dict[str, np.ndarray]:
        """Return a signature's outputs; raises `RefusedError`."""


class Session:
    """Sessions of TensorFlow's C API in this process, one for each version of a model."""

    def __init__(self, exports: pathlib.Path, versions: list[int | None]) -> None:
        """Load versions, None for the newest, of the models below `exports`."""
        import c_api

        self._models = {}
        for name in KINDS.values():
            for version in versions:
                folder = exports / name / str(version or newest(exports / name))
                self._models[name, version] = c_api.SavedModel(str(folder))

    def __call__(self, signature: str, inputs: Inputs, version: int | None = None) -> dict[str, np.ndarray]:
        """Run a signature; see `Transport`."""
        try:
            return self._models[KINDS[signature], version].run(signature, **inputs)
        except RuntimeError as error:
            raise RefusedError(str(error)) from error


class Grpc:
    """A server's gRPC."""

    def __init__(self, address: str) -> None:
        """Connect to `HOST:PORT`."""
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        self._service = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def __call__(self, signature: str, inputs: Inputs, version: int | None = None) -> dict[str, np.ndarray]:
        """Run a signature; see `Transport`."""
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = KINDS[signature], signature
        if version:
            request.model_spec.version.value = version
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        try:
            outputs = self._service.Predict(request, timeout=TIMEOUT).outputs
        except grpc.RpcError as error:
            raise RefusedError(error.details()) from error
        return {name: tf.make_ndarray(tensor) for name, tensor in outputs.items()}


class Rest:
    """A server's REST."""

    def __init__(self, address: str) -> None:
        """Send to `HOST:PORT`."""
        self._address = address

    def __call__(self, signature: str, inputs: Inputs, version: int | None = None) -> dict[str, np.ndarray]:
        """Run a signature; see `Transport`."""

        def written(value: np.ndarray) -> list:
            if value.dtype == object:
                return [{"b64": base64.b64encode(item).decode()} for item in value]
            return value.tolist()

        body = {"signature_name": signature, "inputs": {name: written(value) for name, value in inputs.items()}}
        part = f"/versions/{version}" if version else ""
        url = f"http://{self._address}/v1/models/{KINDS[signature]}{part}:predict"
        try:
            with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=TIMEOUT) as response:
                found = json.load(response)["outputs"]
        except urllib.error.HTTPError as error:
            raise RefusedError(json.load(error)["error"]) from error
        if isinstance(found, dict):
            return {name: np.array(value, np.float32) for name, value in found.items()}
        return {"wav_bytes": np.array([base64.b64decode(item["b64"]) for item in found], object)}


@dataclasses.dataclass(frozen=True)
class Figures:
    """Times of one kind of request, in ms by the clock, and how many were answered in a second."""

    transport: str
    signature: str
    first: float
    p50: float
    p95: float
    longest: float
    requests_per_second: float

    def row(self) -> str:
        """Return a row of the table."""
        times = " | ".join(f"{value:.0f}" for value in (self.first, self.p50, self.p95, self.longest))
        return f"| {self.transport} | `{self.signature}` | {times} | {self.requests_per_second:.1f} |"


def newest(folder: pathlib.Path) -> int:
    """Return the highest version of a model."""
    versions = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]
    if not versions:
        raise SystemExit(f"error: {folder}: no version in it, expected what python -m nsynth_vae.export writes")
    return max(versions)


def wav(samples: np.ndarray) -> bytes:
    """Return a WAV file of 16 bits and 16 kHz."""
    import wave

    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return content.getvalue()


def make_requests(latent_dim: int) -> dict[str, list[dict[str, np.ndarray]]]:
    """Return the inputs of `NOTES` requests of each kind; the same ones each time."""
    rng, time_axis = np.random.default_rng(0), np.arange(64000) / 16000
    encode, decode = [], []
    for pitch in rng.integers(36, 84, NOTES):
        sine = np.sin(2 * np.pi * 440.0 * 2.0 ** ((pitch - 69) / 12) * time_axis)
        encode.append({"wav_bytes": np.array([wav(0.5 * sine * np.exp(-time_axis))], object)})
        z = rng.normal(size=[1, latent_dim]).astype(np.float32)
        decode.append({"z": z, "pitch": np.array([pitch], np.int32), "velocity": np.array([100], np.int32)})
    return {"encode_wav": encode, "decode_wav": decode}


def difference(one: Inputs, two: Inputs) -> float:
    """Return the largest difference of two answers; of WAV files, of their samples in -1 to 1."""

    def numbers(value: np.ndarray) -> np.ndarray:
        if value.dtype != object:
            return value
        return np.concatenate([np.frombuffer(item[44:], "<i2") for item in value]) / 32768

    return max(float(np.abs(numbers(one[name]) - numbers(two[name])).max()) for name in one)


def check(found: Inputs, expected: Inputs, what: str) -> None:
    """End the program unless an answer is the expected one: in a batch, sums can be rounded otherwise."""
    if found.keys() != expected.keys() or not difference(found, expected) <= 1e-3:
        raise SystemExit(f"error: {what}: found another answer than before, expected the same within 1e-3")


def check_invalid(call: Transport, inputs: Inputs, version: int | None, name: str) -> None:
    """End the program unless an invalid request is refused with its sentence."""
    try:
        call("decode_wav", {**inputs, "pitch": np.array([200], np.int32)}, version)
    except RefusedError as error:
        if INVALID in str(error):
            return
        raise SystemExit(f"error: {name}: found {str(error)!r} for an invalid request, expected {INVALID!r}") from error
    raise SystemExit(f"error: {name}: answered an invalid request, expected {INVALID!r}")


def measure(
    name: str,
    call: Transport,
    requests: Mapping[str, list[dict[str, np.ndarray]]],
    count: int,
    clients: int,
    versions: list[int | None],
) -> list[Figures]:
    """Check each kind of request alone, then send `count` of it by `clients` threads; returns the times."""
    found = []
    for signature, notes in requests.items():
        first = timed(lambda signature=signature, notes=notes: call(signature, notes[0], versions[-1]))[0]
        alone = [call(signature, inputs, versions[-1]) for inputs in notes[:count]]
        for version in versions:
            check(call(signature, notes[0], version), alone[0], f"{name}, {signature} of version {version}")
            check_invalid(call, requests["decode_wav"][0], version, name)

        def one(index: int, signature: str = signature, alone: list = alone) -> float:
            at = index % NOTES
            milliseconds, answer = timed(lambda: call(signature, requests[signature][at], versions[-1]))
            check(answer, alone[at], f"{name}, {signature} under load")
            return milliseconds

        started = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            times = list(pool.map(one, range(count)))
        rate = count / (time.perf_counter() - started)
        found.append(Figures(name, signature, first, *np.percentile(times, [50, 95]).tolist(), max(times), rate))
        say(found[-1].row())
    return found


def timed(action: Callable[[], dict[str, np.ndarray]]) -> tuple[float, dict[str, np.ndarray]]:
    """Return how many ms an action takes, and what it returns."""
    started = time.perf_counter()
    result = action()
    return 1000 * (time.perf_counter() - started), result


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = make_parser(__doc__)
    parser.add_argument("--exports", type=pathlib.Path, default=pathlib.Path("exports"), metavar="DIR")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="send to this server by gRPC")
    parser.add_argument("--rest", metavar="HOST:PORT", help="send to this server by REST")
    parser.add_argument("--versions", default="", metavar="N,N", help="the load goes to the last (default: newest)")
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="of each kind (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="at once (default: %(default)s)")
    parser.add_argument("--label", default="", help="written behind the names of the transports")
    add_json_option(parser)
    options = parser.parse_args(arguments)
    if min(options.requests, options.clients) < 1:
        parser.error("--requests and --clients: expected 1 or more")
    transports: dict[str, Transport] = {}
    if options.grpc:
        transports["gRPC"] = Grpc(options.grpc)
    if options.rest:
        transports["REST"] = Rest(options.rest)
    versions: list[int | None] = [int(version) for version in options.versions.split(",") if version] or [None]
    if not transports:
        transports["C API session"] = Session(options.exports, versions)
    model = options.exports / "decoder" / str(versions[-1] or newest(options.exports / "decoder"))
    metadata = json.loads((model / "assets.extra" / "model_facts.json").read_text(encoding="utf-8"))
    requests = make_requests(metadata["latent_dim"])
    found = []
    for name, call in transports.items():
        label = f"{name}, {options.label}" if options.label else name
        found += measure(label, call, requests, options.requests, options.clients, versions)
    print(f"{os.cpu_count()} CPU cores; {options.requests} requests of each kind, {options.clients} at once.\n")
    print("| by | request | first (ms) | p50 (ms) | p95 (ms) | longest (ms) | requests a second |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(figures.row() for figures in found))
    write_figures([dataclasses.asdict(figures) for figures in found], options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
