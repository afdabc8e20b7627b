"""Serving without this package: the C runtime, the checks in the graph, the warm-up requests."""

import io
import os
import pathlib
import re
import struct
import subprocess
import sys
import wave

import numpy as np
import pytest
import small_models
import soundfile
import tensorflow as tf
from small_models import AUDIO, make_inputs
from tensorflow_serving.apis import prediction_log_pb2

from nsynth_vae import features
from nsynth_vae.exporters import signatures

C_API = pathlib.Path(__file__).parents[1] / "c_api.py"
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture(scope="module")
def models() -> dict[str, pathlib.Path]:
    """Return the folders of an encoder's and a decoder's SavedModel."""
    return {name: small_models.exported() / "exports" / name / "1" for name in ("encoder", "decoder")}


@pytest.fixture(scope="module")
def loaded(models: dict[str, pathlib.Path]) -> dict[str, object]:
    """Return the models as Python loads them."""
    return {name: tf.saved_model.load(str(path)) for name, path in models.items()}


def test_the_page_of_the_exports_has_every_signature_with_its_inputs(loaded):
    page = (pathlib.Path(__file__).parents[2] / "exports" / "README.md").read_text(encoding="utf-8")
    table = page.split("## Signatures")[1].split("\nWith the default")[0]
    model, documented = {}, {}
    for kind, signature, cell in re.findall(r"^\| (\w*) ?\| `(\w+)` \| (.*?) \|", table, re.MULTILINE):
        model = documented.setdefault(kind, {}) if kind else model
        same = next(reversed(model.values()), set()) if "the same" in cell else set()
        model[signature] = same | set(re.findall(r"`(\w+)`", cell))
    found = {
        kind: {name: set(each.structured_input_signature[1]) for name, each in model.signatures.items()}
        for kind, model in loaded.items()
    }
    assert documented == found
    # And what each is.
    for name in set().union(*(inputs for model in found.values() for inputs in model.values())):
        assert f"\n| `{name}` | " in page


