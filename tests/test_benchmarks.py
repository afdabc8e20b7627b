"""The benchmarks: what they compare is the same of the same notes, and they say what they found."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import write_folder

from nsynth_vae import features, pretrained
from nsynth_vae.config import AudioConfig

CONFIG = AudioConfig()
FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"


def load_benchmark(name: str):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    kept = sys.path[:]
    sys.path.insert(0, str(FOLDER))  # As Python does for a file that is run.
    spec.loader.exec_module(module)
    sys.path[:] = kept
    return module


@pytest.fixture(scope="module")
def benchmark():
    return load_benchmark("features")


@pytest.fixture(scope="module")
def synthesis():
    return load_benchmark("synthesis")


@pytest.fixture(scope="module")
def found(benchmark, tmp_path_factory) -> dict[str, np.ndarray]:
    """Return the numbers of each method of eight notes of the starter set."""
    from nsynth_vae.data.open_sources import open_source
    from nsynth_vae.data.source import BadNotes

    folder = tmp_path_factory.mktemp("wavs")
    source = open_source("starter", audio=CONFIG, bad_notes=BadNotes())
    benchmark.write_wavs(source, np.linspace(0, len(source.table) - 1, 8).astype(np.int64), folder)
    return {name: np.stack(list(method())) for name, method in benchmark.methods_to_measure(folder, CONFIG).items()}


@pytest.mark.slow
def test_the_pipeline_has_librosas_features(found):
    """Within 1e-2 of the loudest mel bin of a note: librosa's triangles are linear in Hz, tf.signal's in mel."""
    ours, theirs = found["pipeline"], found["librosa"]
    assert ours.shape == theirs.shape == (8, CONFIG.num_frames, CONFIG.num_mel_bins)
    mels = [np.exp(one * CONFIG.log_mel_scale + CONFIG.log_mel_center) - CONFIG.log_offset for one in (ours, theirs)]
    peak = mels[0].max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(mels[0] / peak, mels[1] / peak, rtol=0, atol=1e-2)
    # Bin by bin in nats they agree on the whole; single quiet bins at a filter's edge differ more.
    assert np.abs(ours - theirs).mean() < 1e-2


@pytest.mark.slow
def test_the_bare_ffts_are_of_the_pipelines_frames(found):
    """Windowed in the frequency domain, the bare FFT gives the pipeline's log-mel."""
    one, two = found["bare FFT, tf.signal"], found["bare FFT, scipy"]
    assert one.shape == two.shape == (8, CONFIG.num_frames, CONFIG.num_spectrogram_bins)
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-3)
    # A periodic Hann window of the FFT's length: half of a bin less a quarter of both its neighbours.
    around = np.concatenate([two[..., 1:2].conj(), two, two[..., -2:-1].conj()], axis=-1)
    windowed = np.abs(0.5 * two - 0.25 * (around[..., :-2] + around[..., 2:]))
    mel = windowed @ features.mel_weight_matrix(CONFIG)
    log_mel = (np.log(mel + CONFIG.log_offset) - CONFIG.log_mel_center) / CONFIG.log_mel_scale
    np.testing.assert_allclose(found["pipeline"], log_mel, rtol=0, atol=1e-2)


@pytest.mark.slow
def test_the_benchmark_runs_and_judges(benchmark):
    lines = []
    result = benchmark.run("starter", 6, 1, report=lines.append)
    assert set(result.rates) == {"pipeline", "librosa", "bare FFT, tf.signal", "bare FFT, scipy"}
    assert all(len(rates) == 1 and rates[0] > 0 for rates in result.rates.values())
    assert lines[0] == "Writing 6 notes of starter as WAV files"
    assert len(lines) == 2 + 2 * 4


