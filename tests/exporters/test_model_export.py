"""Exports: signatures, parity with Keras in a process without this package, versions, failures."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf
from small_models import AUDIO, CONFIG, SMALL, make_inputs, make_vae, sound

from nsynth_vae import features, files
from nsynth_vae.cli.suppress_stderr import quiet
from nsynth_vae.config import AudioConfig, Config, ModelConfig
from nsynth_vae.errors import InputError
from nsynth_vae.exporters import model_export, saved_model, signatures, tflite
from nsynth_vae.exporters.model_export import export_model
from nsynth_vae.model.vae import VAE, load_model
from nsynth_vae.synthesis import griffin_lim
from nsynth_vae.synthesis.vocoder import load_synthesizer

BATCHES = (1, 2, 7)

# Runs in a process of its own, in which neither this package nor Keras can be imported.
CLIENT = """
import sys
sys.modules["nsynth_vae"] = sys.modules["keras"] = None
import numpy as np
import tensorflow as tf
exports, inputs, outputs = sys.argv[1:]
data, found = np.load(inputs), {}
for kind in ("encoder", "decoder"):
    model = tf.saved_model.load(f"{exports}/{kind}/1")
    for signature, run in model.signatures.items():
        names = run.structured_input_signature[1]
        if "wav_bytes" in names:
            continue
        for n in (1, 2, 7):
            for attempt in ("first", "again"):
                for name, value in run(**{name: tf.constant(data[name][:n]) for name in names}).items():
                    if value.dtype != tf.string:
                        found[f"{signature}/{name}/{n}/{attempt}"] = value.numpy()
np.savez(outputs, **found)
"""

Z, MIDI, AUDIO_SHAPE, LOG_MEL = [None, 6], [None], [None, 64000], [None, 251, 128]
POSTERIOR = {"z_mean": (Z, tf.float32), "z_log_var": (Z, tf.float32)}
NOTES = {"z": (Z, tf.float32), "pitch": (MIDI, tf.int32), "velocity": (MIDI, tf.int32)}
SOUND, SPECTROGRAM = {"audio": (AUDIO_SHAPE, tf.float32)}, {"log_mel": (LOG_MEL, tf.float32)}
SEED, MOTION = {"seed": (MIDI, tf.int32)}, {"motion": (MIDI, tf.float32)}
FILES_OF_NOTES = {"wav_bytes": (MIDI, tf.string)}
CONTRACT = {
    "encoder": {
        "serving_default": (SOUND, POSTERIOR),
        "encode_log_mel": (SPECTROGRAM, POSTERIOR),
        "encode_wav": (FILES_OF_NOTES, POSTERIOR),
    },
    "decoder": {
        "serving_default": (NOTES, SPECTROGRAM | SOUND),
        "decode_log_mel": (NOTES, SPECTROGRAM),
        "decode_audio": (NOTES, SOUND),
        "decode_wav": (NOTES, FILES_OF_NOTES),
        "decode_take": (NOTES | SEED, SPECTROGRAM | SOUND),
        "decode_motion": (NOTES | SEED | MOTION, SPECTROGRAM | SOUND),
    },
}


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[VAE, dict[str, pathlib.Path], pathlib.Path, str]:
    """Return a model, its exports' paths and folder, and what the export wrote to the standard streams."""
    folder = tmp_path_factory.mktemp("exports") / "deeper" / "exports"
    vae = make_vae(CONFIG)
    log = tmp_path_factory.mktemp("log") / "log"
    kept = os.dup(1), os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            paths = export_model(vae, CONFIG, folder)
        finally:
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
    return vae, paths, folder, log.read_text()


@pytest.fixture(scope="module")
def loaded(exported) -> dict[str, object]:
    """Return the exported models as TensorFlow loads them."""
    return {kind: tf.saved_model.load(str(exported[1][kind])) for kind in ("encoder", "decoder")}


@pytest.fixture
def no_tflite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the slow conversion to TFLite."""
    monkeypatch.setattr(tflite, "write_models", small_models.write_no_tflite)


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch, no_tflite: None) -> None:
    """Replace the slow writing of SavedModels and TFLite, for tests of where and when."""

    def write(folder: pathlib.Path, name: str, endpoints: object, metadata: dict) -> None:
        folder.mkdir()
        (folder / "saved_model.pb").write_text(json.dumps(metadata))

    monkeypatch.setattr(saved_model, "write", write)


def numbered(folder: pathlib.Path) -> list[str]:
    """Return what is in the subfolders."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))