def make_wav(
    audio: np.ndarray, *, sample_rate: int = 16000, channels: int = 1, width: int = 2, samples: int = 64000
) -> bytes:
    """Return audio `[samples]`, -1..1, as a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((channels, width, sample_rate, 0, "NONE", ""))
        file.writeframes(np.round(audio[:samples] * 32767).astype("<i2").tobytes())
    return content.getvalue()


def float_wav(audio: np.ndarray, chunks: bytes = b"", *, extensible: bool = False) -> bytes:
    """Return audio `[samples]` as a WAV file of float, with chunks before its format."""
    tag, more = (
        (0xFFFE, struct.pack("<HHIH14s", 22, 32, 4, 3, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"))
        if extensible
        else (3, b"")
    )
    layout = struct.pack("<HHIIHH", tag, 1, 16000, 64000, 4, 32) + more
    data = audio.astype("<f4").tobytes()
    parts = struct.pack("<4sI", b"fmt ", len(layout)) + layout + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(parts)) + b"WAVE" + chunks + parts


def good_requests() -> list[tuple[str, str, dict[str, np.ndarray]]]:
    """Return (model, signature, inputs) of every signature, with 3 notes; of WAV files there is one."""
    data = {name: value[:3] for name, value in make_inputs().items()}
    log_mel = features.log_mel(tf.constant(data["audio"]), AUDIO).numpy()
    notes = {name: data[name] for name in ("z", "pitch", "velocity")}
    decoding = ("serving_default", "decode_log_mel", "decode_audio")
    one = {name: value[:1] for name, value in notes.items()}
    return [
        ("encoder", "serving_default", {"audio": data["audio"]}),
        ("encoder", "encode_log_mel", {"log_mel": log_mel}),
        ("encoder", "encode_wav", {"wav_bytes": np.frombuffer(make_wav(data["audio"][0]), np.uint8)}),
        *(("decoder", signature, notes) for signature in decoding),
        ("decoder", "decode_wav", one),
    ]


def bad_requests() -> list[tuple[str, str, dict[str, np.ndarray], str]]:
    """Return (model, signature, inputs, words of the error)."""
    data = {name: value[:2] for name, value in make_inputs().items()}
    audio, notes = data["audio"], {name: data[name] for name in ("z", "pitch", "velocity")}
    log_mel = np.zeros([2, 251, 128], np.float32)
    nan, note = np.float32(np.nan), audio[0]

    def spoilt(array: np.ndarray, value: float) -> np.ndarray:
        copy = array.copy()
        copy.flat[-1] = value
        return copy

    def packed(content: bytes) -> dict[str, np.ndarray]:
        return {"wav_bytes": np.frombuffer(content, np.uint8)}

    batch = "z, pitch, velocity: expected the same batch size, found"
    return [
        *(
            ("encoder", "serving_default", {"audio": value}, f"audio: expected {words}")
            for value, words in (
                (audio[:, :-1], "shape [batch, 64000], found [2, 63999]"),
                (np.concatenate([audio, audio[:, :1]], 1), "shape [batch, 64000], found [2, 64001]"),
                (audio[:, :100], "shape [batch, 64000], found [2, 100]"),
                (audio[0], "shape [batch, 64000], found [64000]"),
                (audio[:, :, None], "shape [batch, 64000], found [2, 64000, 1]"),
                (audio[0, 0], "shape [batch, 64000], found []"),
                (spoilt(audio, nan), "samples within -1 to 1, found NaN or infinity"),
                (spoilt(audio, -np.inf), "samples within -1 to 1, found NaN or infinity"),
                (np.round(audio * 32767), "samples within -1 to 1, found "),
                (spoilt(audio, -32768), "samples within -1 to 1, found -32768"),
            )
        ),
        *(
            ("encoder", "encode_log_mel", {"log_mel": value}, f"log_mel: expected {words}")
            for value, words in (
                (log_mel[:, 1:], "shape [batch, 251, 128], found [2, 250, 128]"),
                (log_mel.transpose(0, 2, 1), "shape [batch, 251, 128], found [2, 128, 251]"),
                (log_mel[0], "shape [batch, 251, 128], found [251, 128]"),
                (spoilt(log_mel, nan), "normalised log-mels, about -1.3 to 2.5, found NaN or infinity"),
                (spoilt(log_mel, -80), "normalised log-mels, about -1.3 to 2.5, found -80"),
            )
        ),
        *(
            ("encoder", "encode_wav", packed(content), words)
            for content, words in (
                (make_wav(note, sample_rate=44100), "wav_bytes: expected a sample rate of 16000 Hz, found 44100"),
                (make_wav(note, channels=2), "wav_bytes: expected 1 channel, found 2"),
                (
                    make_wav(note)[:20],
                    "wav_bytes: expected a WAV file with its format and audio, found 20 bytes without",
                ),
                (make_wav(note)[:5000], "wav_bytes: expected 128000 bytes of audio, found 4956 (truncated)"),
                (b"ID3 is no WAV" * 9, "wav_bytes: expected a WAV file, found 117 bytes that do not begin like one"),
                (
                    make_wav(note, width=1),
                    "wav_bytes: expected PCM of 16 bits or float of 32, found format 1 with 8 bits",
                ),
                (float_wav(spoilt(note, nan)), "wav_bytes: expected samples within -1 to 1, found NaN or infinity"),
                (float_wav(32768 * note), "wav_bytes: expected samples within -1 to 1, found "),
            )
        ),
        *(
            ("decoder", signature, notes | changed, words)
            for signature in ("serving_default", "decode_log_mel", "decode_audio", "decode_wav")
            for changed, words in (
                ({"pitch": np.array([60, 200], np.int32)}, "pitch: expected 0 to 127, found 200"),
                ({"pitch": np.array([-1, 60], np.int32)}, "pitch: expected 0 to 127, found -1"),
                ({"velocity": np.array([128, 0], np.int32)}, "velocity: expected 0 to 127, found 128"),
                ({"velocity": np.array([1], np.int32)}, f"{batch} 2, 2 and 1"),
                ({"pitch": np.array([1, 2, 3], np.int32)}, f"{batch} 2, 3 and 2"),
                ({"z": notes["z"][:1]}, f"{batch} 1, 2 and 2"),
                ({"pitch": np.array([[60, 61]], np.int32)}, "pitch: expected shape [batch], found [1, 2]"),
                ({"velocity": np.array(1, np.int32)}, "velocity: expected shape [batch], found []"),
                ({"z": notes["z"][:, 1:]}, "z: expected shape [batch, 6], found [2, 5]"),
                ({"z": spoilt(notes["z"], nan)}, "z: expected values within -100 to 100, found NaN or infinity"),
                ({"z": spoilt(notes["z"], 101)}, "z: expected values within -100 to 100, found 101"),
            )
        ),
    ]


def empty_requests() -> list[tuple[str, str, dict[str, np.ndarray]]]:
    """Return (model, signature, inputs) of no notes, for every signature but `encode_wav`."""
    inputs = {
        "audio": np.zeros([0, 64000], np.float32),
        "log_mel": np.zeros([0, 251, 128], np.float32),
        "z": np.zeros([0, 6], np.float32),
        "pitch": np.zeros([0], np.int32),
        "velocity": np.zeros([0], np.int32),
    }
    return [
        (model, signature, {name: inputs[name] for name in given})
        for model, signature, given in good_requests()
        if "wav_bytes" not in given
    ]


@pytest.fixture(scope="module")
def through_c(models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, np.ndarray]]]:
    """Return what the C API makes of all requests: good, bad, one that is good after them, and empty ones.

    Each model answers in a process of its own, which prints whether it has imported TensorFlow.
    """
    after = ("encoder", "serving_default", {"audio": make_inputs()["audio"][:1]})
    kinds = {"good": good_requests(), "bad": bad_requests(), "after": [after], "empty": empty_requests()}
    responses = {kind: [{} for _ in requests] for kind, requests in kinds.items()}
    numbered = [
        (response, *request[:3])
        for kind, requests in kinds.items()
        for response, request in zip(responses[kind], requests, strict=True)
    ]
    folder = tmp_path_factory.mktemp("c")
    for model, path in models.items():
        given = {
            f"{index:03}/{signature}/{name}": array
            for index, (_, of, signature, inputs) in enumerate(numbered)
            if of == model
            for name, array in inputs.items()
        }
        np.savez(folder / "requests.npz", **given)
        command = [sys.executable, "-I", str(C_API), str(path), "requests.npz", "responses.npz"]
        done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "False"
        for key, array in np.load(folder / "responses.npz").items():
            index, name = key.split("/")
            numbered[int(index)][0][name] = array
    return responses


def in_python(model: object, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """Return what a loaded model makes of a request."""
    as_tensors = {
        name: tf.constant([array.tobytes()]) if array.dtype == np.uint8 else tf.constant(array)
        for name, array in inputs.items()
    }
    return model.signatures[signature](**as_tensors)


def test_c_runtime_gives_what_python_gives(loaded, through_c) -> None:
    """Every signature, without `import tensorflow`: no py_function, no custom operator, no Keras object."""
    for (model, signature, inputs), response in zip(good_requests(), through_c["good"], strict=True):
        expected = in_python(loaded[model], signature, inputs)
        assert set(response) == set(expected), signature
        for name, value in expected.items():
            if value.dtype == tf.string:
                wavs = [np.frombuffer(content, np.uint8) for content in (response[name].tobytes(), value.numpy()[0])]
                decoded = [np.frombuffer(content[44:].tobytes(), "<i2").astype(int) for content in wavs]
                assert len(decoded[0]) == 64000
                assert np.abs(decoded[0] - decoded[1]).max() <= 1
            else:
                np.testing.assert_allclose(response[name], value, atol=1e-5, err_msg=f"{signature} {name}")


def test_a_bad_request_gets_a_sentence(loaded, through_c) -> None:
    """From the C runtime, which checks no shapes by itself; a right request after it is answered."""
    requests = bad_requests()
    for (_, signature, _, words), response in zip(requests, through_c["bad"], strict=True):
        assert list(response) == ["error"], (signature, words)
        assert words in str(response["error"]), signature
    assert set(through_c["after"][0]) == {"z_mean", "z_log_var"}
    for model, signature, inputs, words in requests[::7]:
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            in_python(loaded[model], signature, inputs)
        assert words in str(error.value)


def test_no_notes_are_no_results(through_c) -> None:
    """An empty batch gives empty outputs."""
    shapes = {"z_mean": (0, 6), "z_log_var": (0, 6), "log_mel": (0, 251, 128), "audio": (0, 64000), "wav_bytes": (0,)}
    for request, response in zip(empty_requests(), through_c["empty"], strict=True):
        assert response, request[1]
        found = {name: value.shape for name, value in response.items()}
        assert found == {name: shapes[name] for name in response}, request[1]


def test_wavs_are_audio_in_16_bits(models, loaded) -> None:
    """`encode_wav` is `serving_default` of the file's samples, padded or cut; `decode_wav` holds `decode_audio`."""
    audio = make_inputs()["audio"][0]
    steps = np.round(audio * 32767).astype(np.float32) / 32768
    encode, encode_wav = (loaded["encoder"].signatures[name] for name in ("serving_default", "encode_wav"))
    longer = np.concatenate([audio, audio])
    contents = [make_wav(audio), make_wav(audio, samples=1000), make_wav(longer, samples=70000)]
    found = encode_wav(wav_bytes=tf.constant(contents))["z_mean"]
    cut = np.where(np.arange(64000) < 1000, steps, 0).astype(np.float32)
    expected = encode(audio=tf.constant(np.stack([steps, cut, steps])))["z_mean"]
    np.testing.assert_allclose(found, expected, atol=1e-4)

    data = make_inputs()
    given = {name: tf.constant(data[name]) for name in ("z", "pitch", "velocity")}
    decode_wav, decode_audio = (loaded["decoder"].signatures[name] for name in ("decode_wav", "decode_audio"))
    expected = decode_audio(**given)["audio"].numpy()
    for content, audio in zip(decode_wav(**given)["wav_bytes"].numpy(), expected, strict=True):
        with wave.open(io.BytesIO(content)) as file:
            assert file.getparams()[:4] == (1, 2, 16000, 64000)
            samples = np.frombuffer(file.readframes(64000), "<i2")
        np.testing.assert_allclose(samples / 32768, audio, atol=1 / 32768)


