"""Reader of TensorFlow Datasets' NSynth: `tfds:nsynth/full`, `tfds:nsynth/gansynth_subset`, ... `[:version]`.

Data sets are opened from where they were prepared; nothing is ever downloaded.
"""

from __future__ import annotations

import os
import pathlib
import re
from typing import TYPE_CHECKING, Any, Unpack

from nsynth_vae.data.readers.record_files import RecordSource
from nsynth_vae.data.readers.record_shards import Shard
from nsynth_vae.data.source import SPLITS, ReaderOptions
from nsynth_vae.errors import InputError
from nsynth_vae.notes import QUALITIES, UNKNOWN

if TYPE_CHECKING:
    import tensorflow as tf

_SPEC = re.compile(r"tfds:(?P<name>\w+)(?:/(?P<config>[\w.\-]+))?(?::(?P<version>\d+\.\d+\.\d+))?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def open_tfds(
    spec: str, *, data_dir: str | os.PathLike | None = None, **options: Unpack[ReaderOptions]
) -> RecordSource:
    """Open a prepared data set by name.

    Args:
        spec: `tfds:NAME[/CONFIG][:VERSION]`; without a version, the newest that is prepared; `tfds:nsynth` is
            its `full`.
        data_dir: folder of the data sets; None for TFDS's default (`$TFDS_DATA_DIR` or `~/tensorflow_datasets`).
        options: see `ReaderOptions`.

    Raises:
        InputError: if the name is malformed, or the data set is not prepared there; names the command that does it.
        BadNoteError: for the first invalid record, if the policy is `error`.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise InputError(f"{spec}: not a data set's name, expected tfds:NAME/CONFIG:VERSION such as tfds:nsynth/full")
    if data_dir is None:
        data_dir = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    root = pathlib.Path(data_dir).expanduser()
    config = match["config"] or ("full" if match["name"] == "nsynth" else "")
    folder = root / match["name"] / config
    versions = [child.name for child in folder.iterdir() if _is_prepared(child)] if folder.is_dir() else []
    wanted = [version for version in versions if match["version"] in (None, version)]
    if not wanted:
        name = "/".join(part for part in (match["name"], config) if part) + (
            f":{match['version']}" * bool(match["version"])
        )
        found = f"found {', '.join(sorted(versions))}" if versions else "it is not there"
        raise InputError(
            f"{spec}: not prepared in {root} ({found}), expected {folder / (match['version'] or 'VERSION')}; "
            f"to prepare it (NSynth is a download of 73 GB): tfds build {name} --data_dir {root}"
        )
    newest = max(wanted, key=lambda version: tuple(map(int, version.split("."))))
    return open_tfds_folder(folder / newest, name=spec, **options)


def _is_prepared(folder: pathlib.Path) -> bool:
    return _VERSION.fullmatch(folder.name) is not None and (folder / "dataset_info.json").is_file()


def open_tfds_folder(
    folder: str | os.PathLike, *, name: str | None = None, **options: Unpack[ReaderOptions]
) -> RecordSource:
    """Open the folder of one version of a prepared data set; see `open_tfds`."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder_from_directory(folder)
        info = builder.info
        missing = {"id", "audio", "pitch"} - set(info.features)
        files = [(split, file) for split in info.splits for file in info.splits[split].filepaths]
    except Exception as error:  # TFDS raises many kinds for a damaged folder.
        text = (str(error).splitlines() or [""])[0]
        raise InputError(f"{folder}: not a prepared data set ({type(error).__name__}: {text})") from error
    if missing:
        raise InputError(f"{name or folder}: has no {', '.join(sorted(missing))}, expected NSynth's features")
    shards = []
    for split, file in files:
        if ".tfrecord" not in file.name:
            raise InputError(f"{file}: expected a data set that was prepared as TFRecord files")
        shards.append(Shard(os.fspath(file), SPLITS.index(split) if split in SPLITS else UNKNOWN))
    return TFDSSource(name or str(folder), shards, info.features, **options)


class TFDSSource(RecordSource):
    """Notes of a prepared data set, parsed by its own features."""

    def __init__(self, name: str, shards: list[Shard], features: Any, **options: Unpack[ReaderOptions]) -> None:
        """Read the labels; see `RecordSource`. `features` are the data set's (`builder.info.features`)."""
        self._features = features
        super().__init__(name, shards, **options)

    def _parse(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        found = self._features.deserialize_example(record)
        unknown = tf.constant(UNKNOWN, tf.int64)
        instrument, flags = found.get("instrument", {}), found.get("qualities", {})
        qualities = [tf.cast(flags[name], tf.int64) if name in flags else unknown for name in QUALITIES]
        return {
            "audio": tf.cast(found["audio"], tf.float32),
            "note_str": found["id"],
            "instrument_str": tf.constant(""),
            "pitch": found["pitch"],
            "velocity": found.get("velocity", unknown),
            "family": instrument.get("family", unknown),
            "source": instrument.get("source", unknown),
            "sample_rate": tf.constant(self._features["audio"].sample_rate or UNKNOWN, tf.int64),
            "qualities": tf.stack(qualities),
        }
