"""The configuration's checks and its JSON."""

import json
import subprocess
import sys

import pytest

from nsynth_vae.config import (
    AudioConfig,
    Config,
    DataConfig,
    ModelConfig,
    SynthesisConfig,
    SynthesizerConfig,
    TrainConfig,
)
from nsynth_vae.config.base import RENAMED
from nsynth_vae.data.hashing import stable_hash
from nsynth_vae.errors import InputError
from nsynth_vae.files import write_text


def test_defaults_are_nsynth():
    audio = AudioConfig()
    assert (audio.sample_rate, audio.num_samples, audio.num_frames, audio.num_spectrogram_bins) == (
        16000,
        64000,
        251,
        513,
    )
    assert DataConfig().data == ("starter",)
    assert DataConfig().split_by == "source"


def test_round_trip(tmp_path):
    config = Config(
        audio=AudioConfig(num_mel_bins=64),
        data=DataConfig(data=("a", "b"), pitches=(24, 84), velocities=(25, 100), max_notes=7, split_by="instrument"),
        model=ModelConfig(latent_dim=24, beta=2),
        train=TrainConfig(seed=3, precision="mixed_bfloat16"),
    )
    path = tmp_path / "config.json"
    config.save(path)
    assert Config.load(path) == config
    assert json.loads(path.read_text())["data"]["pitches"] == [24, 84]
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]
    path.write_text('{"model": {"latent_dim": 8}}')
    assert Config.load(path) == Config(model=ModelConfig(latent_dim=8))


def test_a_part_of_a_synthesizers_file_leaves_the_rest_as_a_synthesizers_defaults_are(tmp_path):
    path = tmp_path / "config.json"
    config = SynthesisConfig(synthesizer=SynthesizerConfig(blocks=2), data=DataConfig(families=("guitar",)))
    config.save(path)
    assert SynthesisConfig.load(path) == config
    path.write_text('{"train": {"seed": 3}}')
    train = SynthesisConfig.load(path).train
    assert (train.seed, train.batch_size, train.ema_decay) == (3, 16, 0.999)
    path.write_text('{"model": {"latent_dim": 8}}')
    with pytest.raises(InputError, match="config: found 'model', expected one of audio, data, synthesizer, train"):
        SynthesisConfig.load(path)


OLD = {
    "model": {"recolored_share": 0.25, "blended_share": 0.125, "transposed_copies": 3},
    "train": {"weight_average": 0.9},
}
"""Fields by the names of version 0.1."""


@pytest.mark.parametrize("share", [None, 0.0, 0.25])
def test_a_file_of_version_0_1_loads_with_a_word_on_the_field_that_is_gone(tmp_path, capsys, share):
    path = tmp_path / "config.json"
    model = OLD["model"] | ({} if share is None else {"cross_note_share": share})
    path.write_text(json.dumps(OLD | {"model": model}))
    assert Config.load(path) == Config(
        model=ModelConfig(eq_augmentation_probability=0.25, mixup_probability=0.125, pitch_shift_copies=3),
        train=TrainConfig(ema_decay=0.9),
    )
    expected = "config.json: cross_note_share 0.25 is ignored: cross-note reconstruction was removed\n"
    assert capsys.readouterr().err == (expected if share else "")


