"""A small prediction server for tests: what clients of TF Serving send and get, by its protocols, from loaded models.

gRPC `Predict`, and REST `/v1/models/NAME[/versions/N]:predict` by the rules of TF Serving's "RESTful API" page and its
`json_tensor.cc`. Every model is there as versions 1 and 2. It stands in for TF Serving's binary, which it shows nothing
about; the models are real.
"""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import http.server
import json
import re
import threading
from collections.abc import Iterator, Mapping

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def predict(models: Mapping[str, object], request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
    """Return the response of the signature that a request names, or of `serving_default`."""
    run = models[request.model_spec.name].signatures[request.model_spec.signature_name or "serving_default"]
    outputs = run(**{name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()})
    response = predict_pb2.PredictResponse(model_spec=request.model_spec)
    for name, value in outputs.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    return response


def from_json(models: Mapping[str, object], name: str, body: bytes) -> predict_pb2.PredictRequest:
    """Return a REST body, by rows (`instances`) or by columns (`inputs`), as the request that it stands for."""
    given = json.loads(body)
    if ("instances" in given) == ("inputs" in given):
        raise ValueError("expected either 'instances' or 'inputs'")
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, given.get("signature_name", "")
    run = models[name].signatures[request.model_spec.signature_name or "serving_default"]
    specs = run.structured_input_signature[1]
    columns = given.get("inputs")
    if columns is None:
        rows = given["instances"]
        named = isinstance(rows[0], dict) and set(rows[0]) != {"b64"}
        columns = {key: [row[key] for row in rows] for key in rows[0]} if named else rows
    if not isinstance(columns, dict) or set(columns) == {"b64"}:
        (key,) = specs
        columns = {key: columns}
    if set(columns) != set(specs):
        raise ValueError(f"inputs: expected {sorted(specs)}, found {sorted(columns)}")
    for key, value in columns.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(_decoded(value), specs[key].dtype))
    return request


def to_json(response: predict_pb2.PredictResponse, *, by_rows: bool) -> bytes:
    """Return a response as TF Serving writes it: `predictions` or `outputs`; a single output goes by no name."""
    columns = {}
    for name, tensor in response.outputs.items():
        values = tf.make_ndarray(tensor).tolist()
        is_bytes = name.endswith("_bytes")
        columns[name] = [{"b64": base64.b64encode(value).decode()} for value in values] if is_bytes else values
    if len(columns) == 1:
        (only,) = columns.values()
        return json.dumps({"predictions" if by_rows else "outputs": only}).encode()
    if not by_rows:
        return json.dumps({"outputs": columns}).encode()
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps({"predictions": rows}).encode()


def _decoded(value: object) -> object:
    """Return nested lists with base64 objects as bytes."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [_decoded(item) for item in value] if isinstance(value, list) and value[:1] else value


@contextlib.contextmanager
def serving(models: Mapping[str, object]) -> Iterator[tuple[int, int]]:
    """Serve loaded models on this machine; gives the ports of gRPC and REST."""

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            try:
                return predict(models, request)
            except Exception as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = 200
            try:
                name = re.fullmatch(r"/v1/models/(\w+)(?:/versions/\d+)?:predict", self.path)[1]
                response = predict(models, from_json(models, name, body))
                answer = to_json(response, by_rows="instances" in json.loads(body))
            except Exception as error:
                status, answer = 400, json.dumps({"error": str(error)}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self):
            name = re.fullmatch(r"/v1/models/(\w+)", self.path)
            if not name or name[1] not in models:
                self.send_error(404)
                return
            status = [{"version": number, "state": "AVAILABLE", "status": {}} for number in ("2", "1")]
            answer = json.dumps({"model_version_status": status}, indent=1).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    rpc = grpc.server(concurrent.futures.ThreadPoolExecutor(2), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), rpc)
    rpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=rest.serve_forever)
    thread.start()
    try:
        yield rpc_port, rest.server_address[1]
    finally:
        rest.shutdown()
        rest.server_close()
        thread.join()
        rpc.stop(None)