def test_targets_and_table(benchmark):
    rates = {
        "pipeline": [500.0, 700.0, 600.0],
        "librosa": [50.0, 70.0, 100.0],
        "bare FFT, tf.signal": [1000.0, 1400.0, 1200.0],
        "bare FFT, scipy": [2000.0, 2800.0, 1200.0],
    }
    result = benchmark.Result(rates, {name: [0.25] * 3 for name in rates}, {name: [1.5] * 3 for name in rates})
    assert result.rate("pipeline") == 600.0
    assert result.bare_fft == "bare FFT, scipy"
    # The medians of the ratios of each repetition.
    assert (result.ratio("librosa"), result.ratio("bare FFT")) == (10.0, 0.25)
    assert not result.passed()
    table = result.markdown()
    assert "| librosa | 70 | 50 to 100 | 1.50 | 0.25 s | 10.00 |" in table
    assert "| pipeline / librosa | 8.00 | 10.00 | pass |" in table
    assert "| pipeline / bare FFT | 0.33 | 0.25 | **FAIL** |" in table


def save_untrained(folder: pathlib.Path, config, model) -> pathlib.Path:
    folder.mkdir()
    model.build()
    config.save(folder / "config.json")
    model.save_weights(folder / "model.weights.h5")
    return folder


def cells_of(output: str, part: int) -> dict[str, list[str]]:
    """Returns the rows of a part's table by their first cell."""
    text = output.split(f"\n{part}. ")[1].split("\n\n")[1]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[0] == "|"]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.slow
