"""Reader of NSynth's TFRecord files: `tf.train.Example` with the fields of the official `nsynth-train.tfrecord`.

`audio`: float `[64000]`; `pitch`, `velocity`, `sample_rate`, `instrument_family`, `instrument_source`: int64;
`qualities`: int64 `[10]`; `note_str`, `instrument_str`: bytes. All but `audio`, `pitch` and one of the two
names may be missing. Numbers may be stored as float: 60.0 is 60.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from nsynth_vae.data.readers.nsynth_json import split_of
from nsynth_vae.data.readers.record_files import RecordSource, Shard
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

_SHARD = re.compile(r"(?P<before>.+)-\d{5,}-of-(?P<count>\d{5,})(?P<after>.*)")


def check_shards(files: Sequence[str]) -> None:
    """Check that of each file of several, as `NAME-00001-of-00003`, the others are there.

    Raises:
        InputError: if one is not; names it.
    """
    for file in map(pathlib.Path, files):
        match = _SHARD.fullmatch(file.name)
        if match is None:
            continue
        digits = len(match["count"])
        for index in range(int(match["count"])):
            shard = file.with_name(f"{match['before']}-{index:0{digits}}-of-{match['count']}{match['after']}")
            if not shard.exists():
                raise InputError(f"{shard}: is not there, expected all {int(match['count'])} shards of {file.name}")


class TFRecordSource(RecordSource):
    """NSynth's TFRecord files; a file's split is a word of its name, as in `nsynth-train.tfrecord`."""

    def __init__(self, files: Sequence[str], *, name: str | None = None, **options: Unpack[ReaderOptions]) -> None:
        """Read the labels; see `RecordSource`."""
        shards = [Shard(str(file), split_of(pathlib.Path(file).name)) for file in files]
        self._floats = _float_keys(shards[0])
        super().__init__(name or ", ".join(map(str, files)), shards, **options)

    def _parse(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        def values(dtype: tf.DType) -> tf.io.FixedLenSequenceFeature:
            return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)

        strings = ("note_str", "instrument_str")
        fields = {"audio": values(tf.float32)} | {key: values(tf.string) for key in strings}
        for key in (*_NUMBERS.values(), "qualities"):
            fields[key] = values(tf.float32 if key in self._floats else tf.int64)
        found = tf.io.parse_single_example(record, fields)
        labels = {
            name: tf.concat([found[key], tf.constant([UNKNOWN], found[key].dtype)], 0)[0]
            for name, key in _NUMBERS.items()
        }
        labels |= {key: tf.concat([found[key], [""]], 0)[0] for key in strings}
        return labels | {"audio": found["audio"], "qualities": found["qualities"]}


def _float_keys(shard: Shard) -> set[str]:
    """Return the keys that the first record of a file stores as floats; none if it cannot be read."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    records = tf.data.TFRecordDataset(os.fsencode(shard.path), shard.compression)
    try:
        example = tf.train.Example.FromString(next(iter(records)).numpy())
    except (StopIteration, tf.errors.OpError, DecodeError):
        # What is wrong with it is named where the labels are read.
        return set()
    features = example.features.feature
    return {key for key in features if features[key].WhichOneof("kind") == "float_list"}