def test_wavs_as_other_tools_write_them(loaded) -> None:
    """Float, an extensible format, chunks before the format, a size of who writes to a pipe: the same note."""
    audio = make_inputs()["audio"][0]
    plain = make_wav(audio)
    samples = np.frombuffer(plain[44:], "<i2").astype(np.float32) / 32768
    listed = struct.pack("<4sI", b"LIST", 7) + b"INFOabc\0"
    extended = io.BytesIO()
    soundfile.write(extended, samples, 16000, format="WAVEX", subtype="PCM_16")
    streamed = plain[:40] + b"\xff\xff\xff\xff" + plain[44:]
    files = [
        plain,
        extended.getvalue(),
        float_wav(samples),
        float_wav(samples, extensible=True),
        float_wav(samples, listed),
        plain[:12] + listed + plain[12:] + listed,
        streamed,
        plain[:40] + bytes(4) + plain[44:],
        plain[:40] + struct.pack("<I", 128002) + plain[44:],
    ]
    found = loaded["encoder"].signatures["encode_wav"](wav_bytes=tf.constant(files))["z_mean"].numpy()
    expected = loaded["encoder"].signatures["serving_default"](audio=tf.constant(samples[None]))["z_mean"].numpy()
    np.testing.assert_allclose(found, np.repeat(expected, len(files), 0), atol=1e-5)