def test_the_synthesis_tables(tmp_path):
    """The script, with an untrained synthesizer and VAE, on three notes: real ones are at distance 0 and in tune."""
    from synthetic import write_split

    from nsynth_vae.config import Config, ModelConfig, SynthesisConfig, SynthesizerConfig
    from nsynth_vae.model.vae import VAE
    from nsynth_vae.synthesis.synthesizer import Synthesizer

    write_split(
        tmp_path / "data" / "nsynth-test",
        {"guitar_acoustic_001": (1.0, 0.5), "reed_acoustic_002": (1.0, 0.0, 0.7)},
        (52, 62, 64),
    )
    small = SynthesisConfig(synthesizer=SynthesizerConfig(channels=16, blocks=1, num_harmonics=20))
    vae = Config(model=ModelConfig(channels=16, latent_dim=4))
    folder = save_untrained(tmp_path / "synthesizer", small, Synthesizer(small))
    model = save_untrained(tmp_path / "model", vae, VAE(vae))
    found = subprocess.run(
        [
            sys.executable,
            FOLDER / "synthesis.py",
            "--data",
            tmp_path / "data",
            "--max-notes",
            "4",
            "--jobs",
            "1",
            "--synthesizer",
            folder,
            "--model",
            model,
            "--pairs",
            "1",
            "--json",
            tmp_path / "all.jsonl",
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": ""},
    )
    assert found.returncode == 0, found.stderr
    # Every second of six.
    assert "\n3 notes of the test split of " in found.stdout
    true = cells_of(found.stdout, 1)
    systems = ["real note", "pseudo-inverse, Griffin-Lim 32", "non-negative, fast Griffin-Lim 60", "synthesizer"]
    assert list(true)[2:] == systems
    assert true["real note"][:3] == ["0.00 / 0.00"] * 3
    assert true["real note"][5:] == ["100.0 %", "", "0, 0"]
    assert all(0 < float(true[name][1].split(" / ")[0]) < 6 and float(true[name][6]) > 0 for name in systems[1:])
    assert true["synthesizer"][5:] == ["100.0 %", true["synthesizer"][6], "0, 0"]
    assert {name: row[0] for name, row in cells_of(found.stdout, 2).items()} == {
        "family": "notes", "---": "---", "guitar": "2", "reed": "1", "all": "3"
    }  # fmt: skip
    onset = cells_of(found.stdout, 3)
    assert onset["mallet"] == ["0", "none", "none", "none"]
    assert onset["guitar"] == onset["bass + guitar + mallet"]
    edges = cells_of(found.stdout, 6)
    assert edges["silence"] == ["0", "0", "0", "0", "yes"]
    assert all(float(row[0]) <= 0.99 and row[3:] == ["0", "yes"] for row in list(edges.values())[2:])

    records = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    counts = {
        part: sum(record["part"] == part for record in records) for part in ("time", "true", "own pitch", "between")
    }
    assert counts == {"time": 9, "true": 12, "own pitch": 6, "between": 18}
    assert len(records) == 45
    means = np.mean(
        [record["mss"] for record in records if record["system"] == "synthesizer" and record["part"] == "true"]
    )
    assert true["synthesizer"][1].startswith(f"{means:.2f} / ")
    steps = [record for record in records if record["part"] == "between" and record["system"] == "synthesizer"]
    assert [record["step"] for record in steps] == list(range(9))
    assert len({(record["note_str"], record["second"], record["pitch"]) for record in steps}) == 1
    assert steps[0]["note_str"].split("_")[0] != steps[0]["second"].split("_")[0]


def test_pairs_are_of_two_families_and_always_the_same(synthesis):
    family = np.array(["reed"] * 50 + ["bass"] * 2 + ["organ"])
    pairs = synthesis.choose_pairs(family, 60, seed=3)
    assert len(pairs) == 60
    assert all(family[first] != family[second] for first, second in pairs)
    assert pairs == synthesis.choose_pairs(family, 60, seed=3) != synthesis.choose_pairs(family, 60, seed=4)
    # Families, not notes, are alike likely: the organ's one note is in two of three pairs.
    assert 30 <= sum("organ" in family[list(pair)] for pair in pairs) <= 50
    assert synthesis.choose_pairs(np.array(["reed"] * 3), 5, seed=0) == []


def test_onset_shares_and_broken_sounds(synthesis):
    def record(note: int, family: str, system: str, onset: float, error: float = 0.0) -> dict:
        return {"note": note, "family": family, "system": system, "onset_seconds": onset, "onset_error_seconds": error}

    real = [record(0, "bass", synthesis.REAL, 0.010), record(1, "mallet", synthesis.REAL, 0.002)]
    # The third real note has no onset: it does not count. A sound without one has lost it.
    real += [record(2, "bass", synthesis.REAL, math.nan), record(3, "bass", synthesis.REAL, 0.030)]
    ours = [record(0, "bass", synthesis.OURS, 0.026, 0.026 - 0.010), record(1, "mallet", synthesis.OURS, 0.019, 0.017)]
    ours += [record(2, "bass", synthesis.OURS, 0.0, math.nan), record(3, "bass", synthesis.OURS, math.nan, math.nan)]
    rows = synthesis.onset_table(real + ours).splitlines()[2:]
    assert rows[0] == "| bass | 2 | 20 | none | 50.0 % |"
    assert rows[2:4] == ["| mallet | 1 | 2 | none | 0.0 % |", "| bass + guitar + mallet | 3 | 10 | none | 33.3 % |"]

    audio = np.zeros(64000, np.float32)
    audio[7] = math.nan
    found = synthesis.judge(audio, audio, 60)
    assert found["lsd_db"] == math.inf
    assert found["in_tune"] == 0.0
    assert math.isnan(found["peak"])
    cells = synthesis.true_table([found | {"system": synthesis.OURS}], []).splitlines()[-1].split(" | ")
    assert cells[1] == "inf / inf"
    assert cells[-1] == "0, 1 |"


@pytest.mark.slow
def test_the_table_of_litert_files(synthesis, tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.play = tf.function(
        lambda log_mel, pitch: {
            "audio": tf.tile(tf.reduce_mean(log_mel, 1)[:, :1] + tf.cast(pitch, tf.float32), [1, 9])
        },
        input_signature=[tf.TensorSpec([1, 4, 2], name="log_mel"), tf.TensorSpec([1], tf.int32, name="pitch")],
    )
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.play)
    path = tmp_path / "small.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved")).convert())
    log_mel, labels = np.ones([3, 4, 2], np.float32), np.array(["a"] * 3)
    notes = synthesis.Notes(None, log_mel, np.array([1, 2, 3], np.int32), None, labels, labels)
    table = synthesis.lite_table(
        [path], notes, lambda log_mel, pitch: np.full([1, 9], pitch + (1.25 + 0.5 * (pitch == 3)))
    )
    header, _, row = (line.split(" | ") for line in table.splitlines())
    assert header[3] == "largest difference, 3 notes"
    assert row[0] == "| small.tflite"
    assert row[1] == f"{path.stat().st_size / 1e6:.2f}"
    assert float(row[2]) >= 0
    assert row[3:5] == ["7.5e-01", "4.2e-01"]
    assert "CAST 1" in row[5]
    assert "TILE 1" in row[5]
    assert "DELEGATE" not in row[5]


