"""The benchmark of the features: its three ways compute the same of the same notes, and it says what it found."""

from __future__ import annotations

import importlib.util
import pathlib
import sys

import numpy as np
import pytest

from nsynth_vae import features
from nsynth_vae.config import AudioConfig

CONFIG = AudioConfig()
PATH = pathlib.Path(__file__).parents[1] / "benchmarks" / "features.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_features", PATH)
    module = sys.modules["benchmark_features"] = importlib.util.module_from_spec(spec)
    kept = sys.path[:]
    spec.loader.exec_module(module)
    sys.path[:] = kept
    return module


@pytest.fixture(scope="module")
def found(benchmark, tmp_path_factory) -> dict[str, np.ndarray]:
    """Returns what each way computes of eight notes of the starter set."""
    from nsynth_vae.data.open import open_source
    from nsynth_vae.data.source import BadNotes

    folder = tmp_path_factory.mktemp("wavs")
    source = open_source("starter", audio=CONFIG, bad_notes=BadNotes())
    benchmark.write_wavs(source, np.linspace(0, len(source.table) - 1, 8).astype(np.int64), folder)
    return {name: np.stack(list(way())) for name, way in benchmark.ways_to_measure(folder, CONFIG).items()}


@pytest.mark.slow
def test_the_pipeline_has_librosas_features(found):
    """Within 1e-2 of the loudest mel bin of a note: librosa's triangles are linear in Hz, tf.signal's in mel."""
    ours, theirs = found["pipeline"], found["librosa"]
    assert ours.shape == theirs.shape == (8, CONFIG.num_frames, CONFIG.num_mel_bins)
    mels = [np.exp(way * CONFIG.log_mel_scale + CONFIG.log_mel_center) - CONFIG.log_offset for way in (ours, theirs)]
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
    assert lines[0] == "Writing 6 notes of starter as WAV files" and len(lines) == 2 + 2 * 4


def test_targets_and_table(benchmark):
    rates = {
        "pipeline": [500.0, 700.0, 600.0],
        "librosa": [50.0, 70.0, 100.0],
        "bare FFT, tf.signal": [1000.0, 1400.0, 1200.0],
        "bare FFT, scipy": [2000.0, 2800.0, 1200.0],
    }
    result = benchmark.Result(rates, {way: [0.25] * 3 for way in rates}, {way: [1.5] * 3 for way in rates})
    assert result.rate("pipeline") == 600.0 and result.bare_fft == "bare FFT, scipy"
    # The medians of the ratios of each repetition.
    assert (result.ratio("librosa"), result.ratio("bare FFT")) == (10.0, 0.25)
    assert not result.passed()
    table = result.markdown()
    assert "| librosa | 70 | 50 to 100 | 1.50 | 0.25 s | 10.00 |" in table
    assert "| pipeline / librosa | 8.00 | 10.00 | pass |" in table
    assert "| pipeline / bare FFT | 0.33 | 0.25 | **FAIL** |" in table