def test_batches_larger_than_a_chunk(loaded) -> None:
    """Sound is made of some notes at a time: what is made of them does not depend on it."""
    rng, count = np.random.default_rng(5), 2 * signatures.CHUNK + 3
    given = {
        "z": tf.constant(rng.normal(size=[count, 6]).astype(np.float32)),
        "pitch": tf.constant(rng.integers(0, 128, count).astype(np.int32)),
        "velocity": tf.constant(rng.integers(0, 128, count).astype(np.int32)),
    }
    decode = loaded["decoder"].signatures["serving_default"]
    together = decode(**given)
    for index in (0, signatures.CHUNK - 1, signatures.CHUNK, count - 1):
        alone = decode(**{name: value[index : index + 1] for name, value in given.items()})
        np.testing.assert_allclose(alone["log_mel"][0], together["log_mel"][index], atol=1e-4)
        np.testing.assert_allclose(alone["audio"][0], together["audio"][index], atol=1e-3)


def test_warmup_requests_run(models, loaded) -> None:
    """Each signature alone and in a batch; a record is a few bytes, not 256 kB a note."""
    for name, path in models.items():
        file = path / "assets.extra" / "tf_serving_warmup_requests"
        assert file.stat().st_size < 2000
        found = []
        for record in tf.data.TFRecordDataset(str(file)):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            assert log.WhichOneof("log_type") == "predict_log"
            request = log.predict_log.request
            assert request.model_spec.name == name
            assert not request.model_spec.HasField("version")
            signature = loaded[name].signatures[request.model_spec.signature_name]
            inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
            sizes = {len(value) for value in signature(**inputs).values()}
            found.append((request.model_spec.signature_name, *sizes))
        assert sorted(found) == sorted((signature, batch) for signature in loaded[name].signatures for batch in (1, 8))


