"""TFLite files: signatures, operators, parity with Keras."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from small_models import AUDIO, CONFIG, SMALL, make_inputs, make_vae, sound

from nsynth_vae import features, tflite
from nsynth_vae.synthesis import harmonic_noise


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """Returns a model, its files' paths and what the writing reported."""
    vae, lines = make_vae(CONFIG), []
    folder = tmp_path_factory.mktemp("tflite")
    paths = tflite.write_models(folder, vae.encoder, vae.decoder, CONFIG, harmonic_noise.load(), {}, lines.append)
    return vae, paths, lines


def runner(path: pathlib.Path):
    """Returns a TFLite file's signature runner, after a look at its operators: built-in ones only."""
    interpreter = Interpreter(str(path), num_threads=1)
    operators = {item["op_name"] for item in interpreter._get_ops_details()}
    assert "CONV_2D" in operators
    assert not [name for name in operators if name.startswith("Flex") or not name.isupper()]
    return interpreter.get_signature_runner("serving_default"), interpreter.get_signature_list()["serving_default"]


def described(details: dict) -> dict:
    return {name: (list(item["shape"]), item["dtype"]) for name, item in details.items()}


@pytest.mark.parametrize(("kind", "tolerance"), [("float32", 1e-4), ("float16", 1e-2)])
def test_tflite_decoder(written, kind: str, tolerance: float) -> None:
    """The Keras decoder's log-mel, and the synthesizer's audio of it."""
    vae, paths, _ = written
    run, names = runner(paths[f"decoder_{kind}"])
    assert names == {"inputs": ["pitch", "velocity", "z"], "outputs": ["audio", "log_mel"]}
    shapes = described(run.get_input_details())
    assert shapes == {"z": ([1, 6], np.float32), "pitch": ([1], np.int32), "velocity": ([1], np.int32)}
    data = make_inputs()
    for index in range(7):
        given = {name: data[name][index : index + 1] for name in ("z", "pitch", "velocity")}
        made = run(**given)
        assert made["log_mel"].shape == (1, 251, 128) and made["log_mel"].dtype == np.float32
        np.testing.assert_allclose(made["log_mel"], vae.decoder(**given), atol=tolerance)
        assert made["audio"].shape == (1, 64000) and made["audio"].dtype == np.float32
        # This decoder's log-mels are like no note's, and loud: rounding is amplified. `.ci/check_exports.py` has notes.
        np.testing.assert_allclose(made["audio"], sound(made["log_mel"], given["pitch"]), atol=1e-2)
        np.testing.assert_array_equal(made["audio"], run(**given)["audio"])
    # The converter drops checks, so what is out of range is clamped.
    given |= {"pitch": np.array([1000], np.int32), "velocity": np.array([-5], np.int32)}
    clamped = given | {"pitch": np.array([127], np.int32), "velocity": np.array([0], np.int32)}
    for name in ("log_mel", "audio"):
        np.testing.assert_array_equal(run(**given)[name], run(**clamped)[name])


def test_tflite_synthesizer(tmp_path: pathlib.Path) -> None:
    """TensorFlow's audio to 1e-3, though in float16, from a file of at most 5 MB; it can be made again."""
    path = harmonic_noise.SHIPPED / harmonic_noise.TFLITE
    assert path.stat().st_size <= 5e6
    tflite.export_synthesizer(harmonic_noise.load(), tmp_path / "synthesizer.tflite")
    assert [item.name for item in tmp_path.iterdir()] == ["synthesizer.tflite"]
    data = make_inputs()
    for file in (path, tmp_path / "synthesizer.tflite"):
        run, names = runner(file)
        assert names == {"inputs": ["log_mel", "pitch"], "outputs": ["audio"]}
        assert described(run.get_input_details()) == {"log_mel": ([1, 251, 128], np.float32), "pitch": ([1], np.int32)}
        for index in range(7):
            log_mel = features.log_mel(tf.constant(data["audio"][index : index + 1]), AUDIO).numpy()
            given = {"log_mel": log_mel, "pitch": data["pitch"][index : index + 1]}
            made = run(**given)["audio"]
            assert made.shape == (1, 64000) and made.dtype == np.float32
            np.testing.assert_allclose(made, sound(**given), atol=1e-3)
        silence = features.log_mel(tf.zeros([1, 64000]), AUDIO).numpy()
        assert np.abs(run(log_mel=silence, pitch=np.array([60], np.int32))["audio"]).max() < 1e-6


def test_no_audio_of_other_features(tmp_path: pathlib.Path) -> None:
    """Without a synthesizer the decoder gives its log-mel alone."""
    vae = make_vae(SMALL)
    paths = tflite.write_models(tmp_path, vae.encoder, vae.decoder, SMALL, None, {}, lambda line: None)
    for kind in tflite.KINDS:
        signature = Interpreter(str(paths[f"decoder_{kind}"])).get_signature_list()["serving_default"]
        assert list(signature["outputs"]) == ["log_mel"]
