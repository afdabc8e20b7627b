"""Notes read without TensorFlow: from the starter set, NSynth's layout and folders of samples."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import sine, write_folder

from nsynth_vae.config import AudioConfig
from nsynth_vae.data.open_sources import open_sources
from nsynth_vae.data.source import BadNotes
from nsynth_vae.data.streaming import read_notes

pytestmark = pytest.mark.player

BLOCKED = """
import importlib.abc, json, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tensorflow_io", "tensorflow_datasets"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from nsynth_vae.config import AudioConfig, DataConfig
from nsynth_vae.data.load_notes import open_splits
from nsynth_vae.data.source import BadNotes
from nsynth_vae.data.streaming import read_notes
from nsynth_vae.errors import InputError

said, bad_notes = [], BadNotes("skip")
config = DataConfig(data=tuple(sys.argv[1:]))
try:
    source, rows = open_splits(config, audio=AudioConfig(), bad_notes=bad_notes, split="all", log=said.append)
    read = read_notes(source, rows["all"], bad_notes)
    notes = {source.table.note_str[row]: float(abs(audio).max()) for row, audio in read}
    print(json.dumps({"notes": notes, "skipped": bad_notes.skipped}))
except InputError as error:
    print(json.dumps({"error": str(error)}))
"""


def read_without_tensorflow(*specs: object) -> dict:
    """Return the notes' peaks and the skipped files, or the error, of a process that cannot import TensorFlow."""
    command = [sys.executable, "-c", BLOCKED, *map(str, specs)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def data(tmp_path):
    """NSynth's layout with a truncated note and one at another rate, and samples of several formats and rates."""
    layout = write_folder(tmp_path / "nsynth-train", {f"flute_x-{pitch:03d}-100": sine(440) for pitch in range(60, 64)})
    path = layout / "audio" / "flute_x-061-100.wav"
    path.write_bytes(path.read_bytes()[:5000])
    soundfile.write(layout / "audio" / "flute_x-062-100.wav", sine(440), 22050)
    samples = tmp_path / "samples"
    samples.mkdir()
    soundfile.write(samples / "kazoo A4.mp3", sine(440, 44100), 44100)
    soundfile.write(samples / "no name.flac", sine(440, 48000), 48000)
    soundfile.write(samples / "saw C4 v20.ogg", sine(262, 8000), 8000)
    (samples / "broken C4.wav").write_bytes(b"RIFF")
    return tmp_path


def test_notes_are_read_without_tensorflow(data):
    found = read_without_tensorflow(data / "nsynth-train", data / "samples", "starter")
    starter = [name for name in found["notes"] if not name.startswith(("flute_x", "kazoo", "no name", "saw"))]
    assert len(starter) == 1110
    own = [name for name in found["notes"] if name not in starter]
    assert own == [
        *("flute_x-060-100", "flute_x-063-100"),
        *("kazoo-069-100", "no name-069-100", "saw-060-020"),
    ]
    assert min(found["notes"].values()) > 0.001
    assert [problem.split(",")[0] for problem in found["skipped"].values()] == [
        "ends within its header (4 bytes): truncated WAV",
        "holds 4956 of 128000 bytes of audio: truncated WAV",
        "has a sample rate of 22050 Hz",
    ]


def test_samples_of_every_kind_are_found(tmp_path):
    """What libsndfile reads is a note; what is to be converted is a bad note with the command, not another file."""
    read = {"aif": "AIFF", "aiff": "AIFF", "au": "AU", "caf": "CAF", "w64": "W64", "rf64": "RF64", "wave": "WAV"}
    for extension, kind in read.items():
        soundfile.write(tmp_path / f"{extension} A4.{extension}", sine(440), 16000, format=kind, subtype="PCM_16")
    for name in ("opus A4.opus", "opus A4.oga"):
        soundfile.write(tmp_path / name, sine(440, 48000), 48000, format="OGG", subtype="OPUS")
    (tmp_path / "song A4.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    (tmp_path / "song A4.WMA").write_bytes(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100))
    (tmp_path / "notes.txt").write_text("no sound")
    found = read_without_tensorflow(tmp_path)
    assert len(found["notes"]) == len(read) + 2
    assert min(found["notes"].values()) > 0.3
    assert [problem.split(", which is not read here; `ffmpeg -i ")[0] for problem in found["skipped"].values()] == [
        "is WMA (or other ASF)",
        "is AAC or ALAC in M4A",
    ]


def test_records_say_which_extra_reads_them(data):
    (data / "records").mkdir()
    (data / "records" / "nsynth-train.tfrecord").write_bytes(b"")
    (data / "tfds").mkdir()
    (data / "tfds" / "dataset_info.json").write_text("{}")
    record = data / "records" / "nsynth-train.tfrecord"
    for spec, kind in (
        *((each, "TFRecord") for each in (record, data / "records", f"{data}/records/*.tfrecord")),
        *((each, "a TensorFlow data set") for each in ("tfds:nsynth/full", data / "tfds")),
    ):
        assert read_without_tensorflow(spec)["error"] == (
            f"{spec}: is {kind}, which is read by TensorFlow, and that is not installed; "
            "pip install 'nsynth-vae[train]' on Python 3.11 to 3.13 installs it"
        )


def test_what_is_read_is_what_the_graph_streams(data):
    pytest.importorskip("tensorflow")
    from nsynth_vae.data.streaming import stream_audio

    bad = [BadNotes("skip"), BadNotes("skip")]
    specs = [data / "nsynth-train", data / "samples"]
    source = open_sources(specs, audio=AudioConfig(), bad_notes=BadNotes("skip"), log=lambda line: None)
    assert not source.needs_tensorflow
    rows = np.arange(len(source.table))
    read, streamed = (
        dict(each(source, rows, notes)) for each, notes in zip((read_notes, stream_audio), bad, strict=True)
    )
    assert list(read) == list(streamed) == [0, 3, 4, 5, 6]
    assert bad[0].skipped == bad[1].skipped
    for row, audio in read.items():
        if source.location(row).endswith("wav"):
            np.testing.assert_array_equal(audio, streamed[row])
        np.testing.assert_allclose(audio, streamed[row], atol=1e-5)