def test_a_way_that_turns_back_is_not_monotone():
    latent = load_benchmark("latent")
    assert latent.monotone(np.array([1.0, 2.0, 3.0]))
    assert latent.monotone(np.array([3.0, 1.0, 1.0]))
    assert latent.monotone(np.array([0.0, 50.0, 48.5, 100.0]))
    assert not latent.monotone(np.array([0.0, 50.0, 47.0, 100.0]))
    assert not latent.monotone(np.array([0.0, 130, 100]))


def test_a_mix_of_two_sounds_is_two_sounds_at_once():
    """What is in neither of them is told by its share of the middle's length."""
    latent = load_benchmark("latent")
    mel = np.zeros([3, 4])
    mel[0, 0], mel[2, 1], mel[1, :3] = 1.0, 2.0, (3.0, 3.0, 4.0)

    def log_mels(mel):
        return ((np.log(mel + CONFIG.log_offset) - CONFIG.log_mel_center) / CONFIG.log_mel_scale).astype(np.float32)

    assert latent.mix_residual(log_mels(mel), CONFIG) == pytest.approx(4 / math.sqrt(34), abs=1e-3)
    mel[1] = 0.3 * mel[0] + 0.7 * mel[2]
    assert latent.mix_residual(log_mels(mel), CONFIG) < 1e-3


def test_pitches_within_50_cents_are_the_same():
    latent = load_benchmark("latent")
    one = np.array([440.0, 440.0, np.nan, np.nan])
    other = np.array([440.0 * 2 ** (45 / 1200), 440.0 * 2 ** (-55 / 1200), np.nan, 440.0])
    assert latent.same_pitch(one, other).tolist() == [True, False, True, False]


@pytest.mark.slow
def test_a_design_is_trained_and_measured(tmp_path, capsys):
    """One step of a small design, by the command."""
    import synthetic

    models = load_benchmark("compare_models")
    synthetic.write_nsynth(tmp_path / "notes", (50, 52, 60, 62))
    models.DESIGNS["small"] = {"channels": 16, "latent_dim": 4, "pitch_shift_copies": 0, "data": "--test"}
    number = str(len(models.DESIGNS) - 1)
    options = ["--test", str(tmp_path / "notes"), "--cpu-minutes", "0", "--designs", number, "--splits", "valid,test"]
    models.main([*options, "--output", str(tmp_path / "rows.jsonl")])
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    assert (row["design"], row["steps"]) == ("small", 1)
    for split in ("valid", "test"):
        assert 0 <= row[f"{split}: nearest"] <= row[f"{split}: nearer"] <= 1
        assert row[f"{split}: log_mel_l1"] > 0.1
        assert row[f"{split}: active"].endswith(" of 4")
    printed = capsys.readouterr().out
    assert printed.startswith(f"{os.cpu_count()} cores, 0 CPU minutes a design\n| design | notes | steps |")
    assert re.search(r"\| small \| \d+ \| 1 \|", printed)
    assert "test, one-hot true family: pitch, linear " in printed