@pytest.mark.parametrize("name", sorted(OLD["model"]))
def test_a_field_by_both_its_names_is_an_error(name):
    new = RENAMED["model"][name]
    with pytest.raises(InputError, match=f"ModelConfig: found '{name}', expected '{new}' alone"):
        Config.from_dict({"model": {name: OLD["model"][name], new: OLD["model"][name]}})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AudioConfig(sample_rate=0), "sample_rate: found 0, expected a positive integer"),
        (
            lambda: AudioConfig(sample_rate=10**7),
            "sample_rate: found 10000000, expected a positive integer, at most",
        ),
        (lambda: AudioConfig(num_samples=2**63), f"num_samples: found {2**63}, expected a positive integer, at most"),
        (
            lambda: ModelConfig(latent_dim=2**63),
            f"latent_dim: found {2**63}, expected a positive integer, at most 4096",
        ),
        (lambda: ModelConfig(kl_warmup_steps=2**40), f"kl_warmup_steps: found {2**40}, expected 0 or more, below"),
        (lambda: AudioConfig(sample_rate="16000"), "sample_rate: found '16000', expected int"),
        (lambda: AudioConfig(sample_rate=True), "sample_rate: found True, expected int"),
        (lambda: AudioConfig(frame_length=1023), "frame_length: found 1023, expected an even number"),
        (lambda: AudioConfig(frame_step=2000), "frame_step: found 2000, expected at most frame_length"),
        (lambda: AudioConfig(fft_length=512), "fft_length: found 512, expected at least frame_length"),
        (lambda: AudioConfig(num_samples=100), "num_samples: found 100, expected at least frame_length"),
        (lambda: AudioConfig(lower_edge_hertz=-1.0), "lower_edge_hertz: found -1.0, expected 0 Hz or more"),
        (lambda: AudioConfig(upper_edge_hertz=9000.0), "upper_edge_hertz: found 9000.0, expected more than"),
        (lambda: AudioConfig(log_offset=0.0), "log_offset: found 0.0, expected a positive number"),
        (
            lambda: AudioConfig(log_mel_center=float("nan")),
            "log_mel_center: found nan, expected a finite number",
        ),
        (lambda: DataConfig(data=()), r"data: found \(\), expected at least one source"),
        (lambda: DataConfig(split_by="note"), "split_by: found 'note', expected source or instrument"),
        (lambda: DataConfig(max_notes=0), "max_notes: found 0, expected a positive integer"),
        (lambda: DataConfig(pitches=(80, 20)), r"pitches: found \(80, 20\), expected two MIDI pitches"),
        (lambda: DataConfig(pitches=(1, 2, 3)), r"pitches: found \(1, 2, 3\), expected two MIDI pitches"),
        (lambda: DataConfig(data="starter"), "data: found 'starter', expected tuple"),
        (lambda: DataConfig(pitches=(0, 128)), r"pitches: found \(0, 128\)"),
        (lambda: ModelConfig(latent_dim=0), "latent_dim: found 0"),
        (lambda: ModelConfig(pitch_shift_copies=7), "pitch_shift_copies: found 7, expected 0 to 6"),
        (lambda: ModelConfig(mixup_probability=-0.5), "mixup_probability: found -0.5, expected a number from 0 to 1"),
        (lambda: TrainConfig(ema_decay=1.0), "ema_decay: found 1.0, expected at least 0 and below 1"),
        (lambda: TrainConfig(batch_size=0), "batch_size: found 0"),
        (lambda: TrainConfig(seed=-1), "seed: found -1, expected an integer from 0"),
        (lambda: TrainConfig(precision="float64"), "precision: found 'float64', expected float32 or"),
        (lambda: SynthesizerConfig(num_harmonics=0), "num_harmonics: found 0, expected a positive integer"),
        (
            lambda: SynthesisConfig(train=TrainConfig(precision="mixed_float16")),
            "precision: found 'mixed_float16', expected float32",
        ),
    ],
)
def test_wrong_values(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, r"not JSON \(nested too deeply\)"),
        ("1" * 5000, "not JSON"),
        ("[]", r"config: found \[\], expected a JSON object"),
        ('{"sound": {}}', "config: found 'sound', expected one of audio, data, model, train"),
        ('{"audio": 3}', "AudioConfig: found 3, expected a JSON object"),
        ('{"audio": {"rate": 3}}', "AudioConfig: found 'rate', expected one of"),
        ('{"audio": {"sample_rate": 1.5}}', "sample_rate: found 1.5, expected int"),
    ],
)
def test_wrong_files(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        Config.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: No such file or directory, expected a JSON configuration file"):
        Config.load(tmp_path / "none.json")


def test_stable_hash_is_the_same_in_every_process():
    value = stable_hash("split", "guitar", 3, None)
    assert 0 <= value < 2**63
    assert value != stable_hash("split", "guitar", "3", None)
    code = "from nsynth_vae.data.hashing import stable_hash; print(stable_hash('split', 'guitar', 3, None))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(found) == value == 8310531910116027983


def test_write_text_replaces(tmp_path):
    for text in ("one", "two"):
        write_text(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_text() == "two"
    assert len(list(tmp_path.iterdir())) == 1