def test_signatures_are_the_contracts(exported, loaded) -> None:
    """Names, dtypes and shapes, with any number of notes in a batch."""
    _, paths, folder, _ = exported
    assert paths["encoder"] == folder / "encoder" / "1"
    assert paths["decoder"] == folder / "decoder" / "1"

    def described(specs: dict) -> dict:
        return {name: (spec.shape.as_list(), spec.dtype) for name, spec in specs.items()}

    for kind, contract in CONTRACT.items():
        found = {
            name: (described(signature.structured_input_signature[1]), described(signature.structured_outputs))
            for name, signature in loaded[kind].signatures.items()
        }
        assert found == contract


def test_signatures_share_weights_and_constants(exported) -> None:
    """Each weight is written once, and so is what several signatures compute."""
    vae, paths, _, _ = exported
    layers = {"encoder": [vae.encoder], "decoder": [vae.decoder, load_synthesizer()]}
    for kind, parts in layers.items():
        weights = sum(weight.size * 4 for part in parts for weight in part.get_weights())
        assert weights <= (paths[kind] / "variables/variables.data-00000-of-00001").stat().st_size < weights + 50_000
    # The mel matrix and the synthesizer's tables: twice would be 9 MB.
    assert (paths["decoder"] / "saved_model.pb").stat().st_size < 6e6
    assert (paths["encoder"] / "saved_model.pb").stat().st_size < 5e5


def operations(graph_def) -> set[str]:
    """Return the names of the operators of a graph and of all functions that it can call."""
    library = {function.signature.name: function.node_def for function in graph_def.library.function}
    nodes, names, seen = list(graph_def.node), set(), set()
    while nodes:
        node = nodes.pop()
        names.add(node.op)
        for value in node.attr.values():
            for function in [value.func.name, *(item.name for item in value.list.func)]:
                if function and function not in seen:
                    seen.add(function)
                    nodes += library[function]
    return names


def test_decode_log_mel_makes_no_sound(loaded) -> None:
    """Only the signatures that give audio have the synthesizer's running sum of phases."""
    runs = loaded["decoder"].signatures
    found = {name: "Cumsum" in operations(run.graph.as_graph_def()) for name, run in runs.items()}
    assert found == {name: name != "decode_log_mel" for name in CONTRACT["decoder"]}