@pytest.mark.slow
def test_fewer_instruments_are_a_part_of_more():
    models = load_benchmark("compare_models")
    names = [
        set(models.load(("starter",), instruments=fraction)["train"].table.instrument_str)
        for fraction in (0.1, 0.5, 1.0)
    ]
    assert names[0] < names[1] < names[2]
    assert [len(some) for some in names[:2]] == [math.ceil(fraction * len(names[2])) for fraction in (0.1, 0.5)]


@pytest.mark.slow
def test_sources_of_motion_are_compared(tmp_path, capsys):
    options = ["--data", "starter", "--max-notes", "8", "--told-apart", "16", "--jobs", "1"]
    found = load_benchmark("motion_sources").main([*options, "--json", str(tmp_path / "found.json")])
    assert found == json.loads((tmp_path / "found.json").read_text())
    assert list(found) == ["steady", "takes", "codebook"]
    flux = {name: one["groups"]["sustained"]["flux"]["made"] for name, one in found.items()}
    assert flux["steady"] < min(flux["takes"], flux["codebook"])
    assert all(0.0 <= one["told_apart_by_network"] <= 1.0 for one in found.values())
    printed = capsys.readouterr().out
    assert printed.startswith("8 sustained notes\n\n|  | shimmer_db |")
    assert "\ncodebook, told apart by a network: " in printed


@pytest.mark.slow
def test_gpus_benchmark_trains_on_a_cpu_too_and_prints_the_table(tmp_path, capsys):
    gpu, file = load_benchmark("gpu"), tmp_path / "figures.json"
    small = ["--channels", "16", "--batch-size", "4", "--max-notes", "8", "--cpu-minutes", "0.02"]
    assert gpu.main(["--devices", "cpu", *small, "--json", str(file)]) == 0
    [row] = json.loads(file.read_text())
    assert (row["precision"], row["xla"]) == ("float32", False)
    assert row["steps"] >= 2
    assert row["notes_a_second"] > 0
    assert row["peak_mb"] > 100
    assert np.isfinite(row["valid_loss"])
    head, _, line = capsys.readouterr().out.splitlines()
    assert head.count("|") == line.count("|") == 8
    assert "| float32 | no |" in line


def test_gpus_benchmark_says_that_there_is_no_gpu(monkeypatch, capfd):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert load_benchmark("gpu").main(["--devices", "gpu"]) == 1
    assert "error: --devices gpu: found no GPU that TensorFlow can use" in capfd.readouterr().err


@pytest.mark.slow
def test_the_cost_of_training_is_counted_and_timed(capsys):
    """The counted operations are within a few percent of those of the convolutions and dense layers alone."""
    from nsynth_vae.config import Config
    from nsynth_vae.model.vae import VAE

    cost = load_benchmark("training_cost")
    result = cost.main(["--steps", "2", "--notes", "1000", "--epochs", "3", "--teraflops", "1", "--utilization", "1"])
    vae = VAE(Config())
    vae.build()
    # A kernel is used once for each frame that it gives: 128 to 8 in the encoder, 16 to 256 in the decoder.
    products = 0
    for block, frames in zip(vae.encoder.blocks, np.repeat([128, 64, 32, 16, 8], 2), strict=True):
        products += frames * sum(int(np.prod(weight.shape)) for weight in block.weights if len(weight.shape) == 3)
    for level, frames in enumerate([16, 32, 64, 128, 256]):
        for layer in (vae.decoder.convolutions[level], vae.decoder.blocks[level]):
            products += frames * sum(int(np.prod(weight.shape)) for weight in layer.weights if len(weight.shape) == 3)
    for layer in (vae.decoder.to_envelopes, vae.decoder.to_ratios):
        products += 256 * int(np.prod(layer.kernel.shape))
    # The envelope over ratios is interpolated to 128 mel bins.
    products += 251 * layer.kernel.shape[2] * 128
    # Partials and noise, 128 mel bins each, are smoothed over the 251 frames.
    products += 2 * 128 * 251**2
    assert result["operations"] == pytest.approx(3 * 2 * products, rel=0.1)
    assert result["hours_here"] == pytest.approx(3000 / result["notes_a_second"] / 3600)
    assert "1,000 notes, 3 times" in capsys.readouterr().out


