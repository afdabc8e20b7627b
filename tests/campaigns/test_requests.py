"""Malformed requests to every signature of the SavedModels and to every TFLite file: an error or a sane answer.

CAMPAIGN=full CAMPAIGN_SEED=2 python -m pytest -n0 -m campaign tests/campaigns/test_requests.py
"""

from __future__ import annotations

import io
import pathlib
import random
import shutil
import time
from typing import Any

import numpy as np
import pytest
import small_models
import soundfile
import synthetic
from campaigns import mutants
from campaigns.settings import SEED, report, size

# Not slow: their models are those of other tests.
pytestmark = pytest.mark.campaign

AUDIO, LATENT_DIM = small_models.AUDIO, small_models.CONFIG.model.latent_dim

REQUESTS = 2_000

VALUES = (0.0, 1.0, -1.0, 1e-38, 1e6, -1e30, 3e38, np.nan, np.inf, -np.inf)
INTEGERS = (0, 60, 127, 128, -1, 2**31 - 1, -(2**31))


def make_wav(number: random.Random) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, synthetic.tone(60)[: number.choice((64000, 100, 64001))], 16000, format="WAV")
    return buffer.getvalue() if number.random() < 0.2 else mutants.mutate([buffer.getvalue()], number)


@np.errstate(invalid="ignore", over="ignore")
def make_value(name: str, number: random.Random, batch: int) -> Any:
    """Return an input, most likely malformed: of another shape or type, or with odd values."""
    rng = np.random.default_rng(number.randrange(2**32))
    if name == "wav_bytes":
        return np.array([make_wav(number) for _ in range(batch)], object)
    if name in ("pitch", "velocity", "to_pitch", "seed"):
        values = np.array(
            [number.choice(INTEGERS if number.random() < 0.5 else (60, 100)) for _ in range(batch)], np.int32
        )
    else:
        shapes = {"audio": [AUDIO.num_samples], "z": [LATENT_DIM], "log_mel": [AUDIO.num_frames, AUDIO.num_mel_bins]}
        inner = (shapes | {"motion": []})[name]
        values = 0.5 * rng.normal(size=[batch, *inner]).astype(np.float32)
        if number.random() < 0.5 and values.size:
            where = rng.integers(0, values.size, number.choice((1, 1, values.size)))
            values.reshape(-1)[where] = number.choice(VALUES)
    if number.random() < 0.3:
        return number.choice(
            (
                values.astype(np.float64),
                values.astype(np.int64),
                values.astype(np.float16),
                values.astype(str),
                values[..., None],
                values[0] if batch else values,
                values[..., :-1] if values.ndim > 1 else values[:0],
                np.zeros([0], values.dtype),
                np.concatenate([values, values]),
                None,
            )
        )
    return values


def make_request(names: list[str], number: random.Random, batches: tuple[int, ...]) -> dict[str, Any]:
    """Return inputs by name; some are left out, some are none of the signature's."""
    batch = number.choice(batches)
    request = {name: make_value(name, number, batch) for name in names}
    if number.random() < 0.1:
        del request[number.choice(names)]
    if number.random() < 0.1:
        request[number.choice(("x", "audio", "z"))] = np.zeros([1], np.float32)
    return request


def is_finite(request: dict[str, Any]) -> bool:
    return all(value.dtype.kind != "f" or np.isfinite(value).all() for value in request.values())


def check_answer(request: dict[str, Any], answer: dict[str, np.ndarray], *, checked: bool) -> None:
    """Check that an answer is sane.

    Args:
        request: inputs, all arrays.
        answer: outputs.
        checked: values that are not finite, or are beyond the limits, are refused, so all outputs are finite.
    """
    shapes = {"z_mean": [LATENT_DIM], "z_log_var": [LATENT_DIM], "wav_bytes": [], "audio": [AUDIO.num_samples]}
    shapes["log_mel"] = [AUDIO.num_frames, AUDIO.num_mel_bins]
    (main,) = (request[name] for name in ("audio", "z", "log_mel", "wav_bytes") if name in request)
    batch = len(main) if main.ndim else 1
    for name, value in answer.items():
        assert list(value.shape) == [batch, *shapes[name]], (name, value.shape)
        if name == "wav_bytes":
            for wav in value:
                audio, rate = soundfile.read(io.BytesIO(wav))
                assert (len(audio), rate) == (AUDIO.num_samples, AUDIO.sample_rate)
            continue
        if checked:
            assert np.isfinite(value).all(), name
        if name == "audio" and np.isfinite(value).all() and checked:
            assert np.abs(value).max(initial=0.0) <= 1.0, np.abs(value).max()


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The SavedModels of a small model."""
    return shutil.copytree(small_models.exported() / "exports", tmp_path_factory.mktemp("exports") / "exports")


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_requests_to_saved_models(part: str, exports: pathlib.Path) -> None:
    import tensorflow as tf

    started, refused, answered = time.monotonic(), 0, 0
    loaded = tf.saved_model.load(str(exports / part / "1"))
    signatures = dict(loaded.signatures)
    count = size(REQUESTS, 24)
    for index in range(count):
        number = random.Random(f"{SEED} {part} {index}")
        name = number.choice(sorted(signatures))
        signature = signatures[name]
        request = make_request(sorted(signature.structured_input_signature[1]), number, (1, 1, 2, 0))
        try:
            answer = signature(**{key: tf.constant(value) for key, value in request.items()})
        except (tf.errors.OpError, TypeError, ValueError):
            refused += 1
            continue
        answered += 1
        check_answer(request, {key: value.numpy() for key, value in answer.items()}, checked=True)
    words = f"{answered} answered, {refused} refused"
    name, took = f"SavedModel {part}, {len(signatures)} signatures", time.monotonic() - started
    report(f"requests | {name} | {count} | {SEED} | {words} | {took:.0f} s")
    assert answered
    assert refused


@pytest.mark.parametrize(
    "stem", ["encoder_float32", "encoder_float16", "encoder_int8", "decoder_float32", "decoder_int8"]
)
def test_requests_to_tflite_files(stem: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    started, refused, answered, count = time.monotonic(), 0, 0, size(REQUESTS // 5, 12)
    file = small_models.tflite_files()[stem]
    interpreter = Interpreter(model_path=str(file))
    signatures = sorted(interpreter.get_signature_list())
    for index in range(count):
        number = random.Random(f"{SEED} {stem} {index}")
        runner = interpreter.get_signature_runner(number.choice(signatures))
        request = make_request(sorted(runner.get_input_details()), number, (1, 1, 1, 2))
        try:
            answer = runner(**request)
        except (ValueError, TypeError, RuntimeError, AttributeError):
            refused += 1
            # A refused request may leave inputs resized: clients make the runner anew.
            interpreter = Interpreter(model_path=str(file))
            continue
        answered += 1
        check_answer(request, answer, checked=False)
        numbers = {name: request[name] for name in ("z", "motion") if name in request}
        if stem.startswith("decoder") and not is_finite(numbers):
            assert all(np.isnan(value).all() for value in answer.values())
    words = f"{answered} answered, {refused} refused"
    report(f"requests | {stem}.tflite | {count} | {SEED} | {words} | {time.monotonic() - started:.0f} s")
    assert answered
    assert refused