# Runs in a process of its own, so that a crash is seen.
FUZZ = """
import sys
import numpy as np
import tensorflow as tf
folder, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(seed)
signatures = {}
for kind in ("encoder", "decoder"):
    model = tf.saved_model.load(f"{folder}/{kind}/1")
    for name, run in model.signatures.items():
        signatures[kind, name] = model, run
DTYPES = ("float32", "float32", "float64", "float16", "int32", "int32", "int64", "uint8", "bool", "complex64")
SPOILT = (np.nan, np.inf, -np.inf, 1e30, -1e-40, 33.0, 127.5, -1.0, 2.0**31, 0.0)

def value(spec, batch):
    shape = [batch, *spec.shape.as_list()[1:]]
    chance = rng.random()
    if chance < 0.1:
        shape = shape[1:] if rng.random() < 0.5 else [*shape, 1]
    elif chance < 0.2:
        axis = int(rng.integers(len(shape)))
        shape[axis] = max(0, shape[axis] + int(rng.choice([-1, 1, 7, -shape[axis]])))
    if spec.dtype == tf.string and rng.random() < 0.9:
        size = max(0, int(np.prod(shape)))
        return tf.constant([rng.bytes(int(rng.integers(200))) for _ in range(size)], tf.string, shape=shape)
    if spec.dtype == tf.int32:
        array = rng.integers(-3 if rng.random() < 0.3 else 0, 131 if rng.random() < 0.3 else 128, size=shape)
    else:
        array = rng.normal(size=shape) * (10.0 ** rng.integers(-3, 2))
    dtype = "int32" if spec.dtype == tf.int32 else "float32"
    if rng.random() < 0.1:
        dtype = str(rng.choice(DTYPES))
    with np.errstate(all="ignore"):
        array = np.asarray(array).astype(dtype)
        if rng.random() < 0.2 and array.size:
            array.flat[int(rng.integers(array.size))] = np.asarray(rng.choice(SPOILT)).astype(dtype)
    return tf.constant(array)

answers = errors = 0
for index in range(count):
    key = list(signatures)[index % len(signatures)]
    run = signatures[key][1]
    batch = int(rng.choice([0, 1, 2, 3]))
    given = {name: value(spec, batch) for name, spec in run.structured_input_signature[1].items()}
    if rng.random() < 0.03:
        given.pop(next(iter(given)))
    print(index, key, {name: (tensor.dtype.name, tensor.shape.as_list()) for name, tensor in given.items()}, flush=True)
    try:
        made = run(**given)
    except (tf.errors.OpError, TypeError, ValueError) as error:
        assert str(error), key
        errors += 1
        continue
    answers += 1
    batch = len(next(iter(given.values())))
    for name, tensor in made.items():
        assert tensor.shape[0] == batch, (key, name, tensor.shape)
        if tensor.dtype.is_floating:
            assert np.isfinite(tensor.numpy()).all(), (key, name)
        if name == "audio":
            assert np.abs(tensor.numpy()).max(initial=0) <= 1
print("done", answers, errors)
"""


def fuzz(models: dict[str, pathlib.Path], seed: int, count: int) -> tuple[int, int]:
    """Return how many of some random requests were answered and how many got an error; fails on a crash."""
    folder = str(models["encoder"].parents[1])
    command = [sys.executable, "-c", FUZZ, folder, str(seed), str(count)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-2000:])
    _, answers, errors = lines[-1].split()
    return int(answers), int(errors)


@pytest.mark.slow
def test_random_requests_get_an_error_or_a_sane_answer(models) -> None:
    """Shapes, dtypes, NaN, empty batches, missing inputs: finite numbers of the right batch size, or an error."""
    answers, errors = fuzz(models, 0, 140)
    assert answers > 30
    assert errors > 30


@pytest.mark.slow
def test_many_random_requests(models) -> None:
    """As above, more of them."""
    answers, errors = fuzz(models, 1, 1400)
    assert answers > 300
    assert errors > 300