def test_rivals_are_the_notes_of_its_pitch_of_other_instruments():
    latent = load_benchmark("latent")
    real = (
        np.array([60, 60, 60, 60, 62]),
        np.array(["flute", "flute", "organ", "reed", "flute"], object),
        np.array([0.0, 5.0, 1.0, -0.3, 9.0])[:, None, None] * np.ones([1, 3, 2]),
    )
    decoded = np.array([0.2, 0.8, -0.1, 4.0, 9.0])[:, None, None] * np.ones([1, 3, 2])
    # The first and the third are nearest to the flute's note, the second is nearer to the organ's. The fourth is nearer
    # to a flute's that is not asked for, which does not count, and to the organ's. At 62 there is only the flute.
    found = latent.beaten_rivals(decoded, np.array([0, 0, 0, 0, 4]), *real)
    np.testing.assert_array_equal(found, [1.0, 0.5, 1.0, 0.5, np.nan])
    assert latent.known_mean(found) == 0.75
    assert latent.won(found) == 0.5
    np.testing.assert_array_equal(latent.beaten_rivals(decoded[3:4], np.array([1]), *real), [1.0])
    # One that has the same recording is no nearer.
    real[2][2] = real[2][0]
    np.testing.assert_array_equal(latent.beaten_rivals(decoded[:1], np.array([0]), *real), [1.0])
    assert latent.known_mean(found[4:]) is None
    assert latent.won(found[4:]) is None


