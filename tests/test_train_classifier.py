"""`python -m nsynth_vae.train_classifier`: its files, resuming, and the errors it can end with.

What it shares with the other training commands (splits, checkpoints, Ctrl-C) is tested with these.
"""

import json
import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest
import soundfile
import synthetic

from nsynth_vae import train_classifier
from nsynth_vae.config import ClassificationConfig, SynthesisConfig
from nsynth_vae.evaluation import classifier
from nsynth_vae.pretrained import CLASSIFIER
from nsynth_vae.training.classifier_run import make_task
from nsynth_vae.training.options import ClassifierOptions

FAST = ["--channels", "4", "--feature-dim", "8", "--batch-size", "8"]


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("data") / "tiny nsynth")


@pytest.fixture(scope="module")
def finished(notes, tmp_path_factory):
    """A finished run of 6 steps, an epoch and a half; returns its model folder and its arguments."""
    models = tmp_path_factory.mktemp("run") / "models"
    arguments = ["--data", str(notes), "--steps", "6", "--models", str(models), *FAST]
    assert train_classifier.main(arguments) == 0
    return models / "classifier-tiny-nsynth", arguments


def test_the_model_folder_is_whole(finished):
    model, _ = finished
    names = {"config.json", "model.weights.h5", "metrics.json", "README.md", "figures", "logs", "checkpoints"}
    assert {path.name for path in model.iterdir()} == names
    assert {path.name for path in (model / "figures").iterdir()} == {"losses.png", "families.png"}
    config = ClassificationConfig.load(model / "config.json")
    assert (config.classifier.channels, config.classifier.feature_dim, config.train.batch_size) == (4, 8, 8)
    with PIL.Image.open(model / "figures" / "families.png") as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 16)) > 5


def test_metrics_have_definitions_and_the_card_says_how_to_use_it(finished):
    model, _ = finished
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["finished"]
    assert metrics["training"]["step"] == 6
    assert set(metrics["valid"]) == set(classifier.DEFINITIONS) == set(metrics["definitions"])
    assert 0.0 <= metrics["valid"]["pitch_accuracy"] <= metrics["valid"]["pitch_within_1"] <= 1.0
    card = (model / "README.md").read_text()
    assert f"family_accuracy {metrics['valid']['family_accuracy']:.3f}" in card
    command = "python -m nsynth_vae.train_classifier "
    (again,) = (line.split(command)[1].split() for line in card.splitlines() if line.startswith(f"    {command}"))
    assert train_classifier.make_parser().parse_args(again).steps == 6


def test_the_weights_are_those_that_were_measured(finished, notes):
    model, _ = finished
    loaded = classifier.load_classifier(model)
    paths = sorted((notes / "nsynth-valid" / "audio").glob("*.wav"))
    audio = np.stack([soundfile.read(path, dtype="float32")[0] for path in paths])
    pitch = np.array([int(path.stem.split("-")[1]) for path in paths])
    right = np.mean(loaded(audio)["pitch"].numpy().argmax(axis=1) == pitch)
    metrics = json.loads((model / "metrics.json").read_text())
    assert right == pytest.approx(metrics["valid"]["pitch_accuracy"])


def test_a_finished_run_is_left_alone_and_a_larger_budget_trains_further(finished, tmp_path, capsys, eager):
    model, arguments = finished
    assert train_classifier.main(arguments) == 0
    assert "is finished" in capsys.readouterr().out
    shutil.copytree(model, tmp_path / model.name)
    assert train_classifier.main([*arguments, "--models", str(tmp_path), "--steps", "7"]) == 0
    assert "Resuming from step 6" in capsys.readouterr().out
    assert json.loads((tmp_path / model.name / "metrics.json").read_text())["training"]["step"] == 7


def test_streamed_notes_have_their_labels(notes):
    from nsynth_vae.data.batching.audio_batches import open_audio
    from nsynth_vae.data.open_sources import open_source
    from nsynth_vae.data.source import BadNotes

    config = ClassificationConfig().audio
    source = open_source(notes, audio=config, bad_notes=BadNotes())
    rows = np.arange(len(source.table))
    for memory in (True, False):
        opened = open_audio(source, rows, config, BadNotes(), memory=memory, labels=tuple(classifier.LABELS))
        batch = next(iter(opened.training(batch_size=8, seed=0)))
        found = {tuple(int(batch[name][i]) for name in classifier.LABELS) for i in range(8)}
        table = source.table
        known = set(zip(*(getattr(table, name).tolist() for name in classifier.LABELS), strict=True))
        assert len(found) > 4
        assert found <= known


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder: no such file or folder, expected"),
        (["--channels", "0"], "--channels: found '0', expected a positive integer"),
        (["--feature-dim", "x"], "--feature-dim: found 'x', expected a positive integer"),
        (["--dropout", "1.5"], "dropout: found 1.5, expected at least 0 and below 1"),
        (["--blocks", "3"], "unrecognized arguments: --blocks 3"),
        (["--config", "{synthesizer}"], "config: found 'synthesizer', expected one of audio, data, classifier, train"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(options, message, tmp_path, capsys):
    SynthesisConfig().save(tmp_path / "synthesizer.json")
    options = [str(tmp_path / "synthesizer.json") if option == "{synthesizer}" else option for option in options]
    try:
        code = train_classifier.main(["--models", str(tmp_path / "models"), "--steps", "1", *options])
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert message in error
    assert error.startswith("error: ")
    assert "\n" not in error
    assert not (tmp_path / "models").exists()


def test_the_default_name_is_not_that_of_the_shipped_classifier():
    task = make_task(ClassificationConfig(), ClassifierOptions())
    assert task.folder == pathlib.Path("models/classifier-starter")
    assert task.folder.name != CLASSIFIER.name
