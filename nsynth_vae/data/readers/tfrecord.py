"""Reader of NSynth's TFRecord files: `tf.train.Example` with the fields of the official `nsynth-train.tfrecord`.

`audio`: float `[64000]`; `pitch`, `velocity`, `sample_rate`, `instrument_family`, `instrument_source`: int64;
`qualities`: int64 `[10]`; `note_str`, `instrument_str`: bytes. All but `audio`, `pitch` and one of the two
names may be missing. Numbers may be stored as float, in any of the records: 60.0 is 60.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nsynth_vae.data.readers.nsynth_json import split_of
from nsynth_vae.data.readers.record_files import RecordSource
from nsynth_vae.data.readers.record_shards import Shard
from nsynth_vae.data.source import ReaderOptions
from nsynth_vae.errors import InputError
from nsynth_vae.notes import UNKNOWN

if TYPE_CHECKING:
    import tensorflow as tf


_NUMBERS = {
    "pitch": "pitch",
    "velocity": "velocity",
    "sample_rate": "sample_rate",
    "family": "instrument_family",
    "source": "instrument_source",
}
"""Label -> its key in a record."""

_STRINGS = ("note_str", "instrument_str")
_KINDS = {"float_list": "floats", "int64_list": "integers", "bytes_list": "bytes"}
"""Kinds of values of a `tf.train.Feature`, in words."""


class TFRecordSource(RecordSource):
    """NSynth's TFRecord files; a file's split is a word of its name, as in `nsynth-train.tfrecord`."""

    def __init__(self, files: Sequence[str], *, name: str | None = None, **options: Unpack[ReaderOptions]) -> None:
        """Read the labels; see `RecordSource`."""
        shards = [Shard(str(file), split_of(pathlib.Path(file).name)) for file in files]
        self._floats = _float_keys(shards[0])
        super().__init__(name or ", ".join(map(str, files)), shards, **options)

    def _parse(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        fields = {"audio": _values(tf.float32)} | {key: _values(tf.string) for key in _STRINGS}
        for key in (*_NUMBERS.values(), "qualities"):
            fields[key] = _values(tf.float32 if key in self._floats else tf.int64)
        found = tf.io.parse_single_example(record, fields)
        labels = {
            name: tf.concat([found[key], tf.constant([UNKNOWN], found[key].dtype)], 0)[0]
            for name, key in _NUMBERS.items()
        }
        labels |= {key: tf.concat([found[key], [""]], 0)[0] for key in _STRINGS}
        return labels | {"audio": found["audio"], "qualities": found["qualities"]}

    def _parse_audio(self, record: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.io.parse_single_example(record, {"audio": _values(tf.float32)})["audio"]

    def _parse_slowly(self, record: bytes) -> dict:
        """Parse a record with floats where the first one has integers, or name what is of another kind."""
        import tensorflow as tf

        features = _features(record)

        def values(key: str, *kinds: str) -> Sequence:
            kind = features[key].WhichOneof("kind") if key in features else None
            if kind is None:
                return ()
            if kind not in kinds:
                expected = " or ".join(_KINDS[one] for one in kinds)
                raise InputError(f"has {key} as {_KINDS[kind]}, expected {expected}")
            return getattr(features[key], kind).value

        values("audio", "float_list")
        # 64000 Python floats would take 10 ms.
        labels: dict = {"audio": self._parse_audio(tf.constant(record))}
        labels |= {key: (*values(key, "bytes_list"), b"")[0] for key in _STRINGS}
        for name, key in {**_NUMBERS, "qualities": "qualities"}.items():
            found = values(key, "int64_list", "float_list")
            labels[name] = np.array(found) if key == "qualities" else np.array([*found, UNKNOWN])[0]
        return labels


def _values(dtype: tf.DType) -> tf.io.FixedLenSequenceFeature:
    import tensorflow as tf

    return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)


def _features(record: bytes) -> Mapping[str, tf.train.Feature]:
    """Return the features of a `tf.train.Example`.

    Raises:
        InputError: if it is none.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        return tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise InputError("is no tf.train.Example, expected one with NSynth's fields") from error


def _float_keys(shard: Shard) -> set[str]:
    """Return the keys that the first record of a file stores as floats; none if it cannot be read.

    A guess, so that the records of such files are parsed in the graph.
    """
    import tensorflow as tf

    records = tf.data.TFRecordDataset(os.fsencode(shard.path), shard.compression)
    try:
        features = _features(next(iter(records)).numpy())
    except (StopIteration, tf.errors.OpError, InputError):
        # What is wrong with it is named where the labels are read.
        return set()
    return {key for key in features if features[key].WhichOneof("kind") == "float_list"}
