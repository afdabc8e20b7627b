"""`python -m nsynth_vae.evaluate`: what it measures of tiny data and an untrained model, what it leaves, its errors."""

import base64
import html.parser
import io
import json
import shutil
import time

import numpy as np
import PIL.Image
import pytest
import small_models
import soundfile
import synthetic

from nsynth_vae import evaluate, pretrained
from nsynth_vae.config import AudioConfig, ClassificationConfig, ClassifierConfig, Config
from nsynth_vae.evaluation.run import Options, _load_classifier
from nsynth_vae.files import rounded

SYSTEMS = ["real", "griffin_lim", "synthesizer", "reconstruction", "other_pitch", "interpolation"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthetic.write_nsynth(tmp_path_factory.mktemp("data") / "tiny nsynth")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained model's folder."""
    folder = tmp_path_factory.mktemp("models") / "untrained"
    folder.mkdir()
    small_models.CONFIG.save(folder / "config.json")
    small_models.make_vae(small_models.CONFIG).save_weights(folder / "model.weights.h5")
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """An untrained classifier's folder."""
    from nsynth_vae.evaluation.classifier import Classifier

    folder = tmp_path_factory.mktemp("classifiers") / "untrained"
    folder.mkdir()
    config = ClassificationConfig(classifier=ClassifierConfig(channels=4, feature_dim=8))
    config.save(folder / "config.json")
    made = Classifier(config)
    made.build()
    made.save_weights(folder / "model.weights.h5")
    return folder


@pytest.fixture(scope="module")
def arguments(data, model, classifier):
    common = ["--data", str(data), "--classifier", str(classifier), "--jobs", "1"]
    return [*common, "--model", str(model), "--pairs", "2"]


@pytest.fixture(scope="module")
def report(arguments, tmp_path_factory):
    """The folder of a finished evaluation of four notes: two instruments, two pitches."""
    output = tmp_path_factory.mktemp("reports") / "untrained"
    assert evaluate.main([*arguments, "--output", str(output)]) == 0
    return output


def load(folder) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def mean(result: dict, system: str, measure: str) -> float:
    return result["systems"][system]["measures"][measure]["mean"]


def test_every_system_is_measured(report):
    result = load(report)
    assert list(result["systems"]) == [*SYSTEMS, "interpolation_middle"]
    sounds = {name: system["sounds"] for name, system in result["systems"].items()}
    assert sounds == dict.fromkeys(SYSTEMS, 4) | {"interpolation": 18, "interpolation_middle": 2}
    assert set(result["systems"]) <= set(result["definitions"]["systems"])
    for system in result["systems"].values():
        assert set(system["measures"]) <= set(result["definitions"]["measures"])
        for figures in system.get("families", {}).values():
            assert set(figures) <= {"sounds", *result["definitions"]["measures"]}


def test_what_is_known_of_the_measures_is_found(report):
    result = load(report)
    for measure in ("lsd_db", "mss", "log_mel_l1", "onset_off_seconds"):
        assert mean(result, "real", measure) == 0.0
    assert mean(result, "real", "in_tune") == mean(result, "other_pitch", "real_in_tune") == 1.0
    # A round trip of the true mel is near; an untrained model is far.
    assert 0.0 < mean(result, "griffin_lim", "log_mel_l1") < 0.3 < mean(result, "reconstruction", "log_mel_l1")
    assert mean(result, "reconstruction", "decoder_log_mel_l1") > 0.5
    assert "decoder_log_mel_l1" not in result["systems"]["griffin_lim"]["measures"]
    assert "log_mel_l1" not in result["systems"]["interpolation"]["measures"]
    assert len(result["systems"]["interpolation"]["steps"]) == 9
    families = result["systems"]["griffin_lim"]["families"]
    assert {name: family["sounds"] for name, family in families.items()} == {"brass": 2, "reed": 2}
    both = np.mean([family["log_mel_l1"] for family in families.values()])
    assert both == pytest.approx(mean(result, "griffin_lim", "log_mel_l1"), rel=1e-4)


def test_own_classifier_figures_are_there(report):
    result = load(report)
    for system in SYSTEMS[:5]:
        assert 0.0 <= mean(result, system, "classifier_pitch") <= mean(result, system, "classifier_pitch_within_1")
        assert mean(result, system, "frechet_distance") >= 0.0
        # 50 clusters need as many notes.
        assert "ndb_50" not in result["systems"][system]["measures"]
    assert "classifier_family" not in result["systems"]["interpolation"]["measures"]
    assert all("own-classifier figure" in result["definitions"]["measures"][name] for name in ("ndb_50",))


def test_the_timbre_space_is_probed(report):
    latent = load(report)["latent"]
    assert latent["latent_dim"] == 6
    assert 0 <= latent["active_dimensions"] <= 6
    assert latent["train_notes"] == 36
    # Train has 48, 52, ..., 68, test 52 and 62: one pitch is no choice.
    assert "pitch" not in latent
    assert "found 1 in both splits" in latent["pitch_missing"]
    # No instrument of these families is in train.
    assert latent["family"]["z_mean"]["nearest"] == latent["family"]["log_mel"]["nearest"] == 0.0


def test_motion_stands_beside_the_real_notes(report):
    result = load(report)
    motion = result["motion"]
    assert list(motion) == ["griffin_lim", "synthesizer", "reconstruction"]
    for found in motion.values():
        assert set(found) <= set(result["definitions"]["motion"])
        # Brass and reed are sustained; the notes are steady tones.
        assert {name: group["notes"] for name, group in found["groups"].items()} == {
            "all": 4, "sustained": 4, "brass": 2, "reed": 2,
        }  # fmt: skip
        assert found["groups"]["sustained"]["shimmer_db"]["real"] < 0.05
    # Four notes are too few for five folds, and the instruments have one velocity.
    assert motion["reconstruction"]["told_apart"] == {}
    assert motion["reconstruction"]["velocity"] == {"pairs": 0, "distinct_pairs": 0}
    assert "told_apart_by_network" not in motion["reconstruction"]
    assert abs(motion["synthesizer"]["level"]["bias_db"]) < 1.0
    assert motion["griffin_lim"]["groups"]["all"]["phase_wobble_cents"]["made"] > 0.0


def test_the_circumstances_are_recorded(report, data, model):
    result = load(report)
    assert result["about"]["notes"] == 4
    assert result["about"]["instruments"] == 2
    assert result["about"]["data"] == [str(data)]
    assert result["about"]["model"] == str(model)
    assert result["about"]["seed"] == 0
    assert result["about"]["split"] == "test"
    assert result["cpu_cores"] > 0
    assert {"nsynth_vae", "tensorflow", "scikit-learn", "swift-f0", "python"} <= set(result["versions"])


@pytest.mark.slow
def test_the_same_command_gives_the_same_numbers(report, arguments, tmp_path):
    assert evaluate.main([*arguments, "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "metrics.json").read_bytes() == (report / "metrics.json").read_bytes()


class Page(html.parser.HTMLParser):
    """Collect what a page refers to."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.sources, self.links, self.rows, self.open = [], [], 0, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.sources += [(tag, attributes["src"])] if "src" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        self.rows += tag == "tr"
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_has_pictures_and_players(report):
    text = (report / "report.html").read_text()
    page = Page(text)
    assert not page.open
    assert not page.links
    assert "http" not in text.replace("http-equiv", "")
    kinds = [tag for tag, _ in page.sources]
    # Best, median and worst: a note each, by four systems; nine steps of a morph. The decoder's log-mel has no sound.
    assert kinds.count("audio") == 3 * 4 + 9
    assert kinds.count("img") == 3 * 5 + 9
    for tag, source in page.sources:
        kind, _, content = source.partition(";base64,")
        content = base64.b64decode(content)
        if tag == "img":
            assert kind == "data:image/png"
            with PIL.Image.open(io.BytesIO(content)) as picture:
                assert picture.size == (AudioConfig().num_frames, AudioConfig().num_mel_bins)
        else:
            assert kind == "data:audio/flac"
            audio, sample_rate = soundfile.read(io.BytesIO(content))
            assert audio.shape == (64000,)
            assert sample_rate == 16000
    assert page.rows > 30


def test_the_markdown_has_the_figures(report):
    text, result = (report / "report.md").read_text(), load(report)
    row = next(line for line in text.splitlines() if line.startswith("| true mel, synthesizer | 4 |"))
    figures = result["systems"]["synthesizer"]["measures"]["log_mel_l1"]
    assert f"| {figures['mean']:.3f} / {figures['median']:.3f} |" in row
    assert text.startswith("# Evaluation of untrained\n")
    assert "## By family" in text


def folder_of(data, target, names: dict[str, str]):
    """Copy test notes: file name -> the note whose sound it gets."""
    target.mkdir()
    for name, note in names.items():
        shutil.copy(data / "nsynth-test" / "audio" / f"{note}.wav", target / f"{name}.wav")
    return target


NOTES = [
    f"{instrument}-{pitch}-100"
    for instrument in ("brass_acoustic_006", "reed_acoustic_007")
    for pitch in ("052", "062")
]


def test_the_notes_themselves_are_perfect_and_no_model_is_needed(data, tmp_path):
    sounds = folder_of(data, tmp_path / "system", {name: name for name in NOTES[:3]})
    arguments = ["--data", str(data), "--audio-dir", str(sounds), "--output", str(tmp_path / "report"), "--jobs", "1"]
    assert evaluate.main(arguments) == 0
    result = load(tmp_path / "report")
    assert list(result["systems"]) == ["real", "griffin_lim", "synthesizer", "audio_dir"]
    assert result["systems"]["audio_dir"]["sounds"] == result["about"]["notes"] == 3
    assert result["systems"]["audio_dir"]["measures"] == result["systems"]["real"]["measures"]
    assert result["latent"] is None
    assert result["about"]["model"] is None
    assert result["about"]["name"] == "system"
    assert "the folder&#x27;s notes" in (tmp_path / "report" / "report.html").read_text()


def test_shuffled_audio_gives_chance(data, tmp_path):
    """Each name has the sound of the instrument's other pitch: nothing is in tune, and no distance is small."""
    shuffled = dict(zip(NOTES, [NOTES[1], NOTES[0], NOTES[3], NOTES[2]], strict=True))
    sounds = folder_of(data, tmp_path / "shuffled", shuffled)
    arguments = ["--data", str(data), "--audio-dir", str(sounds), "--output", str(tmp_path / "report"), "--jobs", "1"]
    assert evaluate.main(arguments) == 0
    result = load(tmp_path / "report")
    assert mean(result, "audio_dir", "in_tune") == 0.0
    assert mean(result, "audio_dir", "real_in_tune") == 1.0
    for measure in ("log_mel_l1", "mss", "lsd_db"):
        assert mean(result, "audio_dir", measure) > 3 * mean(result, "synthesizer", measure)


def test_without_a_classifier_its_figures_are_left_out(data, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "CLASSIFIER", tmp_path / "none")
    options = Options(audio_dir=tmp_path)
    assert _load_classifier(options) is None


@pytest.mark.slow
def test_exports_are_measured_as_their_model_is(report, arguments, model, tmp_path):
    from nsynth_vae.exporters import saved_model
    from nsynth_vae.exporters.model_export import model_metadata
    from nsynth_vae.exporters.signatures import decoder_endpoints, encoder_endpoints
    from nsynth_vae.model.vae import load_model
    from nsynth_vae.synthesis.vocoder import vocoder_for

    vae, config = load_model(model)
    metadata = model_metadata(config)
    exports = tmp_path / "untrained"
    for part in ("encoder", "decoder"):
        # The newest version counts, by its number and not by its letters.
        (exports / part / "9").mkdir(parents=True)
    saved_model.write(exports / "encoder" / "10", "encoder", encoder_endpoints(vae.encoder, config), metadata)
    sound = vocoder_for(config.audio)
    saved_model.write(exports / "decoder" / "10", "decoder", decoder_endpoints(vae.decoder, config, sound), metadata)
    arguments = [*arguments, "--model", str(exports), "--output", str(tmp_path / "report")]
    assert evaluate.main(arguments) == 0
    found, expected = load(tmp_path / "report")["systems"], load(report)["systems"]
    for measure, figures in expected["reconstruction"]["measures"].items():
        assert found["reconstruction"]["measures"][measure]["mean"] == pytest.approx(
            figures["mean"], rel=0.01, abs=0.01
        )


def error_of(arguments: list[str], capsys) -> str:
    try:
        code = evaluate.main(arguments)
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert error.startswith("error: ")
    assert "\n" not in error
    return error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "no/model"], "no/model: not a folder, expected a model folder"),
        (["--model", "{other}"], "found a model with num_samples 32000, expected 64000"),
        (["--model", "{exports}"], "encoder: found no version of a SavedModel, expected an exports folder's"),
        (["--classifier", "no/classifier"], "no/classifier: not a folder, expected a classifier's"),
        (["--data", "no/data"], "no/data: no such file or folder, expected"),
        (["--seed", "-1"], "--seed: found -1, expected an integer from 0 to 2147483647"),
        (["--pairs", "0"], "--pairs: found '0', expected a positive integer"),
        (["--split", "dev"], "invalid choice: 'dev'"),
        (["--families", "bass"], "no note is left"),
        (["--instruments", "guitar_acoustic_001"], "no note of these is in the split test"),
        (["--output", "{file}"], "is no folder, expected a folder to write to"),
        (["--audio-dir", "no/sounds"], "no/sounds: no such folder, expected one of WAV files named like notes"),
        (["--audio-dir", "{empty}"], "found no WAV file, expected files named like notes, INSTRUMENT-PPP-VVV.wav"),
        (["--audio-dir", "{stranger}"], "nobody-060-100.wav: no note of that name in"),
        (["--audio-dir", "{broken}"], f"{NOTES[0]}.wav: "),
        (["--audio-dir", "{empty}", "--max-notes", "3"], "--max-notes: found it with --audio-dir"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(options, message, data, model, tmp_path, capsys):
    places = {f"{{{name}}}": tmp_path / name for name in ("other", "exports", "file", "empty", "stranger", "broken")}
    for name in ("other", "exports", "empty"):
        places[f"{{{name}}}"].mkdir()
    (tmp_path / "exports" / "encoder").mkdir()
    if "{other}" in options:
        other = Config(audio=AudioConfig(num_samples=32000), model=small_models.CONFIG.model)
        other.save(tmp_path / "other" / "config.json")
        small_models.make_vae(other).save_weights(tmp_path / "other" / "model.weights.h5")
    places["{file}"].write_text("a file")
    folder_of(data, places["{stranger}"], {NOTES[0]: NOTES[0], "nobody-060-100": NOTES[0]})
    places["{broken}"].mkdir()
    (places["{broken}"] / f"{NOTES[0]}.wav").write_bytes(b"RIFF, and nothing")
    given = [str(places.get(option, option)) for option in options]
    default = ["--data", str(data), "--model", str(model), "--output", str(tmp_path / "report")]
    assert message in error_of([*(default[2:] if "--data" in given else default), *given], capsys)
    assert not (tmp_path / "report").exists()


def test_a_name_of_two_notes_is_an_error(data, tmp_path, capsys):
    sounds = folder_of(data, tmp_path / "system", {NOTES[0]: NOTES[0]})
    arguments = ["--data", str(data), "--data", str(data), "--audio-dir", str(sounds), "--output", str(tmp_path / "r")]
    assert f"{NOTES[0]}: two notes of that name" in error_of(arguments, capsys)


def test_no_default_model_is_an_error(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "TIMBRE_MODEL", tmp_path / "none")
    error = error_of(["--data", str(data)], capsys)
    assert "none: not a folder, expected a model folder, such as `python -m nsynth_vae.train` makes," in error
    assert not (tmp_path / "reports").exists()


def test_a_mean_of_what_is_not_finite_is_null():
    assert rounded({"a": float("inf"), "b": [float("nan"), 1 / 3]}) == {"a": None, "b": [None, 0.333333]}


def test_help_answers_in_two_seconds():
    import subprocess
    import sys

    times = []
    for _ in range(3):
        started = time.perf_counter()
        command = [sys.executable, "-m", "nsynth_vae.evaluate", "--help"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 2.0
    assert "--audio-dir DIR" in ran.stdout
    assert "--memory-cache-mb" not in ran.stdout
    assert ran.stderr == ""