@pytest.mark.slow
def test_parity_in_a_process_without_this_package(exported, tmp_path: pathlib.Path) -> None:
    """Nor with Keras; alone and in batches; twice the same."""
    vae, _, folder, _ = exported
    data = make_inputs()
    data["log_mel"] = features.log_mel(tf.constant(data["audio"]), AUDIO).numpy()
    data |= {"seed": np.zeros(7, np.int32), "motion": np.ones(7, np.float32)}
    np.savez(tmp_path / "inputs.npz", **data)
    command = [sys.executable, "-I", "-c", CLIENT, str(folder), "inputs.npz", "outputs.npz"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dict(np.load(tmp_path / "outputs.npz"))
    assert len(found) == 2 * len(BATCHES) * (2 + 2 + 2 + 1 + 1 + 2 + 2)
    z_mean, z_log_var = vae.encoder(data["log_mel"])
    log_mel = vae.decoder(*(tf.constant(data[name]) for name in ("z", "pitch", "velocity")))
    expected = {"z_mean": z_mean, "z_log_var": z_log_var, "log_mel": log_mel}
    for key, value in found.items():
        signature, name, n, attempt = key.split("/")
        if attempt == "again":
            np.testing.assert_array_equal(value, found[f"{signature}/{name}/{n}/first"])
        elif name == "audio":
            audio = sound(found[f"serving_default/log_mel/{n}/first"], data["pitch"][: int(n)])
            assert np.max(np.abs(audio)) > 0.01
            np.testing.assert_allclose(value, audio, atol=1e-3)
        else:
            np.testing.assert_allclose(value, expected[name][: int(n)], atol=1e-4)


def test_parity_of_the_audio_in_this_process(exported, loaded) -> None:
    """What the decoder's log-mel sounds like is the same in the exported graph."""
    vae, decode = exported[0], loaded["decoder"].signatures["serving_default"]
    data = make_inputs()
    for n in BATCHES:
        given = {name: tf.constant(data[name][:n]) for name in ("z", "pitch", "velocity")}
        found = decode(**given)
        np.testing.assert_allclose(found["log_mel"], vae.decoder(**given), atol=1e-4)
        np.testing.assert_allclose(found["audio"], sound(found["log_mel"], given["pitch"]), atol=1e-4)


def test_other_features_than_the_synthesizers(tmp_path: pathlib.Path, no_tflite) -> None:
    """Griffin-Lim in the SavedModel, and a word about it."""
    vae, lines = make_vae(SMALL), []
    paths = export_model(vae, SMALL, tmp_path, report=lines.append)
    assert lines[0].startswith("these features are not the synthesizer's: audio is by Griffin-Lim")
    assert "synthesizer_float16" not in paths
    decode = tf.saved_model.load(str(paths["decoder"])).signatures["serving_default"]
    found = decode(z=tf.ones([1, 3]), pitch=tf.constant([60]), velocity=tf.constant([100]))
    expected = griffin_lim.log_mel_to_audio(found["log_mel"], SMALL.audio)
    np.testing.assert_allclose(found["audio"], expected, atol=1e-3)


def test_metadata_are_in_every_export(exported) -> None:
    """The same metadata three times."""
    _, paths, folder, _ = exported
    texts = {
        (paths["encoder"] / "assets.extra" / "model_facts.json").read_text(),
        (paths["decoder"] / "assets.extra" / "model_facts.json").read_text(),
        (folder / "tflite" / "model_facts.json").read_text(),
    }
    metadata = json.loads(texts.pop())
    assert not texts
    assert (metadata["sample_rate"], metadata["num_samples"], metadata["latent_dim"]) == (16000, 64000, 6)
    assert (metadata["num_frames"], metadata["num_mel_bins"], metadata["format_version"]) == (251, 128, 1)
    assert AudioConfig.from_dict(metadata["audio"]) == AUDIO
    assert metadata["package_version"]


def test_export_is_quiet_and_leaves_only_what_it_should(exported) -> None:
    """No word on the standard streams, no folder that is not in the contract."""
    _, paths, folder, log = exported
    assert log == ""
    names = [*(f"{stem}.tflite" for stem in tflite.FILES), "model_facts.json", "synthesizer_float16.tflite"]
    assert numbered(folder) == ["decoder/1", "encoder/1", *sorted(f"tflite/{name}" for name in names)]
    assert sorted(path.name for path in folder.iterdir()) == ["decoder", "encoder", "tflite"]
    assert all(path.exists() for path in paths.values())


def test_the_next_version_is_above_both(tmp_path: pathlib.Path, stubs) -> None:
    """Encoder and decoder get the same version, and the former ones are left alone."""
    lines = []
    vae = make_vae(SMALL)
    first = export_model(vae, SMALL, tmp_path, version=4, report=lines.append)
    assert lines[1:] == ["encoder: SavedModel", "decoder: SavedModel"]
    (first["encoder"] / "saved_model.pb").write_text("the first")
    (tmp_path / "decoder" / "6").mkdir()
    (tmp_path / "encoder" / "notes").mkdir()
    second = export_model(vae, SMALL, tmp_path)
    assert second["encoder"] == tmp_path / "encoder" / "7"
    assert second["decoder"] == tmp_path / "decoder" / "7"
    assert (first["encoder"] / "saved_model.pb").read_text() == "the first"
    assert {stem: second[stem].read_text() for stem in tflite.FILES} == {stem: stem for stem in tflite.FILES}


def test_versions_only_grow(tmp_path: pathlib.Path) -> None:
    """A version that is there, or below one, is refused before anything is written."""
    (tmp_path / "decoder" / "7").mkdir(parents=True)
    for version in (7, 6, 0):
        with pytest.raises(InputError, match=f"version: found {version}, expected 8 or more: .* has 7"):
            export_model(None, SMALL, tmp_path, version=version)
    assert numbered(tmp_path) == ["decoder/7"]


def test_a_version_that_appears_meanwhile_is_kept(tmp_path: pathlib.Path, stubs, monkeypatch) -> None:
    """Another export may have been faster."""
    monkeypatch.setattr(model_export, "_next_version", lambda *_: 1)
    (tmp_path / "encoder" / "1").mkdir(parents=True)
    (tmp_path / "encoder" / "1" / "mine").write_text("mine")
    with pytest.raises(InputError, match=f"{tmp_path}/encoder/1: .*, expected to write it new"):
        export_model(make_vae(SMALL), SMALL, tmp_path)
    assert (tmp_path / "encoder" / "1" / "mine").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder"]


def test_a_failure_in_the_middle_takes_back_the_version(tmp_path: pathlib.Path, stubs) -> None:
    """An encoder without its decoder is no use."""
    (tmp_path / "tflite").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"tflite/encoder_float32.tflite: .*, expected to write it new"):
        export_model(make_vae(SMALL), SMALL, tmp_path)
    assert numbered(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder", "encoder", "tflite"]


def test_many_exports_at_once(tmp_path: pathlib.Path, stubs) -> None:
    """Each has a version of its own, the same for encoder and decoder; what a reader sees is whole."""
    vae, seen, done = make_vae(SMALL), {}, threading.Event()

    def read() -> None:
        last = False
        while not last:
            # Once more after the last export: a busy machine may not have come to look at it before.
            last = done.is_set()
            for folder in tmp_path.glob("*coder/*"):
                seen.setdefault(folder, (folder / "saved_model.pb").exists())

    def write() -> list[pathlib.Path]:
        return [export_model(vae, SMALL, tmp_path)["decoder"] for _ in range(2)]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        reader = pool.submit(read)
        writers = [pool.submit(write) for _ in range(2)]
        versions = [path for writer in writers for path in writer.result()]
        done.set()
        reader.result()
    assert sorted(versions) == [tmp_path / "decoder" / str(version) for version in range(1, 5)]
    assert len(seen) == 8
    assert all(seen.values())


def test_a_failure_leaves_nothing_and_says_why(tmp_path: pathlib.Path, stubs, monkeypatch) -> None:
    """No numbered folder, no temporary file, and the suppressed output is a note of the error, for its log."""

    def fail(folder: pathlib.Path, *_) -> dict[str, pathlib.Path]:
        assert (folder.parent / "encoder" / "saved_model.pb").exists()
        with quiet():
            os.write(2, b"the converter's own words\n")
            raise RuntimeError("no conversion")

    monkeypatch.setattr(tflite, "write_models", fail)
    with pytest.raises(RuntimeError, match="no conversion") as error:
        export_model(make_vae(SMALL), SMALL, tmp_path / "exports")
    assert not (tmp_path / "exports").exists()
    assert error.value.__notes__ == ["the converter's own words"]


def test_what_a_killed_export_left_is_removed_later(tmp_path: pathlib.Path) -> None:
    """But not what may still be in use."""
    code = """
import os, pathlib, sys
from nsynth_vae.files import temporary_folder
with temporary_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "encoder").mkdir()
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    (left,) = tmp_path.iterdir()
    in_use = tmp_path / left.name.replace(left.name.split("-")[1], str(os.getppid()))
    in_use.mkdir()
    with files.temporary_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert not folder.name.isdecimal()
    assert sorted(tmp_path.iterdir()) == [in_use]


def test_exports_folder_that_cannot_be_made(tmp_path: pathlib.Path) -> None:
    """Bad input, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/exports: .*expected a folder that can be written"):
        export_model(None, SMALL, tmp_path / "file" / "exports")


def test_a_mixed_precision_model_is_exported_in_float32() -> None:
    """With the same weights, and the global policy as it was."""
    plain = make_vae(SMALL)
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        mixed = VAE(SMALL)
        mixed.build()
        mixed.set_weights(plain.get_weights())
        encoder, decoder = signatures.float32_layers(mixed, SMALL)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(policy)
    given = tf.constant([[0.3, -1.0, 2.0]]), tf.constant([60]), tf.constant([100])
    log_mel = decoder(*given)
    assert decoder.compute_dtype == encoder.compute_dtype == "float32"
    np.testing.assert_array_equal(log_mel, plain.decoder(*given))
    np.testing.assert_array_equal(encoder(log_mel)[0], plain.encoder(log_mel)[0])


@pytest.fixture
def model_folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return the folder of a saved model."""
    folder = tmp_path / "models" / "small"
    folder.mkdir(parents=True)
    SMALL.save(folder / "config.json")
    make_vae(SMALL).save_weights(folder / "model.weights.h5")
    return folder


def test_load_model_rebuilds_it(model_folder: pathlib.Path) -> None:
    """Configuration and weights."""
    vae, config = load_model(model_folder)
    assert config == SMALL
    for found, expected in zip(vae.get_weights(), make_vae(SMALL).get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_load_model_names_what_is_wrong(model_folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Every message, one line each."""
    with pytest.raises(InputError, match="nowhere: not a folder, expected a model folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"config.json: No such file or directory, expected"):
        load_model(tmp_path)
    weights = model_folder / "model.weights.h5"
    whole = weights.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"no weights at all"):
        weights.write_bytes(broken)
        with pytest.raises(InputError, match=r"model.weights.h5: .*; expected the weights of the model") as error:
            load_model(model_folder)
        assert "\n" not in str(error.value)
    weights.write_bytes(whole)
    Config(audio=SMALL.audio, model=ModelConfig(latent_dim=4, channels=16)).save(model_folder / "config.json")
    with pytest.raises(InputError, match=r"model.weights.h5: .*; expected the weights of the model"):
        load_model(model_folder)
    SMALL.save(model_folder / "config.json")
    weights.unlink()
    with pytest.raises(InputError, match=r"model.weights.h5: not found, expected the weights"):
        load_model(model_folder)
