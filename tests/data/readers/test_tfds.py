"""TensorFlow Datasets' NSynth, prepared by the real builder class with our own notes."""

import pathlib
import pickle

import numpy as np
import pytest
from conftest import read_audio, sine

from nsynth_vae.data.open_sources import open_source
from nsynth_vae.data.source import SPLITS, BadNotes
from nsynth_vae.errors import InputError
from nsynth_vae.notes import FAMILIES, QUALITIES, SOURCES

NOTES = {
    "train": ["guitar_acoustic_001-060-100", "guitar_acoustic_001-064-025", "flute_synthetic_002-069-075"],
    "valid": ["vocal_electronic_003-050-127"],
    "test": ["synth_lead_synthetic_004-040-050"],
}


def prepare(data_dir: pathlib.Path, config: str, audio: dict | None = None) -> pathlib.Path:
    """Runs the installed nsynth builder's `download_and_prepare` on `NOTES`; returns the version's folder."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered
    from tensorflow_datasets.datasets.nsynth import nsynth_dataset_builder as official

    labels = sorted({name.rsplit("-", 2)[0] for names in NOTES.values() for name in names})

    def note(name: str) -> dict:
        instrument, pitch, velocity = name.rsplit("-", 2)
        family, source, _ = instrument.rsplit("_", 2)
        found = {
            "id": name,
            "audio": (audio or {}).get(name, sine(440 * 2 ** ((int(pitch) - 69) / 12))),
            "pitch": int(pitch),
            "velocity": int(velocity),
            "instrument": {"label": instrument, "family": family, "source": source},
            "qualities": {quality: quality == "reverb" for quality in QUALITIES},
        }
        if "f0" in config:
            found["f0"] = {key: np.zeros(1000, np.float32) for key in ("hz", "midi", "confidence")}
            found["loudness"] = {"db": np.zeros(1000, np.float32)}
        return found

    with registered.skip_registration():

        class Nsynth(official.Builder):
            """The real builder: its features, configs and version; only without download and Beam."""

            pkg_dir_path = pathlib.Path(official.__file__).parent

            def _info(self):
                info = super()._info()
                info._metadata = tfds.core.MetadataDict(sample_rate=16000)
                return info

            def _split_generators(self, dl_manager):
                self.info.features["instrument"]["label"].names = labels + [
                    f"other_{k}" for k in range(1006 - len(labels))
                ]
                return {split: [(name, note(name)) for name in names] for split, names in NOTES.items()}

    builder = Nsynth(config=config, data_dir=str(data_dir))
    builder.download_and_prepare()
    return pathlib.Path(builder.data_dir)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("tensorflow_datasets")
    for config in ("full", "gansynth_subset.f0_and_loudness"):
        prepare(root, config)
    return root


def open_it(spec, config, data_dir=None, bad_notes=None):
    keywords = {"audio": config, "bad_notes": bad_notes or BadNotes(), "log": lambda text: None}
    return open_source(spec, data_dir=data_dir, **keywords)


@pytest.mark.parametrize(
    "spec", ["nsynth/full", "nsynth", "nsynth/full:2.3.3", "nsynth/gansynth_subset.f0_and_loudness"]
)
def test_notes_of_a_prepared_data_set(data_dir, audio_config, spec):
    source = open_it(f"tfds:{spec}", audio_config, data_dir)
    table = source.table
    assert sorted(table.note_str) == sorted(name for names in NOTES.values() for name in names)
    for row, name in enumerate(table.note_str):
        instrument, pitch, velocity = name.rsplit("-", 2)
        family, kind, _ = instrument.rsplit("_", 2)
        assert name in NOTES[SPLITS[table.split[row]]]
        assert (table.pitch[row], table.velocity[row]) == (int(pitch), int(velocity))
        assert table.instrument_str[row] == instrument
        assert FAMILIES[table.instrument_family[row]] == family
        assert SOURCES[table.instrument_source[row]] == kind
        assert table.qualities[row].tolist() == [int(quality == "reverb") for quality in QUALITIES]
        assert ".tfrecord-00000-of-00001: record " in source.location(row)
    for order in (None, (1, 2)):
        found = read_audio(source, None, order)
        assert sorted(row for row, _, _ in found) == list(range(5))
        for row, audio, problem in found:
            assert problem == ""
            np.testing.assert_array_equal(audio, sine(440 * 2 ** ((table.pitch[row] - 69) / 12)))


def test_some_notes_can_be_sent_to_another_process(data_dir, audio_config):
    source = open_it("tfds:nsynth/full", audio_config, data_dir)
    rows = np.array([4, 1])
    part = pickle.loads(pickle.dumps(source.subset(rows)))
    assert list(part.table.note_str) == list(source.table.note_str[[1, 4]])
    assert [part.location(row) for row in range(2)] == [source.location(row) for row in (1, 4)]
    assert [part.fingerprint(row) for row in range(2)] == [source.fingerprint(row) for row in (1, 4)]
    whole = {row: audio for row, audio, _ in read_audio(source, None, None)}
    for row, audio, problem in read_audio(part, None, None):
        assert problem == ""
        np.testing.assert_array_equal(audio, whole[(1, 4)[row]])


def test_default_data_dir_and_folder(data_dir, audio_config, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    assert len(open_it("tfds:nsynth/full", audio_config).table) == 5
    assert len(open_it(data_dir / "nsynth" / "full" / "2.3.3", audio_config).table) == 5


def test_newest_version(data_dir, audio_config, tmp_path):
    for version in ("2.3.3", "2.10.0"):
        folder = tmp_path / "nsynth" / "full" / version
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(data_dir / "nsynth" / "full" / "2.3.3")
    assert "2.10.0" in open_it("tfds:nsynth/full", audio_config, tmp_path).location(0)
    assert "2.3.3" in open_it("tfds:nsynth/full:2.3.3", audio_config, tmp_path).location(0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "tfds:nsynth/gansynth_subset",
            r"not prepared in .*it is not there.*tfds build nsynth/gansynth_subset --data_dir",
        ),
        ("tfds:nsynth/full:2.0.0", r"found 2.3.3\), expected .*2.0.0.*tfds build nsynth/full:2.0.0"),
        ("tfds:other", r"not prepared in .*tfds build other --data_dir"),
        ("tfds:", "not a data set's name, expected tfds:NAME"),
        ("tfds:nsynth/full:latest", "not a data set's name"),
    ],
)
def test_what_is_not_prepared(data_dir, audio_config, spec, message):
    with pytest.raises(InputError, match=message) as error:
        open_it(spec, audio_config, data_dir)
    assert str(error.value).startswith(spec)
    assert "\n" not in str(error.value)


def test_damaged_folder(data_dir, audio_config, tmp_path):
    folder = tmp_path / "nsynth" / "full" / "2.3.3"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError, match="not a prepared data set") as error:
        open_it("tfds:nsynth/full", audio_config, tmp_path)
    assert "\n" not in str(error.value)


def test_other_data_sets_are_refused(audio_config, tmp_path):
    import tensorflow_datasets as tfds

    folder = tmp_path / "digits" / "1.0.0"
    features = tfds.features.FeaturesDict({"x": np.int64})
    folder.mkdir(parents=True)
    writer = tfds.core.SequentialWriter(
        tfds.core.DatasetInfo(
            builder=tfds.core.DatasetIdentity(
                name="digits", version=tfds.core.Version("1.0.0"), data_dir=str(folder), module_name=""
            ),
            features=features,
        ),
        max_examples_per_shard=10,
    )
    writer.initialize_splits(["train"])
    writer.add_examples({"train": [{"x": 1}]})
    writer.close_all()
    with pytest.raises(InputError, match="has no audio, id, pitch, expected NSynth's features"):
        open_it("tfds:digits", audio_config, tmp_path)


def test_bad_records(audio_config, tmp_path, skip):
    silent = {"vocal_electronic_003-050-127": np.zeros(64000, np.float32)}
    prepare(tmp_path, "full", silent)
    source = open_it("tfds:nsynth/full", audio_config, tmp_path, skip)
    assert len(source.table) == 4
    assert (source.table.split == 1).sum() == 0
    (place,) = skip.skipped
    assert "nsynth-valid.tfrecord" in place
    assert place.endswith(": record 0")
    assert "silent" in skip.skipped[place]