def test_instruments_that_share_a_recording_are_one():
    latent = load_benchmark("latent")
    names = np.array(["a", "a", "b", "b", "c", "d", "d"], object)
    audio = np.arange(7, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    np.testing.assert_array_equal(latent.sharing(names, audio), names)
    audio[3] = audio[1]  # b is a
    audio[6] = audio[2]  # and d is b
    found = latent.sharing(names, audio)
    assert len(set(found[[0, 1, 2, 3, 5, 6]])) == 1
    assert found[4] == "c"
    assert found[0] != "c"


def test_the_player_is_measured_as_whole_processes(monkeypatch, tmp_path, capsys):
    player = load_benchmark("player")
    monkeypatch.setattr(player, "COMMANDS", {"help": ["play", "--help"], "wrong": ["play", "--wrong"]})
    found = player.main(["--runs", "2", "--json", str(tmp_path / "found.json")])
    assert 0 < found["help"]["here"].processor_seconds < 5
    assert found["help"]["here"].peak_megabytes > 5
    assert found["wrong"]["here"] is None
    assert "| wrong | here | failed | failed | failed |" in capsys.readouterr().out
    assert json.loads((tmp_path / "found.json").read_text())["wrong"] == {"here": None}


def test_motion_of_the_shipped_model_is_measured(tmp_path, capsys):
    import synthetic

    synthetic.write_nsynth(tmp_path / "notes")
    options = ["--data", str(tmp_path / "notes"), "--synthesizer", "--jobs", "1", "--json"]
    options += [str(tmp_path / "motion.json")]
    found = load_benchmark("motion").main(options)
    assert list(found["motion"]) == ["synthesizer", "reconstruction"]
    assert found == json.loads((tmp_path / "motion.json").read_text())
    assert (found["model"], found["notes"]) == ("nsynth-small", 4)
    # Steady tones, real and decoded.
    shimmer = found["motion"]["reconstruction"]["groups"]["sustained"]["shimmer_db"]
    assert shimmer["real"] < 0.05
    assert 0.0 < shimmer["made"] < 2.0
    printed = capsys.readouterr().out
    assert "nsynth-small, 4 notes\n\n|  | shimmer_db |" in printed
    assert "| true mel, synthesizer | 0.0" in printed
    assert "| real / made | notes | shimmer_db |" in printed


def test_refinement_of_the_shipped_model_is_measured(tmp_path, capsys):
    import synthetic

    synthetic.write_nsynth(tmp_path / "notes")
    options = [
        "--data",
        str(tmp_path / "notes"),
        "--notes",
        "2",
        "--steps",
        "2",
        "--json",
        str(tmp_path / "found.json"),
    ]
    found = load_benchmark("refinement").main(options)
    error = found["decoder_log_mel_l1"]
    assert list(error) == [0, 1, 2]
    # Synthetic tones are far from all training notes.
    assert error[0] > error[1] >= error[2] > 0.0
    assert found["sounds"]["after"]["log_mel_l1"] < found["sounds"]["before"]["log_mel_l1"]
    assert (found["model"], found["notes"]) == ("nsynth-small", 2)
    assert 0.0 < found["steps"] <= 2.0
    assert found["seconds_a_step"] > 0.0
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["decoder_log_mel_l1"] == {str(step): value for step, value in error.items()}
    printed = capsys.readouterr().out
    assert "nsynth-small, 2 notes, " in printed
    assert f"| 2 | {error[2]:.3f} | {error[2] / error[0] - 1:+.1%} |" in printed


@pytest.fixture(scope="module")
def listening():
    return load_benchmark("listening_page")


def test_the_listening_page_has_every_sound_and_needs_nothing_else(listening, tmp_path):
    import html_page
    import synthetic

    synthetic.write_nsynth(tmp_path / "notes")
    models = [f"{name}={pretrained.TIMBRE_MODEL}" for name in ("before", "after & <now>")]
    options = ["--data", str(tmp_path / "notes"), "--models", *models, "--notes", "3", "--credit", "By <me>."]
    path = listening.main([*options, "-o", str(tmp_path / "page.html")])
    page = html_page.Page(path.read_text(encoding="utf-8"))
    assert "3 notes of the split test of notes, of instruments never trained on. By <me>." in page.text
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    data = json.loads(page.scripts[0])
    assert data["models"] == ["before", "after & <now>"]
    assert len(data["notes"]) == 3
    for note in data["notes"]:
        clips = [soundfile.read(io.BytesIO(base64.b64decode(clip)))[0] for clip in (note["real"], *note["made"])]
        # One level for all, so that it gives nothing away.
        assert np.ptp([20 * np.log10(np.sqrt(np.square(clip).mean())) for clip in clips]) < 0.1
        assert {clip.size for clip in clips} == {64000}
        # Both models are the same here.
        np.testing.assert_array_equal(clips[1], clips[2])
    # Buttons for every key that the page names.
    keys = [value for name, value in page.attributes if name == "aria-keyshortcuts"]
    assert keys == ["A", "B", "X", "1", "2"]


def test_the_page_of_the_docs_is_what_is_written_today(listening):
    """But for its sounds: ten notes, and the former model as the third."""
    import html_page

    page = (FOLDER.parent / "docs" / "listening.html").read_text(encoding="utf-8")
    data = json.loads(html_page.Page(page).scripts[0])
    assert data["models"] == ["before", "after"]
    assert len(data["notes"]) == 10
    # NSynth's notes stay out of this repository.
    assert "of starter, of instruments never trained on" in html_page.Page(page).text
    summary = re.search("<p>(10 notes of .*?)</p>", page)[1]
    template = (FOLDER / "listening_page.html").read_text(encoding="utf-8")
    before, between, after = re.split("@SUMMARY@|@DATA@", template)
    assert page.startswith(before + summary + between)
    assert page.endswith(after)


def test_a_former_model_sounds_as_it_did(listening, tmp_path, monkeypatch):
    """A model folder whose TFLite files have a former synthesizer: the tools do not take them for today's."""
    from nsynth_vae import timbre_model
    from nsynth_vae.errors import InputError

    former = shutil.copytree(pretrained.TIMBRE_MODEL, tmp_path / "former")
    monkeypatch.setattr(pretrained, "fingerprint", lambda folder: "of another synthesizer")
    with pytest.raises(InputError, match=r"found no encoder\.tflite and decoder\.tflite of its weights"):
        timbre_model.open_model(former)
    opened = listening.open_player(former)
    z = np.zeros([1, opened.latent_dim], np.float32)
    monkeypatch.undo()
    expected = timbre_model.open_model(pretrained.TIMBRE_MODEL).decode(z, 60, 100, take=5)
    np.testing.assert_array_equal(opened.decode(z, 60, 100, take=5).audio, expected.audio)
    assert opened.name == "former"


def test_a_listening_page_that_is_too_large_is_not_written(listening, tmp_path, monkeypatch, capsys):
    import synthetic

    synthetic.write_nsynth(tmp_path / "notes")
    monkeypatch.setattr(listening, "MOST_BYTES", 10_000)
    options = ["--data", str(tmp_path / "notes"), "--models", str(pretrained.TIMBRE_MODEL), "--notes", "1"]
    with pytest.raises(SystemExit) as stopped:
        listening.main([*options, "-o", str(tmp_path / "page.html")])
    assert stopped.value.code == 2
    assert "--notes: found 1, which make " in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_listening_levels_are_the_recordings_without_clipping(listening):
    real, soft = 0.5 * np.sin(np.arange(8000)), 0.01 * np.sin(np.arange(8000))
    peaky = np.zeros(8000)
    peaky[::1000] = 1.0
    one, other = listening.match_levels(real, [soft])
    np.testing.assert_allclose(other, one, atol=1e-12)
    loud, peaks = listening.match_levels(real, [peaky])
    assert np.abs(peaks).max() == pytest.approx(1.0)
    assert np.square(peaks).mean() == pytest.approx(np.square(loud).mean())
    assert np.isfinite(listening.match_levels(real, [np.zeros(8000)])[1]).all()


def test_listening_notes_are_of_all_families_in_turn(listening):
    family = np.array(["organ"] * 20 + ["flute"] * 3 + ["reed"])
    rows = listening.draw_notes(family, 6, 0)
    assert sorted(family[rows[:3]]) == ["flute", "organ", "reed"]
    assert sorted(family[rows[3:5]]) == ["flute", "organ"]
    assert len(set(rows.tolist())) == 6
    assert sorted(listening.draw_notes(family, 100, 0)) == list(range(24))
    np.testing.assert_array_equal(rows, listening.draw_notes(family, 6, 0))


def test_models_of_one_name_are_told_apart(listening):
    assert list(listening.name_models(["a/x", "b/x", "new=b/x"])) == ["x", "x (2)", "new"]


@pytest.mark.slow
def test_recordings_are_the_timbre_of_the_clean_note(tmp_path, capsys):
    """Of notes that come with the model. Noise is reduced, but hides what is below it, and hum what is never alone."""
    sounds = sorted((pathlib.Path(__file__).parents[1] / "models" / "nsynth-small" / "sounds").glob("*-060-100-*.wav"))
    audio = {path.stem.removesuffix("-reconstruction"): soundfile.read(path)[0] for path in sounds}
    write_folder(tmp_path / "nsynth-train", audio)
    found = load_benchmark("recordings").main(["--data", str(tmp_path), "--notes", "4"])
    for name, row in found.items():
        hidden = "noise" in name or name in ("-30 dB, 16 bits", "hum at -36 dB")
        assert np.median(row["distances"]) < (0.9 * np.median(row["as_is"]) if hidden else 0.1), name
    assert min(np.median(found[name]["as_is"]) for name in ("offset of 1 %, lead-in", "all of these")) > 0.4
    assert found["all of these"]["said"][0] == "channels cancel out, channel 1 of 2 used"
    assert capsys.readouterr().out.count("\n") == len(found) + 2
